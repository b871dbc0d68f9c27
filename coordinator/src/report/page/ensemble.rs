//! An ensemble beside its best member.

use maud::{Markup, html};

use super::{
    super::{EnsembleSummary, Report, charts},
    Part,
    table::{four, maybe, table},
};
use crate::cli::text::{count, plural};

/// Votes and members, where there is an ensemble.
pub(super) fn ensemble(report: &Report) -> Option<Part> {
    let summary = report.ensemble.as_ref()?;
    let picture = charts::ensemble(summary);
    let best = summary.best_member();
    let gain =
        |accuracy: f64| best.map_or_else(String::new, |best| format!("{:+.4}", accuracy - best.accuracy));
    let mut rows: Vec<Vec<String>> = summary
        .rows
        .iter()
        .map(|row| {
            let temperature = format!("{:.3}", row.temperature);
            let (loss, scaled_loss) = (maybe(row.loss), four(row.scaled_loss));
            vec![row.vote.clone(), four(row.accuracy), loss, temperature, scaled_loss, gain(row.accuracy)]
        })
        .collect();
    rows.extend(best.map(|best| {
        vec![
            format!("best member (trial {})", best.trial),
            four(best.accuracy),
            four(best.loss),
            String::new(),
            String::new(),
            String::new(),
        ]
    }));
    let chosen = summary.rows.iter().position(|row| row.vote == summary.chosen);
    let columns = [
        ("vote", false),
        ("accuracy", false),
        ("loss", false),
        ("temperature", false),
        ("loss at it", false),
        ("against the best member", false),
    ];
    let members: Vec<Vec<String>> = summary
        .members
        .iter()
        .map(|member| vec![member.trial.to_string(), four(member.accuracy), four(member.loss)])
        .collect();
    let body = html! {
        p {
            "Study " (summary.name) ": " (voters(summary)) " on the test part"
            @if let Some(samples) = summary.clean_samples {
                ", of which the " (count(samples)) " samples count that did not validate"
            }
            ". "
            @if let Some(vote) = summary.chosen_vote() {
                "The " (vote.vote) " is the best on the validation part, which also fits a temperature to each vote: " (format!("{:.3}", vote.temperature)) " \
                to this one, with a loss of " (four(vote.scaled_loss)) ". "
            }
            "The dashed line is the member that is best on the validation part, on its own."
        }
        p { (compared(report, summary)) }
        (picture.scrolled())
        (table("ensemble-votes", &columns, &rows, chosen))
        details { summary { "Members as a table" } (table("ensemble-members", &[("trial", false), ("accuracy", false), ("loss", false)], &members, None)) }
    };
    Some(Part { id: "ensemble-part", heading: "Ensemble", body, pictures: vec![picture] })
}

fn voters(summary: &EnsembleSummary) -> String {
    match summary.members.len() as u64 {
        1 => "1 member votes".to_owned(),
        members => format!("{} vote", plural(members, "member")),
    }
}

/// What the best member is chosen by, which may be another trial than the best one on the same page.
fn compared(report: &Report, summary: &EnsembleSummary) -> Markup {
    let best = report.header.best.trial;
    html! {
        "Members are compared by the answers that they vote with: those of trained models, which with " code { "flip_averaging" } " and "
        code { "shift_averaging" } " are means over copies of each image."
        @if report.vote().is_some() && summary.best != best {
            " So their best is trial " (summary.best) ", and the study's best trial is " (best) ", by the " (report.header.metric) " that was \
            measured in training."
        }
    }
}

#[cfg(test)]
mod tests {
    use common::ids::TrialNumber;

    use super::*;
    use crate::report::{Subject, fixture};

    fn shown(subject: &Subject) -> String {
        ensemble(&Report::new(subject).unwrap()).unwrap().body.into_string()
    }

    #[test]
    fn the_vote_that_is_chosen_is_told_with_its_temperature() {
        let subject = Subject { ensemble: Some(fixture::ensemble("other")), ..fixture::subject() };
        let text = shown(&subject);
        assert!(text.contains("Study other: 2 members vote on the test part"), "{text}");
        let said = "The soft vote is the best on the validation part, which also fits a temperature to each vote: 0.712 to this one, \
                    with a loss of 0.1800.";
        assert!(text.contains(said), "{text}");
        let row = "<td>0.9500</td><td>0.1900</td><td>0.712</td><td>0.1800</td><td>+0.0200</td>";
        assert!(
            text.contains(&format!("<tr class=\"best\"><th scope=\"row\">soft vote</th>{row}")),
            "{text}"
        );
        assert!(!text.contains("the study's best trial"), "another study's trials: {text}");
    }

    #[test]
    fn two_bests_of_one_study_say_what_each_is_by() {
        let subject = Subject { ensemble: Some(fixture::ensemble("s")), ..fixture::subject() };
        let said = "So their best is trial 7, and the study's best trial is 8, by the val_accuracy that was measured in training.";
        assert!(shown(&subject).contains(said), "{}", shown(&subject));
        let mut alone = subject.clone();
        alone.ensemble.as_mut().unwrap().best = TrialNumber(8);
        alone.ensemble.as_mut().unwrap().members.remove(0);
        let text = shown(&alone);
        assert!(text.contains("1 member votes on") && !text.contains("So their best"), "{text}");
    }
}
