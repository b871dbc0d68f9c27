use std::{path::Path, sync::Arc};

use common::{checkpoint::Digest, hparams::Scalar, study::StudySpec};

use super::*;

const STUDY: &str = "name: drill\nmodel: formula\nspace:\n  x: {float: [0.0, 1.0]}\n";

fn task(hparams: Hparams, epochs: (u32, u32), scratch: &Path) -> TrainTask {
    TrainTask {
        study: Arc::new(StudySpec::from_yaml(STUDY).unwrap()),
        hparams,
        trial_seed: 7,
        data_seed: 0,
        from_epoch: epochs.0,
        to_epoch: epochs.1,
        resume: None,
        checkpoint_every: Duration::MAX,
        scratch: scratch.to_owned(),
        data: None,
        initial: None,
    }
}

fn x(x: f64) -> Hparams {
    Hparams::from([("x", Scalar::Float(x))])
}

fn train(task: &TrainTask) -> Result<Trained, TrainError> {
    FormulaTrainer.train(task, &mut |_| Control::Continue)
}

fn finished(task: &TrainTask) -> (Metrics, CheckpointFiles) {
    match train(task).unwrap() {
        Trained::Finished { last, checkpoint, .. } => (last.metrics, checkpoint),
        other => panic!("{other:?}"),
    }
}

fn digests(files: &CheckpointFiles) -> [Digest; 2] {
    [&files.weights, &files.state].map(|path| Digest::of(&std::fs::read(path).unwrap()))
}

#[test]
fn one_three_nine_epochs_equal_nine_epochs_straight() {
    let scratch = tempfile::tempdir().unwrap();
    let straight = finished(&task(x(0.5), (0, 9), scratch.path()));
    let mut resume = None;
    let mut in_parts = straight.clone();
    for epochs in [(0, 1), (1, 3), (3, 9)] {
        let folder = tempfile::tempdir_in(scratch.path()).unwrap().keep();
        in_parts = finished(&TrainTask { resume, ..task(x(0.5), epochs, &folder) });
        resume = Some(in_parts.1.clone());
    }
    assert_eq!(in_parts.0, straight.0);
    assert_eq!(digests(&in_parts.1), digests(&straight.1));
}

#[test]
fn a_skipped_epoch_and_a_foreign_checkpoint_show() {
    let scratch = tempfile::tempdir().unwrap();
    let (_, early) = finished(&task(x(0.5), (0, 3), scratch.path()));
    let right = digests(
        &finished(&TrainTask { resume: Some(early.clone()), ..task(x(0.5), (3, 9), scratch.path()) }).1,
    );
    for (hparams, from) in [(x(0.5), 4), (x(0.5), 2), (x(0.6), 3)] {
        let other = TrainTask { resume: Some(early.clone()), ..task(hparams, (from, 9), scratch.path()) };
        assert_ne!(digests(&finished(&other).1)[0], right[0]);
    }
}

#[test]
fn curves_fall_and_differ() {
    let curves: Vec<Vec<f64>> = (0..20)
        .map(|i| {
            let curve = Curve::new(&x(f64::from(i) / 20.0), 7);
            let links = std::iter::successors(Some((0, curve.first())), |(epoch, link)| {
                Some((epoch + 1, curve.next(link, epoch + 1)))
            });
            links.skip(1).take(27).map(|(epoch, link)| curve.metrics(&link, epoch).val_loss).collect()
        })
        .collect();
    assert!(
        curves
            .iter()
            .all(|curve| curve[26] < curve[0] && curve.iter().all(|loss| (0.05..2.4).contains(loss)))
    );
    let leads = |epoch: usize| (0..20).min_by(|a, b| curves[*a][epoch].total_cmp(&curves[*b][epoch]));
    assert_ne!(leads(0), leads(26), "early rungs may err");
}

#[test]
fn a_drain_saves_the_last_finished_epoch() {
    let scratch = tempfile::tempdir().unwrap();
    let long = task(x(0.5), (0, 9), scratch.path());
    let mut epochs = 0;
    let trained = FormulaTrainer.train(&long, &mut |progress| {
        epochs += u32::from(matches!(progress, Progress::Epoch(_)));
        if epochs == 4 { Control::HandBack } else { Control::Continue }
    });
    let Ok(Trained::HandedBack { checkpoint: Some(files) }) = trained else { panic!("{trained:?}") };
    assert_eq!(files.epoch, 4);
    let (metrics, _) = finished(&TrainTask { resume: Some(files), from_epoch: 4, ..long.clone() });
    assert_eq!(metrics, finished(&long).0);
}

