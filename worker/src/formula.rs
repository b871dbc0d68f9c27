//! The formula trainer: no model, no data, no libtorch.
//!
//! A trial's learning curve is a closed formula of its hyperparameters, its seed and the epoch (`curve`), so a whole
//! cluster can be tested in seconds. What resuming must not break is kept honest by a chain of hashes: the state after
//! an epoch is the digest of the state before it, and it goes into the checkpoint and into the numbers. A trial that
//! skips an epoch, trains one twice or resumes from another trial's checkpoint ends with another digest.
//!
//! `train.epoch_seconds` makes an epoch last, and an evaluation as long. These hyperparameters make a trial fail, for
//! tests and drills:
//!
//! | `fail` | what happens in the epoch `fail_epoch` (1 where it is left out) |
//! |---|---|
//! | `nan` | the objective is not finite |
//! | `error` | the trainer reports an error |
//! | `oom` | the trainer reports that memory ran out |
//! | `crash` | the process aborts |
//! | `hang` | the process makes no more steps and obeys nothing |
//!
//! Any other value of `fail` (for example `none`) means nothing.

mod curve;

mod files;

use std::{
    process, thread,
    time::{Duration, Instant},
};

use common::{
    hparams::Hparams,
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::Split,
};

use self::{curve::Curve, files::State};
use crate::{
    history::History,
    trainer::{
        CheckpointFiles, Control, EvaluateTask, Evaluated, Predicted, Progress, TrainError, TrainTask,
        Trained, Trainer,
    },
};

/// Samples and classes of each of the parts that it pretends to have.
const PART: (usize, usize) = (16, 10);
/// How long one of an epoch's steps lasts at most.
const STEP: Duration = Duration::from_millis(10);

/// Trains by formula.
#[derive(Debug)]
pub struct FormulaTrainer;

/// What is to go wrong, and when.
struct Fault<'a> {
    kind: &'a str,
    epoch: u32,
}

