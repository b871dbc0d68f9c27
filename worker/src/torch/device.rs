//! Which device a trainer works on.

use std::{env, fmt, path::Path, str::FromStr, sync::OnceLock};

use tch::{Cuda, Device};
use worker_ext::runtime;

use crate::trainer::TrainError;

/// What a user asks for: `auto`, `cpu`, `cuda:N` (`cuda` is `cuda:0`) or `mps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first CUDA device, else MPS, else the CPU.
    #[default]
    Auto,
    /// The host's processor.
    Cpu,
    /// An NVIDIA GPU by its number.
    Cuda(usize),
    /// An Apple GPU.
    Mps,
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no device: use auto, cpu, cuda:N or mps")]
pub struct UnknownDevice(String);

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "mps" => Ok(Self::Mps),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| UnknownDevice(text.to_owned())),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Mps => f.write_str("mps"),
        }
    }
}

impl DeviceChoice {
    /// The device that this choice means on this host; fails where it is asked for by name and is not there.
    pub(super) fn open(self) -> Result<Device, TrainError> {
        let cuda_problem = open_cuda();
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if Cuda::is_available() => Ok(Device::Cuda(0)),
            Self::Auto if runtime::has_mps()? => Ok(Device::Mps),
            Self::Auto => {
                if let Some(problem) = cuda_problem {
                    tracing::warn!(%problem, "training on the CPU, though there is an NVIDIA GPU");
                }
                Ok(Device::Cpu)
            }
            Self::Cuda(number) if number < cuda_devices() => Ok(Device::Cuda(number)),
            Self::Mps if runtime::has_mps()? => Ok(Device::Mps),
            Self::Cuda(_) | Self::Mps => {
                let reason = cuda_problem.map(|problem| format!(": {problem}")).unwrap_or_default();
                Err(TrainError::Other(format!("device {self} is not there{reason}")))
            }
        }
    }
}

/// How many CUDA devices libtorch sees.
pub(super) fn cuda_devices() -> usize {
    open_cuda();
    usize::try_from(Cuda::device_count()).unwrap_or(0)
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
    fn devices_are_named_as_users_write_them() {
        for text in ["auto", "cpu", "cuda:0", "cuda:7", "mps"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for bad in ["", "gpu", "cuda:", "cuda:x", "CPU"] {
            assert!(bad.parse::<DeviceChoice>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert_eq!(DeviceChoice::Cpu.open().unwrap(), Device::Cpu);
        let error = DeviceChoice::Cuda(1000).open().unwrap_err().to_string();
        assert!(error.contains("device cuda:1000 is not there"), "{error}");
    }
}
