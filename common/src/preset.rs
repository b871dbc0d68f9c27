//! Studies that are known by name: searches, and single configurations.

mod example;

pub use example::commented_example;

use crate::{
    hparams::{Hparams, Scalar},
    ids::StudyName,
    space::SearchSpace,
    study::{
        Budget, Constraints, DataSpec, EarlyStopping, Evaluate, FixedTrial, ModelKind, Monitor, Objective,
        Sampler, SchedulerSpec, StudySpec, TrainSpec,
    },
};

/// A study that is known by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// The study itself; it bears the preset's name.
    pub study: StudySpec,
}

/// The names that [`preset`] knows: searches first.
pub const ALL: &[&str] = &[
    "mlp",
    "mlp-tied",
    "mlp-best",
    "cnn",
    "cnn-all",
    "resnet",
    "vgg",
    "mlp-small",
    "mlp-medium",
    "mlp-large",
    "cnn-4block",
    "cnn-5block",
    "cnn-best",
    "resnet-small",
    "resnet-20",
    "vgg-small",
];

/// Rung's own searches and recipes as they are measured: their study files are the one place where they stand.
const MLP_BEST_SEARCH: &str = include_str!("../../docs/paper/mlp-best-search.yaml");
const CNN_BEST_SEARCH: &str = include_str!("../../docs/paper/cnn-best-search.yaml");
const MLP_BEST: &str = include_str!("../../docs/paper/mlp-best.yaml");
const CNN_BEST: &str = include_str!("../../docs/paper/cnn-best.yaml");

/// The preset of a name: the search, where a single configuration has the same name.
pub fn preset(name: &str) -> Option<Preset> {
    search(name).or_else(|| training(name))
}

/// The search of a name.
pub fn search(name: &str) -> Option<Preset> {
    let preset = match name {
        "mlp" => over_space("mlp", ModelKind::Mlp, "dense networks, a width and a dropout for each layer")?,
        "mlp-tied" => over_space(
            "mlp-tied",
            ModelKind::Mlp,
            "dense networks, one width and one dropout for all layers",
        )?,
        "mlp-best" => recipe(
            "mlp-best",
            "dense networks and how they are trained, at most 1.5 M parameters",
            MLP_BEST_SEARCH,
        )?,
        "cnn" => over_space("cnn", ModelKind::Cnn, "convolutional networks of four blocks")?,
        "cnn-all" => over_space(
            "cnn-all",
            ModelKind::Cnn,
            "convolutional networks of two to four blocks and how they are trained, all at once",
        )?,
        "resnet" => over_space("resnet", ModelKind::Resnet, "residual networks and how they are trained")?,
        "vgg" => over_space("vgg", ModelKind::Vgg, "equal convolutional blocks and how they are trained")?,
        "cnn-best" => recipe("cnn-best", "the space `vgg`, at most 315 k parameters", CNN_BEST_SEARCH)?,
        _ => return None,
    };
    Some(preset)
}

/// The single configuration of a name.
pub fn training(name: &str) -> Option<Preset> {
    let preset = match name {
        "mlp-small" => single("mlp-small", "dense 256-128, 235,146 parameters", mlp(&[256, 128]))?,
        "mlp-medium" => {
            single("mlp-medium", "dense 512-256-128-64, 575,050 parameters", mlp(&[512, 256, 128, 64]))?
        }
        "mlp-large" => single(
            "mlp-large",
            "dense 512-512-256-256-128-64, 903,498 parameters",
            mlp(&[512, 512, 256, 256, 128, 64]),
        )?,
        "cnn-4block" => single(
            "cnn-4block",
            "three convolutional blocks and a dense head, 314,730 parameters",
            cnn(&[32, 32, 64]),
        )?,
        "cnn-5block" => single(
            "cnn-5block",
            "four convolutional blocks and a dense head, 872,554 parameters",
            cnn(&[32, 32, 64, 128]),
        )?,
        "mlp-best" => recipe("mlp-best", "Rung's own MLP, trained on the whole training part", MLP_BEST)?,
        "cnn-best" => recipe("cnn-best", "Rung's own CNN, trained on the whole training part", CNN_BEST)?,
        "resnet-small" => single(
            "resnet-small",
            "residual, width 16, two blocks a stage, 174,970 parameters",
            sized(ModelKind::Resnet, 16, 2),
        )?,
        "resnet-20" => single(
            "resnet-20",
            "residual, width 16, three blocks a stage, 272,186 parameters",
            sized(ModelKind::Resnet, 16, 3),
        )?,
        "vgg-small" => single(
            "vgg-small",
            "three blocks of two convolutions, 32 to 128 channels, 435,754 parameters",
            sized(ModelKind::Vgg, 32, 3),
        )?,
        _ => return None,
    };
    Some(preset)
}

