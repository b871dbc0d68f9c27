//! Which device a trainer works on.

use std::{env, path::Path, sync::OnceLock};

use tch::{Cuda, Kind, TchError, Tensor};
use worker_ext::runtime;

use crate::{settings::Device, trainer::TrainError};

/// The device that a setting means on this host; fails where it is asked for by name and is not there.
pub(super) fn open(device: Device) -> Result<tch::Device, TrainError> {
    let cuda_problem = open_cuda();
    match device {
        Device::Cpu => Ok(tch::Device::Cpu),
        Device::Auto if cuda_devices() > 0 => Ok(tch::Device::Cuda(0)),
        Device::Auto if runtime::has_mps()? => Ok(tch::Device::Mps),
        Device::Auto => {
            if let Some(problem) = cuda_problem {
                tracing::warn!(%problem, "training on the CPU, though there is an NVIDIA GPU");
            }
            Ok(tch::Device::Cpu)
        }
        Device::Cuda(number) if number < cuda_devices() => Ok(tch::Device::Cuda(number as usize)),
        Device::Mps if runtime::has_mps()? => Ok(tch::Device::Mps),
        Device::Cuda(_) | Device::Mps => {
            let reason = cuda_problem.map(|problem| format!(": {problem}")).unwrap_or_default();
            Err(TrainError::Other(format!("device {device} is not there{reason}")))
        }
    }
}

/// Multiplies, differentiates and waits for the result: a device that is there may still be unable to compute, as where libtorch
/// has no kernels for it. What a trainer cannot do at its start it would fail one trial after another for.
pub(super) fn try_out(device: tch::Device) -> Result<(), TrainError> {
    let tried = || -> Result<f64, TchError> {
        let factor = Tensor::f_ones([8, 8], (Kind::Float, device))?.f_set_requires_grad(true)?;
        factor.f_matmul(&factor)?.f_sum(Kind::Float)?.f_backward()?;
        factor.f_grad()?.f_sum(Kind::Float)?.f_double_value(&[])
    };
    let problem = match tried() {
        // Each of 64 factors is in eight products on the left and in eight on the right.
        Ok(1024.0) => return Ok(()),
        Ok(other) => format!("computes wrongly: {other}, not 1024"),
        Err(error) => format!("cannot compute: {error}"),
    };
    Err(TrainError::Other(format!("device {} {problem}; --device names another one", name(device))))
}

/// What a device is called: `cpu`, `cuda:0`, `mps`.
pub(super) fn name(device: tch::Device) -> String {
    let device = match device {
        tch::Device::Cuda(number) => Device::Cuda(number as u32),
        tch::Device::Mps => Device::Mps,
        tch::Device::Cpu | tch::Device::Vulkan => Device::Cpu,
    };
    device.to_string()
}

/// How many CUDA devices libtorch sees.
pub(super) fn cuda_devices() -> u32 {
    open_cuda();
    u32::try_from(Cuda::device_count()).unwrap_or(0)
}

/// Opens libtorch's CUDA part once where there is an NVIDIA GPU; the reason where there is one that cannot be used.
///
/// The linker drops the CUDA part, as nothing names its symbols, so one binary serves hosts with and without it; it
/// registers itself when opened, which must come before anything asks libtorch for devices.
pub(super) fn open_cuda() -> Option<&'static str> {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    let problem = PROBLEM.get_or_init(|| {
        if !nvidia_gpu_seen() {
            return None;
        }
        let problem = runtime::open_library("libtorch_cuda.so").err()?;
        Some(format!("{problem}; `cargo xtask setup --cuda` fetches the CUDA part"))
    });
    problem.as_deref()
}

/// Whether the host shows an NVIDIA GPU: by a device file, or by the driver's tool where device files are hidden.
fn nvidia_gpu_seen() -> bool {
    let files = ["/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"];
    let path = env::var_os("PATH").unwrap_or_default();
    files.iter().any(|file| Path::new(file).exists())
        || env::split_paths(&path).any(|folder| folder.join("nvidia-smi").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert_eq!(open(Device::Cpu).unwrap(), tch::Device::Cpu);
        try_out(tch::Device::Cpu).unwrap();
        let error = open(Device::Cuda(1000)).unwrap_err().to_string();
        assert!(error.contains("device cuda:1000 is not there"), "{error}");
    }
}
