//! A trial's first weights.
//!
//! Every element comes from words of the trial's stream, in the order of the state dict's tensor. No function of the
//! C library takes part, so every machine gets the same bits.

use std::f64::consts::TAU;

use common::{
    model_spec::Initializer,
    random::{Purpose, Stream, Words},
};

use super::layout::Slot;

/// First values of a matrix or of kernels.
pub(super) fn draw(initializer: Initializer, slot: &Slot, trial_seed: u64) -> Vec<f32> {
    let (outputs, inputs) = (slot.shape[0], slot.shape[1]);
    let taps: i64 = slot.shape[2..].iter().product();
    let both = ((inputs + outputs) * taps) as f64;
    let fan_in = (inputs * taps) as f64;
    let mut words = Stream::new(trial_seed, Purpose::Init).layer(slot.layer as u32).words();
    let count = (outputs * inputs * taps) as usize;
    match initializer {
        Initializer::GlorotUniform => uniform(&mut words, (6.0 / both).sqrt(), count),
        Initializer::HeUniform => uniform(&mut words, (6.0 / fan_in).sqrt(), count),
        Initializer::LecunUniform => uniform(&mut words, (3.0 / fan_in).sqrt(), count),
        Initializer::GlorotNormal => normal(&mut words, (2.0 / both).sqrt(), count),
        Initializer::HeNormal => normal(&mut words, (2.0 / fan_in).sqrt(), count),
        Initializer::LecunNormal => normal(&mut words, (1.0 / fan_in).sqrt(), count),
    }
}

/// Even in ±`limit`, one word an element.
fn uniform(words: &mut Words, limit: f64, count: usize) -> Vec<f32> {
    let unit = 1.0 / f64::from(1 << 23);
    // The upper 24 bits as a whole number from -2^23, a half added: even around zero.
    let mut uniform = || (f64::from(words.word() >> 8) - f64::from(1 << 23) + 0.5) * unit;
    (0..count).map(|_| (uniform() * limit) as f32).collect()
}

/// Normal around zero, two words for two elements (Box and Muller, 1958).
fn normal(words: &mut Words, deviation: f64, count: usize) -> Vec<f32> {
    // A word as a number inside of (0, 1).
    let mut unit = || (f64::from(words.word()) + 0.5) / f64::from(1u32 << 31) / 2.0;
    let mut pair = || {
        let radius = deviation * (-2.0 * libm::log(unit())).sqrt();
        let (sine, cosine) = libm::sincos(TAU * unit());
        [(radius * cosine) as f32, (radius * sine) as f32]
    };
    let mut values: Vec<f32> = (0..count.div_ceil(2)).flat_map(|_| pair()).collect();
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use common::{hparams::Scalar, study::ModelKind};
    use tch::{Device, Kind};

    use super::*;
    use crate::torch::{
        tests::{SHAPE, cnn_hparams},
        weights::Weights,
    };

    /// The second convolution's kernels: 64 values in for 64 out, 9 taps.
    fn kernels(initializer: &str) -> tch::Tensor {
        let mut hparams = cnn_hparams();
        hparams.0.insert("filters_1".to_owned(), Scalar::Int(64));
        hparams.0.insert("initializer".to_owned(), Scalar::Text(initializer.to_owned()));
        let spec = common::model_spec::ModelSpec::build(ModelKind::Cnn, &hparams, &SHAPE).unwrap();
        let weights = Weights::new(&spec, 5, Device::Cpu).unwrap();
        let at = weights.parameters.slots().iter().position(|slot| slot.name == "block_1.conv_1.weight");
        weights.parameters.views(&weights.values).unwrap().remove(at.unwrap())
    }

    #[test]
    fn draws_have_the_published_variances() {
        for (name, variance) in [
            ("glorot_uniform", 2.0 / 1152.0),
            ("glorot_normal", 2.0 / 1152.0),
            ("he_uniform", 2.0 / 576.0),
            ("he_normal", 2.0 / 576.0),
            ("lecun_uniform", 1.0 / 576.0),
            ("lecun_normal", 1.0 / 576.0),
        ] {
            let values = kernels(name).to_kind(Kind::Double) / f64::sqrt(variance);
            let moment = |power: i64| values.pow_tensor_scalar(power).mean(Kind::Double).double_value(&[]);
            assert!(moment(1).abs() < 0.02, "{name}: {}", moment(1));
            assert!((moment(2) - 1.0).abs() < 0.02, "{name}: {}", moment(2));
            // The fourth moment tells a normal distribution from an even one.
            let fourth = if name.ends_with("normal") { 3.0 } else { 1.8 };
            assert!((moment(4) - fourth).abs() < 0.1, "{name}: {}", moment(4));
        }
    }

    /// Bits are part of a result: these were computed apart from this program, by the definitions alone.
    #[test]
    fn draws_are_the_same_for_ever() {
        let words = || Stream::new(5, Purpose::Init).layer(1).words();
        assert_eq!(normal(&mut words(), 1.0, 3), [-0.169_879_93, 1.614_044_1, -0.472_989_2]);
        assert_eq!(uniform(&mut words(), 1.0, 3), [-0.464_123_55, -0.466_620_4, 0.364_853_44]);
    }
}