impl Trainer for FormulaTrainer {
    fn train(
        &mut self,
        task: &TrainTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Trained, TrainError> {
        let curve = Curve::new(&task.hparams, task.trial_seed);
        let mut state = match &task.resume {
            Some(files) => State::read(files)?,
            None => State { link: curve.first(), history: History::default() },
        };
        let (mut saved, mut saved_at) = (None, Instant::now());
        for epoch in task.from_epoch + 1..=task.to_epoch {
            let began = Instant::now();
            match work(task, epoch, on)? {
                Control::Continue => {}
                Control::Abandon => return Ok(Trained::Abandoned),
                Control::HandBack => return handed_back(task, &state, epoch - 1, saved),
            }
            let (last, stops) = advance(task, &curve, &mut state, (epoch, began));
            if !task.study.objective.metric.of(&last.metrics).is_finite() {
                return Ok(Trained::NotFinite { last });
            }
            let control = on(Progress::Epoch(last));
            if stops || epoch == task.to_epoch {
                let (best, checkpoint) = (state.history.best, state.write(task, epoch)?);
                return Ok(Trained::Finished {
                    last,
                    best,
                    checkpoint,
                    early_stopped: stops,
                    restored: None,
                });
            }
            match control {
                Control::Continue if saved_at.elapsed() < task.checkpoint_every => {}
                Control::Continue => {
                    let files = state.write(task, epoch)?;
                    (saved, saved_at) = (Some(files.clone()), Instant::now());
                    on(Progress::Checkpoint(files));
                }
                Control::Abandon => return Ok(Trained::Abandoned),
                Control::HandBack => return handed_back(task, &state, epoch, saved),
            }
        }
        Err(TrainError::Other(format!("epochs {} to {} are none", task.from_epoch, task.to_epoch)))
    }

    fn evaluate(
        &mut self,
        task: &EvaluateTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Option<Evaluated>, TrainError> {
        let State { link, history } = State::read(&task.checkpoint)?;
        if spend(task.study.train.epoch_seconds, on) != Control::Continue {
            return Ok(None);
        }
        let (samples, classes) = PART;
        let predicted = |first: usize, loss: f64| Predicted {
            metrics: TestMetrics { accuracy: curve::share(loss), loss, clean: None },
            probabilities: (first..first + samples)
                .flat_map(|sample| curve::distribution(&link, sample, classes))
                .collect(),
        };
        let loss = history.best.val_loss;
        // The test part is a little harder, as test parts are.
        let validated = task.study.data.split != Split::None;
        let validation = validated.then(|| predicted(samples, loss));
        Ok(Some(Evaluated { test: predicted(0, loss * 1.01), validation }))
    }
}

impl<'a> Fault<'a> {
    fn of(hparams: &'a Hparams) -> Self {
        let epoch = hparams.int("fail_epoch").and_then(|epoch| epoch.try_into().ok()).unwrap_or(1);
        Self { kind: hparams.text("fail").unwrap_or_default(), epoch }
    }

    fn strikes(&self, kind: &str, epoch: u32) -> bool {
        self.kind == kind && self.epoch == epoch
    }
}

/// Spends some time in steps, less where something else than to go on is told.
fn spend(seconds: f64, on: &mut dyn FnMut(Progress) -> Control) -> Control {
    // Study files may ask for anything; what no clock can hold lasts no time.
    let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let (began, mut steps) = (Instant::now(), 0);
    loop {
        steps += 1;
        let control = on(Progress::Steps(steps));
        if control != Control::Continue {
            return control;
        }
        match length.checked_sub(began.elapsed()) {
            Some(left) if !left.is_zero() => thread::sleep(left.min(STEP)),
            _ => return Control::Continue,
        }
    }
}

/// Spends an epoch's time in steps, and lets its fault strike after them.
fn work(
    task: &TrainTask,
    epoch: u32,
    on: &mut dyn FnMut(Progress) -> Control,
) -> Result<Control, TrainError> {
    let control = spend(task.study.train.epoch_seconds, on);
    if control != Control::Continue {
        return Ok(control);
    }
    let fault = Fault::of(&task.hparams);
    let fails = |kind| fault.strikes(kind, epoch);
    if fails("error") {
        return Err(TrainError::Other(format!("told to fail in epoch {epoch}")));
    }
    if fails("oom") {
        return Err(TrainError::OutOfMemory(format!("told to in epoch {epoch}")));
    }
    if fails("crash") {
        process::abort();
    }
    while fails("hang") {
        thread::sleep(Duration::from_secs(3600));
    }
    Ok(Control::Continue)
}

/// Trains an epoch; returns what was measured and whether early stopping ends the trial.
fn advance(
    task: &TrainTask,
    curve: &Curve,
    state: &mut State,
    (epoch, began): (u32, Instant),
) -> (CurvePoint, bool) {
    state.link = curve.next(&state.link, epoch);
    let mut metrics = curve.metrics(&state.link, epoch);
    if Fault::of(&task.hparams).strikes("nan", epoch) {
        metrics = Metrics { val_loss: f64::NAN, val_accuracy: f64::NAN, val_macro_f1: f64::NAN, ..metrics };
    }
    let train = &task.study.train;
    let verdict = state.history.record(&metrics, &task.study.objective, train.early_stopping.as_ref());
    let learning_rate = task.hparams.float("lr").unwrap_or(train.learning_rate);
    (CurvePoint { epoch, metrics, learning_rate, seconds: began.elapsed().as_secs_f64() }, verdict.stops)
}

/// Saves an epoch's end for whoever goes on, unless it is where the task began or is saved already.
fn handed_back(
    task: &TrainTask,
    state: &State,
    epoch: u32,
    saved: Option<CheckpointFiles>,
) -> Result<Trained, TrainError> {
    let checkpoint = match saved {
        Some(files) if files.epoch == epoch => Some(files),
        _ if epoch > task.from_epoch => Some(state.write(task, epoch)?),
        _ => None,
    };
    Ok(Trained::HandedBack { checkpoint })
}

#[cfg(test)]
mod tests;
