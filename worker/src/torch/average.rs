//! The running average of a model's numbers over steps.

use worker_ext::Error;

use super::{numbers::Numbers, weights::Weights};

/// An exponential running average of parameters and statistics, which is what is validated and kept.
#[derive(Debug)]
pub(super) struct Average {
    pub(super) numbers: Numbers,
    decay: f64,
}

impl Average {
    /// The average of weights that have taken no step yet: the weights themselves.
    pub(super) fn new(weights: &Weights, decay: f64) -> Result<Self, Error> {
        Ok(Self { numbers: Numbers::of(weights)?, decay })
    }

    /// Takes in the weights after step number `step`, counted from 1.
    ///
    /// Early steps count for more, so that what the weights began as is soon forgotten.
    pub(super) fn update(&mut self, weights: &Weights, step: u64) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let share = 1.0 - self.decay.min((1.0 + step as f64) / (10.0 + step as f64));
        let Numbers { values, running } = &mut self.numbers;
        _ = values.f_lerp_(&weights.values, share)?;
        _ = running.f_lerp_(&weights.running, share)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::torch::tests::cnn;

    #[test]
    fn it_moves_by_a_share_that_falls_to_one_less_the_decay() {
        let weights = Weights::new(&cnn(), 1, Device::Cpu).unwrap();
        let fill = |value: f64| {
            let _guard = tch::no_grad_guard();
            for numbers in [&weights.values, &weights.running] {
                _ = numbers.shallow_clone().f_fill_(value).unwrap();
            }
        };
        fill(1.0);
        let mut average = Average::new(&weights, 0.2).unwrap();
        // 1 + 9/11 of the way to 2, where 2/11 is less than the decay; then 4/5 of the way to 0, where 3/12 is more.
        for (step, value, expected) in [(1, 2.0, 20.0 / 11.0), (2, 0.0, 4.0 / 11.0)] {
            fill(value);
            average.update(&weights, step).unwrap();
            for numbers in [&average.numbers.values, &average.numbers.running] {
                let wrong = f64::try_from((numbers - expected).abs().max()).unwrap();
                assert!(wrong < 1e-6, "{wrong} at step {step}");
            }
        }
    }
}
