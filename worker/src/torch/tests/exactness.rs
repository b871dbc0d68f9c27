//! A trial's numbers do not depend on where it was cut.

use std::fs;

use common::{split::Parts, study::Split};
use data::{Scale, Values};

use super::*;

fn study_of(model: ModelKind) -> (StudySpec, Hparams) {
    // 180 samples do not come out even: the last batch of an epoch is a small one.
    match model {
        ModelKind::Cnn => (study(model, 32), cnn_hparams()),
        ModelKind::Resnet => (study(model, 32), resnet_hparams()),
        ModelKind::Vgg => (study(model, 32), vgg_hparams()),
        _ => (study(model, 32), mlp_hparams(&[20, 33], 0.3, 0.003)),
    }
}

#[test]
fn one_three_nine_epochs_equal_nine() {
    for model in [ModelKind::Mlp, ModelKind::Cnn, ModelKind::Resnet, ModelKind::Vgg] {
        let (study, hparams) = study_of(model);
        let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (curve, straight) = run(&task(study.clone(), hparams.clone(), 9, whole.path()));

        let mut pieces = Vec::new();
        let mut resume: Option<CheckpointFiles> = None;
        let mut last = None;
        for to_epoch in [1, 3, 9] {
            let from_epoch = resume.as_ref().map_or(0, |files| files.epoch);
            let part = task(study.clone(), hparams.clone(), to_epoch, parts.path());
            let (points, trained) = run(&TrainTask { from_epoch, resume, ..part });
            pieces.extend(points);
            resume = Some(checkpoint(&trained));
            last = Some(trained);
        }
        assert_eq!(curve, pieces, "{model:?}");
        assert_eq!(curve.len(), 9);
        let (straight, pieced) = (straight, last.unwrap());
        let (
            Trained::Finished { best: one, checkpoint: a, .. },
            Trained::Finished { best: two, checkpoint: b, .. },
        ) = (&straight, &pieced)
        else {
            panic!("{straight:?} {pieced:?}")
        };
        assert_eq!(one, two);
        assert_eq!(fs::read(&a.weights).unwrap(), fs::read(&b.weights).unwrap(), "{model:?}");
        assert_eq!(fs::read(&a.state).unwrap(), fs::read(&b.state).unwrap(), "{model:?}");
    }
}

#[test]
fn two_threads_repeat_themselves() {
    for model in [ModelKind::Mlp, ModelKind::Cnn] {
        let (mut study, hparams) = study_of(model);
        study.train.threads = 2;
        let folder = tempfile::tempdir().unwrap();
        let task = task(study, hparams, 2, folder.path());
        let once = || {
            let (curve, trained) = run(&task);
            (curve, fs::read(checkpoint(&trained).weights).unwrap())
        };
        assert_eq!(once(), once(), "{model:?}");
    }
}

#[test]
fn a_drained_trial_goes_on_from_its_last_epoch() {
    let (study, hparams) = study_of(ModelKind::Mlp);
    let folder = tempfile::tempdir().unwrap();
    let whole = task(study, hparams, 5, folder.path());
    let (curve, straight) = run(&whole);
    let reference = fs::read(checkpoint(&straight).weights).unwrap();

    for every in [Duration::ZERO, Duration::from_secs(3600)] {
        let mut written = Vec::new();
        let task = TrainTask { checkpoint_every: every, ..whole.clone() };
        let drained = trainer().train(&task, &mut |progress| match progress {
            Progress::Epoch(point) if point.epoch == 3 => Control::HandBack,
            Progress::Checkpoint(files) => {
                written.push(files.epoch);
                Control::Continue
            }
            _ => Control::Continue,
        });
        let Ok(Trained::HandedBack { checkpoint: Some(files) }) = drained else { panic!("{drained:?}") };
        assert_eq!(files.epoch, 3);
        assert_eq!(written, if every.is_zero() { vec![1, 2] } else { vec![] });
        let (rest, trained) = run(&TrainTask { from_epoch: 3, resume: Some(files), ..whole.clone() });
        assert_eq!(rest, curve[3..]);
        assert_eq!(fs::read(checkpoint(&trained).weights).unwrap(), reference);
    }
}

