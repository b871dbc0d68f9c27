//! An ensemble beside its best member.

use maud::html;

use super::{
    super::{EnsembleSummary, charts},
    Part,
    table::{four, maybe, table},
};
use crate::cli::text::count;

/// Votes and members.
pub(super) fn ensemble(summary: &EnsembleSummary) -> Part {
    let picture = charts::ensemble(summary);
    let best = summary.best_member();
    let gain =
        |accuracy: f64| best.map_or_else(String::new, |best| format!("{:+.4}", accuracy - best.accuracy));
    let mut rows: Vec<Vec<String>> = summary
        .rows
        .iter()
        .map(|row| vec![row.vote.clone(), four(row.accuracy), maybe(row.loss), gain(row.accuracy)])
        .collect();
    rows.extend(best.map(|best| {
        vec![
            format!("best member (trial {})", best.trial),
            four(best.accuracy),
            four(best.loss),
            String::new(),
        ]
    }));
    let members: Vec<Vec<String>> = summary
        .members
        .iter()
        .map(|member| vec![member.trial.to_string(), four(member.accuracy), four(member.loss)])
        .collect();
    let body = html! {
        p {
            "Study " (summary.name) ": " (count(summary.members.len() as u64)) " members vote on the test part"
            @if let Some(samples) = summary.clean_samples {
                ", of which the " (count(samples)) " samples count that did not validate"
            }
            ". The dashed line is the member that is best on the validation part, on its own."
        }
        (picture.inline())
        (table("ensemble-votes", &[("vote", false), ("accuracy", false), ("loss", false), ("against the best member", false)], &rows, None))
        details { summary { "Members as a table" } (table("ensemble-members", &[("trial", false), ("accuracy", false), ("loss", false)], &members, None)) }
    };
    Part { id: "ensemble-part", heading: "Ensemble", body, pictures: vec![picture] }
}
