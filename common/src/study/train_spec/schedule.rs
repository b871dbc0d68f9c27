//! How the learning rate moves.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate moves from step to step: a pure function of the step, so that a resume needs no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Down to 0 along half a cosine (Loshchilov and Hutter, 2017).
    Cosine,
    /// Up from a 25th over the first 30 %, then down to nearly 0, both along half a cosine (Smith and Topin, 2018);
    /// PyTorch's `OneCycleLR` with `cycle_momentum=False`.
    OneCycle,
    /// A tenth of it from half of the steps on, a hundredth from three quarters on (He et al., 2016).
    Step,
}

/// What a one-cycle schedule begins with, and what it ends with.
const ONE_CYCLE_FIRST: f64 = 1.0 / 25.0;
const ONE_CYCLE_LAST: f64 = ONE_CYCLE_FIRST / 1e4;

/// The share of steps in which a one-cycle schedule rises.
const RISE: f64 = 0.3;

impl Schedule {
    /// All schedules.
    pub const ALL: [Self; 4] = [Self::Constant, Self::Cosine, Self::OneCycle, Self::Step];

    /// The schedule's name in study files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::OneCycle => "one_cycle",
            Self::Step => "step",
        }
    }

    /// The share of the greatest learning rate at a step, counted from 0, of `total` steps.
    ///
    /// Steps beyond the last are taken for it. No function of the C library takes part.
    pub fn share(self, step: u64, total: u64) -> f64 {
        let last = total.saturating_sub(1);
        let (at, total) = (step.min(last) as f64, total.max(1) as f64);
        match self {
            Self::Constant => 1.0,
            Self::Cosine => between(1.0, 0.0, at / total),
            Self::OneCycle => {
                let (peak, end) = (RISE * total - 1.0, total - 1.0);
                if at <= peak {
                    between(ONE_CYCLE_FIRST, 1.0, at / peak)
                } else {
                    between(1.0, ONE_CYCLE_LAST, (at - peak.max(0.0)) / (end - peak.max(0.0)).max(1.0))
                }
            }
            Self::Step if at < 0.5 * total => 1.0,
            Self::Step if at < 0.75 * total => 0.1,
            Self::Step => 0.01,
        }
    }
}

/// The value at a share of the way from one to another along half a cosine.
fn between(from: f64, to: f64, way: f64) -> f64 {
    if way.is_finite() { to + (from - to) / 2.0 * (1.0 + libm::cos(PI * way)) } else { to }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn one_cycle_is_pytorchs() {
        // torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10): all rates.
        let rates = [
            0.04,
            0.52,
            1.0,
            0.950_484_632_0,
            0.811_745_653_9,
            0.611_262_021_9,
            0.388_741_978_1,
            0.188_258_346_1,
            0.049_519_368_0,
            4e-06,
        ];
        for (step, rate) in rates.into_iter().enumerate() {
            let share = Schedule::OneCycle.share(step as u64, 10);
            assert!(close(share, rate), "{step}: {share} {rate}");
        }
    }

    #[test]
    fn schedules_hold_at_their_ends() {
        assert!(close(Schedule::Cosine.share(0, 100), 1.0) && close(Schedule::Cosine.share(50, 100), 0.5));
        assert!(Schedule::Cosine.share(99, 100) < 1e-3);
        assert_eq!(
            [0, 49, 50, 74, 75, 99].map(|s| Schedule::Step.share(s, 100)),
            [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
        );
        for schedule in Schedule::ALL {
            for total in [0, 1, 2, 3, 4, 7, 1_000] {
                for step in 0..total + 3 {
                    let share = schedule.share(step, total);
                    assert!(share > 0.0 && share <= 1.0 + 1e-12, "{schedule:?} {step} of {total}: {share}");
                }
            }
        }
    }
}
