//! Trials that begin with stored weights, and those of which only the head is trained.

use std::{collections::BTreeMap, fs};

use common::study::{Freeze, InitialWeights, Optimizer};
use safetensors::SafeTensors;

use super::*;

/// Tensors of a file by name, as bytes.
type Tensors = BTreeMap<String, Vec<u8>>;

fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

/// The same trial, beginning with the weights of a checkpoint.
fn beginning_with(files: &CheckpointFiles, freeze: Freeze, task: TrainTask) -> TrainTask {
    let packed = weights::read(&files.weights).unwrap();
    let object = task.scratch.join("initial.safetensors");
    fs::write(&object, &packed.bytes).unwrap();
    let mut study = StudySpec::clone(&task.study);
    let name = "stored".parse().unwrap();
    study.train.initial_weights = Some(InitialWeights { name, freeze, digest: Some(packed.facts.digest) });
    TrainTask { study: Arc::new(study), initial: Some(object), trial_seed: task.trial_seed + 1, ..task }
}

#[test]
fn a_trial_that_begins_with_trained_weights_is_ahead() {
    for (model, hparams) in
        [(ModelKind::Mlp, mlp_hparams(&[16], 0.0, 0.003)), (ModelKind::Resnet, resnet_hparams())]
    {
        let folder = tempfile::tempdir().unwrap();
        let scratch = task(study(model, 32), hparams, 4, folder.path());
        let (curve, trained) = run(&scratch);
        let next = beginning_with(&checkpoint(&trained), Freeze::Nothing, scratch);
        let (points, _) = run(&next);
        assert!(points[0].metrics.train_loss < curve[0].metrics.train_loss / 2.0, "{points:?} {curve:?}");
        assert!(points[0].metrics.val_loss < curve[0].metrics.val_loss, "{points:?} {curve:?}");
        assert_eq!(run(&next).0, points, "the same weights and seeds give the same numbers");
    }
}

#[test]
fn of_a_frozen_backbone_nothing_moves() {
    let recipes = Optimizer::ALL.map(|optimizer| TrainSpec {
        optimizer,
        batch_size: 32,
        weight_decay: 0.01,
        clip_norm: Some(1.0),
        ..TrainSpec::default()
    });
    let averaged = TrainSpec { average: common::study::Average::Ema, ..recipes[0].clone() };
    for (model, hparams, head) in [
        (ModelKind::Mlp, mlp_hparams(&[16, 12], 0.2, 0.01), "dense_2."),
        (ModelKind::Resnet, resnet_hparams(), "dense."),
    ] {
        for train in recipes.iter().chain([&averaged]) {
            let folder = tempfile::tempdir().unwrap();
            let mut study = study(model, 32);
            study.train = train.clone();
            let scratch = task(study, hparams.clone(), 1, folder.path());
            let stored = checkpoint(&run(&scratch).1);
            let before = tensors(&stored.weights);
            let next = TrainTask { to_epoch: 3, ..beginning_with(&stored, Freeze::Backbone, scratch) };
            let (curve, trained) = run(&next);
            for (name, bytes) in tensors(&checkpoint(&trained).weights) {
                let moves = name.starts_with(head) || name.ends_with(".num_batches_tracked");
                assert_eq!(bytes != before[&name], moves, "{model:?} {:?} {name}", train.optimizer);
            }
            assert!(curve[2].metrics.train_loss < curve[0].metrics.train_loss, "{curve:?}");
        }
    }
}

#[test]
fn the_head_of_a_frozen_backbone_has_the_gradients_that_it_had() {
    use super::super::{dense::DenseNet, graph::GraphNet, net::Place, resident::Batch, weights::Weights};
    let _exact = exact();
    let spec = mlp(&[20, 7], 0.3);
    let pixels = tch::Tensor::rand([40, 36], (tch::Kind::Float, tch::Device::Cpu));
    let batch = Batch { pixels, labels: tch::Tensor::from_slice(&[0i64, 1, 2, 1].repeat(10)) };
    let (place, head) = (Place { epoch: 1, step: 2 }, spec.head().unwrap());
    let weights = Weights::new(&spec, 1, tch::Device::Cpu).unwrap();
    let first = weights.parameters.slots().iter().find(|slot| slot.layer == head).unwrap().offset;
    let rest = weights.values.size()[0] - first;
    DenseNet::new(&spec, &weights, plan()).unwrap().unwrap().train(&batch, place).unwrap();
    let whole = weights.grads.copy();

    let frozen = Plan { frozen: head, ..plan() };
    for by_hand in [true, false] {
        _ = weights.grads.shallow_clone().zero_();
        if by_hand {
            DenseNet::new(&spec, &weights, frozen).unwrap().unwrap().train(&batch, place).unwrap();
        } else {
            GraphNet::new(&spec, &SHAPE, &weights, frozen).unwrap().train(&batch, place).unwrap();
        }
        let (below, above) = (weights.grads.narrow(0, 0, first), weights.grads.narrow(0, first, rest));
        assert_eq!(below.abs().max().double_value(&[]), 0.0, "by hand: {by_hand}");
        assert!(above.allclose(&whole.narrow(0, first, rest), 1e-4, 1e-6, false), "by hand: {by_hand}");
    }
}

#[test]
fn a_trial_that_began_with_stored_weights_resumes_exactly_and_without_them() {
    for freeze in [Freeze::Nothing, Freeze::Backbone] {
        let folder = tempfile::tempdir().unwrap();
        let scratch = task(study(ModelKind::Resnet, 32), resnet_hparams(), 1, folder.path());
        let stored = checkpoint(&run(&scratch).1);
        let whole = TrainTask { to_epoch: 4, ..beginning_with(&stored, freeze, scratch) };
        let (curve, straight) = run(&whole);
        let parts = tempfile::tempdir().unwrap();
        let part = TrainTask { scratch: parts.path().to_owned(), ..whole };
        let (first, half) = run(&TrainTask { to_epoch: 2, ..part.clone() });
        let resume = Some(checkpoint(&half));
        let (second, pieced) = run(&TrainTask { from_epoch: 2, resume, initial: None, ..part });
        assert_eq!(curve, [first, second].concat());
        let bytes = |trained: &Trained| {
            let files = checkpoint(trained);
            (fs::read(files.weights).unwrap(), fs::read(files.state).unwrap())
        };
        assert!(bytes(&straight) == bytes(&pieced), "{freeze:?}");
    }
}

#[test]
fn stored_weights_that_are_not_there_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = task(study(ModelKind::Mlp, 32), mlp_hparams(&[8], 0.0, 0.003), 1, folder.path());
    let stored = checkpoint(&run(&scratch).1);
    let next = TrainTask { initial: None, ..beginning_with(&stored, Freeze::Nothing, scratch) };
    let result = trainer().train(&next, &mut |_| Control::Continue);
    let Err(TrainError::InitialWeights(message)) = result else { panic!("{result:?}") };
    assert_eq!(message, "`stored` is not at hand");
}
