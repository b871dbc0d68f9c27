//! Where configurations come from: each trial's is a function of the space, the seed, its number and those before it.

mod grid;

mod permutation;

mod random;

use std::collections::BTreeSet;

use common::{
    checkpoint::Digest,
    hparams::Hparams,
    ids::TrialNumber,
    random::trial_seed,
    study::{SchedulerSpec, StudySpec},
};

/// The configuration and the seed that a trial is drawn with; none where there is none left.
///
/// `used` gets the configuration.
pub(crate) fn draw(spec: &StudySpec, trial: TrialNumber, used: &mut Used<'_>) -> Option<(Hparams, u64)> {
    let seed = trial_seed(spec.seed, trial.0);
    if let SchedulerSpec::Fixed { trials, .. } = &spec.scheduler {
        let listed = trials.get(trial.0 as usize)?;
        return Some((listed.hparams.clone(), listed.seed.unwrap_or(seed)));
    }
    // One that an earlier trial has already is drawn as any other.
    let first = spec.sampler.first().get(trial.0 as usize);
    if let Some(hparams) = first.and_then(|given| random::around(spec, given, trial, used)) {
        return Some((hparams, seed));
    }
    let hparams = match (spec.sampler.is_grid(), spec.space.points()) {
        (true, Some(points)) => grid::draw(spec, points, trial, used),
        // A grid of a continuous parameter has no points; a study's parser refuses it.
        (_, points) => random::draw(spec, points, trial, used),
    };
    hparams.map(|hparams| (hparams, seed))
}

/// What was drawn.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Drawn {
    /// The configurations of this pass through the space, by their digests.
    used: BTreeSet<Digest>,
    /// Where looking goes on in a grid.
    next: u128,
}

impl Drawn {
    /// Takes a trial's configuration. One that is there already begins the next pass.
    pub(crate) fn insert(&mut self, spec: &StudySpec, trial: TrialNumber, hparams: &Hparams) {
        self.next = grid::behind(spec, trial, hparams, self.next);
        let digest = digest(hparams);
        if !self.used.insert(digest) {
            self.used.clear();
            self.used.insert(digest);
        }
    }
}

/// The configurations that are used in this pass, with those that a decision is about to draw: deciding changes nothing.
#[derive(Debug)]
pub(crate) struct Used<'a> {
    /// What was drawn before; none once a new pass has begun.
    before: Option<&'a Drawn>,
    new: BTreeSet<Digest>,
    /// Where looking goes on in a grid.
    next: u128,
}

impl<'a> Used<'a> {
    /// What was drawn before, and nothing new.
    pub(crate) fn new(before: &'a Drawn) -> Self {
        Self { before: Some(before), new: BTreeSet::new(), next: before.next }
    }

    /// Takes a configuration if it is not used in this pass, and says whether it did.
    fn insert(&mut self, hparams: &Hparams) -> bool {
        let digest = digest(hparams);
        let before = self.before.is_some_and(|before| before.used.contains(&digest));
        !before && self.new.insert(digest)
    }

    /// How many configurations are used in this pass.
    fn len(&self) -> usize {
        self.before.map_or(0, |before| before.used.len()) + self.new.len()
    }

    /// Begins the next pass.
    fn begin_pass(&mut self) {
        self.before = None;
        self.new.clear();
    }
}

fn digest(hparams: &Hparams) -> Digest {
    Digest::of(hparams.key().as_bytes())
}
