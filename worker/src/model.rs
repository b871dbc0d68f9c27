//! What can be done with a trained model in a folder, for the commands of `rung` that need tensors.

use anyhow::Result;

use crate::settings::{AskArgs, TorchscriptArgs};

/// Answers the samples on stdin with the model's logits and log-probabilities on stdout.
#[cfg(feature = "torch")]
pub fn ask(args: &AskArgs) -> Result<()> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    crate::torch::ask(&args.model, args.device, input, output)
}

/// Writes the model as TorchScript.
#[cfg(feature = "torch")]
pub fn torchscript(args: &TorchscriptArgs) -> Result<()> {
    crate::torch::torchscript(&args.model, &args.out)
}

/// Fails: there is no libtorch.
#[cfg(not(feature = "torch"))]
pub fn ask(_: &AskArgs) -> Result<()> {
    without_libtorch()
}

/// Fails: there is no libtorch.
#[cfg(not(feature = "torch"))]
pub fn torchscript(_: &TorchscriptArgs) -> Result<()> {
    without_libtorch()
}

#[cfg(not(feature = "torch"))]
fn without_libtorch() -> Result<()> {
    anyhow::bail!(
        "this rung-worker was built without libtorch; build it with `cargo build --release -p worker`"
    )
}
