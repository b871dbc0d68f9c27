//! The trainer that trains with libtorch.

use std::ops::ControlFlow;

use common::metrics::TestMetrics;
use data::{Dataset, Sources};
use tch::Tensor;
use worker_ext::runtime;

use super::{
    arithmetic::Arithmetic,
    checkpoint, device,
    epoch::{Question, ask},
    gpu::{self, Gpu},
    measure::measure,
    net::{EVALUATION_ROWS, Net, Plan},
    resident::Resident,
    trial::{Trial, View, model},
    weights::Weights,
};
use crate::{
    settings::Device,
    trainer::{Control, EvaluateTask, Evaluated, Progress, TrainError, TrainTask, Trained, Trainer},
};

/// Trains and evaluates with libtorch on one device, where the data set stays between tasks.
#[derive(Debug)]
pub struct TorchTrainer {
    device: tch::Device,
    sources: Sources,
    resident: Option<Resident>,
}

impl TorchTrainer {
    /// A trainer on a device, which opens data sets where `sources` say when a task first needs one.
    ///
    /// Fails where the device is asked for by name and is not there.
    pub fn new(device: Device, sources: Sources) -> Result<Self, TrainError> {
        runtime::keep_memory();
        Ok(Self { device: device::open(device)?, sources, resident: None })
    }

    /// A trainer on a device with a data set at hand; it knows no other.
    pub fn with_dataset(device: Device, dataset: &Dataset) -> Result<Self, TrainError> {
        let trainer = Self::new(device, Sources::nowhere())?;
        let resident = Some(Resident::new(dataset, trainer.device)?);
        Ok(Self { resident, ..trainer })
    }

    /// What the device is called: `cpu`, `cuda:0`, `mps`.
    pub fn device(&self) -> String {
        let device = match self.device {
            tch::Device::Cuda(number) => Device::Cuda(number as u32),
            tch::Device::Mps => Device::Mps,
            tch::Device::Cpu | tch::Device::Vulkan => Device::Cpu,
        };
        device.to_string()
    }

    /// The GPU that it is; none for other devices, and where its driver does not tell.
    pub(crate) fn gpu(&self) -> Option<Gpu> {
        match self.device {
            tch::Device::Cuda(number) => gpu::nvidia(number),
            _ => None,
        }
    }

    /// The data set of that name, on the device.
    fn data(&mut self, name: &str) -> Result<&mut Resident, TrainError> {
        if self.resident.as_ref().is_none_or(|resident| resident.name != name) {
            // The one that lies there goes first: there may not be room for both.
            self.resident = None;
            let dataset = data::open(name, &self.sources).map_err(|e| TrainError::Data(e.to_string()))?;
            self.resident = Some(Resident::new(&dataset, self.device)?);
        }
        self.resident.as_mut().ok_or_else(|| TrainError::Data(format!("`{name}` is not at hand")))
    }
}

impl Trainer for TorchTrainer {
    fn train(
        &mut self,
        task: &TrainTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Trained, TrainError> {
        let _arithmetic = Arithmetic::set(&task.study.train)?;
        let device = self.device;
        let resident = self.data(&task.study.data.name)?;
        let parts = resident.parts(&task.study.data)?;
        let view = View { part: &resident.train, parts, shape: resident.shape };
        Trial::open(task, view, device)?.train(on)
    }

    fn evaluate(&mut self, task: &EvaluateTask) -> Result<Evaluated, TrainError> {
        let _arithmetic = Arithmetic::set(&task.study.train)?;
        let device = self.device;
        let Resident { shape, test, .. } = self.data(&task.study.data.name)?;
        let spec = model(&task.study, &task.hparams, shape)?;
        let weights = Weights::zeros(&spec, device)?;
        checkpoint::read_weights(&task.checkpoint, &weights)?;
        let precision = task.study.train.precision;
        let plan = Plan { rows: EVALUATION_ROWS, trial_seed: 0, smoothing: 0.0, precision };
        let mut net = Net::new(&spec, shape, &weights, plan)?;
        let index = test.index(0..test.truth.len() as u32)?;
        let mirrored = task.study.train.flip_averaging.then_some(*shape);
        let ControlFlow::Continue(answers) =
            ask(&mut net, &Question { part: test, index: &index, mirrored }, None)?
        else {
            return Err(TrainError::Other("an evaluation cannot be told to end".to_owned()));
        };
        let measured = measure(&answers, &test.truth, shape.classes as usize);
        // libtorch's exponential: the C library's may differ between machines.
        let probabilities = Vec::<f32>::try_from(Tensor::f_from_slice(&answers)?.f_exp()?)?;
        let metrics = TestMetrics { accuracy: measured.accuracy, loss: measured.loss };
        Ok(Evaluated { metrics, probabilities })
    }
}
