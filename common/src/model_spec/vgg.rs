//! Nets in the manner of VGG (Simonyan and Zisserman, 2015) for small images: blocks of equal convolutions.

use super::{
    DataShape, Layer, Unbuildable,
    block::{Block, Style, net},
    wanted::{WIDEST, Wanted},
};

/// Values where hyperparameters are left out.
const BLOCKS: u32 = 3;
const CONVS: u32 = 2;
const WIDTH: u32 = 32;
const HEAD_LAYERS: u32 = 1;

/// Widths double from block to block, up to so many times the first: 512 of 64 in the paper.
const WIDEST_BLOCK: u32 = 8;

/// What is asked of hyperparameters.
pub(super) const HPARAMS: &[&str] = &[
    "blocks",
    "convs",
    "width",
    "dropout",
    "batch_norm",
    "bias",
    "activation",
    "initializer",
    "head",
    "dense_layers",
    "dense_units",
    "dense_dropout",
];

/// Blocks of `convs` convolutions with 3 × 3 pixels, each block ended by a pool of 2 and dropout, then a dense head.
///
/// The first block has `width` channels and each further one twice as many, up to eight times `width`. Convolutions
/// have a bias where there is no batch norm, unless `bias` says otherwise.
pub(super) fn layers(wanted: Wanted<'_>, shape: &DataShape) -> Result<Vec<Layer>, Unbuildable> {
    let batch_norm = wanted.switch("batch_norm", true)?;
    let style = Style {
        batch_norm,
        bias: wanted.switch("bias", !batch_norm)?,
        activation: wanted.choice("activation")?,
    };
    let width = wanted.whole_or("width", WIDTH, (1, WIDEST / i64::from(WIDEST_BLOCK)))?;
    let (convs, dropout) = (wanted.count("convs", CONVS, 1)?, wanted.rate("dropout")?);
    let block = |number| {
        let times = 1u32.checked_shl(number - 1).unwrap_or(WIDEST_BLOCK).min(WIDEST_BLOCK);
        Ok(Block { filters: width * times, kernel: 3, convs, pool: 2, dropout })
    };
    net((wanted, shape), (style, HEAD_LAYERS), wanted.count("blocks", BLOCKS, 1)?, block)
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

    fn build(hparams: &Hparams) -> ModelSpec {
        ModelSpec::build(ModelKind::Vgg, hparams, &SHAPE).unwrap()
    }

    #[test]
    fn parameters_are_those_of_a_count_by_hand() {
        let blocks: u64 = [(1, 32), (32, 64), (64, 128)]
            .iter()
            .map(|(from, to)| 9 * from * to + 2 * to + 9 * to * to + 2 * to)
            .sum();
        // 28 pixels become 14, 7 and 3.
        let head = (3 * 3 * 128 + 1) * 128 + 129 * 10;
        assert_eq!(build(&Hparams::default()).parameters(), blocks + head);
        let average = Hparams::from([("head", Scalar::Text("average".to_owned()))]);
        assert_eq!(build(&average).parameters(), blocks + 129 * 128 + 129 * 10);
    }

    #[test]
    fn widths_double_up_to_eight_times_the_first() {
        let model = build(&Hparams::from([("blocks", Scalar::Int(6)), ("width", Scalar::Int(2))]));
        let widths: Vec<u32> = (1..=6)
            .filter_map(|block| {
                let name = format!("block_{block}.conv_0");
                model.layers.iter().find(|layer| layer.name == name).map(|layer| layer.output[0])
            })
            .collect();
        assert_eq!(widths, [2, 4, 8, 16, 16, 16]);
    }

    #[test]
    fn convolutions_have_a_bias_where_there_is_no_batch_norm() {
        let biased = |hparams: &Hparams| match build(hparams).layers[0].op {
            Op::Conv { bias, .. } => bias,
            ref op => panic!("{op:?}"),
        };
        assert!(!biased(&Hparams::default()));
        let plain = ("batch_norm", Scalar::Bool(false));
        assert!(biased(&Hparams::from([plain.clone()])));
        assert!(!biased(&Hparams::from([plain, ("bias", Scalar::Bool(false))])));
    }
}
