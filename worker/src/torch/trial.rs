//! One trial's stretch of epochs.

use std::{ops::ControlFlow, time::Instant};

use common::{
    hparams::Hparams,
    metrics::{CurvePoint, Metrics},
    model_spec::{DataShape, ModelSpec},
    random::{Purpose, Stream, order},
    recipe::Recipe,
    split::Parts,
    study::{InitialWeights, ModelKind, StudySpec},
};
use tch::{Device, Tensor};
use worker_ext::batch::BatchSums;

use super::{
    augment::Augmenter,
    average::Average,
    checkpoint,
    epoch::{Learner, Pace, Question, Samples, Signs},
    initial_weights,
    measure::measure,
    net::{Net, Plan},
    numbers::Numbers,
    optimizer::Optimizer,
    resident::Part,
    snapshot::Snapshot,
    standard::Standard,
    views::Views,
    weights::Weights,
};
use crate::{
    history::{History, UNKNOWN, Verdict},
    trainer::{CheckpointFiles, Control, Progress, TrainError, TrainTask, Trained},
};

/// What a trial sees of the data set.
pub(super) struct View<'a> {
    pub(super) part: &'a Part,
    /// The part that validation samples are of.
    pub(super) judged: &'a Part,
    pub(super) parts: Parts,
    pub(super) shape: DataShape,
    /// What images are standardised by, until the trial's net takes it.
    pub(super) standard: Option<Standard>,
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

/// The weights with which a trial begins: drawn, and where the study names stored ones those over them.
fn begin(task: &TrainTask, spec: &ModelSpec, device: Device) -> Result<Weights, TrainError> {
    let weights = Weights::new(spec, task.trial_seed, device)?;
    match (&task.study.train.initial_weights, &task.initial) {
        (None, _) => {}
        (Some(InitialWeights { digest: Some(digest), .. }), Some(object)) => {
            initial_weights::put(object, *digest, (spec, &weights))?;
        }
        (Some(InitialWeights { name, .. }), _) => {
            return Err(TrainError::InitialWeights(format!("`{name}` is not at hand")));
        }
    }
    Ok(weights)
}

impl<'a> Trial<'a> {
    /// A trial with new weights, or as its checkpoint left it.
    pub(super) fn open(task: &'a TrainTask, mut view: View<'a>, device: Device) -> Result<Self, TrainError> {
        let TrainTask { study, hparams, trial_seed, from_epoch, to_epoch, resume, .. } = task;
        let resumed = resume.as_ref().map_or(0, |files| files.epoch);
        if from_epoch >= to_epoch || resumed != *from_epoch {
            let message = format!("epochs {from_epoch} to {to_epoch} cannot begin at epoch {resumed}");
            return Err(TrainError::Checkpoint(message));
        }
        let spec = model(study, hparams, &view.shape)?;
        let recipe =
            Recipe::of(&study.train, hparams).map_err(|unusable| TrainError::Other(unusable.to_string()))?;
        let weights = match resume {
            None => begin(task, &spec, device)?,
            Some(files) => {
                let weights = Weights::zeros(&spec, device)?;
                checkpoint::read_weights(files, &weights)?;
                weights
            }
        };
        let samples = view.parts.train.len();
        let rows = i64::from(recipe.batch_size.max(1)).min(samples as i64);
        let plan = Plan {
            rows,
            trial_seed: *trial_seed,
            smoothing: recipe.label_smoothing,
            precision: study.train.precision,
            frozen: spec.head().filter(|_| study.train.freezes_backbone()).unwrap_or(0),
        };
        let restores = study.train.early_stopping.is_some_and(|rule| rule.restore_best);
        let mut learner = Learner {
            net: Net::new((&spec, &view.shape), &weights, plan, view.standard.take())?,
            optimizer: Optimizer::new(&weights, &recipe, plan.frozen)?,
            augmenter: Augmenter::new(recipe.augment, task.data_seed, view.shape),
            average: (recipe.average == common::study::Average::Ema)
                .then(|| Average::new(&weights, study.train.average_decay))
                .transpose()?,
            best: restores.then(|| Numbers::of(&weights)).transpose()?,
            pace: Pace {
                recipe,
                per_epoch: samples.div_ceil(rows.max(1) as usize) as u64,
                horizon: study.scheduler.horizon(),
            },
            weights,
        };
        let history = match resume {
            Some(files) => checkpoint::read_state(files, &mut learner)?,
            None => History::default(),
        };
        let validation = view.judged.index(view.parts.validation.iter().copied())?;
        let truth = view.parts.validation.iter().map(|row| view.judged.truth[*row as usize]).collect();
        Ok(Self { task, view, validation, truth, rows, learner, history })
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
            let Verdict { improved, stops } = self.history.record(&last.metrics, &study.objective, rule);
            if improved {
                self.learner.keep_best()?;
            }
            let ends = stops || last.epoch == study.scheduler.horizon();
            // There is no best epoch where what is monitored never was a number.
            let goes_back = ends && self.learner.best.is_some() && self.history.watched.is_finite();
            let restored = goes_back.then_some(self.history.kept);
            let snapshot = Snapshot::of(last.epoch, &self.learner, self.history, restored.is_some())?;
            if stops || last.epoch == *to_epoch {
                let (best, checkpoint) = (self.history.best, self.write(&snapshot)?);
                return Ok(Trained::Finished { last, best, checkpoint, early_stopped: stops, restored });
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
        let order = order(self.task.data_seed, epoch, train.len() as u32);
        let rows: Vec<u32> = order.into_iter().map(|at| train[at as usize]).collect();
        let index = self.view.part.index(rows.iter().copied())?;
        let samples = Samples { part: self.view.part, rows: &rows, index: &index };
        let sums = match self.learner.train(&samples, (epoch, self.rows), signs)? {
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
            learning_rate: self.learner.pace.last_rate(epoch),
            seconds: started.elapsed().as_secs_f64(),
        }))
    }

    /// The epoch's metrics, given what was summed up while training; without validation samples its part is unknown.
    fn validate(
        &mut self,
        sums: BatchSums,
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, Metrics>, TrainError> {
        let samples = self.view.parts.train.len() as f64;
        let trained = Metrics {
            train_loss: sums.loss / samples,
            train_accuracy: sums.correct as f64 / samples,
            ..UNKNOWN
        };
        if self.truth.is_empty() {
            return Ok(ControlFlow::Continue(trained));
        }
        let views = Views::of_an_epoch(&self.task.study.train, self.view.shape);
        let question = Question { part: self.view.judged, index: &self.validation, views };
        let answers = match self.learner.ask(&question, signs)? {
            ControlFlow::Continue(answers) => answers,
            ControlFlow::Break(control) => return Ok(ControlFlow::Break(control)),
        };
        let measured = measure(&answers, &self.truth, self.view.shape.classes as usize);
        Ok(ControlFlow::Continue(Metrics {
            val_loss: measured.loss,
            val_accuracy: measured.accuracy,
            val_macro_f1: measured.macro_f1,
            ..trained
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
        Ok(Trained::HandedBack { checkpoint })
    }

    fn write(&self, snapshot: &Snapshot) -> Result<CheckpointFiles, TrainError> {
        checkpoint::write(&self.task.scratch, &self.learner, snapshot)
    }
}
