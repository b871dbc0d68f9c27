//! What one trial trains with: its study's `train` section, and its hyperparameters over it.

use std::ops::RangeInclusive;

use crate::{
    hparams::{Hparams, Scalar},
    study::{Augment, AugmentName, Average, Optimizer, Schedule, TrainSpec},
};

/// The part of a trial's training that may be searched over.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Samples a step.
    pub batch_size: u32,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The greatest learning rate.
    pub learning_rate: f64,
    /// Share of the last step that an `sgd` step keeps.
    pub momentum: f64,
    /// How much of each weight decays with a step, in units of the learning rate.
    pub weight_decay: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Epochs over which the learning rate rises from 0.
    pub warmup: f64,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
    /// Gradients longer than this are shortened to it.
    pub clip_norm: Option<f64>,
    /// How training images are changed at random.
    pub augment: Augment,
    /// Whether weights are averaged over steps.
    pub average: Average,
}

/// A hyperparameter of training whose value cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("training cannot use {name}={value}: {expected} is expected")]
pub struct UnusableHparam {
    /// The hyperparameter.
    pub name: String,
    /// Its value.
    pub value: Scalar,
    /// What could be used.
    pub expected: String,
}

impl Recipe {
    /// The hyperparameters that override the study's `train` section.
    pub const HPARAMS: &[&str] = &[
        "lr",
        "optimizer",
        "momentum",
        "weight_decay",
        "schedule",
        "warmup",
        "label_smoothing",
        "clip_norm",
        "augment",
        "rotate",
        "zoom",
        "shift",
        "crop",
        "flip",
        "erase",
        "average",
        "batch_size",
    ];

    /// The recipe of a trial; fails where a hyperparameter of training has a value that cannot be used.
    pub fn of(train: &TrainSpec, hparams: &Hparams) -> Result<Self, UnusableHparam> {
        let real = |name: &str, least: f64, below: f64| number(hparams, name, least, below);
        Ok(Self {
            batch_size: whole(hparams, "batch_size", 1..=1_048_576)?.unwrap_or(train.batch_size),
            optimizer: named(hparams, "optimizer", &optimizers())?.unwrap_or(train.optimizer),
            learning_rate: real("lr", f64::MIN_POSITIVE, f64::INFINITY)?.unwrap_or(train.learning_rate),
            momentum: real("momentum", 0.0, 1.0)?.unwrap_or(train.momentum),
            weight_decay: real("weight_decay", 0.0, f64::INFINITY)?.unwrap_or(train.weight_decay),
            schedule: named(hparams, "schedule", &schedules())?.unwrap_or(train.schedule),
            warmup: real("warmup", 0.0, f64::INFINITY)?.unwrap_or(train.warmup),
            label_smoothing: real("label_smoothing", 0.0, 1.0)?.unwrap_or(train.label_smoothing),
            clip_norm: real("clip_norm", f64::MIN_POSITIVE, f64::INFINITY)?.or(train.clip_norm),
            augment: augment(train.augment, hparams)?,
            average: named(hparams, "average", &AVERAGES)?.unwrap_or(train.average),
        })
    }

