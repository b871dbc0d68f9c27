//! A trained model answers samples.

use std::{
    io::{Read, Write},
    ops::ControlFlow,
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use tch::{Device, Kind, Tensor};

use super::{
    device,
    net::{EVALUATION_ROWS, Net, Plan},
    numbers::copy,
    stored::Stored,
    views::Views,
};
use crate::{WorkerError, settings};

/// Answers samples, floats as model.json asks for them, with each one's logits and then its log-probabilities, all
/// little-endian.
///
/// The answers are those of a study's evaluation: the same passes over as many samples at a time.
pub fn ask(
    model: &Path,
    device: settings::Device,
    mut input: impl Read,
    mut output: impl Write,
) -> anyhow::Result<()> {
    let device = device::open(device).map_err(|error| WorkerError::Device(error.to_string()))?;
    let mut stored = Stored::open(model, device)?;
    let plan = Plan {
        rows: EVALUATION_ROWS,
        trial_seed: 0,
        smoothing: 0.0,
        precision: stored.train.precision,
        frozen: 0,
    };
    let standard = stored.standard.take();
    let mut net = Net::new((&stored.spec, &stored.shape), &stored.weights, plan, standard)?;
    let size = stored.sample() * 4;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        input.by_ref().take((EVALUATION_ROWS as usize * size) as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(output.flush()?);
        }
        ensure!(bytes.len() % size == 0, "the last sample ends after {} of {size} bytes", bytes.len() % size);
        let sizes = [(bytes.len() / size) as i64, stored.sample() as i64];
        let pixels = Tensor::f_from_data_size(&bytes, &sizes, Kind::Float)?.f_to_device(device)?;
        answer(&mut net, &stored, &pixels, &mut output).context("answering")?;
    }
}

fn answer(net: &mut Net, stored: &Stored, pixels: &Tensor, output: &mut impl Write) -> anyhow::Result<()> {
    // A net may answer in the same memory each time.
    let logits = copy(&net.logits(pixels)?)?;
    let views = Views::of_an_answer(&stored.train, stored.shape);
    let ControlFlow::Continue(log_probabilities) = views.log_probabilities(net, pixels, &mut || None)? else {
        bail!("broken off by nobody")
    };
    let both = Tensor::f_cat(&[&logits, &log_probabilities], 1)?;
    let numbers = Vec::<f32>::try_from(both.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Ok(output.write_all(&bytes)?)
}
