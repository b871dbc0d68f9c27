//! The data set as it lies on the device, for as long as the trainer lives.

use common::{
    model_spec::DataShape,
    split::Parts,
    study::{DataSpec, Input, Split},
};
use data::{Dataset, Samples, Scale, Values};
use tch::{Device, Kind, Tensor};
use worker_ext::{Error, batch::gather};

use super::standard::Standard;
use crate::trainer::TrainError;

/// One data set on a device: images one byte a pixel, tables one standardised float a feature.
#[derive(Debug)]
pub(super) struct Resident {
    /// The name it was opened by.
    pub(super) name: String,
    /// What samples look like.
    pub(super) shape: DataShape,
    /// What studies split into training and validation.
    pub(super) train: Part,
    /// What a trial is tested on.
    pub(super) test: Part,
    /// Of its samples and labels.
    pub(super) digest: String,
    /// What images are standardised by, where a study wants it.
    pixels: Option<Scale>,
    split: Option<(Split, u64, Parts)>,
}

/// Images and labels.
#[derive(Debug)]
pub(super) struct Part {
    /// Samples × values: pixels u8, features float.
    images: Tensor,
    /// Classes, i64.
    labels: Tensor,
    /// Classes, on the host.
    pub(super) truth: Vec<u8>,
}

/// Some samples, scaled.
#[derive(Debug)]
pub(super) struct Batch {
    /// Samples × values, float: pixels from 0 to 1, features standardised.
    pub(super) pixels: Tensor,
    /// Classes, i64.
    pub(super) labels: Tensor,
}

impl Resident {
    /// Moves a data set to a device.
    pub(super) fn new(data: &Dataset, device: Device) -> Result<Self, TrainError> {
        let sizes = [data.train.channels, data.train.height, data.train.width].map(u32::try_from);
        let [Ok(channels), Ok(height), Ok(width)] = sizes else {
            return Err(TrainError::Data(format!("the samples of `{}` are too large", data.name)));
        };
        let shape = DataShape { channels, height, width, classes: data.classes.len() as u32 };
        Ok(Self {
            name: data.name.clone(),
            shape,
            train: Part::new(&data.train, data.scale.as_ref(), device)?,
            test: Part::new(&data.test, data.scale.as_ref(), device)?,
            digest: data.digest.clone(),
            pixels: Scale::of_pixels(&data.train),
            split: None,
        })
    }

    /// The study's samples to train and to validate on.
    pub(super) fn parts(&mut self, spec: &DataSpec) -> Result<Parts, TrainError> {
        if let Some((split, seed, parts)) = &self.split
            && (*split, *seed) == (spec.split, spec.split_seed)
        {
            return Ok(parts.clone());
        }
        let labels = (&self.train.truth[..], &self.test.truth[..]);
        let parts = Parts::of(spec, labels, self.shape.classes as usize, &self.digest);
        if parts.is_short_of(spec.split) {
            return Err(TrainError::Data(format!(
                "`{}` is too small to be split: no class has a tenth to validate on; `split: none` trains on all",
                self.name
            )));
        }
        self.split = Some((spec.split, spec.split_seed, parts.clone()));
        Ok(parts)
    }

    /// What the study's images are standardised by.
    pub(super) fn standard(&self, input: Input, device: Device) -> Result<Option<Standard>, Error> {
        let scale = self.pixels.as_ref().filter(|_| input == Input::Standard);
        let new = |scale: &Scale| Standard::new((&scale.mean, &scale.deviation), &self.shape, device);
        scale.map(new).transpose()
    }

    /// The part that a study's validation samples are of.
    pub(super) fn judged(&self, split: Split) -> &Part {
        match split {
            Split::Holdout | Split::None => &self.train,
            Split::Paper => &self.test,
        }
    }
}

impl Part {
    fn new(samples: &Samples, scale: Option<&Scale>, device: Device) -> Result<Self, Error> {
        let size = [samples.count as i64, samples.size() as i64];
        let values = match &samples.values {
            Values::Pixels(pixels) => Tensor::f_from_slice(pixels)?,
            Values::Features(features) => match scale {
                Some(scale) => Tensor::f_from_slice(&scale.standardised(features))?,
                None => Tensor::f_from_slice(features)?,
            },
        };
        Ok(Self {
            images: values.f_view(size)?.f_to_device(device)?,
            labels: Tensor::f_from_slice(&samples.labels)?.f_to_kind(Kind::Int64)?.f_to_device(device)?,
            truth: samples.labels.clone(),
        })
    }

    /// Row numbers as a tensor beside the images.
    pub(super) fn index(&self, rows: impl Iterator<Item = u32>) -> Result<Tensor, Error> {
        let rows: Vec<i64> = rows.map(i64::from).collect();
        Ok(Tensor::f_from_slice(&rows)?.f_to_device(self.images.device())?)
    }

    /// The samples at the row numbers of an [`Part::index`].
    pub(super) fn batch(&self, index: &Tensor) -> Result<Batch, Error> {
        let labels = self.labels.f_index_select(0, index)?;
        let pixels = match self.images.device() {
            _ if self.images.kind() == Kind::Float => self.images.f_index_select(0, index)?,
            Device::Cpu => {
                let size = [index.numel() as i64, self.images.size()[1]];
                let pixels = Tensor::f_empty(size, (Kind::Float, Device::Cpu))?;
                gather(&self.images, index, &pixels)?;
                pixels
            }
            _ => {
                let bytes = self.images.f_index_select(0, index)?;
                bytes.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 / 255.0)?
            }
        };
        Ok(Batch { pixels, labels })
    }
}
