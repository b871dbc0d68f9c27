use maud::html;

use super::super::{
    importance::Importance,
    picture::{Picture, label, named, px},
};

const LEFT: f64 = 150.0;
const WIDTH: f64 = 760.0;
const ROW: f64 = 24.0;

/// The longest name of a hyperparameter that is written out.
const MAX_NAME_CHARS: usize = 20;

/// How much of the variance each hyperparameter explains, with one standard deviation over trees.
pub(in crate::report) fn importance(importance: &Importance) -> Picture {
    let most = importance.shares.iter().map(|share| share.share + share.deviation).fold(0.05, f64::max);
    let across = |share: f64| LEFT + share / most * (WIDTH - LEFT - 70.0);
    let body = html! {
        @for (row, share) in importance.shares.iter().enumerate() {
            @let middle = row as f64 * ROW + ROW / 2.0;
            @let (low, high) = ((share.share - share.deviation).max(0.0), share.share + share.deviation);
            text x=(px(LEFT - 8.0)) y=(px(middle + 4.0)) text-anchor="end" { (named(&share.hparam, MAX_NAME_CHARS)) }
            rect class="bar" x=(px(LEFT)) y=(px(middle - 8.0)) width=(px(across(share.share) - LEFT)) height="16" rx="2" {
                title { (format!("{}: {:.1} % of the variance", share.hparam, 100.0 * share.share)) }
            }
            line class="whisker" x1=(px(across(low))) x2=(px(across(high))) y1=(px(middle)) y2=(px(middle)) {}
            (label(across(high) + 8.0, middle + 4.0, "start", &format!("{:.1} %", 100.0 * share.share)))
        }
        line class="axis" x1=(px(LEFT)) x2=(px(LEFT)) y1="0" y2=(px(importance.shares.len() as f64 * ROW)) {}
    };
    Picture {
        name: "importance".to_owned(),
        title: "share of the variance that each hyperparameter explains".to_owned(),
        width: WIDTH,
        height: importance.shares.len() as f64 * ROW,
        body,
    }
}
