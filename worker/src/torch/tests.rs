//! The trainer as a whole, on a data set that is made up here.

use std::{path::Path, sync::Arc, time::Duration};

use common::{
    hparams::{Hparams, Scalar},
    metrics::CurvePoint,
    model_spec::{DataShape, ModelSpec},
    random::{Purpose, Stream},
    recipe::Recipe,
    study::{EarlyStopping, ModelKind, Monitor, Precision, SchedulerSpec, StudySpec, TrainSpec},
};
use data::{Dataset, Samples};

use super::{TorchTrainer, arithmetic::Arithmetic, net::Plan};
use crate::{
    settings::Device,
    trainer::{
        CheckpointFiles, Control, EvaluateTask, Evaluated, Progress, TrainError, TrainTask, Trained, Trainer,
    },
};

mod beginnings;

mod exactness;

mod limits;

mod samples;

mod standard;

/// What [`dataset`] holds.
pub(super) const SHAPE: DataShape = DataShape { channels: 1, height: 6, width: 6, classes: 3 };

/// Images in which every class has its own bright third, over noise.
pub(super) fn dataset(train: usize, test: usize) -> Dataset {
    let images = |seed: u64, count: usize| {
        let mut words = Stream::new(seed, Purpose::Augment).words();
        let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
        let pixel = |label: u8, at: usize, noise: u32| {
            if at / 12 == usize::from(label) { 120 + noise } else { noise }
        };
        let pixels = labels
            .iter()
            .flat_map(|label| (0..36).map(|at| pixel(*label, at, words.below(130)) as u8).collect::<Vec<_>>())
            .collect();
        Samples::images([count, 1, 6, 6], pixels, labels)
    };
    Dataset {
        name: "made-up".to_owned(),
        classes: ["top", "middle", "bottom"].map(str::to_owned).to_vec(),
        train: images(1, train),
        test: images(2, test),
        scale: None,
        columns: Vec::new(),
        digest: "made-up".to_owned(),
    }
}

/// Hyperparameters of a multilayer perceptron.
pub(super) fn mlp_hparams(units: &[i64], dropout: f64, lr: f64) -> Hparams {
    let mut hparams = Hparams::from([
        ("layers", Scalar::Int(units.len() as i64)),
        ("dropout", Scalar::Float(dropout)),
        ("lr", Scalar::Float(lr)),
    ]);
    for (i, width) in units.iter().enumerate() {
        hparams.0.insert(format!("units_{i}"), Scalar::Int(*width));
    }
    hparams
}

/// Hyperparameters of a convolutional net with one block.
pub(super) fn cnn_hparams() -> Hparams {
    Hparams::from([
        ("blocks", Scalar::Int(1)),
        ("filters_1", Scalar::Int(4)),
        ("kernel", Scalar::Int(3)),
        ("pool", Scalar::Int(2)),
        ("dropout", Scalar::Float(0.2)),
        ("lr", Scalar::Float(0.003)),
    ])
}

/// Hyperparameters of a residual net with two stages, hence a shortcut of each kind.
pub(super) fn resnet_hparams() -> Hparams {
    Hparams::from([
        ("stages", Scalar::Int(2)),
        ("blocks", Scalar::Int(2)),
        ("width", Scalar::Int(4)),
        ("dropout", Scalar::Float(0.1)),
        ("initializer", Scalar::Text("he_normal".to_owned())),
        ("lr", Scalar::Float(0.003)),
    ])
}

/// Hyperparameters of a net like VGG with another activation.
pub(super) fn vgg_hparams() -> Hparams {
    Hparams::from([
        ("blocks", Scalar::Int(2)),
        ("width", Scalar::Int(4)),
        ("dropout", Scalar::Float(0.2)),
        ("activation", Scalar::Text("gelu".to_owned())),
        ("lr", Scalar::Float(0.003)),
    ])
}

/// A multilayer perceptron for the made-up images.
pub(super) fn mlp(units: &[i64], dropout: f64) -> ModelSpec {
    ModelSpec::build(ModelKind::Mlp, &mlp_hparams(units, dropout, 0.001), &SHAPE).unwrap()
}

/// A convolutional net for the made-up images.
pub(super) fn cnn() -> ModelSpec {
    ModelSpec::build(ModelKind::Cnn, &cnn_hparams(), &SHAPE).unwrap()
}

/// While it lives, products are exact, whatever other tests compute in.
pub(super) fn exact() -> Arithmetic {
    Arithmetic::set(&TrainSpec::default()).unwrap()
}

