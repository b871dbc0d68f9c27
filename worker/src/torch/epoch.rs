//! Passes over samples, with signs of life between batches.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use tch::{Device, Tensor};
use worker_ext::batch::BatchSums;

use common::recipe::Recipe;

use super::{
    augment::Augmenter,
    average::Average,
    net::{EVALUATION_ROWS, Net, Place},
    numbers::Numbers,
    optimizer::Optimizer,
    resident::Part,
    views::Views,
    weights::Weights,
};
use crate::trainer::{Control, Progress, TrainError};

/// How often a trainer shows that it is alive, and is told what to do.
const SIGN_EVERY: Duration = Duration::from_millis(100);

/// Where signs of life go.
pub(super) struct Signs<'a> {
    on: &'a mut dyn FnMut(Progress) -> Control,
    steps: u64,
    last: Option<Instant>,
}

impl<'a> Signs<'a> {
    /// Signs for a task that has taken no step yet.
    pub(super) fn new(on: &'a mut dyn FnMut(Progress) -> Control) -> Self {
        Self { on, steps: 0, last: None }
    }

    /// Counts a batch; whether a sign is due after it, as it is after the first.
    fn step(&mut self) -> bool {
        self.steps += 1;
        self.last.is_none_or(|last| last.elapsed() >= SIGN_EVERY)
    }

    /// Gives a sign in the middle of a batch, if one is due; what else than to go on was told.
    fn live(&mut self) -> Option<Control> {
        if self.last.is_some_and(|last| last.elapsed() >= SIGN_EVERY) { self.give() } else { None }
    }

    /// Gives a sign; what else than to go on was told.
    fn give(&mut self) -> Option<Control> {
        self.last = Some(Instant::now());
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
    pub(super) pace: Pace,
    pub(super) augmenter: Option<Augmenter>,
    /// The running average of weights, where what is validated is one.
    pub(super) average: Option<Average>,
    /// What was validated in the best epoch so far, where trials go back to it.
    pub(super) best: Option<Numbers>,
}

/// How fast a trial learns at each step.
#[derive(Debug)]
pub(super) struct Pace {
    pub(super) recipe: Recipe,
    /// Steps of an epoch.
    pub(super) per_epoch: u64,
    /// The epoch at which schedules end.
    pub(super) horizon: u32,
}

impl Pace {
    /// The learning rate of a step, counted from 0 over all epochs.
    pub(super) fn rate(&self, step: u64) -> f64 {
        self.recipe.rate(step, self.per_epoch, self.horizon)
    }

    /// The learning rate of the last step of the epoch after `epoch` others, whether or not that step is taken: an epoch
    /// whose loss is no longer finite ends when that is noticed.
    pub(super) fn last_rate(&self, epoch: u32) -> f64 {
        self.rate((u64::from(epoch) + 1).saturating_mul(self.per_epoch).saturating_sub(1))
    }
}

/// Samples in the order in which they are passed.
pub(super) struct Samples<'a> {
    pub(super) part: &'a Part,
    /// Row numbers in the part.
    pub(super) rows: &'a [u32],
    /// The row numbers on the part's device.
    pub(super) index: &'a Tensor,
}

impl Learner {
    /// Trains on samples in batches of `size`, the last one smaller where they do not come out even.
    ///
    /// Breaks off where told to, and where the loss is no longer finite; when that is noticed depends on timing.
    pub(super) fn train(
        &mut self,
        samples: &Samples<'_>,
        (epoch, size): (u32, i64),
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, BatchSums>, TrainError> {
        self.net.clear_sums();
        let chunks = samples.rows.chunks(usize::try_from(size).unwrap_or(usize::MAX).max(1));
        for ((step, index), rows) in batches(samples.index, size).enumerate().zip(chunks) {
            let mut batch = samples.part.batch(&index?)?;
            if let Some(augmenter) = &self.augmenter {
                batch.pixels = augmenter.apply(&batch.pixels, rows, epoch)?;
            }
            self.net.train(&batch, Place { epoch, step: step as u32 })?;
            self.optimizer.step(&self.weights, self.pace.rate(self.optimizer.steps))?;
            if let Some(average) = &mut self.average {
                average.update(&self.weights, self.optimizer.steps)?;
            }
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

    /// Whether training goes on with other numbers than others see.
    pub(super) fn keeps_more(&self) -> bool {
        self.average.is_some() || self.best.is_some()
    }

    /// Remembers what was just validated as the best so far, where trials go back to it.
    pub(super) fn keep_best(&mut self) -> Result<(), TrainError> {
        if self.best.is_some() {
            let average = self.average.as_ref().map(|average| average.numbers.copy());
            self.best = Some(average.unwrap_or_else(|| Numbers::of(&self.weights))?);
        }
        Ok(())
    }

    /// What the model as others see it makes of samples; the weights stay as they are.
    pub(super) fn ask(
        &mut self,
        question: &Question<'_>,
        signs: &mut Signs<'_>,
    ) -> Result<ControlFlow<Control, Vec<f32>>, TrainError> {
        let Some(average) = &self.average else {
            return ask(&mut self.net, question, signs);
        };
        let trained = Numbers::of(&self.weights)?;
        average.numbers.put_into(&self.weights)?;
        let answers = ask(&mut self.net, question, signs);
        trained.put_into(&self.weights)?;
        answers
    }
}

/// Which samples a model is asked for, and how.
pub(super) struct Question<'a> {
    pub(super) part: &'a Part,
    /// Row numbers in the part, on its device.
    pub(super) index: &'a Tensor,
    /// The copies of a sample that its answer is the mean of.
    pub(super) views: Views,
}

/// The log-probabilities of samples, samples × classes; breaks off where told to.
pub(super) fn ask(
    net: &mut Net,
    question: &Question<'_>,
    signs: &mut Signs<'_>,
) -> Result<ControlFlow<Control, Vec<f32>>, TrainError> {
    let mut answers = Vec::new();
    for rows in batches(question.index, EVALUATION_ROWS) {
        let batch = question.part.batch(&rows?)?;
        let log_probabilities =
            match question.views.log_probabilities(net, &batch.pixels, &mut || signs.live())? {
                ControlFlow::Continue(said) => said.f_to_device(Device::Cpu)?,
                ControlFlow::Break(control) => return Ok(ControlFlow::Break(control)),
            };
        answers.extend(Vec::<f32>::try_from(log_probabilities.f_flatten(0, -1)?)?);
        if signs.step()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::tests::recipe;

    #[test]
    fn the_rate_of_an_epoch_is_that_of_its_last_planned_step() {
        let recipe = Recipe { learning_rate: 1.0, warmup: 4.0, ..recipe() };
        let pace = Pace { recipe, per_epoch: 10, horizon: 10 };
        assert_eq!([0, 1, 3, 9].map(|epoch| pace.last_rate(epoch)), [0.25, 0.5, 1.0, 1.0]);
        assert_eq!([9, 19, 39, 99].map(|step| pace.rate(step)), [0.25, 0.5, 1.0, 1.0]);
    }
}
