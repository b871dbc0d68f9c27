//! A study's history, from the domain to the wire and back.

use common::{
    history::{Evaluation, History, RungResult},
    ids::TrialNumber,
};

use crate::{Malformed, v1 as pb};

impl From<History> for pb::HistoryPage {
    fn from(page: History) -> Self {
        let curves = page.curves.into_iter().map(|(trial, points)| pb::TrialCurve {
            trial: trial.0,
            points: points.into_iter().map(Into::into).collect(),
        });
        Self {
            results: page.results.into_iter().map(Into::into).collect(),
            evaluations: page.evaluations.into_iter().map(Into::into).collect(),
            curves: curves.collect(),
        }
    }
}

impl From<RungResult> for pb::RungResult {
    fn from(result: RungResult) -> Self {
        Self {
            trial: result.trial.0,
            rung: result.rung,
            epochs: result.epochs,
            value: result.value,
            worker: result.worker.map(String::from).unwrap_or_default(),
        }
    }
}

impl From<Evaluation> for pb::TrialEvaluation {
    fn from(evaluation: Evaluation) -> Self {
        Self {
            trial: evaluation.trial.0,
            epoch: evaluation.epoch,
            test: Some(evaluation.test.into()),
            probabilities: evaluation.probabilities.map(|digest| digest.to_string()).unwrap_or_default(),
        }
    }
}

impl TryFrom<pb::HistoryPage> for History {
    type Error = Malformed;

    fn try_from(page: pb::HistoryPage) -> Result<Self, Malformed> {
        let curve = |curve: pb::TrialCurve| {
            let points: Result<Vec<_>, _> = curve.points.into_iter().map(TryInto::try_into).collect();
            Ok((TrialNumber(curve.trial), points?))
        };
        Ok(Self {
            results: page.results.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            evaluations: page.evaluations.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            curves: page.curves.into_iter().map(curve).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<pb::RungResult> for RungResult {
    type Error = Malformed;

    fn try_from(result: pb::RungResult) -> Result<Self, Malformed> {
        let worker = Some(result.worker).filter(|worker| !worker.is_empty()).map(|worker| worker.parse());
        Ok(Self {
            trial: TrialNumber(result.trial),
            rung: result.rung,
            epochs: result.epochs,
            value: result.value,
            worker: worker.transpose().map_err(|error| Malformed::new("rung_result.worker", error))?,
        })
    }
}

impl TryFrom<pb::TrialEvaluation> for Evaluation {
    type Error = Malformed;

    fn try_from(evaluation: pb::TrialEvaluation) -> Result<Self, Malformed> {
        let test = evaluation.test.ok_or_else(|| Malformed::new("evaluation.test", "missing"))?;
        let digest = Some(evaluation.probabilities).filter(|digest| !digest.is_empty());
        let digest = digest.map(|digest| digest.parse()).transpose();
        Ok(Self {
            trial: TrialNumber(evaluation.trial),
            epoch: evaluation.epoch,
            test: test.into(),
            probabilities: digest.map_err(|error| Malformed::new("evaluation.probabilities", error))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::{
        checkpoint::Digest,
        metrics::{CurvePoint, Metrics, TestMetrics},
    };

    use super::*;

    #[test]
    fn a_history_crosses_the_wire_unchanged() {
        let metrics = Metrics {
            train_loss: 0.5,
            train_accuracy: 0.8,
            val_loss: f64::INFINITY,
            val_accuracy: 0.1 + 0.2,
            val_macro_f1: 1e-310,
        };
        let point = CurvePoint { epoch: 1, metrics, learning_rate: 1e-3, seconds: 0.25 };
        let result = |worker: Option<&str>| RungResult {
            trial: TrialNumber(3),
            rung: 1,
            epochs: 9,
            value: 0.875,
            worker: worker.map(|worker| worker.parse().unwrap()),
        };
        let evaluation = |probabilities| Evaluation {
            trial: TrialNumber(3),
            epoch: 9,
            test: TestMetrics { accuracy: 0.87, loss: 0.34, clean: None },
            probabilities,
        };
        let history = History {
            results: vec![result(Some("lab-1")), result(None)],
            evaluations: vec![evaluation(Some(Digest::of(b"p"))), evaluation(None)],
            curves: [(TrialNumber(3), vec![point])].into(),
        };
        assert_eq!(History::try_from(pb::HistoryPage::from(history.clone())).unwrap(), history);
    }
}
