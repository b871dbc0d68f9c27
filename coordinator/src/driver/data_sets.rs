//! The data sets of the cluster: what names mean, and which studies use what.

use std::collections::BTreeMap;

use common::{
    checkpoint::Digest,
    ids::{DataName, StudyId},
    nearest::nearest,
    study::{DataFacts, DataSpec, StudySpec},
    view::DataView,
};

use super::Refused;
use crate::store::StoredData;

/// What is in the store, and what for.
#[derive(Debug, Default)]
pub(super) struct DataSets {
    sets: BTreeMap<DataName, DataView>,
    /// The data of every study that recorded it, finished ones included.
    uses: BTreeMap<StudyId, Digest>,
}

impl DataSets {
    /// The data sets that a store has.
    pub(super) fn new(stored: StoredData) -> Self {
        let sets = stored.sets.into_iter().map(|set| (set.name.clone(), set)).collect();
        Self { sets, uses: stored.uses.into_iter().collect() }
    }

    /// Whether a data set can be taken up; the one that is there where it has the same name and content.
    pub(super) fn check(&self, set: &DataView) -> Result<Option<&DataView>, Refused> {
        check_name(&set.name)?;
        match self.sets.get(&set.name) {
            Some(there) if there.facts != set.facts => Err(Refused::DataTaken(set.name.clone())),
            there => Ok(there),
        }
    }

    /// The objects that names mean and studies use.
    pub(super) fn objects(&self) -> impl Iterator<Item = Digest> {
        self.sets.values().map(|set| set.facts.digest).chain(self.uses.values().copied())
    }

    /// Takes a data set up; the one that is there where it has the same content, and whether it is new.
    pub(super) fn add(&mut self, set: DataView) -> Result<(DataView, bool), Refused> {
        match self.check(&set)? {
            Some(there) => Ok((there.clone(), false)),
            None => {
                self.sets.insert(set.name.clone(), set.clone());
                Ok((set, true))
            }
        }
    }

    /// Takes a data set that no study uses out; its object where no other name has it.
    pub(super) fn remove(
        &mut self,
        name: &DataName,
        called: impl Fn(&StudyId) -> String,
    ) -> Result<Option<Digest>, Refused> {
        let set = self.sets.get(name).ok_or_else(|| self.unknown(name.as_str()))?;
        let digest = set.facts.digest;
        let named = self.sets.values().filter(|set| set.facts.digest == digest).count();
        let used = self.uses.iter().find(|(_, used)| **used == digest);
        if let (1, Some((study, _))) = (named, used) {
            return Err(Refused::DataUsed(name.clone(), called(study)));
        }
        self.sets.remove(name);
        Ok((named == 1).then_some(digest))
    }

    /// The study with what its data set's name means now, or with what it says that it meant.
    pub(super) fn resolved(&self, spec: StudySpec) -> Result<StudySpec, Refused> {
        let name = &spec.data.name;
        let facts = match (DataFacts::known(name), &spec.data.facts) {
            (Some(known), _) => known,
            (None, Some(told)) => match self.sets.values().find(|set| set.facts.digest == told.digest) {
                Some(set) => set.facts.clone(),
                None => {
                    return Err(Refused::Data(format!(
                        "the study names data `{name}` with digest {}, which is not in this cluster: \
                     `rung data add {name} PATH --format FORMAT` brings it",
                        told.digest.short()
                    )));
                }
            },
            (None, None) => {
                let set = name.parse().ok().and_then(|name: DataName| self.sets.get(&name));
                set.ok_or_else(|| self.unknown(name))?.facts.clone()
            }
        };
        spec.on(facts).map_err(|error| Refused::Data(error.to_string()))
    }

    /// Notes what a study uses.
    pub(super) fn used(&mut self, study: &StudyId, spec: &StudySpec) {
        if let Some(facts) = &spec.data.facts {
            self.uses.insert(study.clone(), facts.digest);
        }
    }

    /// Forgets a study.
    pub(super) fn unused(&mut self, study: &StudyId) {
        self.uses.remove(study);
    }

    fn unknown(&self, name: &str) -> Refused {
        let names: Vec<&str> =
            DataSpec::NAMES.iter().copied().chain(self.sets.keys().map(DataName::as_str)).collect();
        let help = match nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => {
                format!("known are {}; `rung data add {name} PATH --format FORMAT` adds it", names.join(", "))
            }
        };
        Refused::Data(format!("unknown data set `{name}`; {help}"))
    }
}

