//! Training images changed at random: what is drawn for each, and how it is done on each device.

use std::f64::consts::PI;

use common::{
    model_spec::DataShape,
    random::{Purpose, Stream, Words, augment},
    study::Augment,
};
use tch::{Device, Kind, Tensor};
use worker_ext::{Error, augment::Change, mask::Mask};

/// Share of an image that is erased, and how much longer one side of the rectangle may be: Zhong et al., 2020.
const ERASED: (f64, f64) = (0.02, 0.4);
const LONGEST: f64 = 1.0 / 0.3;

/// Coordinates of streams beside the one of [`augment`].
const MIRROR: u32 = 1;
const NOISE: u32 = 2;

/// What a study does to its training images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Augmenter {
    augment: Augment,
    data_seed: u64,
    shape: DataShape,
}

impl Augmenter {
    /// None where images stay as they are.
    pub(super) fn new(augment: Augment, data_seed: u64, shape: DataShape) -> Option<Self> {
        (!augment.is_none()).then_some(Self { augment, data_seed, shape })
    }

    /// The changed images of an epoch; `pixels` is samples × (channels · height · width), `rows` say which they are.
    ///
    /// On the CPU the bits depend on seed, epoch and sample alone; a GPU draws its noise by itself.
    pub(super) fn apply(&self, pixels: &Tensor, rows: &[u32], epoch: u32) -> Result<Tensor, Error> {
        let changes: Vec<Change> = rows.iter().map(|row| self.change(*row, epoch)).collect();
        let DataShape { channels, height, width, .. } = self.shape;
        let shape = [channels, height, width].map(i64::from);
        if pixels.device() == Device::Cpu {
            let out = pixels.f_empty_like()?;
            let tag = (Purpose::Augment as u32) << 24 | NOISE;
            let stream = Mask::new(self.data_seed, tag, 0.0).at(epoch, 0);
            worker_ext::augment::augment(pixels, &out, shape, (&changes, &stream))?;
            return Ok(out);
        }
        on_device(pixels, shape, &changes)
    }

    /// What happens to one image in an epoch.
    fn change(&self, row: u32, epoch: u32) -> Change {
        let Augment { rotate, zoom, shift, crop, flip, erase } = self.augment;
        let (height, width) = (f64::from(self.shape.height), f64::from(self.shape.width));
        // Every draw has its own place in the stream, whether it is used or not.
        let mut words = augment(self.data_seed, epoch, row);
        let mut around = |most: f64| (2.0 * unit(&mut words) - 1.0) * most;
        let angle = around(rotate * PI / 180.0);
        let scale = 1.0 / (1.0 + around(zoom));
        let moved = (around(shift * width), around(shift * height));
        let cropped = [(); 2].map(|()| i64::from(words.below(2 * crop + 1)) - i64::from(crop));
        let erased = self.rectangle(&mut words, erase);

        let mirror = Stream::new(self.data_seed, Purpose::Augment).step(row).layer(MIRROR).words().word();
        let side = if flip && (mirror ^ epoch) & 1 == 1 { -1.0 } else { 1.0 };
        let (sin, cos) = (scale * libm::sin(angle), scale * libm::cos(angle));
        let (x, y) = (moved.0 + cropped[0] as f64, moved.1 + cropped[1] as f64);
        let matrix = [side * cos, -sin, x, side * sin, cos, y].map(|number| number as f32);
        let whole = rotate == 0.0 && zoom == 0.0 && shift == 0.0;
        Change { matrix, whole: u32::from(whole), erased, sample: row }
    }

    /// A rectangle to erase, in a share of all images: top, left, height and width.
    fn rectangle(&self, words: &mut Words, share: f64) -> [u32; 4] {
        let (height, width) = (self.shape.height, self.shape.width);
        let [chosen, area, ratio, top, left] = [(); 5].map(|()| unit(words));
        if chosen >= share {
            return [0; 4];
        }
        let area = (ERASED.0 + area * (ERASED.1 - ERASED.0)) * f64::from(height) * f64::from(width);
        // Even in the logarithm, so that high and wide rectangles are as frequent.
        let ratio = libm::exp((2.0 * ratio - 1.0) * libm::log(LONGEST));
        let side = |length: f64, most: u32| (length.round() as u32).clamp(1, most);
        let (tall, wide) = (side((area * ratio).sqrt(), height), side((area / ratio).sqrt(), width));
        let place = |at: f64, room: u32| (at * f64::from(room + 1)) as u32;
        [place(top, height - tall), place(left, width - wide), tall, wide]
    }
}

/// A real number from 0 to below 1, of one word.
fn unit(words: &mut Words) -> f64 {
    f64::from(words.word()) / 4_294_967_296.0
}

