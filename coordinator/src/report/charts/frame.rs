use maud::{Markup, html};

use super::{
    super::picture::{label, px},
    scale::Scale,
};
use crate::cli::text::count;

/// Room for labels left of and below a chart.
const LEFT: f64 = 52.0;
const BELOW: f64 = 38.0;
const ABOVE: f64 = 30.0;

/// A chart's area between two axes.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

impl Frame {
    /// The place of a value.
    pub(super) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (self.across(x), self.down(y))
    }

    /// How far right a value is.
    pub(super) fn across(&self, x: f64) -> f64 {
        LEFT + self.x.at(x) * (self.width - LEFT - 12.0)
    }

    /// How far down a value is.
    pub(super) fn down(&self, y: f64) -> f64 {
        self.height - BELOW - self.y.at(y) * (self.height - ABOVE - BELOW)
    }

    /// Grid, ticks and the axes' names; `whole` puts ticks of x at whole numbers only.
    pub(super) fn axes(&self, x_name: &str, y_name: &str, whole: bool) -> Markup {
        let (left, right) = (LEFT, self.width - 12.0);
        let floor = self.height - BELOW;
        // A short axis has ticks between whole numbers, which count for the decimals that texts would have.
        let x_ticks = self.x.ticks(6).into_iter().filter(|tick| !whole || (tick - tick.round()).abs() < 1e-9);
        let x_text = |tick: f64| if whole { count(tick.round() as u64) } else { self.x.text(tick, 6) };
        html! {
            @for tick in self.y.ticks(5) {
                @let y = self.down(tick);
                line class="grid" x1=(px(left)) x2=(px(right)) y1=(px(y)) y2=(px(y)) {}
                (label(left - 7.0, y + 4.0, "end", &self.y.text(tick, 5)))
            }
            line class="axis" x1=(px(left)) x2=(px(right)) y1=(px(floor)) y2=(px(floor)) {}
            @for tick in x_ticks {
                (label(self.across(tick), floor + 16.0, "middle", &x_text(tick)))
            }
            (label((left + right) / 2.0, self.height - 5.0, "middle", x_name))
            (label(6.0, 15.0, "start", y_name))
        }
    }

    /// Names of lines, at the top on the right: classes and texts.
    pub(super) fn key(&self, entries: &[(&str, &str)]) -> Markup {
        let mut right = self.width - 12.0;
        let places = entries.iter().rev().map(|(class, text)| {
            let (end, width) = (right, text.chars().count() as f64 * 6.6);
            right -= width + 38.0;
            (*class, *text, end - width - 22.0, end)
        });
        html! {
            @for (class, text, from, end) in places {
                line class=(class) x1=(px(from)) x2=(px(from + 16.0)) y1="11" y2="11" {}
                (label(end, 15.0, "end", text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_decimals_however_short_the_axis() {
        let y = Scale { from: 0.81, to: 0.88 };
        let axes = |to: f64, whole| {
            let frame = Frame { width: 352.0, height: 250.0, x: Scale { from: 1.0, to }, y };
            frame.axes("epochs", "loss", whole).into_string()
        };
        let two = axes(2.0, true);
        assert!(two.contains(">1</text>") && two.contains(">2</text>"), "{two}");
        assert!(!two.contains(">1.0<") && !two.contains(">1.2<") && two.contains(">0.82<"), "{two}");
        assert!(axes(2.0, false).contains(">1.2<"));
        assert!(axes(6_000.0, true).contains(">5,000<"));
    }
}
