//! What must hold of a study's data, and of what is done to its samples.

use super::{
    super::{
        DataFacts, DataKind, DataSpec, Input, ModelKind, Monitor, SpecError, Split, StudySpec, TrainSpec,
    },
    Flaw,
};
use crate::ids::DataName;

/// Checks the data set, and that model and objective can do with it.
pub(super) fn check(study: &StudySpec) -> Result<(), Flaw> {
    let spec = &study.data;
    let name = |error: SpecError| Flaw::new(&["data", "name"], error);
    spec.name.parse::<DataName>().map_err(|error| name(SpecError::new(error.to_string())))?;
    if spec.facts.is_none() && DataSpec::misspelt(&spec.name).is_some() {
        return Err(name(SpecError::unknown("data set", &spec.name, DataSpec::NAMES)));
    }
    if let Some(facts) = &spec.facts {
        recorded(spec, facts).map_err(|error| Flaw::new(&["data", "facts"], error))?;
    }
    if study.model == ModelKind::Formula {
        return Ok(());
    }
    let table = is_table(spec);
    if table && study.model != ModelKind::Mlp {
        let message = format!(
            "model `{}` needs images, and `{}` is a table: use `model: mlp`",
            study.model.as_str(),
            spec.name
        );
        return Err(Flaw::new(&["model"], SpecError::new(message)));
    }
    if table && spec.input == Input::Standard {
        let message = format!("`{}` is a table, which is always standardised: leave `input` out", spec.name);
        return Err(Flaw::new(&["data", "input"], SpecError::new(message)));
    }
    images(study)?;
    if spec.split != Split::None {
        return Ok(());
    }
    let without = |what: &str, given: &str, instead: &str| {
        SpecError::new(format!(
            "`split: none` leaves no sample to validate on, so {what} cannot be {given}: {instead}"
        ))
    };
    if study.objective.metric.validates() {
        let error =
            without("the objective", study.objective.metric.as_str(), "use train_loss or train_accuracy");
        // Often nobody has written the objective: it is validation's unless something else is said.
        return Err(Flaw::new(&["data", "split"], error));
    }
    match &study.train.early_stopping {
        Some(rule) if rule.monitor != Monitor::Loss => {
            let error = without("what early stopping monitors", "of validation", "use `monitor: loss`");
            Err(Flaw::new(&["train", "early_stopping"], error))
        }
        _ => Ok(()),
    }
}

/// Checks what is done to images: that the samples are some, and that a shift leaves something of them.
fn images(study: &StudySpec) -> Result<(), Flaw> {
    let TrainSpec { flip_averaging, shift_averaging, augment, .. } = &study.train;
    let changes = [
        ("flip_averaging", *flip_averaging),
        ("shift_averaging", *shift_averaging > 0),
        ("augment", !augment.is_none()),
    ];
    let table = is_table(&study.data);
    if let Some((key, _)) = changes.into_iter().find(|(_, changes)| table && *changes) {
        return Err(Flaw::new(&["train", key], needs_images(key, &study.data)));
    }
    let Some(shape) = study.data.shape() else { return Ok(()) };
    study.train.check_shift(&shape).map_err(|error| Flaw::new(&["train", "shift_averaging"], error))
}

/// Whether the data are a table, as far as that is known.
pub(super) fn is_table(spec: &DataSpec) -> bool {
    spec.facts.as_ref().is_some_and(|facts| facts.kind == DataKind::Table)
}

/// The error for what only images can have done to them.
pub(super) fn needs_images(key: &str, table: &DataSpec) -> SpecError {
    SpecError::new(format!("`{key}` needs images, and `{}` is a table: leave it out", table.name))
}

/// Checks recorded facts.
fn recorded(spec: &DataSpec, facts: &DataFacts) -> Result<(), SpecError> {
    if DataFacts::known(&spec.name).is_some_and(|known| known != *facts) {
        return Err(SpecError::new(format!("these are not the facts of `{}`: leave them out", spec.name)));
    }
    if !(1..=DataFacts::MOST_CLASSES).contains(&facts.classes.len()) {
        let most = DataFacts::MOST_CLASSES;
        return Err(SpecError::new(format!("{} classes are not from 1 to {most}", facts.classes.len())));
    }
    Ok(())
}