    /// What a hyperparameter of training chooses from by name; none where it is something else.
    pub(crate) fn choices(hparam: &str) -> Option<Vec<&'static str>> {
        fn names<T>(all: &[(&'static str, T)]) -> Vec<&'static str> {
            all.iter().map(|(name, _)| *name).collect()
        }
        match hparam {
            "optimizer" => Some(names(&optimizers())),
            "schedule" => Some(names(&schedules())),
            "augment" => Some(names(&augments())),
            "average" => Some(names(&AVERAGES)),
            _ => None,
        }
    }

    /// The learning rate at a step, counted from 0, where an epoch has `per_epoch` steps and schedules end with
    /// `horizon` epochs.
    pub fn rate(&self, step: u64, per_epoch: u64, horizon: u32) -> f64 {
        let share = self.schedule.share(step, per_epoch.saturating_mul(horizon.into()));
        let rise = self.warmup * per_epoch as f64;
        let risen = if rise > 0.0 { ((step + 1) as f64 / rise).min(1.0) } else { 1.0 };
        self.learning_rate * share * risen
    }
}

fn optimizers() -> [(&'static str, Optimizer); 4] {
    Optimizer::ALL.map(|one| (one.as_str(), one))
}

fn schedules() -> [(&'static str, Schedule); 4] {
    Schedule::ALL.map(|one| (one.as_str(), one))
}

fn augments() -> [(&'static str, AugmentName); 4] {
    AugmentName::ALL.map(|one| (one.as_str(), one))
}

const AVERAGES: [(&str, Average); 2] = [("none", Average::None), ("ema", Average::Ema)];

/// The study's augmentation or the one that is named instead, with the amounts that have a hyperparameter of their own.
fn augment(of_study: Augment, hparams: &Hparams) -> Result<Augment, UnusableHparam> {
    let begun = named(hparams, "augment", &augments())?.map_or(of_study, Augment::from);
    Ok(Augment {
        rotate: within(hparams, "rotate", 180.0)?.unwrap_or(begun.rotate),
        zoom: number(hparams, "zoom", 0.0, 1.0)?.unwrap_or(begun.zoom),
        shift: within(hparams, "shift", 1.0)?.unwrap_or(begun.shift),
        crop: whole(hparams, "crop", 0..=Augment::MOST_CROP)?.unwrap_or(begun.crop),
        flip: switch(hparams, "flip")?.unwrap_or(begun.flip),
        erase: within(hparams, "erase", 1.0)?.unwrap_or(begun.erase),
    })
}

/// A whole number in a range; none where it is left out.
fn whole(hparams: &Hparams, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, UnusableHparam> {
    let Some(value) = hparams.get(name) else { return Ok(None) };
    let number = if let Scalar::Int(number) = value { u32::try_from(*number).ok() } else { None };
    match number.filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None => {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            Err(unusable(name, value, &expected))
        }
    }
}

/// Whether something is done; none where it is left out.
fn switch(hparams: &Hparams, name: &str) -> Result<Option<bool>, UnusableHparam> {
    match hparams.get(name) {
        None => Ok(None),
        Some(Scalar::Bool(is)) => Ok(Some(*is)),
        Some(value) => Err(unusable(name, value, "true or false")),
    }
}

/// A real number from 0 to `most`; none where it is left out.
fn within(hparams: &Hparams, name: &str, most: f64) -> Result<Option<f64>, UnusableHparam> {
    let Some(value) = hparams.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(number) if (0.0..=most).contains(&number) => Ok(Some(number)),
        _ => Err(unusable(name, value, &format!("a number from 0 to {most}"))),
    }
}

/// A real number from `least` to below `below`; none where it is left out.
fn number(hparams: &Hparams, name: &str, least: f64, below: f64) -> Result<Option<f64>, UnusableHparam> {
    let Some(value) = hparams.get(name) else { return Ok(None) };
    match value.as_f64() {
        Some(number) if number >= least && number < below => Ok(Some(number)),
        _ => {
            let floor =
                if least > 0.0 { "a number above 0".to_owned() } else { format!("a number from {least}") };
            let ceiling = if below.is_finite() { format!(" to below {below}") } else { String::new() };
            Err(unusable(name, value, &(floor + &ceiling)))
        }
    }
}

/// One of several names; none where it is left out.
fn named<T: Copy>(hparams: &Hparams, name: &str, all: &[(&str, T)]) -> Result<Option<T>, UnusableHparam> {
    let Some(value) = hparams.get(name) else { return Ok(None) };
    let found = all.iter().find(|(one, _)| hparams.text(name) == Some(one));
    match found {
        Some((_, one)) => Ok(Some(*one)),
        None => {
            let names: Vec<&str> = all.iter().map(|(one, _)| *one).collect();
            Err(unusable(name, value, &format!("one of {}", names.join(", "))))
        }
    }
}

fn unusable(name: &str, value: &Scalar, expected: &str) -> UnusableHparam {
    UnusableHparam { name: name.to_owned(), value: value.clone(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn hyperparameters_override_the_study() {
        let train = TrainSpec { weight_decay: 0.1, ..TrainSpec::default() };
        let hparams = Hparams::from([
            ("lr", Scalar::Int(1)),
            ("optimizer", text("sgd")),
            ("augment", text("light")),
            ("batch_size", Scalar::Int(512)),
            ("units", Scalar::Int(64)),
        ]);
        let recipe = Recipe::of(&train, &hparams).unwrap();
        assert_eq!((recipe.learning_rate, recipe.optimizer), (1.0, Optimizer::Sgd));
        assert_eq!((recipe.weight_decay, recipe.batch_size, recipe.augment.crop), (0.1, 512, 2));
        assert_eq!(Recipe::of(&train, &Hparams::default()).unwrap().learning_rate, 1e-3);
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        let message = |name, value| {
            Recipe::of(&TrainSpec::default(), &Hparams::from([(name, value)])).unwrap_err().to_string()
        };
        assert_eq!(message("lr", Scalar::Int(0)), "training cannot use lr=0: a number above 0 is expected");
        assert_eq!(
            message("momentum", Scalar::Float(1.0)),
            "training cannot use momentum=1.0: a number from 0 to below 1 is expected"
        );
        assert_eq!(
            message("average", text("swa")),
            "training cannot use average=swa: one of none, ema is expected"
        );
        assert!(message("batch_size", Scalar::Int(0)).contains("from 1"));
        assert!(message("batch_size", Scalar::Int(-1)).contains("from 1"));
        assert_eq!(
            message("crop", Scalar::Float(1.5)),
            "training cannot use crop=1.5: a whole number from 0 to 1024 is expected"
        );
        assert_eq!(message("flip", Scalar::Int(1)), "training cannot use flip=1: true or false is expected");
        assert!(message("erase", Scalar::Float(1.1)).ends_with("a number from 0 to 1 is expected"));
        assert!(message("zoom", Scalar::Int(1)).ends_with("a number from 0 to below 1 is expected"));
    }

    #[test]
    fn amounts_of_augmentation_go_over_the_named_one() {
        let train = TrainSpec { augment: AugmentName::Standard.into(), ..TrainSpec::default() };
        let augment = |hparams| Recipe::of(&train, &hparams).unwrap().augment;
        let turned = augment(Hparams::from([("rotate", Scalar::Int(5)), ("flip", Scalar::Bool(true))]));
        assert_eq!(turned, Augment { rotate: 5.0, flip: true, ..AugmentName::Standard.into() });
        let erased = augment(Hparams::from([("augment", text("strong")), ("erase", Scalar::Int(0))]));
        assert_eq!(erased, AugmentName::Light.into());
    }

    #[test]
    fn a_rate_rises_while_it_warms_up() {
        let train = TrainSpec { warmup: 2.0, learning_rate: 1.0, ..TrainSpec::default() };
        let recipe = Recipe::of(&train, &Hparams::default()).unwrap();
        assert_eq!([0, 9, 19, 20, 99].map(|step| recipe.rate(step, 10, 10)), [0.05, 0.5, 1.0, 1.0, 1.0]);
    }
}
