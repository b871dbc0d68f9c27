//! What a run cost: time, epochs, samples a second; and which trials it lost.

use std::time::{Duration, Instant};

use common::{
    trial::TrialState,
    view::{BestView, StudyView},
};

use super::super::{
    failure::Failure,
    input, output,
    text::{count, plural, span},
};
use crate::client::Cluster;

/// Above so many trials their curves are not asked for: it would take longer than it tells.
const MOST_CURVES: usize = 5_000;

/// A run that goes on.
#[derive(Debug)]
pub(super) struct Summary {
    started: Instant,
    resumed: bool,
}

/// What learning curves say of the work done.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Work {
    epochs: u64,
    seconds: f64,
}

impl Summary {
    /// Begins to count.
    pub(super) fn begin(resumed: bool) -> Self {
        Self { started: Instant::now(), resumed }
    }

    /// What it cost.
    pub(super) async fn end(&self, cluster: &Cluster, best: &BestView) -> Result<String, Failure> {
        let wall = self.started.elapsed();
        let study = best.study.id.as_str();
        let trials = cluster.trials(study).await?;
        let mut work = Work::default();
        if trials.len() <= MOST_CURVES {
            for trial in &trials {
                let (_, curve) = cluster.trial(study, trial.trial).await?;
                work.epochs += curve.len() as u64;
                work.seconds += curve.iter().map(|point| point.seconds).sum::<f64>();
            }
        }
        let speed =
            input::training_samples(&best.spec).map(|samples| speed(work, samples)).unwrap_or_default();
        let failed = failed(&best.study).map(|line| format!("\n{line}")).unwrap_or_default();
        Ok(format!("{}{speed}{failed}", self.cost(wall, best, trials.len())))
    }

    fn cost(&self, wall: Duration, best: &BestView, trials: usize) -> String {
        let (trials, epochs) = (plural(trials as u64, "trial"), plural(best.study.epochs, "epoch"));
        match self.resumed {
            // Each time is named, as reports and `rung study show` have the active one.
            false => format!("{trials}, {epochs} in {} of wall time", span(wall)),
            true => format!(
                "{trials}, {epochs} in {} of active time over all runs; this run took {} of wall time",
                span(Duration::from_millis(best.study.active_ms)),
                span(wall)
            ),
        }
    }
}

/// How many trials failed, if any, and what says why.
fn failed(study: &StudyView) -> Option<String> {
    let failed = study.count(TrialState::Failed);
    let trials = output::bad(&format!("{} failed", plural(failed, "trial")));
    (failed > 0).then(|| format!("{trials}; `rung trial list {} --only failed` says why", study.name))
}

/// Samples a second, validation included, as each trainer saw them.
fn speed(work: Work, samples: u64) -> String {
    if work.epochs == 0 || work.seconds <= 0.0 {
        return String::new();
    }
    let samples = (samples * work.epochs) as f64 / work.seconds;
    format!("; {} samples/s in each trainer", count(samples.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn speed_counts_what_was_trained() {
        assert_eq!(speed(Work { epochs: 69, seconds: 69.0 }, 54_000), "; 54,000 samples/s in each trainer");
        assert_eq!(speed(Work::default(), 54_000), "");
    }

    #[test]
    fn trials_that_failed_are_named_with_what_says_why() {
        let study = StudyView { states: [0, 0, 0, 11, 3, 3], ..fixture::study() };
        let line = failed(&study).unwrap();
        assert!(line.contains("3 trials failed"), "{line}");
        assert!(line.ends_with("; `rung trial list fashion-mlp --only failed` says why"), "{line}");
        assert_eq!(failed(&fixture::study()), None);
    }

    #[test]
    fn a_resumed_study_counts_its_active_time_of_all_runs() {
        let wall = Duration::from_secs(30);
        let cost = |resumed| Summary::begin(resumed).cost(wall, &fixture::best(), 17);
        assert_eq!(cost(false), "17 trials, 69 epochs in 30 s of wall time");
        assert_eq!(
            cost(true),
            "17 trials, 69 epochs in 1 min 28 s of active time over all runs; this run took 30 s of wall time"
        );
    }
}