/// Refuses the name of a data set that Rung knows, and one that could be meant for it.
pub(crate) fn check_name(name: &DataName) -> Result<(), Refused> {
    let name = name.as_str();
    if DataSpec::NAMES.contains(&name) {
        return Err(Refused::Data(format!("`{name}` is a data set that rung knows: use another name")));
    }
    match DataSpec::misspelt(name) {
        Some(known) => {
            Err(Refused::Data(format!("`{name}` looks like `{known}`, which rung knows: use another name")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use common::{study::DataKind, time::Timestamp};

    use super::*;

    fn set(name: &str, content: &str) -> DataView {
        let facts = DataFacts {
            digest: Digest::of(content.as_bytes()),
            kind: DataKind::Images,
            channels: 3,
            height: 8,
            width: 8,
            classes: vec!["a".to_owned(), "b".to_owned()],
            train: 20,
            test: 10,
        };
        DataView { name: name.parse().unwrap(), facts, size: 1, created: Timestamp(1) }
    }

    fn spec(data: &str) -> StudySpec {
        StudySpec::from_yaml(&format!("{{name: s, model: mlp, space: mlp, data: {{name: {data}}}}}")).unwrap()
    }

    fn data_sets() -> DataSets {
        let mut data_sets = DataSets::default();
        data_sets.add(set("mine", "one")).unwrap();
        data_sets
    }

    #[test]
    fn a_name_keeps_its_content() {
        let mut data_sets = data_sets();
        assert_eq!(
            data_sets.add(DataView { created: Timestamp(2), ..set("mine", "one") }),
            Ok((set("mine", "one"), false))
        );
        assert!(matches!(data_sets.add(set("mine", "two")), Err(Refused::DataTaken(_))));
        for name in ["fashion-mnist", "fashion-minst"] {
            assert!(matches!(data_sets.add(set(name, "two")), Err(Refused::Data(_))), "{name}");
        }
    }

    #[test]
    fn a_study_records_what_its_name_means() {
        let mut data_sets = data_sets();
        let resolved = data_sets.resolved(spec("mine")).unwrap();
        assert_eq!(resolved.data.facts, Some(set("mine", "one").facts));
        assert_eq!(resolved.data.object(), Some(Digest::of(b"one")));
        assert_eq!(data_sets.resolved(resolved.clone()), Ok(resolved.clone()));
        let known = data_sets.resolved(spec("fashion-mnist")).unwrap();
        assert_eq!(
            (known.data.facts.clone(), known.data.object()),
            (DataFacts::known("fashion-mnist"), None)
        );
        let Err(Refused::Data(message)) = data_sets.resolved(spec("mime")) else { panic!() };
        assert_eq!(message, "unknown data set `mime`; did you mean `mine`?");
        data_sets.remove(&"mine".parse().unwrap(), StudyId::to_string).unwrap();
        let Err(Refused::Data(message)) = data_sets.resolved(resolved) else { panic!() };
        assert!(message.contains("which is not in this cluster"), "{message}");
    }

    #[test]
    fn what_a_model_cannot_use_is_refused() {
        let mut data_sets = data_sets();
        let mut table = set("table", "three");
        (table.facts.kind, table.facts.channels, table.facts.height) = (DataKind::Table, 1, 1);
        data_sets.add(table).unwrap();
        assert!(data_sets.resolved(spec("table")).is_ok());
        let cnn = StudySpec::from_yaml("{name: s, model: cnn, space: cnn, data: {name: table}}").unwrap();
        let Err(Refused::Data(message)) = data_sets.resolved(cnn) else { panic!() };
        assert!(message.contains("model `cnn` needs images, and `table` is a table"), "{message}");
    }

    #[test]
    fn what_a_study_uses_stays() {
        let (mut data_sets, study) = (data_sets(), "0a1b2c3d".parse().unwrap());
        data_sets.used(&study, &data_sets.resolved(spec("mine")).unwrap());
        let mine = "mine".parse().unwrap();
        assert!(matches!(data_sets.remove(&mine, StudyId::to_string), Err(Refused::DataUsed(..))));
        data_sets.add(set("same", "one")).unwrap();
        assert_eq!(data_sets.remove(&mine, StudyId::to_string), Ok(None), "its object has another name");
        data_sets.unused(&study);
        assert_eq!(
            data_sets.remove(&"same".parse().unwrap(), StudyId::to_string),
            Ok(Some(Digest::of(b"one")))
        );
        assert!(matches!(data_sets.remove(&mine, StudyId::to_string), Err(Refused::Data(_))));
    }
}
