//! Images that are standardised.

use std::fs;

use common::study::Input;

use super::*;

fn standard(model: ModelKind) -> StudySpec {
    let mut study = study(model, 32);
    study.data.input = Input::Standard;
    study
}

#[test]
fn standardised_images_train_all_kinds_of_nets_and_resume_exactly() {
    for (model, hparams) in
        [(ModelKind::Mlp, mlp_hparams(&[16], 0.1, 0.003)), (ModelKind::Cnn, cnn_hparams())]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut study = standard(model);
        study.train.flip_averaging = true;
        let whole = task(study, hparams.clone(), 5, folder.path());
        let (curve, trained) = run(&whole);
        assert!(curve[4].metrics.val_accuracy > 0.9, "{curve:?}");
        let elsewhere = tempfile::tempdir().unwrap();
        let (plain, _) = run(&task(super::study(model, 32), hparams, 5, elsewhere.path()));
        assert_ne!(curve[0].metrics, plain[0].metrics);

        let parts = tempfile::tempdir().unwrap();
        let part = TrainTask { scratch: parts.path().to_owned(), ..whole.clone() };
        let (first, half) = run(&TrainTask { to_epoch: 2, ..part.clone() });
        let (second, pieced) = run(&TrainTask { from_epoch: 2, resume: Some(checkpoint(&half)), ..part });
        assert_eq!(curve, [first, second].concat());
        let bytes = |trained: &Trained| fs::read(checkpoint(trained).weights).unwrap();
        assert!(bytes(&trained) == bytes(&pieced));

        let evaluate = EvaluateTask {
            study: whole.study.clone(),
            hparams: whole.hparams.clone(),
            checkpoint: checkpoint(&trained),
            data: None,
        };
        let evaluated = evaluated(&mut trainer(), &evaluate);
        assert_eq!(evaluated.validation.unwrap().metrics.accuracy, curve[4].metrics.val_accuracy);
    }
}
