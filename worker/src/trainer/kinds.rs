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

    /// What the device is. The name and the memory of a GPU are not known to libtorch's part that is linked here.
    pub(super) fn facts(&self) -> Result<DeviceFacts, TrainError> {
        let (libtorch, device) = (torch::doctor()?, self.torch.device());
        if libtorch.libtorch != libtorch.built_for {
            return Err(TrainError::Other(format!(
                "libtorch {} is loaded, but this rung-worker was built for {}: `cargo xtask setup` brings it",
                libtorch.libtorch, libtorch.built_for
            )));
        }
        let cpu = device == "cpu";
        Ok(DeviceFacts {
            name: if cpu { crate::host::processor() } else { device.clone() },
            libtorch: libtorch.libtorch,
            capability: libtorch.cpu_capability,
            memory_bytes: if cpu { crate::host::memory_bytes() } else { 0 },
            host: String::new(),
            device,
        })
    }

    /// The trainer for a family of models.
    pub(super) fn of(&mut self, kind: ModelKind) -> Result<&mut dyn Trainer, TrainError> {
        Ok(match kind {
            ModelKind::Formula => &mut self.formula,
            ModelKind::Mlp | ModelKind::Cnn | ModelKind::Resnet | ModelKind::Vgg => &mut self.torch,
        })
    }
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
