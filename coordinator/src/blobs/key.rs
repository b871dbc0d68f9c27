//! Names of stored objects.

use common::{
    checkpoint::{Checkpoint, Digest},
    evaluation::Evaluation,
    ids::{StudyId, TrialNumber},
};
use object_store::path::Path as StorePath;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A checkpoint's parameters and buffers, safetensors.
    Weights,
    /// A checkpoint's optimizer state and counters, safetensors.
    State,
    /// Class probabilities on the test part, little-endian f32.
    Probabilities,
    /// Class probabilities on the validation part, little-endian f32.
    ValidationProbabilities,
}

impl ObjectKind {
    const ALL: [Self; 4] = [Self::Weights, Self::State, Self::Probabilities, Self::ValidationProbabilities];

    /// Whether it is part of a checkpoint.
    pub fn is_checkpoint(self) -> bool {
        matches!(self, Self::Weights | Self::State)
    }

    /// How files of the kind are called, and how their names end.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Weights => ("weights", "safetensors"),
            Self::State => ("state", "safetensors"),
            Self::Probabilities => ("probabilities", "f32"),
            Self::ValidationProbabilities => ("validation", "f32"),
        }
    }
}

/// An object's name, from which alone its place in the store follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The study.
    pub study: StudyId,
    /// The trial.
    pub trial: TrialNumber,
    /// Epochs trained when it was taken.
    pub epoch: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl ObjectKey {
    /// The two objects of a checkpoint: weights, then state.
    pub fn of_checkpoint(study: &StudyId, trial: TrialNumber, checkpoint: &Checkpoint) -> [Self; 2] {
        let key = |kind, digest| Self { study: study.clone(), trial, epoch: checkpoint.epoch, kind, digest };
        [key(ObjectKind::Weights, checkpoint.weights), key(ObjectKind::State, checkpoint.state)]
    }

    /// The stored probabilities of an evaluation: the test part's, then the validation part's.
    pub fn of_evaluation(study: &StudyId, trial: TrialNumber, evaluation: &Evaluation) -> Vec<Self> {
        let parts = [
            (ObjectKind::Probabilities, evaluation.test.probabilities),
            (ObjectKind::ValidationProbabilities, evaluation.validation.and_then(|part| part.probabilities)),
        ];
        let epoch = evaluation.epoch;
        let key = |(kind, digest): (ObjectKind, Option<Digest>)| {
            Some(Self { study: study.clone(), trial, epoch, kind, digest: digest? })
        };
        parts.into_iter().filter_map(key).collect()
    }

    /// Its place in the store.
    pub(crate) fn path(&self) -> StorePath {
        let (kind, end) = self.kind.words();
        StorePath::from(format!("{}/{}/{}-{kind}-{}.{end}", self.study, self.trial, self.epoch, self.digest))
    }

    /// The object of a place; none where something else lies there.
    pub(super) fn of_path(path: &StorePath) -> Option<Self> {
        let mut parts = path.as_ref().split('/');
        let (study, trial, file) = (parts.next()?, parts.next()?, parts.next()?);
        let (name, end) = file.split_once('.')?;
        let mut words = name.splitn(3, '-');
        let (epoch, kind, digest) = (words.next()?, words.next()?, words.next()?);
        let kind = ObjectKind::ALL.into_iter().find(|known| known.words() == (kind, end))?;
        let key = Self {
            study: study.parse().ok()?,
            trial: TrialNumber(trial.parse().ok()?),
            epoch: epoch.parse().ok()?,
            kind,
            digest: digest.parse().ok()?,
        };
        // One object has one name: nothing else is taken for it.
        (key.path() == *path).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_its_object_and_nothing_else_does() {
        for kind in ObjectKind::ALL {
            let study = "0a1b2c3d".parse().unwrap();
            let key = ObjectKey { study, trial: TrialNumber(3), epoch: 9, kind, digest: Digest::of(b"x") };
            assert_eq!(ObjectKey::of_path(&key.path()), Some(key.clone()));
            let odd = key.path().as_ref().replace("/3/", "/03/");
            assert_eq!(ObjectKey::of_path(&StorePath::from(odd)), None);
        }
        assert_eq!(ObjectKey::of_path(&data_like()), None);
    }

    fn data_like() -> StorePath {
        StorePath::from(format!("datasets/{}.safetensors", Digest::of(b"x")))
    }
}
