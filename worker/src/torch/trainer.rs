//! The trainer that trains with libtorch.

use std::path::Path;

use common::{
    metrics::{CleanMetrics, TestMetrics},
    study::{DataSpec, Split},
};
use data::{DataError, Dataset, Sources};
use tch::Tensor;
use worker_ext::runtime;

use super::{
    arithmetic::Arithmetic,
    checkpoint, device,
    epoch::{Question, Signs, ask},
    gpu::{self, Gpu},
    measure::{Measured, measure},
    net::{EVALUATION_ROWS, Net, Plan},
    resident::{Part, Resident},
    trial::{Trial, View, model},
    views::Views,
    weights::Weights,
};
use crate::{
    settings::Device,
    trainer::{
        Control, EvaluateTask, Evaluated, Predicted, Progress, TrainError, TrainTask, Trained, Trainer,
    },
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
    /// Fails where the device is asked for by name and is not there, and where it cannot compute.
    pub fn new(device: Device, sources: Sources) -> Result<Self, TrainError> {
        runtime::keep_memory();
        let device = device::open(device)?;
        device::try_out(device)?;
        Ok(Self { device, sources, resident: None })
    }

    /// A trainer on a device with a data set at hand; it knows no other.
    pub fn with_dataset(device: Device, dataset: &Dataset) -> Result<Self, TrainError> {
        let trainer = Self::new(device, Sources::nowhere())?;
        let resident = Some(Resident::new(dataset, trainer.device)?);
        Ok(Self { resident, ..trainer })
    }

    /// What the device is called: `cpu`, `cuda:0`, `mps`.
    pub fn device(&self) -> String {
        device::name(self.device)
    }

    /// The GPU that it is; none for other devices, and where its driver does not tell.
    pub(crate) fn gpu(&self) -> Option<Gpu> {
        match self.device {
            tch::Device::Cuda(number) => gpu::nvidia(number),
            _ => None,
        }
    }

    /// A study's data set, on the device.
    fn data(&mut self, spec: &DataSpec, object: Option<&Path>) -> Result<&mut Resident, TrainError> {
        let digest = spec.object().map(|digest| digest.to_string());
        let it = |resident: &Resident| {
            resident.name == spec.name && digest.as_ref().is_none_or(|digest| resident.digest == *digest)
        };
        if !self.resident.as_ref().is_some_and(it) {
            // The one that lies there goes first: there may not be room for both.
            self.resident = None;
            let dataset = match object {
                Some(object) => unpacked(spec, object)?,
                None => data::open(&spec.name, &self.sources).map_err(unopened)?,
            };
            self.resident = Some(Resident::new(&dataset, self.device)?);
        }
        self.resident.as_mut().ok_or_else(|| TrainError::Data(format!("`{}` is not at hand", spec.name)))
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
        let resident = self.data(&task.study.data, task.data.as_deref())?;
        let parts = resident.parts(&task.study.data)?;
        let judged = resident.judged(task.study.data.split);
        let standard = resident.standard(task.study.data.input, device)?;
        let view = View { part: &resident.train, judged, parts, shape: resident.shape, standard };
        Trial::open(task, view, device)?.train(on)
    }

    fn evaluate(
        &mut self,
        task: &EvaluateTask,
        on: &mut dyn FnMut(Progress) -> Control,
    ) -> Result<Option<Evaluated>, TrainError> {
        let _arithmetic = Arithmetic::set(&task.study.train)?;
        let device = self.device;
        let resident = self.data(&task.study.data, task.data.as_deref())?;
        let validation = resident.parts(&task.study.data)?.validation;
        let split = task.study.data.split;
        let (shape, test, judged) = (resident.shape, &resident.test, resident.judged(split));
        let spec = model(&task.study, &task.hparams, &shape)?;
        let weights = Weights::zeros(&spec, device)?;
        checkpoint::read_weights(&task.checkpoint, &weights)?;
        let precision = task.study.train.precision;
        let plan = Plan { rows: EVALUATION_ROWS, trial_seed: 0, smoothing: 0.0, precision, frozen: 0 };
        let standard = resident.standard(task.study.data.input, device)?;
        let mut net = Net::new((&spec, &shape), &weights, plan, standard)?;
        let views = Views::of_an_answer(&task.study.train, shape);
        let all: Vec<u32> = (0..test.truth.len() as u32).collect();
        let (classes, chosen_by) =
            (shape.classes as usize, if split == Split::Paper { &validation[..] } else { &[] });
        let mut signs = Signs::new(on);
        let mut answers = |part, rows: &[u32]| answers(&mut net, (part, rows), views, &mut signs);
        let Some(tested) = answers(test, &all)? else { return Ok(None) };
        let tested = predicted((&tested, &test.truth), chosen_by, classes)?;
        let validation = match split {
            Split::None => None,
            Split::Holdout | Split::Paper => {
                let truth: Vec<u8> = validation.iter().map(|row| judged.truth[*row as usize]).collect();
                let Some(validated) = answers(judged, &validation)? else { return Ok(None) };
                Some(predicted((&validated, &truth), &[], classes)?)
            }
        };
        Ok(Some(Evaluated { test: tested, validation }))
    }
}

