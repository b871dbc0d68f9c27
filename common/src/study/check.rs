//! What a schema cannot say: how the parts of a study must fit together.

use super::{DataSpec, Hyperband, ModelKind, Sampler, SchedulerSpec, SpecError, StudySpec};
use crate::{
    hparams::{Hparams, Scalar},
    model_spec::{DataShape, ModelSpec, Unbuildable},
    random::{Purpose, Stream},
    space::{Domain, Parameter},
};

/// A part of a study that does not fit the others.
pub(super) struct Flaw {
    /// The keys that lead to it.
    pub(super) path: Vec<String>,
    pub(super) error: SpecError,
}

impl Flaw {
    fn new(path: &[&str], error: SpecError) -> Self {
        Self { path: path.iter().map(|step| (*step).to_owned()).collect(), error }
    }
}

/// The first thing that is wrong with a study, if anything.
pub(super) fn flaw(study: &StudySpec) -> Option<Flaw> {
    let Some(shape) = study.data.shape() else {
        return Some(Flaw::new(
            &["data", "name"],
            SpecError::unknown("data set", &study.data.name, DataSpec::NAMES),
        ));
    };
    match &study.scheduler {
        SchedulerSpec::Hyperband(hyperband) => search(study, hyperband, &shape).err(),
        SchedulerSpec::Fixed { .. } => fixed(study, &shape).err(),
    }
}

/// Checks a study that searches.
fn search(study: &StudySpec, hyperband: &Hyperband, shape: &DataShape) -> Result<(), Flaw> {
    let space = &study.space;
    if hyperband.min_epochs > hyperband.max_epochs {
        let message =
            format!("`min_epochs` {} is above `max_epochs` {}", hyperband.min_epochs, hyperband.max_epochs);
        return Err(Flaw::new(&["scheduler", "min_epochs"], SpecError::new(message)));
    }
    if space.is_empty() {
        let mut error = SpecError::new("empty space: there is no parameter to search");
        error.help =
            Some("give `space` a name or parameters, or use `scheduler: {kind: fixed, …}`".to_owned());
        return Err(Flaw::new(&["space"], error));
    }
    space.parameters.iter().try_for_each(|parameter| known(study.model, parameter))?;
    if study.sampler == (Sampler::Grid {}) && space.points().is_none() {
        let message = "a grid needs a space that can be counted, and this one is continuous or too large";
        let mut error = SpecError::new(message);
        error.help = Some("give real numbers a `step`, or use `sampler: {kind: random}`".to_owned());
        return Err(Flaw::new(&["sampler"], error));
    }
    admits_something(study, shape)
}

/// Checks that the model knows a parameter and the names among its values, and that a learning rate is one.
fn known(model: ModelKind, parameter: &Parameter) -> Result<(), Flaw> {
    let path = ["space", &parameter.name];
    if !model.knows(&parameter.name) {
        return Err(Flaw::new(&path, unknown_hparam(model, &parameter.name)));
    }
    if let (Some(names), Domain::Choice(values)) = (model.hparam_choices(&parameter.name), &parameter.domain)
        && let Some(odd) = values.iter().find(|value| !names.iter().any(|name| is_text(value, name)))
    {
        return Err(Flaw::new(&path, SpecError::unknown(&parameter.name, &odd.to_string(), &names)));
    }
    let positive = match &parameter.domain {
        Domain::Choice(values) => values.iter().all(|value| value.as_f64().is_some_and(|value| value > 0.0)),
        Domain::Int { min, .. } => *min > 0,
        Domain::Float { min, .. } => *min > 0.0,
    };
    if model != ModelKind::Formula && parameter.name == "lr" && !positive {
        return Err(Flaw::new(&path, SpecError::new("`lr` must be above 0")));
    }
    Ok(())
}

fn is_text(value: &Scalar, text: &str) -> bool {
    matches!(value, Scalar::Text(own) if own == text)
}

/// How many draws are tried before a space counts as empty under its constraints.
const DRAWS: u32 = 10_000;

/// How many draws are tried to find one that lacks what the model needs.
const PROBES: u32 = 256;

/// Checks that some draw can be tried, and that none lacks what the model needs.
fn admits_something(study: &StudySpec, shape: &DataShape) -> Result<(), Flaw> {
    let (mut admitted, mut unusable) = (false, None);
    for trial in 0..DRAWS {
        let hparams = study.space.draw(&mut Stream::new(0, Purpose::Draw).epoch(trial).words());
        match ModelSpec::build(study.model, &hparams, shape) {
            Ok(model) => admitted |= study.constraints.admit(&model),
            Err(Unbuildable::Missing(name)) => {
                let message = format!("the space lacks `{name}`, which the model needs for {hparams}");
                return Err(Flaw::new(&["space"], SpecError::new(message)));
            }
            Err(other) => unusable = Some(other),
        }
        if admitted && trial >= PROBES {
            return Ok(());
        }
    }
    let (path, why) = match unusable {
        _ if admitted => return Ok(()),
        Some(reason) => ("space", format!("no configuration of the space can be used: {reason}")),
        None => ("constraints", "no configuration satisfies the constraints".to_owned()),
    };
    Err(Flaw::new(&[path], SpecError::new(format!("{why} ({DRAWS} were drawn)"))))
}

/// Checks a study of listed configurations.
fn fixed(study: &StudySpec, shape: &DataShape) -> Result<(), Flaw> {
    let SchedulerSpec::Fixed { epochs, horizon, trials } = &study.scheduler else {
        return Ok(());
    };
    if let Some(horizon) = horizon.filter(|horizon| horizon < epochs) {
        let message = format!("`horizon` {horizon} is below `epochs` {epochs}");
        return Err(Flaw::new(&["scheduler", "horizon"], SpecError::new(message)));
    }
    for (number, trial) in trials.iter().enumerate() {
        let number = number.to_string();
        let path = ["scheduler", "trials", &number, "hparams"];
        trainable(study, &trial.hparams, shape).map_err(|error| Flaw::new(&path, error))?;
    }
    Ok(())
}

/// Checks that a listed configuration can be trained.
fn trainable(study: &StudySpec, hparams: &Hparams, shape: &DataShape) -> Result<(), SpecError> {
    if let Some((name, _)) = hparams.iter().find(|(name, _)| !study.model.knows(name)) {
        return Err(unknown_hparam(study.model, name));
    }
    let model =
        ModelSpec::build(study.model, hparams, shape).map_err(|error| SpecError::new(error.to_string()))?;
    if study.model != ModelKind::Formula
        && hparams.get("lr").is_some_and(|lr| !lr.as_f64().is_some_and(|lr| lr > 0.0))
    {
        return Err(SpecError::new("`lr` must be above 0"));
    }
    if !study.constraints.admit(&model) {
        let message =
            format!("the model has {} parameters, which the constraints exclude", model.parameters());
        return Err(SpecError::new(message));
    }
    Ok(())
}

/// The error for a hyperparameter that means nothing to the model.
fn unknown_hparam(model: ModelKind, name: &str) -> SpecError {
    let error = SpecError::new(format!("model `{}` has no hyperparameter `{name}`", model.as_str()));
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number = if digits.is_empty() { "1" } else { digits };
    let names: Vec<String> = model.hparam_names().iter().map(|name| name.replace('N', number)).collect();
    error.with_nearest(name, &names.iter().map(String::as_str).collect::<Vec<_>>())
}
