//! What happened in a study, result by result and epoch by epoch: what reports are made of.

use std::collections::BTreeMap;

use crate::{
    checkpoint::Digest,
    ids::{TrialNumber, WorkerId},
    metrics::{CurvePoint, TestMetrics},
};

/// Everything that was measured in a study.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    /// Results at rungs, in the order in which they came.
    pub results: Vec<RungResult>,
    /// Measurements on the test part, in the order in which they came.
    pub evaluations: Vec<Evaluation>,
    /// Learning curves by trial, each by epoch.
    pub curves: BTreeMap<TrialNumber, Vec<CurvePoint>>,
}

/// A trial's result at a rung.
#[derive(Debug, Clone, PartialEq)]
pub struct RungResult {
    /// The trial.
    pub trial: TrialNumber,
    /// The rung, from 0.
    pub rung: u32,
    /// Epochs trained in total; fewer than the rung's after early stopping.
    pub epochs: u32,
    /// The objective's value; infinite or NaN where the trial failed by it.
    pub value: f64,
    /// Who trained it; none where an early-stopped trial's result was carried to a later rung.
    pub worker: Option<WorkerId>,
}

/// A checkpoint measured on the test part.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The trial.
    pub trial: TrialNumber,
    /// Epochs of the checkpoint.
    pub epoch: u32,
    /// What it scored.
    pub test: TestMetrics,
    /// The stored class probabilities.
    pub probabilities: Option<Digest>,
}

impl History {
    /// Adds what came later: results and evaluations behind those that are there, points behind their trial's.
    pub fn append(&mut self, later: Self) {
        self.results.extend(later.results);
        self.evaluations.extend(later.evaluations);
        for (trial, points) in later.curves {
            self.curves.entry(trial).or_default().extend(points);
        }
    }
}
