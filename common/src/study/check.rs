//! What a schema cannot say: how the parts of a study must fit together.

mod data;

mod search;

mod listed;

use super::{ModelKind, SchedulerSpec, SpecError, StudySpec, TrainSpec, start};
use crate::{
    hparams::{Hparams, Scalar},
    metrics::Goal,
    recipe::Recipe,
};

/// A part of a study that does not fit the others.
pub(super) struct Flaw {
    /// The keys that lead to it.
    pub(super) path: Vec<String>,
    pub(super) error: SpecError,
}

impl Flaw {
    pub(super) fn new(path: &[&str], error: SpecError) -> Self {
        Self { path: path.iter().map(|step| (*step).to_owned()).collect(), error }
    }
}

/// The first thing that is wrong with a study, if anything.
pub(super) fn flaw(study: &StudySpec) -> Option<Flaw> {
    let stopping = study.train.early_stopping.as_ref();
    if study.model == ModelKind::Formula && stopping.is_some_and(|rule| rule.restore_best) {
        let error = SpecError::new("the formula has no weights to restore: leave out `restore_best`");
        return Some(Flaw::new(&["train", "early_stopping", "restore_best"], error));
    }
    let parts = [data::check, start::check, target, total_epochs];
    if let Some(flaw) = parts.iter().find_map(|check| check(study).err()) {
        return Some(flaw);
    }
    // What models make of one's own data is known only once the coordinator has said what its name means.
    let shape = study.data.shape();
    match &study.scheduler {
        SchedulerSpec::Hyperband(hyperband) => search::check(study, hyperband, shape.as_ref()).err(),
        SchedulerSpec::Fixed { .. } => listed::check(study, shape.as_ref()).err(),
    }
}

/// Checks that the target can be reached; what the formula is worth is anybody's.
fn target(study: &StudySpec) -> Result<(), Flaw> {
    let (metric, goal) = (study.objective.metric, study.objective.goal());
    let Some(target) = study.budget.target.filter(|_| study.model != ModelKind::Formula) else {
        return Ok(());
    };
    let (least, most) = metric.range();
    let within = match goal {
        Goal::Maximize => target <= most,
        Goal::Minimize => target >= least,
    };
    if within {
        return Ok(());
    }
    let range = if most.is_finite() { format!("from {least} to {most}") } else { format!("{least} or more") };
    let message = format!("`target` {target} is never reached: {} is {range}", metric.as_str());
    Err(Flaw::new(&["budget", "target"], SpecError::new(message)))
}

/// Checks that the epochs that may be trained are enough for one trial: every bracket trains one to its end.
fn total_epochs(study: &StudySpec) -> Result<(), Flaw> {
    let trial = study.scheduler.max_epochs();
    let Some(total) =
        study.budget.total_epochs.filter(|total| *total < u64::from(trial) && !study.is_adopted())
    else {
        return Ok(());
    };
    let message = format!("`total_epochs` {total} are not enough for one trial, which trains {trial}");
    Err(Flaw::new(&["budget", "total_epochs"], SpecError::new(message)))
}

/// Checks the hyperparameters of training, and what is chosen by name; the formula takes anything.
fn usable(study: &StudySpec, hparams: &Hparams) -> Result<(), SpecError> {
    if study.model == ModelKind::Formula {
        return Ok(());
    }
    named(study.model, hparams)?;
    let recipe = |hparams: &Hparams| Recipe::of(&TrainSpec::default(), hparams);
    recipe(hparams).map_err(|unusable| SpecError::new(unusable.to_string()))?;
    let changes = |(name, value): &(&str, &Scalar)| {
        let alone = Hparams::from([(*name, (*value).clone())]);
        recipe(&alone).is_ok_and(|recipe| !recipe.augment.is_none())
    };
    match hparams.iter().find(changes) {
        Some((name, _)) if data::is_table(&study.data) => Err(data::needs_images(name, &study.data)),
        _ => Ok(()),
    }
}

/// Checks that hyperparameters that are chosen by name have a name that there is.
fn named(model: ModelKind, hparams: &Hparams) -> Result<(), SpecError> {
    for (name, value) in hparams.iter() {
        let Some(names) = model.hparam_choices(name).or_else(|| Recipe::choices(name)) else { continue };
        if !names.iter().any(|known| is_text(value, known)) {
            return Err(SpecError::unknown(name, &value.to_string(), &names));
        }
    }
    Ok(())
}

fn is_text(value: &Scalar, text: &str) -> bool {
    matches!(value, Scalar::Text(own) if own == text)
}

/// The error for a hyperparameter that means nothing to the model.
fn unknown_hparam(model: ModelKind, name: &str) -> SpecError {
    let error = SpecError::new(format!("model `{}` has no hyperparameter `{name}`", model.as_str()));
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let first = model.first_number();
    let number = digits.parse().unwrap_or(first).max(first).to_string();
    if name == "learning_rate" {
        return SpecError { help: Some("it is called `lr`".to_owned()), ..error };
    }
    let names: Vec<String> = model.hparam_names().iter().map(|name| name.replace('N', &number)).collect();
    error.with_nearest(name, &names.iter().map(String::as_str).collect::<Vec<_>>())
}
