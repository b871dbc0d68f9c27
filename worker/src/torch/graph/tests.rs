use common::{
    hparams::{Hparams, Scalar},
    study::ModelKind,
};

use super::*;
use crate::torch::tests::{SHAPE, exact};

const PLAN: Plan = Plan { rows: 64, trial_seed: 9, smoothing: 0.0, precision: Precision::Float32, frozen: 0 };

fn batch() -> Batch {
    tch::manual_seed(3);
    let pixels = Tensor::rand([40, 36], (Kind::Float, Device::Cpu));
    Batch { pixels, labels: Tensor::from_slice(&[0i64, 1, 2, 1].repeat(10)) }
}

fn build(model: ModelKind, hparams: &Hparams) -> (ModelSpec, Weights, GraphNet) {
    let spec = ModelSpec::build(model, hparams, &SHAPE).unwrap();
    let weights = Weights::new(&spec, 1, Device::Cpu).unwrap();
    let net = GraphNet::new(&spec, &SHAPE, &weights, PLAN).unwrap();
    (spec, weights, net)
}

fn resnet() -> Hparams {
    Hparams::from([("width", Scalar::Int(4)), ("blocks", Scalar::Int(2)), ("stages", Scalar::Int(2))])
}

/// The tensors of a buffer by name.
fn named(weights: &Weights, buffer: &Tensor, name: &str) -> Tensor {
    let at = weights.parameters.slots().iter().position(|slot| slot.name == name).unwrap();
    weights.parameters.views(buffer).unwrap().remove(at)
}

#[test]
fn gradients_reach_every_tensor_of_a_residual_net() {
    let (_, weights, mut net) = build(ModelKind::Resnet, &resnet());
    net.train(&batch(), Place { epoch: 0, step: 0 }).unwrap();
    let grads = weights.parameters.views(&weights.grads).unwrap();
    for (slot, grad) in weights.parameters.slots().iter().zip(grads) {
        let size = grad.abs().sum(Kind::Double).double_value(&[]);
        assert!(size > 0.0 && size.is_finite(), "{}: {size}", slot.name);
    }
    assert!(net.sums().unwrap().loss.is_finite());
}

/// A block whose second batch norm gives nothing passes on what came in, so only the shortcut's path is left.
#[test]
fn a_shortcut_carries_its_input_past_the_block() {
    let _exact = exact();
    let (_, weights, net) = build(ModelKind::Resnet, &resnet());
    let before = net.logits(&batch().pixels).unwrap();
    _ = named(&weights, &weights.values, "stage_1.block_1.norm_1.weight").fill_(0.0);
    _ = named(&weights, &weights.values, "stage_1.block_2.norm_1.weight").fill_(0.0);
    let without = net.logits(&batch().pixels).unwrap();
    assert!(!without.allclose(&before, 1e-4, 1e-6, false));
    // The first stage does nothing any more, whatever its kernels are.
    _ = named(&weights, &weights.values, "stage_1.block_1.conv_0.weight").fill_(7.0);
    _ = named(&weights, &weights.values, "stage_1.block_2.conv_1.weight").fill_(-3.0);
    assert!(net.logits(&batch().pixels).unwrap().allclose(&without, 0.0, 0.0, false));
}

/// A directional derivative by differences, through strides, projections, sums and means.
#[test]
fn gradients_equal_differences_of_the_loss() {
    let _exact = exact();
    let (_, weights, mut net) = build(ModelKind::Resnet, &resnet());
    let place = Place { epoch: 0, step: 0 };
    net.train(&batch(), place).unwrap();
    for name in ["stem.conv.weight", "stage_2.block_1.shortcut.conv.weight", "dense.weight"] {
        let direction = named(&weights, &weights.grads, name).copy();
        let slope = direction.square().sum(Kind::Double).double_value(&[]);
        let mut view = named(&weights, &weights.values, name);
        let step = 1e-3 / slope.sqrt();
        let mut loss_at = |factor: f64| {
            let moved = &view + &direction * factor;
            let saved = view.copy();
            view.copy_(&moved);
            net.clear_sums();
            net.train(&batch(), place).unwrap();
            view.copy_(&saved);
            net.sums().unwrap().loss / 40.0
        };
        let measured = (loss_at(step) - loss_at(-step)) / (2.0 * step);
        assert!((measured / slope - 1.0).abs() < 0.02, "{name}: {measured} {slope}");
    }
}

