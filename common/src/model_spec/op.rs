//! What a layer does, and how many numbers it trains.

use serde::{Deserialize, Serialize};

/// What a layer does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Op {
    /// Makes one row of all values.
    Flatten,
    /// A matrix and a bias.
    Dense {
        /// Values in.
        inputs: u32,
        /// Values out.
        outputs: u32,
    },
    /// A square convolution, padded by half its kernel on every side: at stride 1 the image keeps its sides.
    Conv {
        /// Channels in.
        inputs: u32,
        /// Channels out.
        outputs: u32,
        /// The kernel's side in pixels, odd.
        kernel: u32,
        /// The distance of the kernel's places in pixels; a side is divided by it and rounded up.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        stride: u32,
        /// Whether each channel has a bias.
        #[serde(default = "yes", skip_serializing_if = "is_yes")]
        bias: bool,
    },
    /// Normalises each channel over the batch; trains a scale and a shift.
    BatchNorm {
        /// Channels.
        channels: u32,
    },
    /// Sets negative values to 0.
    Relu,
    /// `x Φ(x)` with the normal distribution's Φ, exact (Hendrycks and Gimpel, 2016).
    Gelu,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) - 1` for negative `x`, others as they are.
    Elu,
    /// A hundredth of negative values, others as they are.
    LeakyRelu,
    /// The greatest value of each square; an incomplete square at the edge is left out.
    MaxPool {
        /// The square's side in pixels, and the distance of squares.
        size: u32,
    },
    /// The mean of each channel's pixels, as one row.
    GlobalAvgPool,
    /// The sum of what comes in and of an earlier layer's output.
    Add {
        /// The earlier layer's name.
        other: String,
    },
    /// Sets a share of the values to 0 in training.
    Dropout {
        /// The share, above 0 and below 1.
        rate: f64,
    },
}

impl Op {
    /// How many numbers are trained.
    pub(super) fn parameters(&self) -> u64 {
        match *self {
            Self::Dense { inputs, outputs } => (u64::from(inputs) + 1).saturating_mul(outputs.into()),
            Self::Conv { inputs, outputs, kernel, bias, .. } => {
                let taps = u64::from(inputs).saturating_mul(u64::from(kernel).pow(2));
                taps.saturating_add(u64::from(bias)).saturating_mul(outputs.into())
            }
            Self::BatchNorm { channels } => 2 * u64::from(channels),
            _ => 0,
        }
    }

    /// What one sample costs in training, in multiply-adds of a product, for an output of this shape.
    ///
    /// A layer that makes no product is as slow as memory: a value costs it about as much as 40 multiply-adds, measured with
    /// residual nets on one core with AVX-512, which spend a third of their time there.
    pub(super) fn cost(&self, output: &[u32]) -> u64 {
        let values = || output.iter().fold(1_u64, |product, side| product.saturating_mul(u64::from(*side)));
        match *self {
            Self::Flatten => 0,
            Self::Dense { inputs, .. } => values().saturating_mul(inputs.into()),
            Self::Conv { inputs, kernel, .. } => {
                values().saturating_mul(inputs.into()).saturating_mul(u64::from(kernel).pow(2))
            }
            _ => values().saturating_mul(40),
        }
    }
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(switch: &bool) -> bool {
    *switch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_layers_read_back_and_plain_convolutions_keep_their_form() {
        let plain = Op::Conv { inputs: 1, outputs: 2, kernel: 3, stride: 1, bias: true };
        let json = r#"{"kind":"conv","inputs":1,"outputs":2,"kernel":3}"#;
        assert_eq!(serde_json::to_string(&plain).unwrap(), json);
        assert_eq!(serde_json::from_str::<Op>(json).unwrap(), plain);
        let strided = Op::Conv { inputs: 1, outputs: 2, kernel: 3, stride: 2, bias: false };
        let json = r#"{"kind":"conv","inputs":1,"outputs":2,"kernel":3,"stride":2,"bias":false}"#;
        assert_eq!(serde_json::to_string(&strided).unwrap(), json);
        assert_eq!(serde_json::from_str::<Op>(json).unwrap(), strided);
        assert_eq!((plain.parameters(), strided.parameters()), (20, 18));
        for (op, kind) in [(Op::GlobalAvgPool, "global_avg_pool"), (Op::LeakyRelu, "leaky_relu")] {
            assert_eq!(serde_json::to_string(&op).unwrap(), format!(r#"{{"kind":"{kind}"}}"#));
        }
    }
}
