use maud::html;

use super::{
    super::{
        ensemble::EnsembleSummary,
        picture::{Picture, label, px},
    },
    scale::Scale,
};
use crate::cli::text::plural;

const LEFT: f64 = 150.0;
const WIDTH: f64 = 760.0;
const ROW: f64 = 30.0;

/// Accuracy of every member and of every vote; the dashed line is the best member.
pub(in crate::report) fn ensemble(summary: &EnsembleSummary) -> Picture {
    let votes = summary.rows.iter().map(|row| row.accuracy);
    let scale = Scale::around(summary.members.iter().map(|member| member.accuracy).chain(votes));
    let across = |accuracy: f64| LEFT + scale.at(accuracy) * (WIDTH - LEFT - 80.0);
    let floor = (summary.rows.len() + 1) as f64 * ROW + 6.0;
    let axis = if summary.clean_samples.is_some() { "clean test accuracy" } else { "test accuracy" };
    let body = html! {
        @for tick in scale.ticks(6) {
            line class="grid" x1=(px(across(tick))) x2=(px(across(tick))) y1="0" y2=(px(floor)) {}
            (label(across(tick), floor + 15.0, "middle", &scale.text(tick, 6)))
        }
        (label((LEFT + WIDTH - 80.0) / 2.0, floor + 33.0, "middle", axis))
        @if let Some(best) = summary.best_member() {
            line class="line-ideal" x1=(px(across(best.accuracy))) x2=(px(across(best.accuracy))) y1="0" y2=(px(floor)) {}
        }
        (label(LEFT - 8.0, ROW / 2.0 + 4.0, "end", &plural(summary.members.len() as u64, "member")))
        @for member in &summary.members {
            circle class="dot-quiet" cx=(px(across(member.accuracy))) cy=(px(ROW / 2.0)) r="4.5" {
                title { (format!("trial {}: {:.4}", member.trial, member.accuracy)) }
            }
        }
        @for (row, vote) in (1..).zip(&summary.rows) {
            @let y = f64::from(row) * ROW + ROW / 2.0;
            (label(LEFT - 8.0, y + 4.0, "end", &vote.vote))
            circle class="dot-1" cx=(px(across(vote.accuracy))) cy=(px(y)) r="6" {
                title { (format!("{}: {:.4}", vote.vote, vote.accuracy)) }
            }
            (label(across(vote.accuracy) + 12.0, y + 4.0, "start", &format!("{:.4}", vote.accuracy)))
        }
    };
    let title = "test accuracy of the ensemble's members and votes".to_owned();
    Picture { name: "ensemble".to_owned(), title, width: WIDTH, height: floor + 40.0, body }
}