#[test]
fn early_stopping_survives_a_resume() {
    let (mut study, hparams) = study_of(ModelKind::Mlp);
    // Nothing improves by so much, so that the first epoch stays the best.
    study.train.early_stopping =
        Some(EarlyStopping { monitor: Monitor::ValLoss, patience: 3, min_delta: 10.0, restore_best: false });
    let folder = tempfile::tempdir().unwrap();
    let (curve, straight) = run(&task(study.clone(), hparams.clone(), 9, folder.path()));
    assert!(matches!(straight, Trained::Finished { early_stopped: true, .. }), "{straight:?}");
    assert_eq!(curve.len(), 4);

    let (_, first) = run(&task(study.clone(), hparams.clone(), 2, folder.path()));
    let rest = task(study, hparams, 9, folder.path());
    let (points, second) = run(&TrainTask { from_epoch: 2, resume: Some(checkpoint(&first)), ..rest });
    assert_eq!(points, curve[2..]);
    assert!(matches!(second, Trained::Finished { early_stopped: true, .. }), "{second:?}");
}

#[test]
fn trials_of_one_process_do_not_touch_each_other() {
    let (study, hparams) = study_of(ModelKind::Mlp);
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (curve, trained) = run(&task(study.clone(), hparams.clone(), 2, one.path()));

    let mut warm = trainer();
    let (cnn_study, cnn) = study_of(ModelKind::Cnn);
    warm.train(&task(cnn_study, cnn, 1, two.path()), &mut |_| Control::Continue).unwrap();
    let again = warm.train(&task(study, hparams, 2, two.path()), &mut |_| Control::Continue).unwrap();
    let Trained::Finished { last, .. } = &again else { panic!("{again:?}") };
    assert_eq!(last.metrics, curve[1].metrics);
    let bytes = |trained: &Trained| fs::read(checkpoint(trained).weights).unwrap();
    assert_eq!(bytes(&trained), bytes(&again));
}

/// Every part of a recipe that has state, or draws anything, at once or in turn.
fn recipes() -> Vec<(&'static str, TrainSpec)> {
    let read = |text: &str| {
        let file = format!("name: test\nmodel: mlp\nspace: mlp\ntrain: {text}\n");
        StudySpec::from_yaml(&file).unwrap().train
    };
    [
        ("sgd", "{optimizer: sgd, schedule: one_cycle, weight_decay: 0.01, augment: strong, label_smoothing: 0.1}"),
        ("adamw", "{optimizer: adamw, schedule: cosine, weight_decay: 0.1, warmup: 1.5, average: ema, clip_norm: 1}"),
        ("rmsprop", "{optimizer: rmsprop, schedule: step, augment: standard, flip_averaging: true}"),
        (
            "restored",
            "{average: ema, augment: light, early_stopping: {monitor: val_accuracy, patience: 50, restore_best: true}}",
        ),
        ("bfloat16", "{precision: bfloat16, optimizer: sgd}"),
    ]
    .map(|(name, text)| (name, TrainSpec { batch_size: 32, ..read(text) }))
    .into()
}

#[test]
fn every_recipe_resumes_exactly() {
    for (name, train) in recipes() {
        for model in [ModelKind::Mlp, ModelKind::Cnn] {
            let (mut study, hparams) = study_of(model);
            study.train = train.clone();
            study.scheduler = SchedulerSpec::Fixed { epochs: 4, horizon: None, trials: Vec::new() };
            let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (curve, straight) = run(&task(study.clone(), hparams.clone(), 4, whole.path()));
            let (first, half) = run(&task(study.clone(), hparams.clone(), 3, parts.path()));
            let rest = task(study, hparams, 4, parts.path());
            let (second, pieced) = run(&TrainTask { from_epoch: 3, resume: Some(checkpoint(&half)), ..rest });
            assert_eq!(curve, [first, second].concat(), "{name} {model:?}");
            let bytes = |trained: &Trained| {
                let files = checkpoint(trained);
                (fs::read(files.weights).unwrap(), fs::read(files.state).unwrap())
            };
            assert!(bytes(&straight) == bytes(&pieced), "{name} {model:?}");
        }
    }
}

#[test]
fn products_in_bfloat16_round_and_learn_as_well() {
    let dense = mlp_hparams(&[64, 48], 0.3, 0.003);
    let mut cast = dense.clone();
    cast.0.insert("activation".to_owned(), Scalar::Text("gelu".to_owned()));
    // Products of single precision are rounded by the processor or not at all.
    let amx = crate::torch::doctor().unwrap().amx;
    for (model, hparams, rounds) in
        [(ModelKind::Mlp, dense, amx), (ModelKind::Mlp, cast, true), (ModelKind::Cnn, cnn_hparams(), true)]
    {
        let trained = |precision| {
            let mut study = study(model, 32);
            study.train.precision = precision;
            let folder = tempfile::tempdir().unwrap();
            let (curve, trained) = run(&task(study, hparams.clone(), 9, folder.path()));
            (curve[8].metrics, fs::read(checkpoint(&trained).weights).unwrap())
        };
        let ((single, exact), (half, rounded)) = (trained(Precision::Float32), trained(Precision::Bfloat16));
        assert!(!rounds || exact != rounded, "{hparams:?}");
        let ratio = half.train_loss / single.train_loss;
        assert!((0.8..1.25).contains(&ratio), "{hparams:?}: {} and {}", half.train_loss, single.train_loss);
    }
}

