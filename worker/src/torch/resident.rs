//! The data set as it lies on the device, for as long as the trainer lives.

use common::{
    model_spec::DataShape,
    split::{self, Parts},
    study::{DataSpec, Split},
};
use data::{Dataset, Images};
use tch::{Device, Kind, Tensor};
use worker_ext::{Error, batch::gather};

use crate::trainer::TrainError;

/// One data set on a device, one byte a pixel.
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
    digest: String,
    split: Option<(Split, u64, Parts)>,
}

/// Images and labels.
#[derive(Debug)]
pub(super) struct Part {
    /// Samples × pixels, u8.
    images: Tensor,
    /// Classes, i64.
    labels: Tensor,
    /// Classes, on the host.
    pub(super) truth: Vec<u8>,
}

/// Some samples, scaled.
#[derive(Debug)]
pub(super) struct Batch {
    /// Samples × pixels, float, from 0 to 1.
    pub(super) pixels: Tensor,
    /// Classes, i64.
    pub(super) labels: Tensor,
}

impl Resident {
    /// Moves a data set to a device.
    pub(super) fn new(data: &Dataset, device: Device) -> Result<Self, TrainError> {
        let sides = (u32::try_from(data.train.height), u32::try_from(data.train.width));
        let (Ok(height), Ok(width)) = sides else {
            return Err(TrainError::Data(format!("the images of `{}` are too large", data.name)));
        };
        let shape = DataShape { channels: 1, height, width, classes: data.classes.len() as u32 };
        Ok(Self {
            name: data.name.clone(),
            shape,
            train: Part::new(&data.train, device)?,
            test: Part::new(&data.test, device)?,
            digest: data.digest.clone(),
            split: None,
        })
    }

    /// The study's split of the training part.
    pub(super) fn parts(&mut self, spec: &DataSpec) -> Result<Parts, TrainError> {
        if let Some((split, seed, parts)) = &self.split
            && (*split, *seed) == (spec.split, spec.split_seed)
        {
            return Ok(parts.clone());
        }
        let parts = match spec.split {
            Split::Holdout => {
                split::holdout(&self.train.truth, self.shape.classes as usize, &self.digest, spec.split_seed)
            }
        };
        if parts.train.is_empty() || parts.validation.is_empty() {
            return Err(TrainError::Data(format!("`{}` is too small to be split", self.name)));
        }
        self.split = Some((spec.split, spec.split_seed, parts.clone()));
        Ok(parts)
    }
}

impl Part {
    fn new(images: &Images, device: Device) -> Result<Self, Error> {
        let (count, pixels) = (images.count as i64, (images.height * images.width) as i64);
        Ok(Self {
            images: Tensor::f_from_slice(&images.pixels)?.f_view([count, pixels])?.f_to_device(device)?,
            labels: Tensor::f_from_slice(&images.labels)?.f_to_kind(Kind::Int64)?.f_to_device(device)?,
            truth: images.labels.clone(),
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
