//! Other samples than grey images, and other splits than the default.

use common::{metrics::Metric, split::Parts, study::Split};
use data::{Scale, Values};

use super::*;
use crate::{torch::measure::measure, trainer::Predicted};

/// Trains a model and evaluates it.
fn trained(dataset: &Dataset, mut study: StudySpec, hparams: Hparams) -> (CurvePoint, Evaluated) {
    study.data.name.clone_from(&dataset.name);
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = TorchTrainer::with_dataset(Device::Cpu, dataset).unwrap();
    let task = task(study, hparams, 6, folder.path());
    let trained = trainer.train(&task, &mut |_| Control::Continue).unwrap();
    let Trained::Finished { last, .. } = trained else { panic!("{trained:?}") };
    let checkpoint = checkpoint(&trained);
    let TrainTask { study, hparams, data, .. } = task;
    (last, evaluated(&mut trainer, &EvaluateTask { study, hparams, checkpoint, data }))
}

/// The made-up images, red in the first class, green in the second, blue in the third.
fn coloured() -> Dataset {
    let colour = |samples: &Samples| {
        let pixels = samples.pixels().unwrap().chunks(36).zip(&samples.labels).flat_map(|(image, label)| {
            (0..3u8)
                .flat_map(|channel| {
                    image
                        .iter()
                        .map(|pixel| if channel == *label { 255 } else { *pixel / 2 })
                        .collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        });
        Samples::images([samples.count, 3, 6, 6], pixels.collect(), samples.labels.clone())
    };
    let grey = dataset(120, 30);
    Dataset { train: colour(&grey.train), test: colour(&grey.test), ..grey }
}

#[test]
fn coloured_images_train_dense_and_convolutional_networks() {
    for (model, hparams) in
        [(ModelKind::Mlp, mlp_hparams(&[16], 0.0, 0.003)), (ModelKind::Cnn, cnn_hparams())]
    {
        let (last, evaluated) = trained(&coloured(), study(model, 16), hparams);
        let test = evaluated.test.metrics;
        assert!(last.metrics.val_accuracy > 0.9 && test.accuracy > 0.9, "{model:?} {last:?} {test:?}");
    }
}

#[test]
fn a_table_is_standardised_and_trains_a_dense_network() {
    // Without standardising, the first feature would drown the second, which alone tells the classes apart.
    let table = |seed: u64, count: usize| {
        let mut words = Stream::new(seed, Purpose::Augment).words();
        let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
        let features = labels
            .iter()
            .flat_map(|label| {
                let noise = words.below(1_000) as f32;
                [1e6 + 1e3 * noise, f32::from(*label) * 1e-3 + noise * 1e-7]
            })
            .collect();
        Samples::table([count, 2], features, labels)
    };
    let (train, test) = (table(1, 300), table(2, 60));
    let scale = Scale::of(&train);
    let Values::Features(features) = &train.values else { panic!("no table") };
    let standardised = scale.as_ref().unwrap().standardised(features);
    assert!(standardised.iter().all(|value| value.abs() < 5.0));
    let dataset = Dataset { train, test, scale, ..dataset(3, 3) };
    let (last, evaluated) = trained(&dataset, study(ModelKind::Mlp, 16), mlp_hparams(&[16], 0.0, 0.01));
    let test = evaluated.test.metrics;
    assert!(last.metrics.val_accuracy > 0.9 && test.accuracy > 0.9, "{last:?} {test:?}");
}

#[test]
fn paper_validates_on_test_samples_and_measures_the_others_apart() {
    let (dataset, mut study) = (dataset(90, 60), study(ModelKind::Mlp, 16));
    study.data.split = Split::Paper;
    let (last, Evaluated { test, validation }) =
        trained(&dataset, study.clone(), mlp_hparams(&[16], 0.2, 0.003));
    let Predicted { metrics: test, probabilities } = test;
    let parts = Parts::of(&study.data, (&dataset.train.labels, &dataset.test.labels), 3, &dataset.digest);
    assert_eq!((parts.train.len(), parts.validation.len()), (90, 6));
    let logs: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
    let score = |rows: &[u32]| {
        let picked: Vec<f32> = rows.iter().flat_map(|row| logs[*row as usize * 3..][..3].to_vec()).collect();
        let truth: Vec<u8> = rows.iter().map(|row| dataset.test.labels[*row as usize]).collect();
        measure(&picked, &truth, 3)
    };
    let clean_rows: Vec<u32> = (0..60).filter(|row| !parts.validation.contains(row)).collect();
    let clean = test.clean.unwrap();
    assert_eq!((clean.samples, clean.accuracy), (54, score(&clean_rows).accuracy));
    assert!((clean.loss - score(&clean_rows).loss).abs() < 1e-5);
    assert_eq!(last.metrics.val_accuracy, score(&parts.validation).accuracy);
    assert!((last.metrics.val_loss - score(&parts.validation).loss).abs() < 1e-5);
    let validation = validation.unwrap();
    assert_eq!(validation.metrics.accuracy, last.metrics.val_accuracy);
    assert_eq!((validation.probabilities.len(), validation.metrics.clean), (18, None));
    let judged = score(&parts.validation);
    assert!((validation.metrics.loss - judged.loss).abs() < 1e-5);
    assert_eq!(test.accuracy, score(&(0..60).collect::<Vec<_>>()).accuracy);
}

#[test]
fn none_trains_on_everything_and_ranks_by_training() {
    let mut study = study(ModelKind::Mlp, 16);
    study.data.split = Split::None;
    study.objective.metric = Metric::TrainLoss;
    let (last, evaluated) = trained(&dataset(90, 60), study, mlp_hparams(&[16], 0.0, 0.003));
    assert!(last.metrics.val_loss.is_nan() && last.metrics.val_accuracy.is_nan());
    assert!(last.metrics.train_loss.is_finite() && evaluated.test.metrics.clean.is_none());
    assert_eq!(evaluated.validation, None);
}

#[test]
fn shifts_count_in_what_a_trained_model_answers_alone() {
    let by = |shift: u32| {
        let mut study = study(ModelKind::Cnn, 16);
        study.train.shift_averaging = shift;
        trained(&dataset(120, 30), study, cnn_hparams())
    };
    let ((plain, without), (shifted, with)) = (by(0), by(1));
    assert_eq!(plain.metrics, shifted.metrics);
    let all =
        |evaluated: Evaluated| [evaluated.test.probabilities, evaluated.validation.unwrap().probabilities];
    for (without, with) in all(without).into_iter().zip(all(with)) {
        assert_ne!(without, with);
        assert!(with.chunks(3).all(|sample| (sample.iter().sum::<f32>() - 1.0).abs() < 1e-5), "{with:?}");
    }
}