#[test]
fn a_drain_before_the_first_epoch_has_nothing_to_save() {
    let scratch = tempfile::tempdir().unwrap();
    let task = task(x(0.5), (0, 9), scratch.path());
    let trained = FormulaTrainer.train(&task, &mut |_| Control::HandBack).unwrap();
    assert_eq!(trained, Trained::HandedBack { checkpoint: None });
    let trained = FormulaTrainer.train(&task, &mut |_| Control::Abandon).unwrap();
    assert_eq!(trained, Trained::Abandoned);
}

#[test]
fn faults_strike_in_their_epoch() {
    let scratch = tempfile::tempdir().unwrap();
    let fail =
        |kind: &str| Hparams::from([("fail", Scalar::Text(kind.to_owned())), ("fail_epoch", Scalar::Int(2))]);
    let nan = train(&task(fail("nan"), (0, 3), scratch.path())).unwrap();
    assert!(matches!(nan, Trained::NotFinite { last } if last.epoch == 2 && last.metrics.val_loss.is_nan()));
    let error = train(&task(fail("error"), (0, 3), scratch.path())).unwrap_err();
    assert_eq!(error.to_string(), "told to fail in epoch 2");
    assert!(matches!(train(&task(fail("oom"), (0, 3), scratch.path())), Err(TrainError::OutOfMemory(_))));
    assert!(matches!(train(&task(fail("error"), (0, 1), scratch.path())), Ok(Trained::Finished { .. })));
    assert!(matches!(train(&task(fail("none"), (0, 3), scratch.path())), Ok(Trained::Finished { .. })));
}

#[test]
fn early_stopping_ends_a_trial_the_same_way_in_parts() {
    let scratch = tempfile::tempdir().unwrap();
    let mut long = task(x(0.5), (0, 200), scratch.path());
    let rule = "train: {early_stopping: {monitor: val_loss, patience: 3}}\n";
    long.study = Arc::new(StudySpec::from_yaml(&format!("{STUDY}{rule}")).unwrap());
    let Trained::Finished { last, best, early_stopped: true, .. } = train(&long).unwrap() else { panic!() };
    assert!(last.epoch < 200 && best.val_accuracy >= last.metrics.val_accuracy);
    let cut = last.epoch - 1;
    let (_, files) = finished(&TrainTask { to_epoch: cut, ..long.clone() });
    let again = train(&TrainTask { from_epoch: cut, resume: Some(files), ..long }).unwrap();
    assert!(matches!(again, Trained::Finished { last: l, early_stopped: true, .. } if l.epoch == last.epoch));
}

#[test]
fn an_evaluation_gives_distributions() {
    let scratch = tempfile::tempdir().unwrap();
    let trained = task(x(0.5), (0, 3), scratch.path());
    let (_, checkpoint) = finished(&trained);
    let task = EvaluateTask { study: trained.study, hparams: trained.hparams, checkpoint, data: None };
    let evaluate = || FormulaTrainer.evaluate(&task, &mut |_| Control::Continue).unwrap().unwrap();
    let evaluated = evaluate();
    let validation = evaluated.validation.as_ref().unwrap();
    for part in [&evaluated.test, validation] {
        assert_eq!(part.probabilities.len(), 160);
        assert!(part.probabilities.chunks(10).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
    assert_ne!(evaluated.test.probabilities, validation.probabilities);
    assert_eq!(evaluated, evaluate());
}

#[test]
fn an_evaluation_that_lasts_gives_signs_of_life_and_obeys() {
    let scratch = tempfile::tempdir().unwrap();
    let trained = task(x(0.5), (0, 1), scratch.path());
    let (_, checkpoint) = finished(&trained);
    let mut study = StudySpec::clone(&trained.study);
    study.train.epoch_seconds = 0.2;
    let task = EvaluateTask { study: Arc::new(study), hparams: trained.hparams, checkpoint, data: None };
    let mut signs = 0;
    let evaluated = FormulaTrainer.evaluate(&task, &mut |progress| {
        signs += u32::from(matches!(progress, Progress::Steps(_)));
        Control::Continue
    });
    assert!(evaluated.unwrap().is_some() && signs > 1, "{signs}");
    for told in [Control::HandBack, Control::Abandon] {
        let mut signs = 0;
        let evaluated = FormulaTrainer.evaluate(&task, &mut |_| {
            signs += 1;
            if signs == 3 { told } else { Control::Continue }
        });
        assert_eq!((evaluated.unwrap(), signs), (None, 3), "{told:?}");
    }
}

#[test]
fn a_disk_that_takes_nothing_is_the_machines_fault() {
    let scratch = tempfile::tempdir().unwrap();
    let task = task(x(0.5), (0, 1), &scratch.path().join("gone"));
    let ended = train(&task);
    assert!(matches!(&ended, Err(TrainError::Machine(reason)) if reason.contains("gone")), "{ended:?}");
}
