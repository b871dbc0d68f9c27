//! Passes over samples, with signs of life between batches.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tch::{Device, Tensor};
use worker_ext::batch::BatchSums;

use super::{
    net::{EVALUATION_ROWS, Net, Place},
    optimizer::Optimizer,
    resident::Part,
    weights::Weights,
};
use crate::trainer::{Control, Progress, TrainError};

/// How often a trainer shows that it is alive, and is told what to do.
const SIGN_EVERY: Duration = Duration::from_millis(100);

/// Where signs of life go.
pub(super) struct Signs<'a> {
    on: &'a mut dyn FnMut(Progress) -> Control,
    steps: u64,
    last: Instant,
}

impl<'a> Signs<'a> {
    /// Signs for a task that has taken no step yet.
    pub(super) fn new(on: &'a mut dyn FnMut(Progress) -> Control) -> Self {
        Self { on, steps: 0, last: Instant::now() }
    }

    /// Counts a batch; whether a sign is due after it.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.last.elapsed() >= SIGN_EVERY
    }

    /// Gives a sign; what else than to go on was told.
    fn give(&mut self) -> Option<Control> {
        self.last = Instant::now();
        self.tell(Progress::Steps(self.steps))
    }

    /// Tells of progress; what else than to go on was told.
    pub(super) fn tell(&mut self, progress: Progress) -> Option<Control> {
        Some((self.on)(progress)).filter(|control| *control != Control::Continue)
    }
}

/// A model in training.
#[derive(Debug)]
pub(super) struct Learner {
    pub(super) weights: Weights,
    pub(super) net: Net,
    pub(super) optimizer: Optimizer,
}

impl Learner {
    /// Trains on samples in batches of `size`, the last one smaller where they do not come out even.
    ///
    /// Breaks off where told to, and where the loss is no longer finite; when that is noticed depends on timing.
    pub(super) fn train(
        &mut self,
        part: &Part,
        index: &Tensor,
        (epoch, size): (u32, i64),
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, BatchSums>, TrainError> {
        self.net.clear_sums();
        for (step, rows) in batches(index, size).enumerate() {
            let batch = part.batch(&rows?)?;
            self.net.train(&batch, Place { epoch, step: step as u32 })?;
            self.optimizer.step(&self.weights)?;
            if signs.step() {
                // Taking the sums waits for the device, so a sign is never ahead of the work.
                if !self.net.sums()?.loss.is_finite() {
                    break;
                }
                if let Some(control) = signs.give() {
                    return Ok(ControlFlow::Break(control));
                }
            }
        }
        Ok(ControlFlow::Continue(self.net.sums()?))
    }
}

/// The log-probabilities of samples, samples × classes; breaks off where told to.
pub(super) fn ask(
    net: &mut Net,
    part: &Part,
    index: &Tensor,
    mut signs: Option<&mut Signs<'_>>,
) -> Result<ControlFlow<Control, Vec<f32>>, TrainError> {
    let mut answers = Vec::new();
    for rows in batches(index, EVALUATION_ROWS) {
        let batch = part.batch(&rows?)?;
        let log_probabilities = net.log_probabilities(&batch.pixels)?.f_to_device(Device::Cpu)?;
        answers.extend(Vec::<f32>::try_from(log_probabilities.f_flatten(0, -1)?)?);
        if let Some(signs) = signs.as_deref_mut()
            && signs.step()
            && let Some(control) = signs.give()
        {
            return Ok(ControlFlow::Break(control));
        }
    }
    Ok(ControlFlow::Continue(answers))
}

/// Row numbers in stretches of `size`, the last one shorter where they do not come out even.
fn batches(index: &Tensor, size: i64) -> impl Iterator<Item = Result<Tensor, tch::TchError>> {
    let count = index.size()[0];
    let starts = (0..count).step_by(usize::try_from(size).unwrap_or(usize::MAX).max(1));
    starts.map(move |start| index.f_narrow(0, start, size.min(count - start)))
}
