//! Reports, kept until the coordinator says that they are durable.

use std::collections::VecDeque;

use common::view::LeaseId;

use super::messages::Report;

/// Most reports in one message, so that it stays well below the protocol's limit.
const BATCH: usize = 2_000;

/// Reports in order: waiting to be numbered, then unacknowledged in numbered batches.
///
/// A batch keeps its number and its reports when it is sent again, so the coordinator may count on either.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Report>,
    unacked: VecDeque<Batch>,
    /// How many of `unacked` were sent on this connection.
    sent: usize,
    /// Batches numbered so far.
    numbered: u64,
}

#[derive(Debug)]
struct Batch {
    sequence: u64,
    reports: Vec<Report>,
}

impl Outbox {
    /// Adds a report behind all others.
    pub(crate) fn push(&mut self, report: Report) {
        self.waiting.push_back(report);
    }

    /// The next batch to send: one that an earlier connection left unacknowledged, or all that waits.
    pub(crate) fn next(&mut self) -> Option<(u64, Vec<Report>)> {
        if self.sent == self.unacked.len() {
            if self.waiting.is_empty() {
                return None;
            }
            self.numbered += 1;
            let reports = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
            self.unacked.push_back(Batch { sequence: self.numbered, reports });
        }
        let batch = &self.unacked[self.sent];
        self.sent += 1;
        Some((batch.sequence, batch.reports.clone()))
    }

    /// Drops the batches up to `sequence` and returns their reports.
    pub(crate) fn ack(&mut self, sequence: u64) -> Vec<Report> {
        let mut durable = Vec::new();
        while self.unacked.front().is_some_and(|batch| batch.sequence <= sequence) {
            durable.extend(self.unacked.pop_front().into_iter().flat_map(|batch| batch.reports));
            self.sent = self.sent.saturating_sub(1);
        }
        durable
    }

    /// Starts again at the oldest unacknowledged batch, for a new connection.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Drops the reports of a lease that is no longer the worker's: the coordinator would refuse them.
    pub(crate) fn forget(&mut self, lease: &LeaseId) {
        self.waiting.retain(|report| report.lease != *lease);
        for batch in &mut self.unacked {
            batch.reports.retain(|report| report.lease != *lease);
        }
        self.sent -= self.unacked.iter().take(self.sent).filter(|batch| batch.reports.is_empty()).count();
        self.unacked.retain(|batch| !batch.reports.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{messages::News, tests::lease};

    fn report(trial: u32) -> Report {
        Report { lease: lease(trial, 1), news: News::Released { checkpoint: None } }
    }

    fn trials((_, reports): (u64, Vec<Report>)) -> Vec<u32> {
        reports.into_iter().map(|report| report.lease.trial.0).collect()
    }

    #[test]
    fn all_that_waits_goes_in_one_batch() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.next(), None);
        outbox.push(report(1));
        outbox.push(report(2));
        let (sequence, reports) = outbox.next().unwrap();
        assert_eq!((sequence, reports.len()), (1, 2));
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn a_new_connection_resends_from_the_oldest_unacknowledged() {
        let mut outbox = Outbox::default();
        for trial in 1..=3 {
            outbox.push(report(trial));
            outbox.next();
        }
        assert_eq!(outbox.ack(1).len(), 1);
        outbox.push(report(4));
        outbox.rewind();
        let again: Vec<_> = std::iter::from_fn(|| outbox.next()).collect();
        assert_eq!(again.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(again.into_iter().flat_map(trials).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn an_ack_covers_all_batches_before_it_and_repeats_change_nothing() {
        let mut outbox = Outbox::default();
        for trial in 1..=3 {
            outbox.push(report(trial));
            outbox.next();
        }
        assert_eq!(outbox.ack(2).len(), 2);
        assert_eq!(outbox.ack(2), []);
        assert_eq!(outbox.ack(1), []);
        assert_eq!(outbox.ack(99).len(), 1);
        outbox.push(report(4));
        assert_eq!(outbox.next().map(trials), Some(vec![4]));
    }

    #[test]
    fn a_forgotten_lease_leaves_no_report_and_no_gap_in_what_is_resent() {
        let mut outbox = Outbox::default();
        for trial in [1, 2, 1] {
            outbox.push(report(trial));
            outbox.next();
        }
        outbox.push(report(1));
        outbox.forget(&lease(1, 1));
        assert_eq!(outbox.next(), None);
        outbox.rewind();
        assert_eq!(outbox.next().map(trials), Some(vec![2]));
        assert_eq!(outbox.next(), None);
    }

    #[test]
    fn a_long_silence_is_told_in_several_messages() {
        let mut outbox = Outbox::default();
        (0..BATCH as u32 + 1).for_each(|trial| outbox.push(report(trial)));
        assert_eq!(outbox.next().map(|(_, reports)| reports.len()), Some(BATCH));
        assert_eq!(outbox.next().map(|(_, reports)| reports.len()), Some(1));
    }
}
