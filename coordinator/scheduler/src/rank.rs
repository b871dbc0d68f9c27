//! The order of results: by objective, then by validation loss, then by trial number.

use common::{ids::TrialNumber, metrics::Goal};

/// A finite result's place in the total order of results; the better one is less.
///
/// With a thousand validation images equal values at the cut are normal, so ties go to the lower validation loss and
/// then to the lower trial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    value: u64,
    val_loss: u64,
    /// The trial.
    pub trial: TrialNumber,
}

impl Standing {
    /// The place of a trial's result.
    pub fn new(goal: Goal, value: f64, val_loss: f64, trial: TrialNumber) -> Self {
        Self { value: order_key(goal, value), val_loss: order_key(Goal::Minimize, val_loss), trial }
    }
}

/// A number whose order is the order of [`Goal::compare`].
fn order_key(goal: Goal, value: f64) -> u64 {
    if !value.is_finite() {
        return u64::MAX;
    }
    let bits = match goal {
        Goal::Minimize => value.to_bits(),
        Goal::Maximize => (-value).to_bits(),
    };
    // IEEE 754 bits order like whole numbers once negative ones are reversed and put below positive ones.
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standings_order_as_goals_compare() {
        let values =
            [f64::NEG_INFINITY, -2.0, -1e-310, -0.0, 0.0, 1e-310, 0.5, 0.9, 1e300, f64::INFINITY, f64::NAN];
        for goal in [Goal::Maximize, Goal::Minimize] {
            for a in values {
                for b in values {
                    assert_eq!(
                        order_key(goal, a).cmp(&order_key(goal, b)),
                        goal.compare(a, b),
                        "{goal:?} {a} {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_loss_and_then_to_the_lower_number() {
        let standing = |value, loss, trial| Standing::new(Goal::Maximize, value, loss, TrialNumber(trial));
        let mut all =
            [standing(0.5, 1.0, 0), standing(0.5, 0.9, 3), standing(0.5, 0.9, 2), standing(0.6, 9.0, 9)];
        all.sort();
        assert_eq!(all.map(|s| s.trial.0), [9, 2, 3, 0]);
    }
}
