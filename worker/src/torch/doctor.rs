//! What libtorch is and finds on this host.

use std::{fs, thread};

use worker_ext::runtime;

use super::device::{cuda_devices, open_cuda};
use crate::{settings::Device, trainer::TrainError};

/// Facts about libtorch and the host, for people and for a worker's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The version of the libtorch that is loaded, for example `2.13.0`.
    pub libtorch: String,
    /// The version that this program was built for; another one must not be loaded.
    pub built_for: String,
    /// The widest instruction set that its kernels use here, for example `AVX512`.
    pub cpu_capability: String,
    /// Whether the processor multiplies bfloat16 matrices in hardware (AMX).
    pub amx: bool,
    /// Threads that this process may use.
    pub threads: usize,
    /// What `--device` can be: `cpu` and what else is there.
    pub devices: Vec<String>,
    /// Why an NVIDIA GPU that the host has cannot be used.
    pub cuda_problem: Option<String>,
}

/// Asks libtorch and the host.
pub fn doctor() -> Result<Facts, TrainError> {
    let cuda_problem = open_cuda().map(str::to_owned);
    let mut devices = vec![Device::Cpu];
    devices.extend((0..cuda_devices()).map(Device::Cuda));
    if runtime::has_mps()? {
        devices.push(Device::Mps);
    }
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Ok(Facts {
        libtorch: runtime::version()?,
        built_for: runtime::BUILT_FOR.to_owned(),
        cpu_capability: runtime::cpu_capability()?,
        amx: processor.split_whitespace().any(|flag| flag == "amx_bf16"),
        threads: thread::available_parallelism().map_or(1, |threads| threads.get()),
        devices: devices.iter().map(ToString::to_string).collect(),
        cuda_problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_knows_libtorch_and_the_processor() {
        let facts = doctor().unwrap();
        assert_eq!(facts.libtorch, facts.built_for);
        assert_eq!(facts.devices[0], "cpu");
        assert!(facts.threads > 0 && !facts.cpu_capability.is_empty(), "{facts:?}");
    }
}