/// A recipe of defaults.
pub(super) fn recipe() -> Recipe {
    Recipe::of(&TrainSpec::default(), &Hparams::default()).unwrap()
}

/// A plan of defaults.
pub(super) fn plan() -> Plan {
    Plan { rows: 8, trial_seed: 9, smoothing: 0.0, precision: Precision::Float32, frozen: 0 }
}

fn study(model: ModelKind, batch_size: u32) -> StudySpec {
    let name = model.as_str();
    // VGG has no space of its own name, and needs no hyperparameter.
    let space = if model == ModelKind::Vgg { "{width: {int: [2, 4]}}" } else { name };
    let file = format!("name: test\nmodel: {name}\nspace: {space}\nseed: 11\n");
    let mut study = StudySpec::from_yaml(&file).unwrap();
    study.data.name = "made-up".to_owned();
    study.train.batch_size = batch_size;
    study
}

fn task(study: StudySpec, hparams: Hparams, to_epoch: u32, scratch: &Path) -> TrainTask {
    TrainTask {
        data_seed: study.seed,
        study: Arc::new(study),
        hparams,
        trial_seed: 5,
        from_epoch: 0,
        to_epoch,
        resume: None,
        checkpoint_every: Duration::from_secs(3600),
        scratch: scratch.to_owned(),
        data: None,
        initial: None,
    }
}

fn trainer() -> TorchTrainer {
    TorchTrainer::with_dataset(Device::Cpu, &dataset(200, 30)).unwrap()
}

/// Trains to the end; the curve, and how it ended.
fn run(task: &TrainTask) -> (Vec<CurvePoint>, Trained) {
    let mut curve = Vec::new();
    let trained = trainer().train(task, &mut |progress| {
        if let Progress::Epoch(point) = progress {
            curve.push(CurvePoint { seconds: 0.0, ..point });
        }
        Control::Continue
    });
    (curve, trained.unwrap())
}

/// Evaluates to the end.
fn evaluated(trainer: &mut TorchTrainer, task: &EvaluateTask) -> Evaluated {
    trainer.evaluate(task, &mut |_| Control::Continue).unwrap().unwrap()
}

fn checkpoint(trained: &Trained) -> CheckpointFiles {
    match trained {
        Trained::Finished { checkpoint, .. } => checkpoint.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tiny_net_learns_32_samples_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = TorchTrainer::with_dataset(Device::Cpu, &dataset(36, 30)).unwrap();
    let task = task(study(ModelKind::Mlp, 8), mlp_hparams(&[32], 0.0, 0.01), 60, folder.path());
    let trained = trainer.train(&task, &mut |_| Control::Continue).unwrap();
    let Trained::Finished { last, early_stopped: false, .. } = trained else { panic!("{trained:?}") };
    assert_eq!((last.epoch, last.metrics.train_accuracy), (60, 1.0));
    assert!(last.metrics.train_loss < 0.05, "{last:?}");
}

#[test]
fn an_evaluation_gives_metrics_and_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(study(ModelKind::Cnn, 32), cnn_hparams(), 6, folder.path());
    let (_, trained) = run(&task);
    let evaluate = EvaluateTask {
        study: task.study.clone(),
        hparams: task.hparams.clone(),
        checkpoint: checkpoint(&trained),
        data: None,
    };
    let first = evaluated(&mut trainer(), &evaluate);
    // Seven of each class validate.
    let validation = first.validation.as_ref().unwrap();
    for (part, samples) in [(&first.test, 30), (validation, 21)] {
        assert!(part.metrics.accuracy > 0.8, "{:?}", part.metrics);
        assert_eq!(part.probabilities.len(), samples * 3);
        assert!(part.probabilities.chunks_exact(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
    assert_eq!(evaluated(&mut trainer(), &evaluate), first);

    let mut signs = 0;
    let counted = trainer().evaluate(&evaluate, &mut |progress| {
        signs += u32::from(matches!(progress, Progress::Steps(_)));
        Control::Continue
    });
    assert_eq!((counted.unwrap(), signs > 0), (Some(first), true));
    for told in [Control::HandBack, Control::Abandon] {
        assert_eq!(trainer().evaluate(&evaluate, &mut |_| told).unwrap(), None);
    }
}

#[test]
fn a_data_seed_of_its_own_trains_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(study(ModelKind::Mlp, 32), mlp_hparams(&[8], 0.0, 0.003), 2, folder.path());
    let loss = |task: &TrainTask| run(task).0.last().unwrap().metrics.train_loss;
    assert_eq!(loss(&task), loss(&task));
    assert_ne!(loss(&task), loss(&TrainTask { data_seed: 12, ..task.clone() }));
}
