//! Colours by name: what the page's style calls `var(--name)`.

/// The colours as the page declares them: those of light screens, of dark ones, and of paper.
pub(super) const STYLE: &str = include_str!("page/colours.css");

/// Colours by their names.
type Palette = Vec<(&'static str, &'static str)>;

/// A style with the colours of light screens in place of their names.
pub(super) fn light(style: &str) -> String {
    palettes().next().map_or_else(|| style.to_owned(), |palette| filled_in(style, &palette))
}

fn filled_in(style: &str, palette: &Palette) -> String {
    palette
        .iter()
        .fold(style.to_owned(), |style, (name, value)| style.replace(&format!("var(--{name})"), value))
}

/// The palettes in the order in which they are declared.
fn palettes() -> impl Iterator<Item = Palette> {
    let blocks = STYLE.split(":root {").skip(1).filter_map(|rest| rest.split('}').next());
    let colour = |declaration: &'static str| declaration.trim().strip_prefix("--")?.split_once(": ");
    blocks.map(move |block| block.split(';').filter_map(colour).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::picture;

    #[test]
    fn every_palette_has_each_colour_of_a_picture() {
        let styles = palettes().map(|palette| filled_in(picture::STYLE, &palette));
        assert!(styles.into_iter().all(|style| !style.contains("var(")));
        assert_eq!(palettes().count(), 3, "light, dark, paper");
        assert_eq!(light("a { fill: var(--ink-2); }"), "a { fill: #5b5a55; }");
    }
}
