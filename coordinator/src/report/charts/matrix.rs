use maud::{Markup, html};

use super::super::{
    colours,
    confusion::Confusion,
    picture::{Picture, label, named, px},
};
use crate::cli::text;

/// Above so many classes cells have no numbers, which would not be legible, and those of nothing are one square together.
const MOST_NUMBERS: usize = 30;

/// The room of a class's name: of narrower classes every so many have theirs.
const NAME: f64 = 12.0;

/// The longest name of a class that is written out.
const MAX_NAME_CHARS: usize = 24;

/// How often each class was taken for each: right ones in blue, mistakes in red, by the share of the true class.
pub(in crate::report) fn confusion(confusion: &Confusion, classes: &[String]) -> Picture {
    let count = classes.len();
    let cell = (600.0 / count as f64).clamp(6.0, 52.0);
    let longest =
        classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).min(MAX_NAME_CHARS) as f64;
    let (left, top) = (longest * 6.8 + 34.0, 18.0);
    let side = cell * count as f64;
    let below = longest * 4.9 + 44.0;
    let numbers = count <= MOST_NUMBERS;
    let middle = top + side / 2.0;
    let body = html! {
        (label(left + side / 2.0, top + side + below - 8.0, "middle", "predicted class"))
        text x="12" y=(px(middle)) text-anchor="middle" transform=(format!("rotate(-90 12 {})", px(middle))) { "true class" }
        @for (class, name) in classes.iter().enumerate().step_by((NAME / cell).ceil() as usize) {
            @let place = (class as f64 + 0.5) * cell;
            @let (x, y) = (left + place + 4.0, top + side + 12.0);
            text x=(px(left - 7.0)) y=(px(top + place + 4.0)) text-anchor="end" { (named(name, MAX_NAME_CHARS)) }
            text x=(px(x)) y=(px(y)) text-anchor="end" transform=(format!("rotate(-40 {} {})", px(x), px(y))) { (named(name, MAX_NAME_CHARS)) }
        }
        @if !numbers {
            rect class="none" x=(px(left)) y=(px(top)) width=(px(side - 1.0)) height=(px(side - 1.0)) rx="2" {}
        }
        @for (label, row) in confusion.counts.iter().enumerate() {
            @let total = confusion.of_class(label).max(1);
            @for (predicted, times) in row.iter().enumerate().filter(|(_, times)| numbers || **times > 0) {
                @let (names, of) = ((&classes[label], &classes[predicted]), text::count(total));
                @let title = format!("{} taken for {}: {} of {of}", names.0, names.1, text::count(*times));
                (square(
                    (left + predicted as f64 * cell, top + label as f64 * cell, cell - 1.0),
                    (*times, *times as f64 / total as f64),
                    (label == predicted, numbers),
                    &title,
                ))
            }
        }
    };
    let title = "confusion matrix: rows are true classes, columns predicted ones".to_owned();
    Picture {
        name: "confusion".to_owned(),
        title,
        width: left + side + 30.0,
        height: top + side + below,
        body,
    }
}

fn square(
    (x, y, side): (f64, f64, f64),
    (times, share): (u64, f64),
    (right, number): (bool, bool),
    title: &str,
) -> Markup {
    // The square root lets a few mistakes in a hundred be seen.
    let shade = if right { share * share } else { (share * 2.0).sqrt() };
    let level = ((shade * 9.0) as usize).min(8);
    let class = match (times, right) {
        (0, _) => "none".to_owned(),
        (_, true) => format!("v{level}"),
        (_, false) => format!("w{level}"),
    };
    html! {
        rect class=(class) x=(px(x)) y=(px(y)) width=(px(side)) height=(px(side)) rx="2" {
            title { (title) }
        }
        @if number && times > 0 {
            text class=(colours::ink(level)) x=(px(x + side / 2.0)) y=(px(y + side / 2.0 + 4.0)) text-anchor="middle" { (text::count(times)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture of so many classes, none of which is ever taken for another.
    fn drawn(names: &[String]) -> String {
        let cell = |row: usize, column: usize| u64::from(row == column);
        let row = |row: usize| (0..names.len()).map(|column| cell(row, column)).collect::<Vec<u64>>();
        let counts = (0..names.len()).map(row).collect();
        confusion(&Confusion { counts }, names).body.into_string()
    }

    #[test]
    fn cells_of_nothing_are_one_square_where_there_are_many() {
        let names = |count: usize| (0..count).map(|class| class.to_string()).collect::<Vec<_>>();
        let rects = |count: usize| drawn(&names(count)).matches("<rect").count();
        assert_eq!(rects(MOST_NUMBERS), MOST_NUMBERS * MOST_NUMBERS);
        assert_eq!(rects(256), 1 + 256);
        assert_eq!(drawn(&names(256)).matches("<title>").count(), 256, "the square of nothing has no title");
    }

    #[test]
    fn of_narrow_classes_every_so_many_are_named() {
        let names = |count: usize| (0..count).map(|class| format!("c{class}")).collect::<Vec<_>>();
        // Each stands beside its row, and turned below its column.
        let named = |count: usize| drawn(&names(count)).matches(r#"text-anchor="end">c"#).count();
        assert_eq!([50, 60, 100].map(named), [50, 30, 50]);
    }

    #[test]
    fn long_names_are_shortened_and_their_titles_whole() {
        let long = "é".repeat(MAX_NAME_CHARS + 1);
        let (cut, fits) = ("é".repeat(MAX_NAME_CHARS - 1), "x".repeat(MAX_NAME_CHARS));
        let text = drawn(&[long.clone(), fits.clone()]);
        for part in [
            format!("<title>{long}</title>{cut}…</text>"),
            format!(">{fits}</text>"),
            format!("<title>{long} taken for {long}: 1 of 1</title>"),
        ] {
            assert!(text.contains(&part), "{part} is not in {text}");
        }
    }
}
