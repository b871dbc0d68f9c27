//! Which samples are held out for validation.

use crate::{
    random::{Purpose, Stream},
    study::{DataSpec, Split},
};

/// A data set's samples as a study uses them; each is in exactly one list, indices ascend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Samples of the training part to train on.
    pub train: Vec<u32>,
    /// Samples to validate on: of the training part, and of the test part in [`Split::Paper`].
    pub validation: Vec<u32>,
}

impl Parts {
    /// The samples of a study, given the labels of the data set's training and test part.
    pub fn of(spec: &DataSpec, (train, test): (&[u8], &[u8]), classes: usize, data_digest: &str) -> Self {
        let all = |labels: &[u8]| (0..labels.len() as u32).collect();
        match spec.split {
            Split::Holdout => holdout(train, classes, data_digest, spec.split_seed),
            Split::Paper => {
                let Self { validation, .. } = holdout(test, classes, data_digest, spec.split_seed);
                Self { train: all(train), validation }
            }
            Split::None => Self { train: all(train), validation: Vec::new() },
        }
    }

    /// Whether nothing is left to train on, or to validate on where the study validates.
    pub fn is_short_of(&self, split: Split) -> bool {
        self.train.is_empty() || (split != Split::None && self.validation.is_empty())
    }
}

/// Holds out a share of each class, to the nearest whole sample, drawn from a seed: for data without a test part.
pub fn share(labels: &[u8], share: f64, seed: u64) -> Parts {
    let count = |members: usize| (members as f64 * share).round() as usize;
    divide(labels, 256, Stream::new(seed, Purpose::Split), count)
}

/// Holds out a tenth of each class (to the nearest whole sample) for validation.
///
/// The choice depends on the data set (by its digest), on `split_seed` and on the labels alone, so that studies with
/// different seeds validate on the same samples. Classes are `0..classes`; a label outside counts as a class of its
/// own.
pub fn holdout(labels: &[u8], classes: usize, data_digest: &str, split_seed: u64) -> Parts {
    let stream = Stream::new(mixed(data_digest, split_seed), Purpose::Split);
    divide(labels, classes, stream, |members| (members + 5) / 10)
}

/// Divides each class by a count of how many of so many members are held out.
fn divide(labels: &[u8], classes: usize, stream: Stream, held: impl Fn(usize) -> usize) -> Parts {
    let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); classes.max(256)];
    for (index, label) in labels.iter().enumerate() {
        by_class[usize::from(*label)].push(index as u32);
    }
    let mut parts = Parts { train: Vec::with_capacity(labels.len()), validation: Vec::new() };
    for (class, mut members) in by_class.into_iter().enumerate() {
        stream.layer(class as u32).words().shuffle(&mut members);
        let held_out = held(members.len()).min(members.len());
        parts.validation.extend_from_slice(&members[..held_out]);
        parts.train.extend_from_slice(&members[held_out..]);
    }
    parts.train.sort_unstable();
    parts.validation.sort_unstable();
    parts
}

/// A seed of both the data and the split's own seed.
fn mixed(data_digest: &str, split_seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&split_seed.to_le_bytes());
    hasher.update(data_digest.as_bytes());
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    u64::from_le_bytes(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty thousand labels in ten equal classes, as Fashion-MNIST has them.
    fn labels() -> Vec<u8> {
        (0..60_000u32).map(|i| (i.wrapping_mul(7919) % 10) as u8).collect()
    }

    #[test]
    fn a_tenth_of_each_class_is_held_out() {
        let labels = labels();
        let parts = holdout(&labels, 10, "digest", 0);
        assert_eq!((parts.train.len(), parts.validation.len()), (54_000, 6_000));
        for class in 0..10 {
            assert_eq!(parts.validation.iter().filter(|i| labels[**i as usize] == class).count(), 600);
        }
        let mut all = [parts.train.clone(), parts.validation.clone()].concat();
        assert!(parts.train.is_sorted() && parts.validation.is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..60_000).collect::<Vec<_>>());
    }

    #[test]
    fn data_and_split_seed_decide_the_split() {
        let labels = labels();
        let parts = holdout(&labels, 10, "digest", 0);
        assert_eq!(parts, holdout(&labels, 10, "digest", 0));
        assert_ne!(parts, holdout(&labels, 10, "digest", 1));
        assert_ne!(parts, holdout(&labels, 10, "other", 0));
    }

    #[test]
    fn paper_validates_on_a_tenth_of_the_test_part_and_none_on_nothing() {
        let (train, test) = (labels(), &labels()[..10_000]);
        let parts =
            |split| Parts::of(&DataSpec { split, ..DataSpec::default() }, (&train, test), 10, "digest");
        let paper = parts(Split::Paper);
        assert_eq!((paper.train.len(), paper.validation.len()), (60_000, 1_000));
        for class in 0..10 {
            assert_eq!(paper.validation.iter().filter(|i| test[**i as usize] == class).count(), 100);
        }
        let none = parts(Split::None);
        assert_eq!((none.train.len(), none.validation.len()), (60_000, 0));
        assert!(!none.is_short_of(Split::None) && none.is_short_of(Split::Holdout));
        assert_eq!(parts(Split::Holdout), holdout(&train, 10, "digest", 0));
    }

    #[test]
    fn a_share_of_each_class_is_held_out() {
        let labels = [vec![0; 10], vec![1; 6]].concat();
        let parts = share(&labels, 0.2, 1);
        assert_eq!(parts.validation.iter().filter(|i| labels[**i as usize] == 0).count(), 2);
        assert_eq!((parts.validation.len(), parts.train.len()), (3, 13));
        assert_eq!(parts, share(&labels, 0.2, 1));
        assert_ne!(parts, share(&labels, 0.2, 2));
        assert!(share(&labels, 0.0, 1).validation.is_empty());
    }

    #[test]
    fn the_split_is_the_same_for_ever() {
        let parts = holdout(&labels(), 10, "digest", 0);
        assert_eq!(parts.validation[..6], [1, 5, 25, 32, 59, 61]);
    }

    #[test]
    fn uneven_classes_and_stray_labels_are_split_too() {
        let labels = [vec![0; 4], vec![1; 25], vec![200; 10]].concat();
        let parts = holdout(&labels, 2, "digest", 0);
        assert_eq!(parts.validation.len(), 3 + 1);
        assert_eq!(parts.train.len() + parts.validation.len(), labels.len());
        assert_eq!(holdout(&[], 10, "digest", 0), Parts { train: vec![], validation: vec![] });
    }
}