/// A search over the space of the same name.
fn over_space(name: &'static str, model: ModelKind, summary: &'static str) -> Option<Preset> {
    let study = StudySpec { space: SearchSpace::named(name)?, ..bare(name, model)? };
    Some(Preset { name, summary, study })
}

/// One configuration, trained until it stops improving.
fn single(
    name: &'static str,
    summary: &'static str,
    (model, hparams): (ModelKind, Hparams),
) -> Option<Preset> {
    let trials = vec![FixedTrial::new(hparams)];
    let scheduler = SchedulerSpec::Fixed { epochs: 100, horizon: None, trials };
    let stopping =
        EarlyStopping { monitor: Monitor::ValLoss, patience: 10, min_delta: 0.0, restore_best: true };
    let train = TrainSpec { early_stopping: Some(stopping), ..TrainSpec::default() };
    let study = StudySpec { scheduler, train, ..bare(name, model)? };
    Some(Preset { name, summary, study })
}

/// A study as its file has it.
fn recipe(name: &'static str, summary: &'static str, file: &str) -> Option<Preset> {
    let study = StudySpec::from_yaml_with(file, &[("name".to_owned(), name.to_owned())]).ok()?;
    Some(Preset { name, summary, study })
}

/// A study of defaults.
fn bare(name: &str, model: ModelKind) -> Option<StudySpec> {
    let name: StudyName = name.parse().ok()?;
    Some(StudySpec {
        name,
        data: DataSpec::default(),
        model,
        space: SearchSpace::default(),
        constraints: Constraints::default(),
        objective: Objective::default(),
        scheduler: SchedulerSpec::default(),
        sampler: Sampler::default(),
        train: TrainSpec::default(),
        budget: Budget::default(),
        evaluate: Evaluate::default(),
        parent: None,
        seed: 0,
    })
}

/// Dense layers of these widths, with a dropout of 0.2 after each.
fn mlp(widths: &[i64]) -> (ModelKind, Hparams) {
    let mut hparams = Hparams::from([("layers", Scalar::Int(widths.len() as i64))]);
    for (i, width) in widths.iter().enumerate() {
        hparams.0.insert(format!("units_{i}"), Scalar::Int(*width));
        hparams.0.insert(format!("dropout_{i}"), Scalar::Float(0.2));
    }
    (ModelKind::Mlp, hparams)
}

/// Convolutional blocks of these widths, 5 × 5 kernels, pools of 2 and a dropout of 0.3.
fn cnn(filters: &[i64]) -> (ModelKind, Hparams) {
    let mut hparams = Hparams::from([
        ("blocks", Scalar::Int(filters.len() as i64)),
        ("kernel", Scalar::Int(5)),
        ("pool", Scalar::Int(2)),
        ("dropout", Scalar::Float(0.3)),
    ]);
    for (i, filters) in filters.iter().enumerate() {
        hparams.0.insert(format!("filters_{}", i + 1), Scalar::Int(*filters));
    }
    (ModelKind::Cnn, hparams)
}

/// A net of a family that has a width and blocks.
fn sized(model: ModelKind, width: i64, blocks: i64) -> (ModelKind, Hparams) {
    let hparams = [("width", Scalar::Int(width)), ("blocks", Scalar::Int(blocks))];
    (model, Hparams::from(hparams))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_studies_of_their_names() {
        for preset in ALL.iter().flat_map(|name| [preset(name), training(name)]).flatten() {
            let name = preset.name;
            assert!(ALL.contains(&name) && preset.study.name.as_str() == name);
            assert_eq!(StudySpec::from_yaml(&preset.study.to_yaml()).as_ref(), Ok(&preset.study), "{name}");
            assert_eq!(StudySpec::from_json(&preset.study.to_json()), Ok(preset.study), "{name}");
        }
        assert_eq!((preset("resnet-1"), training("mlp")), (None, None));
    }

    #[test]
    fn a_name_may_be_a_searchs_and_a_configurations() {
        let listed = |preset: Option<Preset>| preset.unwrap().study.scheduler.listed().len();
        for name in ["mlp-best", "cnn-best"] {
            assert_eq!((listed(preset(name)), listed(training(name))), (0, 1));
        }
        assert_eq!(preset("cnn-5block"), training("cnn-5block"));
    }
}