/// Blocks with and without a pool, norms that a sum follows, and convolutions in few multiplications.
#[test]
fn what_is_fused_gives_what_single_operations_give() {
    let _exact = exact();
    let int = |name: &'static str, value| (name, Scalar::Int(value));
    let vgg = |width| Hparams::from([int("width", width), int("blocks", 2), int("dense_layers", 0)]);
    let mlp = Hparams::from([int("layers", 2), int("units", 9), ("batch_norm", Scalar::Bool(true))]);
    for (model, hparams) in [
        (ModelKind::Vgg, vgg(4)),
        (ModelKind::Vgg, vgg(32)),
        (ModelKind::Resnet, resnet()),
        (ModelKind::Mlp, mlp),
    ] {
        let (spec, ours, net) = build(model, &hparams);
        let (_, theirs, mut plain) = build(model, &hparams);
        let mut fused = net.fused(&spec);
        let done = fused.steps.iter().filter(|step| matches!(step.node, Node::Done)).count();
        assert!(done > 0, "{model:?}");
        for step in 0..3 {
            let place = Place { epoch: 0, step };
            fused.train(&batch(), place).unwrap();
            plain.train(&batch(), place).unwrap();
            assert!(ours.grads.allclose(&theirs.grads, 1e-4, 1e-5, false), "{model:?}");
            assert!(ours.running.allclose(&theirs.running, 1e-5, 1e-6, false), "{model:?}");
        }
        let [one, other] = [&fused, &plain].map(|net| net.logits(&batch().pixels).unwrap().detach());
        assert!(one.allclose(&other, 1e-4, 1e-5, false), "{model:?}");
    }
}

#[test]
fn every_activation_and_head_trains() {
    for activation in ["relu", "gelu", "silu", "tanh", "elu", "leaky_relu"] {
        for head in ["flatten", "average"] {
            let text = |text: &str| Scalar::Text(text.to_owned());
            let hparams = Hparams::from([
                ("blocks", Scalar::Int(2)),
                ("width", Scalar::Int(4)),
                ("batch_norm", Scalar::Bool(head == "average")),
                ("dropout", Scalar::Float(0.2)),
                ("activation", text(activation)),
                ("head", text(head)),
            ]);
            let (_, weights, mut net) = build(ModelKind::Vgg, &hparams);
            net.train(&batch(), Place { epoch: 0, step: 0 }).unwrap();
            let size = named(&weights, &weights.grads, "block_1.conv_0.weight").abs().max().double_value(&[]);
            assert!(size > 0.0 && size.is_finite(), "{activation} {head}: {size}");
            assert_eq!(net.logits(&batch().pixels).unwrap().size(), [40, 3]);
        }
    }
}

#[test]
fn activations_are_those_of_their_formulas() {
    let x = Tensor::from_slice(&[-2.0f32, -0.5, 0.0, 1.5]);
    let expected = |f: fn(f64) -> f64| [-2.0, -0.5, 0.0, 1.5].map(|x| f(x) as f32);
    for (name, f) in [
        ("relu", (|x: f64| x.max(0.0)) as fn(f64) -> f64),
        ("gelu", |x| 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt()))),
        ("silu", |x| x / (1.0 + (-x).exp())),
        ("tanh", f64::tanh),
        ("elu", |x| if x < 0.0 { x.exp() - 1.0 } else { x }),
        ("leaky_relu", |x| if x < 0.0 { 0.01 * x } else { x }),
    ] {
        let hparams = Hparams::from([
            ("layers", Scalar::Int(1)),
            ("units", Scalar::Int(2)),
            ("activation", Scalar::Text(name.to_owned())),
        ]);
        let (_, _, net) = build(ModelKind::Mlp, &hparams);
        let found = net.steps[2].node.pass(&x, &[], None).unwrap();
        let difference = (found - Tensor::from_slice(&expected(f))).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{name}: {difference}");
    }
}
