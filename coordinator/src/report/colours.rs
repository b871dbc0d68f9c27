//! Colours by name: what the page's style calls `var(--name)`.

/// The colours as the page declares them: those of light screens, of dark ones, and of paper.
pub(super) const STYLE: &str = include_str!("page/colours.css");

/// Colours by their names.
type Palette = Vec<(&'static str, &'static str)>;

/// A style with the colours of light screens in place of their names.
pub(super) fn light(style: &str) -> String {
    palettes().next().map_or_else(|| style.to_owned(), |palette| filled_in(style, &palette))
}

/// The class of text on a step, from 0, of one of the two scales of nine colours.
pub(super) fn ink(step: usize) -> &'static str {
    if step >= 5 { "on-strong" } else { "on-weak" }
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

    /// The contrast ratio of two of a palette's colours, as the Web Content Accessibility Guidelines define it.
    fn contrast(palette: &Palette, one: &str, other: &str) -> f64 {
        let luminance = |name: &str| {
            let (_, value) = palette.iter().find(|(colour, _)| *colour == name).unwrap();
            let part = |at: usize| f64::from(u8::from_str_radix(&value[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |part: f64| {
                if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn texts_and_lines_stand_out() {
        for (place, palette) in palettes().enumerate() {
            let enough = |one: &str, other: &str, least: f64| {
                let ratio = contrast(&palette, one, other);
                assert!(ratio >= least, "palette {place}: {one} on {other} has {ratio:.2}:1, not {least}:1");
            };
            for text in ["ink", "ink-2", "c1"] {
                enough(text, "paper", 4.5);
            }
            for line in ["c1", "c2", "quiet", "axis", "failed"] {
                enough(line, "paper", 3.0);
            }
            for step in 0..9 {
                enough(ink(step), &format!("v{step}"), 4.5);
                enough(ink(step), &format!("w{step}"), 4.5);
            }
        }
    }
}
