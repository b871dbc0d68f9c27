//! What must hold of a study that searches.

use std::collections::BTreeSet;

use super::{
    super::{Hyperband, ModelKind, Optimizer, SpecError, StudySpec},
    Flaw, is_text, unknown_hparam, usable,
};
use crate::{
    hparams::{Hparams, Scalar},
    model_spec::{DataShape, ModelSpec, Unbuildable},
    random::{Purpose, Stream},
    recipe::Recipe,
    space::{Domain, Parameter, SearchSpace},
};

/// Checks a study that searches.
pub(super) fn check(study: &StudySpec, hyperband: &Hyperband, shape: Option<&DataShape>) -> Result<(), Flaw> {
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
    momentum(study)?;
    if study.sampler.is_grid() && space.points().is_none() {
        let message = "a grid needs a space that can be counted, and this one is continuous or too large";
        let mut error = SpecError::new(message);
        error.help = Some("give real numbers a `step`, or use `sampler: {kind: random}`".to_owned());
        return Err(Flaw::new(&["sampler"], error));
    }
    for (number, given) in study.sampler.first().iter().enumerate() {
        let path = ["sampler", "first", &number.to_string()];
        tried_first(study, given).map_err(|error| Flaw::new(&path, error))?;
    }
    shape.map_or(Ok(()), |shape| admits_something(study, shape))
}

/// Checks that a configuration with these values can be drawn: they are values of the space's parameters, all of them are
/// active together, and what comes of it can be trained.
fn tried_first(study: &StudySpec, given: &Hparams) -> Result<(), SpecError> {
    let parameters = &study.space.parameters;
    for (name, value) in given.iter() {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
            let names: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
            return Err(SpecError::unknown("parameter", name, &names));
        };
        if !parameter.domain.contains(&parameter.domain.typed(value)) {
            let error = SpecError::new(format!("{value} is no value of the space's `{name}`"));
            return Err(SpecError { help: Some(format!("use {}", parameter.domain)), ..error });
        }
    }
    let mut idle: BTreeSet<&str> = given.iter().map(|(name, _)| name).collect();
    let mut together = false;
    for draw in 0..TRIES {
        let hparams = study.space.draw_around(given, &mut Stream::new(0, Purpose::Draw).epoch(draw).words());
        idle.retain(|name| hparams.get(name).is_none());
        let whole = given.iter().all(|(name, _)| hparams.get(name).is_some());
        together |= whole;
        if whole && study.admits(&hparams) {
            return Ok(());
        }
    }
    Err(SpecError::new(match idle.first() {
        Some(name) => format!("`{name}` is not active beside these values: leave it out"),
        None if !together => "these values are never active together: leave one of them out".to_owned(),
        None => "no configuration with these values can be trained".to_owned(),
    }))
}

/// Checks that the model knows a parameter, and that training can use all of its values.
fn known(study: &StudySpec, parameter: &Parameter) -> Result<(), Flaw> {
    let model = study.model;
    let path = ["space", &parameter.name];
    if !model.knows(&parameter.name) {
        let unknown = || Flaw::new(&path, unknown_hparam(model, &parameter.name));
        return Err(of_another_model(study).unwrap_or_else(unknown));
    }
    let values = match &parameter.domain {
        Domain::Choice(values) => values.clone(),
        // With a step the upper bound need not be a value itself.
        range => match (range.len(), range) {
            (Some(len), _) => vec![range.value(0), range.value(len.saturating_sub(1))],
            (None, Domain::Float { min, max, .. }) => vec![Scalar::Float(*min), Scalar::Float(*max)],
            (None, _) => Vec::new(),
        },
    };
    for value in values {
        let hparams = Hparams::from([(parameter.name.as_str(), value)]);
        usable(study, &hparams).map_err(|error| Flaw::new(&path, error))?;
    }
    Ok(())
}

