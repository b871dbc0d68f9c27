//! `rung best`: the best configuration, ready to paste back into a study or a script.

use std::path::PathBuf;

use clap::Args;
use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::{StudyName, TrialNumber},
    metrics::{CleanMetrics, Metric, TestMetrics},
    study::ModelKind,
    view::{BestView, EndReason, StudyPhase},
};
use serde::Serialize;

use super::{
    args::{FormatArgs, LatestRef, TargetArgs},
    failure::Failure,
    files,
    output::{self, Show, Table},
    rows::{CLEAN, TEST, clean_cells, test_cells},
    text::{count, exact, metric, plural},
};

/// Flags of `rung best`.
#[derive(Debug, Args)]
pub(super) struct BestArgs {
    #[command(flatten)]
    study: LatestRef,
    /// Also write best.json, best.yaml, trials.csv, model.safetensors and model.json to this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// Prints the best trial of a study.
pub(super) async fn run(args: BestArgs) -> Result<(), Failure> {
    let cluster = args.target.target().cluster().await?;
    let best = cluster.best(&args.study.study).await?;
    if let Some(folder) = &args.out {
        let written = files::write(&cluster, &best, folder).await?;
        output::message(&format!("wrote {} to {}", written.join(", "), folder.display()));
    }
    output::show(&BestReport::new(&best), args.output.format)?;
    if args.output.format == output::Format::Table {
        output::data(&format!("\n{}", files::best_yaml(&best)?))?;
    }
    Ok(())
}

/// The best trial as scripts read it. The keys and their order are fixed.
#[derive(Debug, Serialize)]
pub(super) struct BestReport {
    study: StudyName,
    trial: TrialNumber,
    metric: Metric,
    value: Option<f64>,
    epochs: u32,
    hparams: Hparams,
    model: ModelKind,
    parameters: u64,
    weights: Option<Digest>,
    complete: bool,
    end_reason: Option<EndReason>,
    test: Option<TestMetrics>,
    #[serde(skip)]
    phase: StudyPhase,
    /// Whether the study is an ensemble, which answers by a vote.
    #[serde(skip)]
    votes: bool,
}

impl BestReport {
    /// The report on a study's best trial.
    pub(super) fn new(best: &BestView) -> Self {
        // The trial itself may have trained on since.
        let leader = best.study.best.as_ref();
        Self {
            study: best.study.name.clone(),
            trial: best.trial.trial,
            metric: best.study.metric,
            value: leader.map(|leader| leader.value),
            epochs: leader.map_or(best.trial.epochs, |leader| leader.epochs),
            hparams: best.trial.hparams.clone(),
            model: best.spec.model,
            parameters: best.parameters,
            weights: leader.map(|leader| leader.checkpoint.weights),
            complete: best.study.complete,
            end_reason: best.study.end_reason,
            test: best.study.test,
            phase: best.study.phase,
            votes: best.spec.is_ensemble(),
        }
    }
}

impl Show for BestReport {
    fn table(&self) -> String {
        let mut facts = vec![
            ("study", self.study.to_string()),
            ("best trial", format!("{} after {}", self.trial, plural(self.epochs, "epoch"))),
            (self.metric.as_str(), metric(self.value)),
        ];
        match &self.test {
            Some(test) => {
                let score = format!("{:.4} (loss {:.4})", test.accuracy, test.loss);
                match &test.clean {
                    None => facts.push(("test accuracy", score)),
                    Some(clean) => {
                        let CleanMetrics { accuracy, loss, samples } = clean;
                        let text = format!(
                            "{accuracy:.4} (loss {loss:.4}) on the {} clean samples",
                            count(*samples)
                        );
                        facts.push(("test accuracy", text));
                        facts.push(("contaminated", format!("{score} on all, validation samples included")));
                    }
                }
            }
            None if self.phase == StudyPhase::Finished => {
                facts.push(("test accuracy", "none: its evaluation failed".to_owned()));
            }
            None => facts.push(("test accuracy", "not evaluated yet".to_owned())),
        }
        let parameters = match self.parameters {
            0 => self.model.as_str().to_owned(),
            parameters => format!("{}, {} parameters", self.model.as_str(), count(parameters)),
        };
        facts.push(("model", parameters));
        facts.push(("hparams", self.hparams.to_string()));
        if let Some(weights) = &self.weights {
            facts.push(("weights", weights.to_string()));
        }
        if self.votes {
            let text = "one member of an ensemble: `rung ensemble";
            facts.push(("note", format!("{text} {}` shows the vote and its accuracy", self.study)));
        }
        if !self.complete {
            let why = self.end_reason.map(|reason| format!(": {}", reason.words())).unwrap_or_default();
            facts.push(("note", format!("the study has not run its whole plan{why}")));
        }
        output::facts(&facts)
    }

