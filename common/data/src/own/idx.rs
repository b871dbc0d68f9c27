//! IDX files, as the MNIST family has them.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;

use super::{Found, contents, labels, unusable};
use crate::{DataError, Samples, idx, packed::LARGEST_OBJECT};

/// Reads a folder's `train-images…`, `train-labels…` and, where they are there, `t10k-…` or `test-…` files.
pub(super) fn read(folder: &Path, names: Option<&[String]>) -> Result<Found, DataError> {
    if folder.is_file() {
        return Err(unusable(folder, "it is no folder: name the one that holds the IDX files"));
    }
    let train = part(folder, &["train"])?.ok_or_else(|| {
        unusable(folder, "it has no `train-images-idx3-ubyte` or `train-images-idx3-ubyte.gz`")
    })?;
    let test = part(folder, &["t10k", "test"])?;
    let classes = labels::named(folder, &train.labels, names)?;
    for samples in [Some(&train), test.as_ref()].into_iter().flatten() {
        labels::in_range(folder, &samples.labels, &classes)?;
    }
    if let Some(test) = &test
        && (test.height, test.width) != (train.height, train.width)
    {
        let [a, b] = [&train, test].map(|samples| format!("{} × {}", samples.width, samples.height));
        return Err(unusable(folder, format!("training images are {a} and test images {b} pixels")));
    }
    Ok(Found { train, test, classes, columns: Vec::new() })
}

fn part(folder: &Path, stems: &[&str]) -> Result<Option<Samples>, DataError> {
    for stem in stems {
        let images = [format!("{stem}-images-idx3-ubyte"), format!("{stem}-images.idx3-ubyte")];
        let Some(images) = find(folder, &images) else { continue };
        let wanted = [format!("{stem}-labels-idx1-ubyte"), format!("{stem}-labels.idx1-ubyte")];
        let missing = || unusable(folder, format!("it has no `{}` or `{}.gz`", wanted[0], wanted[0]));
        let labels = find(folder, &wanted).ok_or_else(missing)?;
        let malformed = |path: &Path, problem: String| unusable(path, problem);
        let ([count, height, width], pixels) =
            idx::parse::<3>(uncompressed(&images)?).map_err(|problem| malformed(&images, problem))?;
        let ([labelled], values) =
            idx::parse::<1>(uncompressed(&labels)?).map_err(|problem| malformed(&labels, problem))?;
        if labelled != count {
            return Err(unusable(&labels, format!("it has {labelled} labels for {count} images")));
        }
        if count == 0 || height == 0 || width == 0 {
            return Err(unusable(&images, "it has no pixel"));
        }
        return Ok(Some(Samples::images([count, 1, height, width], pixels, values)));
    }
    Ok(None)
}

fn find(folder: &Path, names: &[String]) -> Option<PathBuf> {
    let both = names.iter().flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))]);
    both.into_iter().find(|path| path.is_file())
}

fn uncompressed(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = contents(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut values = Vec::new();
    let read = MultiGzDecoder::new(&bytes[..]).take(LARGEST_OBJECT + 1).read_to_end(&mut values);
    match read {
        Ok(_) if values.len() as u64 > LARGEST_OBJECT => {
            Err(unusable(path, "it uncompresses to more than 1 GiB"))
        }
        Ok(_) => Ok(values),
        Err(error) => Err(unusable(path, error.to_string())),
    }
}