/// The changes by the device's own operations, noise apart.
fn on_device(pixels: &Tensor, shape: [i64; 3], changes: &[Change]) -> Result<Tensor, Error> {
    let [channels, height, width] = shape;
    let (count, device) = (changes.len() as i64, pixels.device());
    // `affine_grid` counts places from -1 to 1, the middles of the outermost pixels.
    let half = |side: i64| ((side - 1) as f32 / 2.0).max(0.5);
    let (x, y) = (half(width), half(height));
    let theta: Vec<f32> = changes
        .iter()
        .flat_map(|Change { matrix: m, .. }| [m[0], m[1] * y / x, m[2] / x, m[3] * x / y, m[4], m[5] / y])
        .collect();
    let theta = Tensor::f_from_slice(&theta)?.f_view([count, 2, 3])?.f_to_device(device)?;
    let grid = Tensor::f_affine_grid_generator(&theta, [count, channels, height, width], true)?;
    // Bilinear, black outside.
    let moved = pixels.f_view([count, channels, height, width])?.f_grid_sampler(&grid, 0, 0, true)?;
    let bounds: Vec<i64> = changes
        .iter()
        .flat_map(|Change { erased: [top, left, tall, wide], .. }| [*top, top + tall, *left, left + wide])
        .map(i64::from)
        .collect();
    let bounds = Tensor::f_from_slice(&bounds)?.f_view([count, 4, 1, 1])?.f_to_device(device)?;
    let bound = |at: i64| bounds.f_select(1, at)?.f_view([count, 1, 1, 1]);
    let places = |side: i64, view: [i64; 4]| Tensor::f_arange(side, (Kind::Int64, device))?.f_view(view);
    let (rows, columns) = (places(height, [1, 1, height, 1])?, places(width, [1, 1, 1, width])?);
    let inside = |at: &Tensor, from: i64| -> Result<Tensor, Error> {
        let (from, to) = (bound(from)?, bound(from + 1)?);
        Ok(at.f_ge_tensor(&from)?.f_logical_and(&at.f_lt_tensor(&to)?)?)
    };
    let erased = inside(&rows, 0)?.f_logical_and(&inside(&columns, 2)?)?;
    let noise = moved.f_rand_like()?;
    Ok(noise.f_where_self(&erased, &moved)?.f_view([count, -1])?)
}

#[cfg(test)]
mod tests {
    use common::study::AugmentName;

    use super::*;

    const SHAPE: DataShape = DataShape { channels: 1, height: 28, width: 28, classes: 10 };

    fn augmenter(augment: Augment) -> Augmenter {
        Augmenter::new(augment, 5, SHAPE).unwrap()
    }

    fn pixels() -> Tensor {
        let row = Tensor::arange(784, (Kind::Float, Device::Cpu)) / 784.0;
        row.repeat([16, 1]) * (Tensor::arange(16, (Kind::Float, Device::Cpu)).view([16, 1]) + 1.0)
    }

    #[test]
    fn the_default_changes_nothing() {
        assert!(Augmenter::new(Augment::default(), 5, SHAPE).is_none());
        assert!(Augmenter::new(AugmentName::None.into(), 5, SHAPE).is_none());
    }

    #[test]
    fn draws_stay_within_their_bounds_and_differ() {
        let all = Augment { rotate: 10.0, zoom: 0.1, shift: 0.1, crop: 2, flip: true, erase: 0.5 };
        let changes: Vec<Change> = (0..4_000).map(|row| augmenter(all).change(row, 3)).collect();
        let erased = changes.iter().filter(|change| change.erased[2] > 0).count() as f64 / 4_000.0;
        assert!((erased - 0.5).abs() < 0.03, "{erased}");
        let mirrored = changes.iter().filter(|change| change.matrix[0] < 0.0).count() as f64 / 4_000.0;
        assert!((mirrored - 0.5).abs() < 0.03, "{mirrored}");
        for Change { matrix, erased: [top, left, tall, wide], .. } in &changes {
            assert!(top + tall <= 28 && left + wide <= 28);
            assert!(matrix[2].abs() <= 4.81 && matrix[5].abs() <= 4.81, "{matrix:?}");
            let scale = matrix[1].hypot(matrix[4]);
            assert!((1.0 / 1.1001..=1.0 / 0.8999).contains(&scale), "{scale}");
            assert!((matrix[1].abs() / scale).asin() <= 10.01 * std::f32::consts::PI / 180.0);
        }
        assert_ne!(changes[0], changes[1]);
        assert_ne!(changes[7], augmenter(all).change(7, 4));
        assert_eq!(changes[7], augmenter(all).change(7, 3));
    }

    #[test]
    fn an_image_is_mirrored_in_every_other_epoch() {
        let light = augmenter(AugmentName::Light.into());
        for row in 0..50 {
            let side = |epoch| light.change(row, epoch).matrix[0];
            assert_eq!((side(0), side(1)), (-side(1), -side(0)));
            assert_eq!(side(0), side(2));
        }
    }

    #[test]
    fn the_devices_way_is_the_kernels_way() {
        let erased = Augment { erase: 0.0, ..AugmentName::Strong.into() };
        for augment in [AugmentName::Standard.into(), AugmentName::Light.into(), erased] {
            let (augmenter, rows) = (augmenter(augment), (0..16).collect::<Vec<u32>>());
            let ours = augmenter.apply(&pixels(), &rows, 2).unwrap();
            let changes: Vec<Change> = rows.iter().map(|row| augmenter.change(*row, 2)).collect();
            let theirs = on_device(&pixels(), [1, 28, 28], &changes).unwrap();
            assert!(ours.allclose(&theirs, 1e-3, 2e-3, false), "{augment:?}");
            assert!(!ours.allclose(&pixels(), 1e-3, 2e-3, false));
        }
    }

    #[test]
    fn erasing_touches_the_rectangle_alone_on_either_way() {
        let augmenter = augmenter(Augment { erase: 1.0, ..Augment::default() });
        let rows = (0..16).collect::<Vec<u32>>();
        let changes: Vec<Change> = rows.iter().map(|row| augmenter.change(*row, 2)).collect();
        let erased: u32 = changes.iter().map(|change| change.erased[2] * change.erased[3]).sum();
        for changed in [
            augmenter.apply(&pixels(), &rows, 2).unwrap(),
            on_device(&pixels(), [1, 28, 28], &changes).unwrap(),
        ] {
            let others = (changed - pixels()).abs().gt(1e-4).sum(Kind::Int64).int64_value(&[]);
            assert!((i64::from(erased) - others).abs() < 20, "{erased} {others}");
        }
    }
}