#[test]
fn nothing_is_restored_where_what_is_monitored_never_was_a_number() {
    let mut base = study(ModelKind::Mlp, 16);
    base.data.split = Split::Paper;
    let table = |count: usize| {
        let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
        let features = labels.iter().flat_map(|label| [0.1 * f32::from(*label), 0.0]).collect();
        Samples::table([count, 2], features, labels)
    };
    let (train, mut test) = (table(90), table(60));
    let parts = Parts::of(&base.data, (&train.labels, &test.labels), 3, "made-up");
    // A value that stands for none and that the training part lacks: standardised, it is infinite.
    let Values::Features(features) = &mut test.values else { panic!("no table") };
    features[2 * parts.validation[0] as usize] = f32::MAX;
    let dataset = Dataset { scale: Scale::of(&train), train, test, ..dataset(3, 3) };
    let ended = |restore_best: bool| {
        let mut study = base.clone();
        let monitor = Monitor::ValLoss;
        study.train.early_stopping =
            Some(EarlyStopping { monitor, patience: 2, min_delta: 0.0, restore_best });
        let folder = tempfile::tempdir().unwrap();
        let task = task(study, mlp_hparams(&[16], 0.0, 0.01), 9, folder.path());
        let mut trainer = TorchTrainer::with_dataset(Device::Cpu, &dataset).unwrap();
        let trained = trainer.train(&task, &mut |_| Control::Continue).unwrap();
        let Trained::Finished { last, early_stopped: true, restored: None, .. } = &trained else {
            panic!("{trained:?}")
        };
        assert!(last.metrics.val_loss.is_nan() && last.metrics.val_accuracy.is_finite(), "{last:?}");
        assert_eq!(last.epoch, 2);
        fs::read(checkpoint(&trained).weights).unwrap()
    };
    assert!(ended(true) == ended(false));
}

#[test]
fn a_trial_that_ends_goes_back_to_its_best_epoch() {
    let (mut study, hparams) = study_of(ModelKind::Mlp);
    // The first epoch stays the best, as nothing improves by so much.
    study.train.early_stopping =
        Some(EarlyStopping { monitor: Monitor::ValLoss, patience: 2, min_delta: 10.0, restore_best: true });
    let folder = tempfile::tempdir().unwrap();
    let (curve, ended) = run(&task(study.clone(), hparams.clone(), 9, folder.path()));
    let Trained::Finished { early_stopped: true, restored: Some(restored), .. } = &ended else {
        panic!("{ended:?}")
    };
    assert_eq!((curve.len(), *restored), (3, curve[0].metrics));

    // As it does where it was cut after that epoch.
    let whole = task(study.clone(), hparams.clone(), 9, folder.path());
    let drained = trainer().train(&whole, &mut |progress| match progress {
        Progress::Epoch(point) if point.epoch == 2 => Control::HandBack,
        _ => Control::Continue,
    });
    let Ok(Trained::HandedBack { checkpoint: Some(files) }) = drained else { panic!("{drained:?}") };
    let (_, resumed) = run(&TrainTask { from_epoch: 2, resume: Some(files), ..whole });
    let Trained::Finished { early_stopped: true, restored: Some(again), .. } = &resumed else {
        panic!("{resumed:?}")
    };
    assert_eq!(again, restored);
    let weights = |trained: &Trained| fs::read(checkpoint(trained).weights).unwrap();
    assert_eq!(weights(&resumed), weights(&ended));

    let (_, one) = run(&task(study.clone(), hparams.clone(), 1, folder.path()));
    let Trained::Finished { restored: None, .. } = &one else { panic!("{one:?}") };
    assert_eq!(
        fs::read(checkpoint(&ended).weights).unwrap().len(),
        fs::read(checkpoint(&one).weights).unwrap().len()
    );
    let evaluate = |checkpoint: CheckpointFiles| {
        let task =
            EvaluateTask { study: Arc::new(study.clone()), hparams: hparams.clone(), checkpoint, data: None };
        evaluated(&mut trainer(), &task).test.probabilities
    };
    assert_eq!(evaluate(checkpoint(&ended)), evaluate(checkpoint(&one)));
}
