//! What a worker must have to train a study.

use std::collections::BTreeSet;

use crate::{
    study::{ModelKind, StudySpec},
    view::DeviceFacts,
};

/// What a worker lacks to train a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// libtorch, by which all models but the formula are trained.
    Libtorch,
    /// The study's data set, which no coordinator hands out.
    Data,
}

impl Lack {
    /// What is missing where a worker has this device and can open these data sets; nothing where it can train the study.
    pub fn of(device: &DeviceFacts, data: &BTreeSet<String>, spec: &StudySpec) -> Option<Self> {
        if spec.model == ModelKind::Formula {
            None
        } else if device.libtorch.is_empty() {
            Some(Self::Libtorch)
        } else {
            // Data of the cluster's store can be fetched by whoever trains.
            let has = spec.data.object().is_some() || data.contains(&spec.data.name);
            (!has).then_some(Self::Data)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_formula_needs_libtorch_and_the_data() {
        let spec = |text: &str| StudySpec::from_yaml(text).unwrap();
        let mlp = spec("{name: s, model: mlp, space: mlp}");
        let formula = spec("{name: s, model: formula, space: {x: {float: [0, 1]}}}");
        let without = DeviceFacts::default();
        let with = DeviceFacts { libtorch: "2.13.0".to_owned(), ..DeviceFacts::default() };
        let (none, some) = (BTreeSet::new(), BTreeSet::from([mlp.data.name.clone()]));
        assert_eq!(Lack::of(&without, &none, &formula), None);
        assert_eq!(Lack::of(&without, &some, &mlp), Some(Lack::Libtorch));
        assert_eq!(Lack::of(&with, &none, &mlp), Some(Lack::Data));
        assert_eq!(Lack::of(&with, &some, &mlp), None);
    }
}
