use maud::{Markup, html};

use super::super::{
    confusion::Confusion,
    picture::{Picture, label, px},
};

/// Above so many classes cells have no numbers: they would not be legible.
const MOST_NUMBERS: usize = 30;

/// How often each class was taken for each: right ones in blue, mistakes in red, by the share of the true class.
pub(in crate::report) fn confusion(confusion: &Confusion, classes: &[String]) -> Picture {
    let count = classes.len();
    let cell = (600.0 / count as f64).clamp(6.0, 52.0);
    let longest = classes.iter().map(|class| class.chars().count()).max().unwrap_or(0) as f64;
    let (left, top) = (longest.min(24.0) * 6.8 + 34.0, 18.0);
    let side = cell * count as f64;
    let below = longest.min(24.0) * 4.9 + 44.0;
    let middle = top + side / 2.0;
    let body = html! {
        (label(left + side / 2.0, top + side + below - 8.0, "middle", "predicted class"))
        text x="12" y=(px(middle)) text-anchor="middle" transform=(format!("rotate(-90 12 {})", px(middle))) { "true class" }
        @if count <= 60 {
            @for (class, name) in classes.iter().enumerate() {
                @let place = (class as f64 + 0.5) * cell;
                @let (x, y) = (left + place + 4.0, top + side + 12.0);
                (label(left - 7.0, top + place + 4.0, "end", name))
                text x=(px(x)) y=(px(y)) text-anchor="end" transform=(format!("rotate(-40 {} {})", px(x), px(y))) { (name) }
            }
        }
        @for (label, row) in confusion.counts.iter().enumerate() {
            @let total = confusion.of_class(label).max(1);
            @for (predicted, times) in row.iter().enumerate() {
                @let title = format!("{} taken for {}: {times} of {total}", classes[label], classes[predicted]);
                (square(
                    (left + predicted as f64 * cell, top + label as f64 * cell, cell - 1.0),
                    (*times, *times as f64 / total as f64),
                    (label == predicted, count <= MOST_NUMBERS),
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
    let ink = if level >= 5 { "on-strong" } else { "on-weak" };
    html! {
        rect class=(class) x=(px(x)) y=(px(y)) width=(px(side)) height=(px(side)) rx="2" {
            title { (title) }
        }
        @if number && times > 0 {
            text class=(ink) x=(px(x + side / 2.0)) y=(px(y + side / 2.0 + 4.0)) text-anchor="middle" { (times) }
        }
    }
}
