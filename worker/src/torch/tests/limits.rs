//! What does not go well ends as it should.

use std::fs;

use super::*;

#[test]
fn a_diverging_trial_is_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    for hparams in [mlp_hparams(&[16, 16], 0.1, 1e30), mlp_hparams(&[16, 16], 0.1, f64::MAX)] {
        let (curve, trained) = run(&task(study(ModelKind::Mlp, 32), hparams, 3, folder.path()));
        let Trained::NotFinite { last } = trained else { panic!("{trained:?}") };
        assert!(!last.metrics.val_accuracy.is_finite());
        assert_eq!((last.epoch, curve.len()), (1, 0));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_abandoned_trial_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let task = task(study(ModelKind::Mlp, 32), mlp_hparams(&[16], 0.0, 0.01), 3, folder.path());
    assert_eq!(trainer().train(&task, &mut |_| Control::Abandon).unwrap(), Trained::Abandoned);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let whole = task(study(ModelKind::Mlp, 32), mlp_hparams(&[16], 0.0, 0.01), 1, folder.path());
    let files = checkpoint(&run(&whole).1);
    let refused = |hparams: Hparams, from_epoch: u32, files: &CheckpointFiles| {
        let task =
            TrainTask { hparams, from_epoch, to_epoch: 9, resume: Some(files.clone()), ..whole.clone() };
        match trainer().train(&task, &mut |_| Control::Continue) {
            Err(TrainError::Checkpoint(message)) => message,
            other => panic!("{other:?}"),
        }
    };
    let message = refused(mlp_hparams(&[17], 0.0, 0.01), 1, &files);
    assert!(message.contains("`dense_0.weight` is F32 [16, 36], not F32 [17, 36]"), "{message}");
    let message = refused(whole.hparams.clone(), 2, &files);
    assert!(message.contains("cannot begin at epoch 1"), "{message}");
    let renamed = CheckpointFiles { epoch: 2, ..files.clone() };
    let message = refused(whole.hparams.clone(), 2, &renamed);
    assert!(message.contains("is of epoch 1, not 2"), "{message}");

    let mut bytes = fs::read(&files.state).unwrap();
    bytes.truncate(bytes.len() - 8);
    fs::write(&files.state, bytes).unwrap();
    refused(whole.hparams.clone(), 1, &files);
}

#[test]
fn data_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = study(ModelKind::Mlp, 32);
    study.data.name = "unheard-of".to_owned();
    let task = task(study, mlp_hparams(&[16], 0.0, 0.01), 1, folder.path());
    let result = trainer().train(&task, &mut |_| Control::Continue);
    assert!(matches!(result, Err(TrainError::Data(_))), "{result:?}");
}