    fn csv(&self) -> Table {
        let head =
            ["study", "trial", "metric", "value", "epochs", "model", "parameters", "weights", "complete"];
        let names = self.hparams.iter().map(|(name, _)| format!("hparams.{name}"));
        let contaminated = self.test.is_some_and(|test| test.clean.is_some());
        let clean = CLEAN.into_iter().filter(|_| contaminated);
        let head = head.into_iter().chain(TEST).chain(clean).map(str::to_owned);
        let mut table = Table::new(head.chain(names));
        let row = [
            self.study.to_string(),
            self.trial.to_string(),
            self.metric.to_string(),
            exact(self.value),
            self.epochs.to_string(),
            self.model.as_str().to_owned(),
            self.parameters.to_string(),
            self.weights.map(|digest| digest.to_string()).unwrap_or_default(),
            self.complete.to_string(),
        ];
        let clean = clean_cells(self.test.as_ref()).into_iter().filter(|_| contaminated);
        let row = row.into_iter().chain(test_cells(self.test.as_ref())).chain(clean);
        table.row(row.chain(self.hparams.iter().map(|(_, value)| value.to_string())));
        table
    }
}

#[cfg(test)]
mod tests {
    use common::study::Evaluate;

    use super::*;
    use crate::cli::fixture;

    #[test]
    fn json_is_exactly_what_scripts_rely_on() {
        let json = |best: &BestView| serde_json::to_string(&BestReport::new(best)).unwrap();
        let expected = format!(
            concat!(
                r#"{{"study":"fashion-mlp","trial":3,"metric":"val_accuracy","value":0.875,"epochs":9,"#,
                r#""hparams":{{"layers":2,"lr":0.001,"units_0":256,"units_1":128}},"model":"mlp","parameters":235146,"#,
                r#""weights":"{}","complete":true,"end_reason":null,"test":{{"accuracy":0.8712,"loss":0.34}}}}"#
            ),
            fixture::weights()
        );
        assert_eq!(json(&fixture::best()), expected);
        let mut unfinished = fixture::best();
        unfinished.study.test = None;
        (unfinished.trial.epochs, unfinished.trial.value) = (18, None);
        let text = json(&unfinished);
        assert!(
            text.ends_with(r#""complete":true,"end_reason":null,"test":null}"#)
                && text.contains(r#""value":0.875,"epochs":9"#)
        );
    }

    #[test]
    fn a_member_of_an_ensemble_is_called_one() {
        let note = "one member of an ensemble: `rung ensemble fashion-mlp` shows the vote";
        let mut best = fixture::best();
        assert!(!BestReport::new(&best).table().contains("ensemble"));
        best.spec.parent = Some("0f1e2d3c".parse().unwrap());
        best.spec.evaluate = Evaluate::All;
        assert!(BestReport::new(&best).table().contains(note));
    }

    #[test]
    fn csv_has_one_row() {
        let csv = BestReport::new(&fixture::best()).csv().to_csv().unwrap();
        assert!(csv.starts_with("study,trial,metric,value,"), "{csv}");
        assert!(csv.ends_with(",0.8712,0.34,2,0.001,256,128\n"), "{csv}");
    }

    #[test]
    fn csv_leaves_a_loss_that_is_not_finite_empty() {
        let mut best = fixture::best();
        best.study.test = best.study.test.map(|test| TestMetrics { loss: f64::NAN, ..test });
        let csv = BestReport::new(&best).csv().to_csv().unwrap();
        assert!(csv.ends_with(",0.8712,,2,0.001,256,128\n"), "{csv}");
    }
}
