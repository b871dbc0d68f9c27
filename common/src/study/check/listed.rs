//! What must hold of a study that lists its trials.

use super::{
    super::{FixedTrial, SchedulerSpec, SpecError, StudySpec},
    Flaw, unknown_hparam, usable,
};
use crate::{
    hparams::Hparams,
    model_spec::{DataShape, ModelSpec},
};

/// Checks a study of listed configurations.
pub(super) fn check(study: &StudySpec, shape: Option<&DataShape>) -> Result<(), Flaw> {
    let SchedulerSpec::Fixed { epochs, horizon, trials } = &study.scheduler else {
        return Ok(());
    };
    if let Some(horizon) = horizon.filter(|horizon| horizon < epochs) {
        let message = format!("`horizon` {horizon} is below `epochs` {epochs}");
        return Err(Flaw::new(&["scheduler", "horizon"], SpecError::new(message)));
    }
    if !study.sampler.first().is_empty() {
        let error =
            SpecError::new("`first` means nothing where the scheduler lists all trials: leave it out");
        return Err(Flaw::new(&["sampler", "first"], error));
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
    if !study.fits(&model, hparams) {
        let message = format!(
            "the model has {} parameters: what it trains with would not fit into an object of 1 GiB",
            model.parameters()
        );
        return Err(SpecError::new(message));
    }
    Ok(())
}