/// Log-probabilities of some rows of a part; none where it was to end.
fn answers(
    net: &mut Net,
    (part, rows): (&Part, &[u32]),
    views: Views,
    signs: &mut Signs<'_>,
) -> Result<Option<Vec<f32>>, TrainError> {
    let index = part.index(rows.iter().copied())?;
    Ok(ask(net, &Question { part, index: &index, views }, signs)?.continue_value())
}

/// What log-probabilities are worth against the true classes, and on those samples that chose no model.
fn predicted(
    (answers, truth): (&[f32], &[u8]),
    chosen_by: &[u32],
    classes: usize,
) -> Result<Predicted, TrainError> {
    let Measured { accuracy, loss, .. } = measure(answers, truth, classes);
    // libtorch's exponential: the C library's may differ between machines.
    let probabilities = Vec::<f32>::try_from(Tensor::f_from_slice(answers)?.f_exp()?)?;
    let metrics = TestMetrics { accuracy, loss, clean: clean(answers, truth, chosen_by) };
    Ok(Predicted { metrics, probabilities })
}

/// Why a data set that lies on this machine cannot be opened.
fn unopened(error: DataError) -> TrainError {
    match error {
        DataError::Unknown { .. } => TrainError::Data(error.to_string()),
        // Its files are missing or damaged here, which says nothing about other machines.
        _ => TrainError::Machine(error.to_string()),
    }
}

/// A data set out of its object, which must be the study's.
fn unpacked(spec: &DataSpec, object: &Path) -> Result<Dataset, TrainError> {
    let bytes = std::fs::read(object)
        .map_err(|error| TrainError::Machine(format!("cannot read {}: {error}", object.display())))?;
    let dataset = data::unpack(&spec.name, &bytes).map_err(|error| TrainError::Data(error.to_string()))?;
    match spec.object() {
        Some(digest) if digest.to_string() == dataset.digest => Ok(dataset),
        _ => Err(TrainError::Data(format!("what came for `{}` is another data set", spec.name))),
    }
}

/// What was scored on the test samples that did not validate; none where none did, or all.
fn clean(answers: &[f32], truth: &[u8], chosen_by: &[u32]) -> Option<CleanMetrics> {
    if chosen_by.is_empty() || chosen_by.len() == truth.len() {
        return None;
    }
    let classes = answers.len() / truth.len();
    let rows = answers.chunks_exact(classes).zip(truth).zip(0u32..);
    let kept = rows.filter(|(_, at)| chosen_by.binary_search(at).is_err()).map(|(row, _)| row);
    let (answers, truth): (Vec<&[f32]>, Vec<u8>) = kept.map(|(row, label)| (row, *label)).unzip();
    let measured = measure(&answers.concat(), &truth, classes);
    Some(CleanMetrics { accuracy: measured.accuracy, loss: measured.loss, samples: truth.len() as u32 })
}
