//! Which trainer trains which model.

use common::{study::ModelKind, view::DeviceFacts};

use super::{TrainError, Trainer};
use crate::{formula::FormulaTrainer, settings::Device};

#[cfg(feature = "torch")]
use crate::torch::{self, TorchTrainer};

/// The trainers of a process, all on one device.
#[derive(Debug)]
pub(super) struct Trainers {
    formula: FormulaTrainer,
    #[cfg(feature = "torch")]
    torch: TorchTrainer,
}

#[cfg(feature = "torch")]
impl Trainers {
    /// Opens the device.
    pub(super) fn open(device: Device) -> Result<Self, TrainError> {
        let torch = TorchTrainer::new(device, data::Sources::from_env())?;
        Ok(Self { formula: FormulaTrainer, torch })
    }

    /// What the device is.
    pub(super) fn facts(&self) -> Result<DeviceFacts, TrainError> {
        let (libtorch, device) = (torch::doctor()?, self.torch.device());
        check_version(&libtorch.libtorch, &libtorch.built_for)?;
        let (name, memory_bytes) = match (device == "cpu", self.torch.gpu()) {
            (true, _) => (crate::host::processor(), crate::host::memory_bytes()),
            (false, Some(gpu)) => (gpu.name, gpu.memory_bytes),
            // Nobody tells: no memory is said rather than a guess.
            (false, None) => (device.clone(), 0),
        };
        let (libtorch, capability) = (libtorch.libtorch, libtorch.cpu_capability);
        Ok(DeviceFacts { device, name, libtorch, capability, memory_bytes, host: String::new() })
    }

    /// The trainer for a family of models.
    pub(super) fn of(&mut self, kind: ModelKind) -> Result<&mut dyn Trainer, TrainError> {
        Ok(match kind {
            ModelKind::Formula => &mut self.formula,
            ModelKind::Mlp | ModelKind::Cnn | ModelKind::Resnet | ModelKind::Vgg => &mut self.torch,
        })
    }
}

/// Fails where a program built for one libtorch has loaded another, as by a search path of the user's.
#[cfg(feature = "torch")]
fn check_version(loaded: &str, built_for: &str) -> Result<(), TrainError> {
    if loaded == built_for {
        return Ok(());
    }
    Err(TrainError::Other(format!(
        "libtorch {loaded} is loaded, but this rung-worker was built for {built_for}: `cargo xtask setup` brings it"
    )))
}

#[cfg(not(feature = "torch"))]
impl Trainers {
    /// Opens the device.
    pub(super) fn open(device: Device) -> Result<Self, TrainError> {
        match device {
            Device::Auto | Device::Cpu => Ok(Self { formula: FormulaTrainer }),
            Device::Cuda(_) | Device::Mps => {
                let why = "this rung-worker was built without libtorch and trains only the formula";
                Err(TrainError::Other(format!("device {device} is not there: {why}")))
            }
        }
    }

    /// What the device is.
    pub(super) fn facts(&self) -> Result<DeviceFacts, TrainError> {
        Ok(DeviceFacts {
            device: "formula".to_owned(),
            name: crate::host::processor(),
            memory_bytes: crate::host::memory_bytes(),
            ..DeviceFacts::default()
        })
    }

    /// The trainer for a family of models.
    pub(super) fn of(&mut self, kind: ModelKind) -> Result<&mut dyn Trainer, TrainError> {
        match kind {
            ModelKind::Formula => Ok(&mut self.formula),
            ModelKind::Mlp | ModelKind::Cnn | ModelKind::Resnet | ModelKind::Vgg => {
                let why = "this rung-worker was built without libtorch";
                Err(TrainError::Other(format!("model {} cannot be trained: {why}", kind.as_str())))
            }
        }
    }
}

#[cfg(all(test, feature = "torch"))]
mod tests {
    use super::*;

    #[test]
    fn a_libtorch_of_another_version_is_named() {
        assert!(check_version("2.13.0", "2.13.0").is_ok());
        let error = check_version("2.11.0", "2.13.0").unwrap_err().to_string();
        assert_eq!(
            error,
            "libtorch 2.11.0 is loaded, but this rung-worker was built for 2.13.0: `cargo xtask setup` brings it"
        );
    }
}
