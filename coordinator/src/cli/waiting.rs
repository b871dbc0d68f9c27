//! Why nobody trains a study, as far as its coordinator knows.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{
    equipment::Lack,
    study::StudySpec,
    view::{StudyPhase, StudyView, WorkerView},
};

/// How long a study may be without a lease before that is worth a word: a worker that has just been started is on its way.
const GRACE: Duration = Duration::from_secs(2);

/// Most workers that are named for one thing that they lack.
const NAMED: usize = 4;

/// Whether a study would be leased if somebody took it.
pub(super) fn waits(study: &StudyView) -> bool {
    study.leases == 0 && matches!(study.phase, StudyPhase::Running | StudyPhase::Evaluating)
}

/// What a study waits for where none of these workers can train it, and what to do: `waits for …`; nothing where one can. Workers that leave take none.
/// `advice` says how to start one.
pub(super) fn reason(workers: &[WorkerView], spec: &StudySpec, advice: &str) -> Option<String> {
    let staying = workers.iter().filter(|worker| !worker.draining);
    let mut lacking: BTreeMap<Lack, Vec<&str>> = BTreeMap::new();
    for worker in staying {
        let lack = Lack::of(&worker.device, &worker.data, spec)?;
        lacking.entry(lack).or_default().push(worker.worker.as_str());
    }
    if lacking.is_empty() {
        return Some(format!("waits for a worker: {advice}"));
    }
    let reasons: Vec<_> = lacking.iter().map(|(lack, workers)| told(*lack, workers, spec)).collect();
    Some(format!("waits for a worker that can train it: {}", reasons.join("; ")))
}

/// What workers lack, and what to do.
fn told(lack: Lack, workers: &[&str], spec: &StudySpec) -> String {
    let have = if workers.len() == 1 { "has" } else { "have" };
    let names = match workers.len().checked_sub(NAMED) {
        None | Some(0) => workers.join(", "),
        Some(more) => format!("{} and {more} more", workers[..NAMED].join(", ")),
    };
    match lack {
        Lack::Libtorch => format!("{names} {have} no libtorch, so start one that is built with it"),
        Lack::Data => format!(
            "{names} {have} no data set {} (`cargo xtask setup` there fetches it, or `--data DIR` names its folder; then start \
             the worker again)",
            spec.data.name
        ),
    }
}

/// What is told of a study that waits for a worker: why, whenever that changes, and who ends it.
#[derive(Debug)]
pub(super) struct Waiting {
    advice: String,
    /// Since when nobody has had a lease, or when that was last looked into.
    since: Option<Instant>,
    said: Option<String>,
}

impl Waiting {
    /// Nothing has been told; `advice` says how to start a worker.
    pub(super) fn new(advice: String) -> Self {
        Self { advice, since: None, said: None }
    }

    /// Whether it is time to look who is there.
    pub(super) fn is_due(&mut self, study: &StudyView) -> bool {
        if !waits(study) {
            self.since = None;
            return self.said.is_some();
        }
        let due = self.since.is_some_and(|since| since.elapsed() >= GRACE);
        if due || self.since.is_none() {
            self.since = Some(Instant::now());
        }
        due
    }

    /// What is new, with the workers that are there.
    pub(super) fn news(
        &mut self,
        (study, spec): (&StudyView, &StudySpec),
        workers: &[WorkerView],
    ) -> Option<String> {
        if !waits(study) {
            self.said = None;
            let holds = |worker: &&WorkerView| worker.leases.iter().any(|lease| lease.study == study.id);
            return workers.iter().find(holds).map(|holder| format!("worker {} has taken it", holder.worker));
        }
        let reason = reason(workers, spec, &self.advice)?;
        let new = self.said.as_ref() != Some(&reason);
        new.then(|| format!("it {}", self.said.insert(reason)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use common::{
        ids::{Attempt, TrialNumber},
        view::{DeviceFacts, LeaseId},
    };

    use super::*;
    use crate::cli::fixture;

    const ADVICE: &str = "`rung-worker` starts one";

    fn worker(name: &str, libtorch: &str, data: &[&str]) -> WorkerView {
        let device = DeviceFacts { libtorch: libtorch.to_owned(), ..DeviceFacts::default() };
        let data = data.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        WorkerView { device, data, ..fixture::worker(name) }
    }

    fn waiting_study() -> StudyView {
        StudyView { phase: StudyPhase::Running, ..fixture::study() }
    }

    #[test]
    fn who_lacks_what_is_said_unless_somebody_can_train() {
        let said = |workers: &[WorkerView]| reason(workers, &fixture::spec(), ADVICE);
        assert_eq!(said(&[]).unwrap(), "waits for a worker: `rung-worker` starts one");
        let able = worker("lab-1", "2.13.0", &["fashion-mnist"]);
        let bare = worker("lab-2", "2.13.0", &[]);
        assert_eq!(said(&[able.clone(), bare.clone()]), None);
        let leaves = WorkerView { draining: true, ..able };
        assert_eq!(said(std::slice::from_ref(&leaves)), said(&[]));
        let text = said(&[leaves, bare, worker("lab-3", "", &[])]).unwrap();
        assert!(
            text.starts_with("waits for a worker that can train it: lab-3 has no libtorch, so ")
                && text.contains("; lab-2 has no data set fashion-mnist (`cargo xtask setup` there"),
            "{text}"
        );
        let many: Vec<_> = (1..=6).map(|n| worker(&format!("lab-{n}"), "2.13.0", &[])).collect();
        let text = said(&many).unwrap();
        assert!(text.contains(": lab-1, lab-2, lab-3, lab-4 and 2 more have no data set"), "{text}");
    }

    #[test]
    fn each_reason_is_told_once_and_who_ends_it() {
        let (study, spec) = (waiting_study(), fixture::spec());
        let mut waiting = Waiting::new(ADVICE.to_owned());
        let mut news = |study: &StudyView, workers: &[WorkerView]| waiting.news((study, &spec), workers);
        assert_eq!(news(&study, &[]).unwrap(), "it waits for a worker: `rung-worker` starts one");
        assert_eq!(news(&study, &[]), None);
        let bare = worker("lab-2", "2.13.0", &[]);
        assert!(news(&study, std::slice::from_ref(&bare)).unwrap().contains("lab-2 has no data set"));
        let lease = LeaseId { study: study.id.clone(), trial: TrialNumber(0), attempt: Attempt(1) };
        let able = WorkerView { leases: vec![lease], ..worker("lab-1", "2.13.0", &["fashion-mnist"]) };
        let begun = StudyView { leases: 1, ..study };
        assert_eq!(news(&begun, &[bare, able]).unwrap(), "worker lab-1 has taken it");
    }

    #[test]
    fn nobody_is_asked_while_a_study_is_trained_or_has_just_begun_to_wait() {
        let (study, mut waiting) = (waiting_study(), Waiting::new(ADVICE.to_owned()));
        assert!(!waiting.is_due(&StudyView { leases: 1, ..study.clone() }));
        assert!(!waiting.is_due(&study) && !waiting.is_due(&study));
        waiting.since = Instant::now().checked_sub(GRACE);
        assert!(waiting.is_due(&study) && !waiting.is_due(&study));
        waiting.since = Instant::now().checked_sub(GRACE);
        assert!(!waiting.is_due(&StudyView { phase: StudyPhase::Paused, ..study.clone() }));
        assert!(!waiting.is_due(&study), "it waits anew");
    }
}
