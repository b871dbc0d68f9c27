//! One trial's stretch of epochs.

use std::{ops::ControlFlow, time::Instant};

use common::{
    hparams::Hparams,
    metrics::{CurvePoint, Metrics},
    model_spec::{DataShape, ModelSpec},
    random::{Purpose, Stream, order},
    split::Parts,
    study::{ModelKind, Optimizer as Rule, Precision, StudySpec},
};
use tch::{Device, Tensor};
use worker_ext::batch::BatchSums;

use super::{
    checkpoint,
    epoch::{Learner, Signs, ask},
    measure::measure,
    net::{Net, Plan},
    optimizer::Optimizer,
    resident::Part,
    snapshot::Snapshot,
    weights::Weights,
};
use crate::{
    history::{History, UNKNOWN},
    trainer::{CheckpointFiles, Control, Progress, TrainError, TrainTask, Trained},
};

/// What a trial sees of the data set.
pub(super) struct View<'a> {
    pub(super) part: &'a Part,
    pub(super) parts: Parts,
    pub(super) shape: DataShape,
}

/// A trial in training.
pub(super) struct Trial<'a> {
    task: &'a TrainTask,
    view: View<'a>,
    validation: Tensor,
    /// Samples of the validation part, by class.
    truth: Vec<u8>,
    /// Samples of a batch.
    rows: i64,
    learner: Learner,
    history: History,
}

/// The newest epoch end of a task.
enum Kept {
    Nothing,
    Copied(Box<Snapshot>),
    Written(CheckpointFiles),
}

/// The layers that a study's hyperparameters describe.
pub(super) fn model(
    study: &StudySpec,
    hparams: &Hparams,
    shape: &DataShape,
) -> Result<ModelSpec, TrainError> {
    match study.model {
        ModelKind::Formula => Err(TrainError::Other("libtorch does not train formulas".to_owned())),
        family => ModelSpec::build(family, hparams, shape).map_err(|e| TrainError::Other(e.to_string())),
    }
}

impl<'a> Trial<'a> {
    /// A trial with new weights, or as its checkpoint left it.
    pub(super) fn open(task: &'a TrainTask, view: View<'a>, device: Device) -> Result<Self, TrainError> {
        let TrainTask { study, hparams, trial_seed, from_epoch, to_epoch, resume, .. } = task;
        let resumed = resume.as_ref().map_or(0, |files| files.epoch);
        if from_epoch >= to_epoch || resumed != *from_epoch {
            let message = format!("epochs {from_epoch} to {to_epoch} cannot begin at epoch {resumed}");
            return Err(TrainError::Checkpoint(message));
        }
        let spec = model(study, hparams, &view.shape)?;
        // What else there may be one day must be built here first.
        let (Rule::Adam, Precision::Float32) = (study.train.optimizer, study.train.precision);
        let rate = hparams.float("lr").unwrap_or(study.train.learning_rate);
        let weights = match resume {
            None => Weights::new(&spec, *trial_seed, device)?,
            Some(_) => Weights::zeros(&spec, device)?,
        };
        let mut optimizer = Optimizer::new(&weights, rate)?;
        let mut history = History::default();
        if let Some(files) = resume {
            checkpoint::read_weights(files, &weights)?;
            history = checkpoint::read_state(files, &weights, &mut optimizer)?;
        }
        let rows = i64::from(study.train.batch_size.max(1)).min(view.parts.train.len() as i64);
        let net = Net::new(&spec, &view.shape, &weights, Plan { rows, trial_seed: *trial_seed })?;
        let validation = view.part.index(view.parts.validation.iter().copied())?;
        let truth = view.parts.validation.iter().map(|row| view.part.truth[*row as usize]).collect();
        Ok(Self {
            task,
            view,
            validation,
            truth,
            rows,
            learner: Learner { weights, net, optimizer },
            history,
        })
    }

