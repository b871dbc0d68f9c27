//! Trials and their curves as rows.

use common::{history::History, ids::TrialNumber, metrics::CurvePoint, view::TrialView};
use serde::Serialize;

use super::{
    super::{
        failure::Failure,
        output::Show as _,
        rows::{TrialRow, TrialRows},
    },
    Files,
};
use crate::client::Cluster;

/// A study's trials by number, and all their epochs.
#[derive(Debug)]
pub(super) struct Tables {
    trials: Vec<TrialView>,
    epochs: Vec<EpochRow>,
}

/// One epoch of one trial; a number that is not finite is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct EpochRow {
    trial: TrialNumber,
    epoch: u32,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    val_loss: Option<f64>,
    val_accuracy: Option<f64>,
    val_macro_f1: Option<f64>,
    learning_rate: Option<f64>,
    seconds: Option<f64>,
}

impl EpochRow {
    fn new(trial: TrialNumber, point: &CurvePoint) -> Self {
        let finite = |number: f64| Some(number).filter(|number| number.is_finite());
        let [train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1, learning_rate, seconds] =
            point.numbers().map(finite);
        Self {
            trial,
            epoch: point.epoch,
            train_loss,
            train_accuracy,
            val_loss,
            val_accuracy,
            val_macro_f1,
            learning_rate,
            seconds,
        }
    }
}

/// A trial with what its row in a table leaves out.
#[derive(Debug, Serialize)]
struct FullRow {
    #[serde(flatten)]
    row: TrialRow,
    seed: u64,
    early_stopped: bool,
}

/// Reads the trials of a study and their curves; fails where none has begun.
pub(super) async fn read(cluster: &Cluster, study: &str) -> Result<Tables, Failure> {
    let (view, _) = cluster.study(study).await?;
    let trials = cluster.trials(view.id.as_str()).await?;
    if trials.is_empty() {
        let name = &view.name;
        let nothing = format!("study {name} has nothing to export: no trial has begun yet");
        return Err(
            Failure::bad_input(nothing).help(format!("`rung study watch {name}` shows how it gets on"))
        );
    }
    let history = cluster.history(view.id.as_str()).await?;
    Ok(Tables { epochs: epochs(&trials, &history), trials })
}

/// The epochs of trials, trial by trial.
fn epochs(trials: &[TrialView], history: &History) -> Vec<EpochRow> {
    let curve = |number: TrialNumber| history.curves.get(&number).into_iter().flatten();
    let rows = |trial: &TrialView| {
        let number = trial.trial;
        curve(number).map(move |point| EpochRow::new(number, point))
    };
    trials.iter().flat_map(rows).collect()
}

/// Comma-separated values.
pub(super) fn csv(tables: &Tables) -> Result<Files, Failure> {
    let mut curves = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    curves.write_record(["trial", "epoch"].into_iter().chain(CurvePoint::COLUMNS))?;
    for row in &tables.epochs {
        curves.serialize(row)?;
    }
    let curves = curves.into_inner().map_err(|error| Failure::failed(error.error()))?;
    let trials = TrialRows::new(&tables.trials).csv().to_csv()?;
    Ok(vec![("trials.csv".into(), trials.into_bytes()), ("curves.csv".into(), curves)])
}

/// A JSON object a line.
pub(super) fn jsonl(tables: &Tables) -> Result<Files, Failure> {
    let trials = tables.trials.iter().map(|trial| FullRow {
        row: trial.into(),
        seed: trial.seed,
        early_stopped: trial.early_stopped,
    });
    Ok(vec![("trials.jsonl".into(), lines(trials)?), ("curves.jsonl".into(), lines(tables.epochs.iter())?)])
}

fn lines(rows: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut bytes, &row)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    fn tables() -> Tables {
        Tables {
            trials: vec![fixture::trial(3)],
            epochs: vec![EpochRow::new(TrialNumber(3), &fixture::point(2))],
        }
    }

    fn text(files: &Files, name: &str) -> String {
        let (_, bytes) = files.iter().find(|(found, _)| found.as_os_str() == name).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    }

    #[test]
    fn a_curve_is_a_row_an_epoch_and_a_nan_is_left_out() {
        assert_eq!(
            text(&csv(&tables()).unwrap(), "curves.csv"),
            "trial,epoch,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1,learning_rate,seconds\n\
             3,2,,0.5,0.25,0.75,0.7,0.001,1.5\n"
        );
        let curves = text(&jsonl(&tables()).unwrap(), "curves.jsonl");
        assert!(
            curves.starts_with(r#"{"trial":3,"epoch":2,"train_loss":null,"train_accuracy":0.5,"#),
            "{curves}"
        );
    }

    #[test]
    fn columns_of_epochs_are_those_of_json_and_stand_there_without_any_epoch() {
        let row = serde_json::to_string(&EpochRow::new(TrialNumber(3), &fixture::point(2))).unwrap();
        let keys: Vec<&str> = row.split('"').skip(1).step_by(2).collect();
        let head: Vec<&str> = ["trial", "epoch"].into_iter().chain(CurvePoint::COLUMNS).collect();
        assert_eq!(keys, head);
        let none = Tables { epochs: Vec::new(), ..tables() };
        assert_eq!(text(&csv(&none).unwrap(), "curves.csv"), format!("{}\n", head.join(",")));
        assert_eq!(text(&jsonl(&none).unwrap(), "curves.jsonl"), "");
    }

    #[test]
    fn epochs_stand_trial_by_trial_and_those_of_other_trials_are_left_out() {
        let curve = |epochs: u32| (1..=epochs).map(fixture::point).collect::<Vec<_>>();
        let curves = [(TrialNumber(1), curve(2)), (TrialNumber(2), curve(1)), (TrialNumber(9), curve(3))];
        let history = History { curves: curves.into(), ..History::default() };
        let rows = epochs(&[fixture::trial(0), fixture::trial(1), fixture::trial(2)], &history);
        let places: Vec<(u32, u32)> = rows.iter().map(|row| (row.trial.0, row.epoch)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (2, 1)]);
    }

    #[test]
    fn a_trial_is_a_line_with_its_seed() {
        let trials = text(&jsonl(&tables()).unwrap(), "trials.jsonl");
        assert_eq!(trials.lines().count(), 1);
        let row: serde_json::Value = serde_json::from_str(&trials).unwrap();
        assert_eq!(row["hparams"]["units_0"], 256);
        assert_eq!(row["seed"], 0xf_eedb_eefd_eadc_u64);
        assert!(text(&csv(&tables()).unwrap(), "trials.csv").starts_with("trial,bracket,rung,epochs,"));
    }
}
