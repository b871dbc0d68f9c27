//! Residual nets for small images (He et al., "Deep residual learning for image recognition", 2016, section 4.2).

use super::{
    Activation, DataShape, Layer, Unbuildable,
    choices::Head,
    stack::{Conv, Stack},
    wanted::{WIDEST, Wanted},
};

/// Values where hyperparameters are left out.
const STAGES: u32 = 3;
const BLOCKS: u32 = 2;
const WIDTH: u32 = 16;

/// Most stages: each has half the sides and twice the channels of the one before.
const MOST_STAGES: i64 = 8;

/// What is asked of hyperparameters.
pub(super) const HPARAMS: &[&str] =
    &["stages", "blocks", "width", "dropout", "bias", "activation", "initializer"];

/// The pixels of a kernel's side.
const KERNEL: u32 = 3;

/// A convolution with batch norm, then `stages` of `blocks` residual blocks, each channel's mean and one dense layer.
///
/// The first stage has `width` channels; each further one has twice as many and halves the sides. With `width: 16`
/// and `blocks: 3` it is the paper's ResNet-20, except that shortcuts between stages are convolutions of one pixel
/// (the paper's option B). Dropout comes before the dense layer.
pub(super) fn layers(wanted: Wanted<'_>, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let stages = wanted.whole_or("stages", STAGES, (1, MOST_STAGES))?;
    let width = wanted.whole_or("width", WIDTH, (1, WIDEST >> (stages - 1)))?;
    let blocks = wanted.count("blocks", BLOCKS, 1)?;
    let style = Style { bias: wanted.switch("bias", false)?, activation: wanted.choice("activation")? };
    let mut stack = Stack::new(shape);
    let stem = Conv { outputs: width, kernel: KERNEL, stride: 1, bias: style.bias };
    stack.conv("stem.conv".to_owned(), stem)?;
    stack.norm("stem.norm".to_owned());
    stack.activate("stem.", style.activation, 0);
    for stage in 1..=stages {
        for block in 1..=blocks {
            let stride = if stage > 1 && block == 1 { 2 } else { 1 };
            let prefix = format!("stage_{stage}.block_{block}.");
            style.block(&prefix, (width << (stage - 1), stride), &mut stack)?;
        }
    }
    stack.row(Head::Average)?;
    stack.dropout("dropout".to_owned(), wanted.rate("dropout")?);
    stack.dense("dense".to_owned(), shape.classes);
    Ok(stack.layers)
}

/// What a net's blocks have in common.
#[derive(Debug, Clone, Copy)]
struct Style {
    bias: bool,
    activation: Activation,
}

impl Style {
    /// Adds two convolutions and what came into them: as it was, or through a convolution of one pixel where its
    /// shape has changed. The activation comes after the sum.
    fn block(
        self,
        prefix: &str,
        (outputs, stride): (u32, u32),
        stack: &mut Stack,
    ) -> Result<(), Unbuildable> {
        let name = |part: &str| format!("{prefix}{part}");
        let changes = stride > 1 || stack.channels() != outputs;
        let conv = |kernel, stride| Conv { outputs, kernel, stride, bias: self.bias };
        let input = stack.mark();
        stack.conv(name("conv_0"), conv(KERNEL, stride))?;
        stack.norm(name("norm_0"));
        stack.activate(prefix, self.activation, 0);
        stack.conv(name("conv_1"), conv(KERNEL, 1))?;
        stack.norm(name("norm_1"));
        if changes {
            let body = stack.mark();
            stack.back_to(&input);
            stack.conv(name("shortcut.conv"), conv(1, stride))?;
            stack.norm(name("shortcut.norm"));
            stack.add(name("add"), &body);
        } else {
            stack.add(name("add"), &input);
        }
        stack.activate(prefix, self.activation, 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hparams::{Hparams, Scalar},
        model_spec::{ModelSpec, Op},
        study::ModelKind,
    };

    const SHAPE: DataShape = DataShape { channels: 1, height: 28, width: 28, classes: 10 };

    fn build(width: i64, blocks: i64, shape: &DataShape) -> ModelSpec {
        let hparams = Hparams::from([("width", Scalar::Int(width)), ("blocks", Scalar::Int(blocks))]);
        ModelSpec::build(ModelKind::Resnet, &hparams, shape).unwrap()
    }

    /// A net's parameters by the sizes of its parts.
    fn by_hand(w: u64, blocks: u64, channels: u64) -> u64 {
        let norm = |c: u64| 2 * c;
        let pair = |from: u64, to: u64| 9 * from * to + norm(to) + 9 * to * to + norm(to);
        let stage = |from: u64, to: u64| pair(from, to) + from * to + norm(to) + (blocks - 1) * pair(to, to);
        let first = 9 * channels * w + norm(w) + blocks * pair(w, w);
        first + stage(w, 2 * w) + stage(2 * w, 4 * w) + 4 * w * 10 + 10
    }

    #[test]
    fn parameters_are_those_of_a_count_by_hand() {
        for (width, blocks, parameters) in [(16, 2, 174_970), (20, 2, 272_790), (16, 3, 272_186)] {
            assert_eq!(build(width, blocks, &SHAPE).parameters(), parameters);
            assert_eq!(by_hand(width as u64, blocks as u64, 1), parameters);
        }
        // The paper's ResNet-20 on CIFAR-10, as implementations with option B count it.
        let cifar = DataShape { channels: 3, height: 32, width: 32, classes: 10 };
        assert_eq!(build(16, 3, &cifar).parameters(), 272_474);
    }

    #[test]
    fn stages_halve_the_sides_and_double_the_channels() {
        let model = build(16, 2, &SHAPE);
        let find = |name: &str| model.layers.iter().find(|layer| layer.name == name).unwrap();
        for (stage, output) in [(1, [16, 28, 28]), (2, [32, 14, 14]), (3, [64, 7, 7])] {
            assert_eq!(find(&format!("stage_{stage}.block_2.add")).output, output);
        }
        assert_eq!((&find("average").op, &find("average").output[..]), (&Op::GlobalAvgPool, &[64][..]));
        let shortcut = find("stage_2.block_1.shortcut.conv");
        assert_eq!(shortcut.from.as_deref(), Some("stage_1.block_2.relu_1"));
        assert_eq!(shortcut.op, Op::Conv { inputs: 16, outputs: 32, kernel: 1, stride: 2, bias: false });
        let other = |name: &str| match &find(name).op {
            Op::Add { other } => other.clone(),
            op => panic!("{op:?}"),
        };
        assert_eq!(other("stage_1.block_1.add"), "stem.relu_0");
        assert_eq!(other("stage_2.block_1.add"), "stage_2.block_1.norm_1");
        // Odd sides are rounded up, and convolutions and their shortcuts agree.
        let odd = build(4, 1, &DataShape { height: 7, width: 5, ..SHAPE });
        assert_eq!(
            odd.layers.iter().find(|layer| layer.name == "stage_3.block_1.add").unwrap().output,
            [16, 2, 2]
        );
    }

    #[test]
    fn an_image_is_not_halved_below_a_pixel() {
        let hparams = Hparams::from([("stages", Scalar::Int(6))]);
        assert!(ModelSpec::build(ModelKind::Resnet, &hparams, &SHAPE).is_ok());
        let hparams = Hparams::from([("stages", Scalar::Int(7))]);
        let error = ModelSpec::build(ModelKind::Resnet, &hparams, &SHAPE).unwrap_err().to_string();
        assert_eq!(error, "layer `stage_7.block_1.conv_0` cannot take the shape [512, 1, 1]");
    }
}
