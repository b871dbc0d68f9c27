//! What a schema cannot say: how the parts of a study must fit together.

use super::{
    DataFacts, DataKind, DataSpec, FixedTrial, Hyperband, Input, ModelKind, Monitor, Sampler, SchedulerSpec,
    SpecError, Split, StudySpec, TrainSpec, start,
};
use crate::{
    hparams::{Hparams, Scalar},
    ids::DataName,
    metrics::Goal,
    model_spec::{DataShape, ModelSpec, Unbuildable},
    random::{Purpose, Stream},
    recipe::Recipe,
    space::{Domain, Parameter},
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
    if let Err(flaw) = data(study).and_then(|()| start::check(study)).and_then(|()| target(study)) {
        return Some(flaw);
    }
    // What models make of one's own data is known only once the coordinator has said what its name means.
    let shape = study.data.shape();
    match &study.scheduler {
        SchedulerSpec::Hyperband(hyperband) => search(study, hyperband, shape.as_ref()).err(),
        SchedulerSpec::Fixed { .. } => fixed(study, shape.as_ref()).err(),
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

/// Checks the data set, and that model and objective can do with it.
fn data(study: &StudySpec) -> Result<(), Flaw> {
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
        return Err(Flaw::new(&["objective"], error));
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
fn is_table(spec: &DataSpec) -> bool {
    spec.facts.as_ref().is_some_and(|facts| facts.kind == DataKind::Table)
}

fn needs_images(key: &str, table: &DataSpec) -> SpecError {
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

/// Checks a study that searches.
fn search(study: &StudySpec, hyperband: &Hyperband, shape: Option<&DataShape>) -> Result<(), Flaw> {
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
    space.parameters.iter().try_for_each(|parameter| known(study, parameter))?;
    if study.sampler == (Sampler::Grid {}) && space.points().is_none() {
        let message = "a grid needs a space that can be counted, and this one is continuous or too large";
        let mut error = SpecError::new(message);
        error.help = Some("give real numbers a `step`, or use `sampler: {kind: random}`".to_owned());
        return Err(Flaw::new(&["sampler"], error));
    }
    shape.map_or(Ok(()), |shape| admits_something(study, shape))
}

/// Checks that the model knows a parameter and the names among its values, and that training can use all of them.
fn known(study: &StudySpec, parameter: &Parameter) -> Result<(), Flaw> {
    let model = study.model;
    let path = ["space", &parameter.name];
    if !model.knows(&parameter.name) {
        return Err(Flaw::new(&path, unknown_hparam(model, &parameter.name)));
    }
    if let (Some(names), Domain::Choice(values)) = (model.hparam_choices(&parameter.name), &parameter.domain)
        && let Some(odd) = values.iter().find(|value| !names.iter().any(|name| is_text(value, name)))
    {
        return Err(Flaw::new(&path, SpecError::unknown(&parameter.name, &odd.to_string(), &names)));
    }
    let values = match &parameter.domain {
        Domain::Choice(values) => values.clone(),
        Domain::Int { min, max, .. } => vec![Scalar::Int(*min), Scalar::Int(*max)],
        Domain::Float { min, max, .. } => vec![Scalar::Float(*min), Scalar::Float(*max)],
    };
    for value in values {
        let hparams = Hparams::from([(parameter.name.as_str(), value)]);
        usable(study, &hparams).map_err(|error| Flaw::new(&path, error))?;
    }
    Ok(())
}

/// Checks the hyperparameters of training; the formula takes anything.
fn usable(study: &StudySpec, hparams: &Hparams) -> Result<(), SpecError> {
    if study.model == ModelKind::Formula {
        return Ok(());
    }
    let recipe = Recipe::of(&TrainSpec::default(), hparams);
    let recipe = recipe.map_err(|unusable| SpecError::new(unusable.to_string()))?;
    if is_table(&study.data) && !recipe.augment.is_none() {
        return Err(needs_images("augment", &study.data));
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

/// Checks that some draw can be tried, and that none lacks what the model needs or has a value that it can never use: it
/// would be drawn again, and a part of what was asked for never tried.
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
            Err(ref why @ Unbuildable::Unusable { ref name, .. }) => {
                let help = Some("leave such values out of the space".to_owned());
                return Err(Flaw::new(
                    &["space", name],
                    SpecError { help, ..SpecError::new(why.to_string()) },
                ));
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
fn fixed(study: &StudySpec, shape: Option<&DataShape>) -> Result<(), Flaw> {
    let SchedulerSpec::Fixed { epochs, horizon, trials } = &study.scheduler else {
        return Ok(());
    };
    if let Some(horizon) = horizon.filter(|horizon| horizon < epochs) {
        let message = format!("`horizon` {horizon} is below `epochs` {epochs}");
        return Err(Flaw::new(&["scheduler", "horizon"], SpecError::new(message)));
    }
    adoption(study, *epochs, trials)?;
    for (number, trial) in trials.iter().enumerate() {
        let number = number.to_string();
        let path = ["scheduler", "trials", &number, "hparams"];
        trainable(study, &trial.hparams, shape).map_err(|error| Flaw::new(&path, error))?;
    }
    Ok(())
}

/// Checks that trials which the parent study has trained can be taken over.
fn adoption(study: &StudySpec, epochs: u32, trials: &[FixedTrial]) -> Result<(), Flaw> {
    let trained = trials.iter().filter_map(|trial| trial.trained.as_ref());
    let longest = trained.clone().map(|trained| trained.epoch).max();
    let message = match longest {
        None => return Ok(()),
        Some(_) if study.parent.is_none() => {
            "`trained` needs the key `parent`: the study that trained".to_owned()
        }
        Some(_) if trained.count() < trials.len() => {
            "`trained` stands at some trials and not at others".to_owned()
        }
        Some(longest) if longest > epochs => {
            format!("`epochs` {epochs} is below epoch {longest} of a trained trial")
        }
        Some(_) => return Ok(()),
    };
    Err(Flaw::new(&["scheduler", "trials"], SpecError::new(message)))
}

/// Checks that a listed configuration can be trained.
fn trainable(study: &StudySpec, hparams: &Hparams, shape: Option<&DataShape>) -> Result<(), SpecError> {
    if let Some((name, _)) = hparams.iter().find(|(name, _)| !study.model.knows(name)) {
        return Err(unknown_hparam(study.model, name));
    }
    usable(study, hparams)?;
    let Some(shape) = shape else { return Ok(()) };
    let model =
        ModelSpec::build(study.model, hparams, shape).map_err(|error| SpecError::new(error.to_string()))?;
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
    // Dense layers count from 0, blocks from 1.
    let first = if model == ModelKind::Mlp { "0" } else { "1" };
    let number = if digits.is_empty() { first } else { digits };
    if name == "learning_rate" {
        return SpecError { help: Some("it is called `lr`".to_owned()), ..error };
    }
    let names: Vec<String> = model.hparam_names().iter().map(|name| name.replace('N', number)).collect();
    error.with_nearest(name, &names.iter().map(String::as_str).collect::<Vec<_>>())
}
