//! What a study comes to where nothing goes wrong: the scheduler alone, one trial after the other.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use common::checkpoint::Digest;
use common::{
    checkpoint::Checkpoint,
    evaluation::Scored,
    ids::{Attempt, TrialNumber},
    metrics::TestMetrics,
    study::{Rank, StudySpec},
    time::Timestamp,
    view::StudyPhase,
};
use scheduler::{Input, Study, Trial, Work};

use crate::training::{Epoch, Files, Training, predictions};

/// What of a study is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Everything.
    All,
    /// All but what evaluations have found.
    Training,
}

/// The result table of an undisturbed run.
pub(crate) fn table_of(spec: &StudySpec, columns: Columns) -> Result<Vec<String>> {
    let mut files: BTreeMap<(TrialNumber, Checkpoint), Files> = BTreeMap::new();
    let mut study = Study::replay(&Study::create(spec.clone(), Timestamp(0)))?;
    for now in 1..1_000_000 {
        if study.phase() == StudyPhase::Finished {
            return Ok(table(&study, columns));
        }
        let ask = Input::alone("w".parse()?, 1);
        study.step(Timestamp(now), &ask)?;
        let Some((trial, lease)) = study.leases().next() else { continue };
        let (attempt, work) = (lease.attempt, lease.work);
        let input = outcome(&study, (trial, attempt, work), &mut files)?;
        study.step(Timestamp(now), &input)?;
    }
    anyhow::bail!("the study does not end, although nothing goes wrong")
}

/// What is left of a study: all that may depend on nothing but its file.
pub(crate) fn table(study: &Study, columns: Columns) -> Vec<String> {
    let all = columns == Columns::All;
    let row = |trial: &Trial| {
        format!(
            "{} {} {} {} {} {:?} {} {:?} {:?}",
            trial.number,
            trial.bracket,
            trial.rung,
            trial.epochs,
            trial.state,
            trial.value.map(f64::to_bits),
            trial.hparams,
            trial.checkpoint,
            trial.evaluation.filter(|_| all),
        )
    };
    let end = (study.best().map(|best| best.number), study.complete().filter(|_| all), study.epochs());
    study.trials().map(row).chain([format!("{end:?}")]).collect()
}

fn outcome(
    study: &Study,
    (number, attempt, work): (TrialNumber, Attempt, Work),
    stored: &mut BTreeMap<(TrialNumber, Checkpoint), Files>,
) -> Result<Input> {
    let trial = study.trial(number).context("a leased trial is there")?;
    let (from, to, resume) = match work {
        Work::Train { from_epoch, to_epoch, resume } => (from_epoch, to_epoch, resume),
        Work::Evaluate { checkpoint } => {
            let files = stored.get(&(number, checkpoint)).context("an evaluated checkpoint is stored")?;
            return Ok(evaluated(number, attempt, files));
        }
    };
    let resume = resume.and_then(|checkpoint| stored.get(&(number, checkpoint)));
    let mut training =
        Training::begin(&trial.hparams, trial.seed, resume).context("checkpoints make sense")?;
    for epoch in from + 1..=to {
        let (point, stops) = match training.epoch() {
            Epoch::Trained(point) => (point, false),
            Epoch::Stopped(point) => (point, true),
            Epoch::Died => {
                return Ok(Input::Failed { trial: number, attempt, reason: "died".to_owned() });
            }
            Epoch::NotFinite(_) => {
                return Ok(Input::NotFinite { trial: number, attempt, epochs: epoch, value: f64::NAN });
            }
        };
        if stops || epoch == to {
            let ranked = match study.spec().objective.rank {
                Rank::Last => point.metrics,
                Rank::Best => training.best(),
            };
            let files = training.files();
            let checkpoint = files.checkpoint();
            stored.insert((number, checkpoint), files);
            return Ok(Input::Finished {
                trial: number,
                attempt,
                epochs: epoch,
                value: study.spec().objective.metric.of(&ranked),
                val_loss: ranked.val_loss,
                checkpoint,
                early_stopped: stops,
            });
        }
    }
    anyhow::bail!("a lease without an epoch")
}

fn evaluated(trial: TrialNumber, attempt: Attempt, files: &Files) -> Input {
    let [test, validation] = scored(files);
    Input::Evaluated {
        trial,
        attempt,
        test: test.metrics,
        probabilities: test.probabilities,
        validation: Some(validation),
    }
}

/// What an evaluation of a checkpoint says: of the test part, then of the validation part.
pub(crate) fn scored(files: &Files) -> [Scored; 2] {
    predictions(files).map(|bytes| Scored {
        metrics: TestMetrics { accuracy: f64::from(bytes[bytes.len() - 5]) / 256.0, loss: 1.0, clean: None },
        probabilities: Some(Digest::of(&bytes)),
    })
}
