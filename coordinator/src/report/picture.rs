use maud::{Markup, PreEscaped, html};

use super::colours;

/// A picture: SVG that stands in the page, in light and dark, or in a file of its own, in the colours of light screens.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    /// The file's name without its end, and the picture's id in the page.
    pub(super) name: String,
    /// What it shows, for those who cannot see it and as its tooltip.
    pub(super) title: String,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) body: Markup,
}

/// How the parts of pictures look in a page that has [`colours::STYLE`].
pub(super) const STYLE: &str = include_str!("page/picture.css");

impl Picture {
    /// Whether some report has a picture of this name.
    pub(super) fn is_known(name: &str) -> bool {
        const NAMES: [&str; 10] = [
            "board-legend",
            "loss",
            "accuracy",
            "top-trials",
            "best-so-far",
            "parallel",
            "importance",
            "confusion",
            "reliability",
            "ensemble",
        ];
        let bracket = || name.strip_prefix("board-").is_some_and(|number| number.parse::<u32>().is_ok());
        NAMES.contains(&name) || bracket()
    }

    /// The picture as part of a page that has [`STYLE`].
    pub(super) fn inline(&self) -> Markup {
        let title = format!("{}-title", self.name);
        html! {
            svg class="picture" id=(self.name) role="img" aria-labelledby=(title) viewBox=(self.view_box())
                style=(format!("max-width:{}px", px(self.width))) {
                title id=(title) { (self.title) }
                (self.body)
            }
        }
    }

    /// The picture as a part of a page that stays legible on narrow screens, where it can be moved.
    pub(super) fn scrolled(&self) -> Markup {
        html! { div class="scroll" { (self.inline()) } }
    }

    /// The picture as a file. What draws it besides browsers, for papers and slides, takes a variable of a style for
    /// black: the colours stand in it as they are.
    pub(super) fn file(&self) -> (String, Vec<u8>) {
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox=(self.view_box())
                width=(px(self.width)) height=(px(self.height)) {
                title { (self.title) }
                style { (PreEscaped(colours::light(STYLE))) }
                rect class="paper" width="100%" height="100%" {}
                (self.body)
            }
        };
        (format!("svg/{}.svg", self.name), svg.into_string().into_bytes())
    }

    fn view_box(&self) -> String {
        format!("0 0 {} {}", px(self.width), px(self.height))
    }
}

/// A length in pixels to a tenth.
pub(super) fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Text at a place: `anchor` is start, middle or end.
pub(super) fn label(x: f64, y: f64, anchor: &str, text: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) text-anchor=(anchor) { (text) } }
}

/// A name, cut where it has more characters than there is room for; its title then is the whole.
pub(super) fn named(name: &str, most: usize) -> Markup {
    if name.chars().count() <= most {
        return html! { (name) };
    }
    let short: String = name.chars().take(most.saturating_sub(1)).collect();
    html! { title { (name) } (short) "…" }
}

/// A line through points, in a class of the style.
pub(super) fn line(class: &str, points: &[(f64, f64)], title: &str) -> Markup {
    let places: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    html! { polyline class=(class) points=(places.join(" ")) { title { (title) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_alone_and_escapes_text() {
        let body = label(1.0, 2.25, "middle", "a < b & c");
        let picture = Picture { name: "p".to_owned(), title: "T".to_owned(), width: 10.0, height: 5.5, body };
        let (name, bytes) = picture.file();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(name, "svg/p.svg");
        assert!(text.contains(r#"viewBox="0 0 10 5.5""#), "{text}");
        assert!(!text.contains("var(") && text.contains(".paper { fill: #fcfcfb; }"), "{text}");
        assert!(
            text.contains(r#"<text x="1" y="2.2" text-anchor="middle">a &lt; b &amp; c</text>"#),
            "{text}"
        );
    }
}