/// The flaw of a study whose space has a name and is for another model.
fn of_another_model(study: &StudySpec) -> Option<Flaw> {
    let name =
        SearchSpace::NAMES.iter().find(|name| SearchSpace::named(name).as_ref() == Some(&study.space))?;
    let (own, other) = (study.model, study.space.model()?);
    let fits = |name: &&&str| SearchSpace::named(name).and_then(|space| space.model()) == Some(own);
    let fitting: Vec<&str> = SearchSpace::NAMES.iter().filter(fits).copied().collect();
    let error =
        SpecError::new(format!("space `{name}` is for model `{}`, not `{}`", other.as_str(), own.as_str()));
    let help = format!("use `model: {}`, or one of the spaces {}", other.as_str(), fitting.join(", "));
    Some(Flaw::new(&["space"], SpecError { help: Some(help), ..error }))
}

/// Checks that momentum is searched for only where some configuration trains with it.
fn momentum(study: &StudySpec) -> Result<(), Flaw> {
    let find = |name: &str| study.space.parameters.iter().find(|parameter| parameter.name == name);
    let sgd = Optimizer::Sgd.as_str();
    let used = match find("optimizer").map(|optimizer| &optimizer.domain) {
        Some(Domain::Choice(values)) => values.iter().any(|value| is_text(value, sgd)),
        Some(_) => false,
        None => study.train.optimizer == Optimizer::Sgd,
    };
    if used || study.model == ModelKind::Formula || find("momentum").is_none() {
        return Ok(());
    }
    let error = SpecError::new("no configuration uses `momentum`: it is the optimizer sgd's");
    let help = Some("leave it out, or train with `optimizer: sgd`".to_owned());
    Err(Flaw::new(&["space", "momentum"], SpecError { help, ..error }))
}

/// How many draws are tried before a space counts as empty under its constraints.
const DRAWS: u32 = 10_000;

/// How many draws are tried for a configuration with given values: as many as a trial has for it.
const TRIES: u32 = 1_000;

/// How many draws are tried to find one that lacks what the model needs.
const PROBES: u32 = 256;

/// Checks that some draw can be tried, that none lacks what the model needs or has a value that it can never use (it
/// would be drawn again, and a part of what was asked for never tried), and that every hyperparameter is used by some.
fn admits_something(study: &StudySpec, shape: &DataShape) -> Result<(), Flaw> {
    let (mut admitted, mut large, mut unusable) = (false, false, None);
    let own = |parameter: &&Parameter| {
        study.model != ModelKind::Formula && !Recipe::HPARAMS.contains(&parameter.name.as_str())
    };
    let mut unread: BTreeSet<&str> =
        study.space.parameters.iter().filter(own).map(|parameter| parameter.name.as_str()).collect();
    for trial in 0..DRAWS {
        let hparams = study.space.draw(&mut Stream::new(0, Purpose::Draw).epoch(trial).words());
        let (built, read) = ModelSpec::build_reading(study.model, &hparams, shape);
        unread.retain(|name| !read.contains(*name));
        match built {
            Ok(model) if !study.constraints.admit(&model) => {}
            Ok(model) if study.fits(&model, &hparams) => admitted = true,
            Ok(_) => large = true,
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
        if admitted && trial >= PROBES && unread.is_empty() {
            return Ok(());
        }
    }
    if let (true, Some(name)) = (admitted, unread.first()) {
        let error = SpecError::new(format!("no configuration of the space uses `{name}`"));
        let help = Some("leave it out, or mind the numbers of layers and blocks".to_owned());
        return Err(Flaw::new(&["space", name], SpecError { help, ..error }));
    }
    let (path, why) = match unusable {
        _ if admitted => return Ok(()),
        Some(reason) => ("space", format!("no configuration of the space can be used: {reason}")),
        None if large => (
            "space",
            "every model is too large: what it trains with would not fit into an object of 1 GiB".to_owned(),
        ),
        None => ("constraints", "no configuration satisfies the constraints".to_owned()),
    };
    Err(Flaw::new(&[path], SpecError::new(format!("{why} ({DRAWS} were drawn)"))))
}
