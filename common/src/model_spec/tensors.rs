//! The named tensors of a model, as a PyTorch state dict has them.

use super::{ModelSpec, Op};

/// A named tensor without its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedShape {
    /// Its name in a PyTorch state dict.
    pub name: String,
    /// Its sides in a PyTorch state dict.
    pub shape: Vec<u32>,
    /// Which of the model's layers it belongs to.
    pub layer: usize,
}

impl ModelSpec {
    /// What training moves, in the order of layers: weights and biases.
    pub fn parameter_tensors(&self) -> Vec<NamedShape> {
        self.tensors(|op| match *op {
            Op::Dense { inputs, outputs } => vec![("weight", vec![outputs, inputs]), ("bias", vec![outputs])],
            Op::Conv { inputs, outputs, kernel, bias, .. } => {
                let weight = ("weight", vec![outputs, inputs, kernel, kernel]);
                [weight].into_iter().chain(bias.then(|| ("bias", vec![outputs]))).collect()
            }
            Op::BatchNorm { channels } => vec![("weight", vec![channels]), ("bias", vec![channels])],
            _ => Vec::new(),
        })
    }

    /// What batch norm keeps, in the order of layers: running means and variances.
    pub fn statistic_tensors(&self) -> Vec<NamedShape> {
        self.tensors(|op| match *op {
            Op::BatchNorm { channels } => {
                vec![("running_mean", vec![channels]), ("running_var", vec![channels])]
            }
            _ => Vec::new(),
        })
    }

    /// The place of the layer that tells the classes apart: the last dense one. All before it is the backbone.
    pub fn head(&self) -> Option<usize> {
        self.layers.iter().rposition(|layer| matches!(layer.op, Op::Dense { .. }))
    }

    fn tensors(&self, of: impl Fn(&Op) -> Vec<(&'static str, Vec<u32>)>) -> Vec<NamedShape> {
        let layers = self.layers.iter().enumerate();
        let named = layers.flat_map(|(layer, it)| of(&it.op).into_iter().map(move |part| (layer, it, part)));
        let name = |(layer, it, (part, shape)): (usize, &super::Layer, (&str, Vec<u32>))| NamedShape {
            name: format!("{}.{part}", it.name),
            shape,
            layer,
        };
        named.map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hparams::{Hparams, Scalar},
        model_spec::DataShape,
        study::ModelKind,
    };

    #[test]
    fn tensors_hold_all_parameters_and_the_head_is_the_last_layer() {
        let shape = DataShape { channels: 1, height: 8, width: 8, classes: 3 };
        let hparams = Hparams::from([("stages", Scalar::Int(2)), ("width", Scalar::Int(4))]);
        let model = ModelSpec::build(ModelKind::Resnet, &hparams, &shape).unwrap();
        let tensors = model.parameter_tensors();
        let numbers: u64 =
            tensors.iter().map(|t| t.shape.iter().map(|side| u64::from(*side)).product::<u64>()).sum();
        assert_eq!(numbers, model.parameters());
        assert_eq!(
            (tensors[0].name.as_str(), &tensors[0].shape[..]),
            ("stem.conv.weight", &[4, 1, 3, 3][..])
        );
        let head = model.head().unwrap();
        assert_eq!(head, model.layers.len() - 1);
        let of_head: Vec<_> = tensors.iter().filter(|tensor| tensor.layer == head).collect();
        assert_eq!((of_head[0].name.as_str(), &of_head[0].shape[..]), ("dense.weight", &[3, 8][..]));
        assert!(model.statistic_tensors().iter().all(|tensor| tensor.name.contains(".running_")));
        assert_eq!(ModelSpec::default().head(), None);
    }
}