    /// Trains to the task's last epoch, or until something ends the trial before.
    pub(super) fn train(mut self, on: &mut dyn FnMut(Progress) -> Control) -> Result<Trained, TrainError> {
        let TrainTask { study, from_epoch, to_epoch, checkpoint_every, .. } = self.task;
        let mut signs = Signs::new(on);
        let mut kept = Kept::Nothing;
        let mut written = Instant::now();
        for epoch in *from_epoch..*to_epoch {
            let last = match self.epoch(epoch, &mut signs)? {
                ControlFlow::Continue(point) => point,
                ControlFlow::Break(control) => return self.end(control, kept),
            };
            if !study.objective.metric.of(&last.metrics).is_finite() {
                return Ok(Trained::NotFinite { last });
            }
            let mut told = signs.tell(Progress::Epoch(last));
            if told == Some(Control::Abandon) {
                return Ok(Trained::Abandoned);
            }
            let rule = study.train.early_stopping.as_ref();
            let early_stopped = self.history.record(&last.metrics, &study.objective, rule);
            let Learner { weights, optimizer, .. } = &self.learner;
            let snapshot = Snapshot::of(last.epoch, weights, optimizer, self.history)?;
            if early_stopped || last.epoch == *to_epoch {
                let checkpoint = self.write(&snapshot)?;
                return Ok(Trained::Finished { last, best: self.history.best, checkpoint, early_stopped });
            }
            if told.is_none() && written.elapsed() >= *checkpoint_every {
                let files = self.write(&snapshot)?;
                told = signs.tell(Progress::Checkpoint(files.clone()));
                (kept, written) = (Kept::Written(files), Instant::now());
            } else {
                kept = Kept::Copied(Box::new(snapshot));
            }
            if let Some(control) = told {
                return self.end(control, kept);
            }
        }
        Err(TrainError::Other("the task has no epoch".to_owned()))
    }

    /// Trains and measures the epoch after `epoch` others; metrics are unknown where the loss is not finite.
    fn epoch(
        &mut self,
        epoch: u32,
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, CurvePoint>, TrainError> {
        let started = Instant::now();
        let Parts { train, .. } = &self.view.parts;
        if self.learner.weights.device() != Device::Cpu {
            // The device's own generator serves there; it is left where the epoch would find it in any lease.
            let [low, high, ..] = Stream::new(self.task.trial_seed, Purpose::Dropout).epoch(epoch).block(0);
            tch::manual_seed(i64::from(high >> 1) << 32 | i64::from(low));
        }
        let order = order(self.task.study.seed, epoch, train.len() as u32);
        let index = self.view.part.index(order.into_iter().map(|at| train[at as usize]))?;
        let sums = match self.learner.train(self.view.part, &index, (epoch, self.rows), signs)? {
            ControlFlow::Continue(sums) => sums,
            ControlFlow::Break(control) => return Ok(ControlFlow::Break(control)),
        };
        let metrics = if sums.loss.is_finite() {
            match self.validate(sums, signs)? {
                ControlFlow::Continue(metrics) => metrics,
                ControlFlow::Break(control) => return Ok(ControlFlow::Break(control)),
            }
        } else {
            UNKNOWN
        };
        Ok(ControlFlow::Continue(CurvePoint {
            epoch: epoch + 1,
            metrics,
            learning_rate: self.learner.optimizer.learning_rate(),
            seconds: started.elapsed().as_secs_f64(),
        }))
    }

    /// The epoch's metrics, given what was summed up while training.
    fn validate(
        &mut self,
        sums: BatchSums,
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, Metrics>, TrainError> {
        let answers = match ask(&mut self.learner.net, self.view.part, &self.validation, Some(signs))? {
            ControlFlow::Continue(answers) => answers,
            ControlFlow::Break(control) => return Ok(ControlFlow::Break(control)),
        };
        let measured = measure(&answers, &self.truth, self.view.shape.classes as usize);
        let samples = self.view.parts.train.len() as f64;
        Ok(ControlFlow::Continue(Metrics {
            train_loss: sums.loss / samples,
            train_accuracy: sums.correct as f64 / samples,
            val_loss: measured.loss,
            val_accuracy: measured.accuracy,
            val_macro_f1: measured.macro_f1,
        }))
    }

    /// Ends the task early, as told.
    fn end(&self, control: Control, kept: Kept) -> Result<Trained, TrainError> {
        if control == Control::Abandon {
            return Ok(Trained::Abandoned);
        }
        let checkpoint = match kept {
            Kept::Nothing => None,
            Kept::Copied(snapshot) => Some(self.write(&snapshot)?),
            Kept::Written(files) => Some(files),
        };
        Ok(Trained::Drained { checkpoint })
    }

    fn write(&self, snapshot: &Snapshot) -> Result<CheckpointFiles, TrainError> {
        checkpoint::write(&self.task.scratch, &self.learner.weights, snapshot)
    }
}
