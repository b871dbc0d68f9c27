//! A study's history, read from its log and its curves in pages of bounded size.

use std::{collections::BTreeMap, ops::ControlFlow};

use common::{
    history::{Evaluation, History, RungResult},
    ids::{StudyId, TrialNumber, WorkerId},
    metrics::TestMetrics,
};
use scheduler::{Event, Work};

use super::{Reader, StoreError, curves, log};

/// Results, or points of curves, in a page: about half a megabyte on the wire.
const PAGE: usize = 4096;

impl Reader {
    /// Hands out everything that was measured in a study: results, then evaluations, then curves by trial and epoch.
    ///
    /// All pages are of one moment. It ends early where `take` breaks off.
    pub fn history(
        &self,
        study: &StudyId,
        mut take: impl FnMut(History) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let snapshot = self.connection.unchecked_transaction()?;
        let mut pages = Pages { page: History::default(), size: 0, take: &mut take };
        let mut measured = Measured::default();
        let mut ended = false;
        log::each(&snapshot, self.layout, study, |event| {
            let result = measured.result(&event);
            ended = result.is_some_and(|result| pages.add(|page| page.results.push(result)).is_break());
            !ended
        })?;
        if ended {
            return Ok(());
        }
        pages.page.evaluations = measured.evaluations;
        let columns = curves::columns(self.layout);
        let mut curves = snapshot
            .prepare_cached(&format!("SELECT {columns} FROM curves WHERE study = ? ORDER BY trial, epoch"))?;
        let mut rows = curves.query([study.as_str()])?;
        while let Some(row) = rows.next()? {
            let (trial, point) = curves::point(row, self.layout)?;
            let add = |page: &mut History| page.curves.entry(trial).or_default().push(point);
            if pages.add(add).is_break() {
                return Ok(());
            }
        }
        let _ = (pages.take)(pages.page);
        Ok(())
    }
}

/// Pages that are filled and handed out.
struct Pages<'a> {
    page: History,
    size: usize,
    take: &'a mut dyn FnMut(History) -> ControlFlow<()>,
}

impl Pages<'_> {
    fn add(&mut self, add: impl FnOnce(&mut History)) -> ControlFlow<()> {
        add(&mut self.page);
        self.size += 1;
        if self.size < PAGE {
            return ControlFlow::Continue(());
        }
        self.size = 0;
        (self.take)(std::mem::take(&mut self.page))
    }
}

/// What a log says of measurements: leases are followed, because results do not name their worker.
#[derive(Debug, Default)]
struct Measured {
    leases: BTreeMap<TrialNumber, (WorkerId, Work)>,
    evaluations: Vec<Evaluation>,
}

impl Measured {
    /// Takes an event; returns the result that it is, if it is one.
    fn result(&mut self, event: &Event) -> Option<RungResult> {
        match *event {
            Event::Granted { trial, ref worker, work, .. } => {
                self.leases.insert(trial, (worker.clone(), work));
                None
            }
            Event::RungFinished { trial, rung, epochs, value, .. }
            | Event::NotFinite { trial, rung, epochs, value, .. } => {
                let worker = self.leases.remove(&trial).map(|(worker, _)| worker);
                Some(RungResult { trial, rung, epochs, value: value.0, worker })
            }
            Event::Evaluated { trial, test, probabilities, .. } => {
                let epoch = match self.leases.remove(&trial) {
                    Some((_, Work::Evaluate { checkpoint })) => checkpoint.epoch,
                    _ => return None,
                };
                self.evaluations.push(Evaluation {
                    trial,
                    epoch,
                    test: TestMetrics::from(test),
                    probabilities,
                });
                None
            }
            Event::Released { trial, .. }
            | Event::LeaseLost { trial, .. }
            | Event::AttemptFailed { trial, .. } => {
                self.leases.remove(&trial);
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{
        checkpoint::{Checkpoint, Digest},
        ids::Attempt,
        metrics::Bits,
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn a_result_names_the_worker_whose_lease_it_ends() {
        let trial = TrialNumber(4);
        let checkpoint = Checkpoint { epoch: 3, weights: Digest::of(b"w"), state: Digest::of(b"s") };
        let granted = |attempt, worker: &str, work| Event::Granted {
            trial,
            attempt: Attempt(attempt),
            worker: worker.parse().unwrap(),
            work,
            at: Timestamp(0),
        };
        let train = Work::Train { from_epoch: 0, to_epoch: 3, resume: None };
        let finished = |rung| Event::RungFinished {
            trial,
            attempt: Attempt(2),
            rung,
            epochs: 3,
            value: Bits(0.5),
            val_loss: Bits(1.0),
            checkpoint,
            early_stopped: true,
        };
        let test = TestMetrics { accuracy: 0.9, loss: 0.3, clean: None };
        let log = [
            granted(1, "lost", train),
            Event::LeaseLost { trial, attempt: Attempt(1) },
            granted(2, "lab-1", train),
            finished(0),
            finished(1),
            granted(3, "lab-2", Work::Evaluate { checkpoint }),
            Event::Evaluated {
                trial,
                attempt: Attempt(3),
                test: test.into(),
                probabilities: None,
                validation: None,
            },
        ];
        let mut measured = Measured::default();
        let results: Vec<_> = log.iter().filter_map(|event| measured.result(event)).collect();
        let workers: Vec<_> = results.iter().map(|result| (result.rung, result.worker.clone())).collect();
        assert_eq!(workers, [(0, Some("lab-1".parse().unwrap())), (1, None)]);
        assert_eq!(measured.evaluations, [Evaluation { trial, epoch: 3, test, probabilities: None }]);
    }
}
