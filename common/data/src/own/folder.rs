//! A folder of images in folders named by class.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageReader};

use super::{Found, entries, labels, unusable};
use crate::{DataError, Samples};

/// One image file.
struct Picture {
    path: PathBuf,
    image: DynamicImage,
    label: u8,
}

/// Reads `CLASS/image.png` or `train/CLASS/image.png` and `test/CLASS/image.png`.
///
/// Images are grey where all are, else of three colours.
pub(super) fn read(path: &Path) -> Result<Found, DataError> {
    let folders = folders(path)?;
    let named = |name: &str| folders.iter().find(|folder| folder.ends_with(name)).cloned();
    let parts = |other: &PathBuf| other.ends_with("train") || other.ends_with("test");
    let (train, test) = match named("train") {
        Some(train) if folders.iter().all(parts) => (train, named("test")),
        _ => (path.to_owned(), None),
    };
    let classes = labels::number(path, class_names(&train)?)?;
    let train = pictures(&train, &classes)?;
    let test = test.map(|test| pictures(&test, &classes)).transpose()?;
    let all = || train.iter().chain(test.iter().flatten());
    let coloured = all().any(|picture| picture.image.color().has_color());
    let Some(first) = all().next() else {
        return Err(unusable(path, "it has no folder of images"));
    };
    let size = |picture: &Picture| (picture.image.height(), picture.image.width());
    if let Some(other) = all().find(|picture| size(picture) != size(first)) {
        let ((height, width), (h, w)) = (size(other), size(first));
        let problem = format!(
            "it is {height} × {width} pixels, and `{}` is {h} × {w}: all images must have one size",
            first.path.display()
        );
        return Err(unusable(&other.path, problem));
    }
    Ok(Found {
        train: samples(&train, coloured),
        test: test.map(|test| samples(&test, coloured)),
        classes,
        columns: Vec::new(),
    })
}

/// The folders in a folder, which must hold nothing else.
fn folders(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = entries(path)?;
    match entries.iter().find(|entry| !entry.is_dir()) {
        Some(file) => Err(unusable(file, "it is no folder: images belong into folders named by their class")),
        None => Ok(entries),
    }
}

fn class_names(part: &Path) -> Result<Vec<String>, DataError> {
    let name = |folder: &PathBuf| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.map(str::to_owned).ok_or_else(|| unusable(folder, "its name is not valid UTF-8"))
    };
    folders(part)?.iter().map(name).collect()
}

/// The images of a part, class by class, in the order of their names.
fn pictures(part: &Path, classes: &[String]) -> Result<Vec<Picture>, DataError> {
    if let Some(unknown) = class_names(part)?.iter().find(|name| !classes.contains(name)) {
        return Err(unusable(&part.join(unknown), "its class has no training image"));
    }
    let mut pictures = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let folder = part.join(class);
        if !folder.exists() {
            continue;
        }
        let files = entries(&folder)?;
        if files.is_empty() {
            return Err(unusable(&folder, "this class folder is empty: put images into it, or remove it"));
        }
        for path in files {
            // A list of classes is no longer than a byte counts.
            pictures.push(Picture { image: decode(&path)?, path, label: label as u8 });
        }
    }
    Ok(pictures)
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let ending = path.extension().and_then(|end| end.to_str()).map(str::to_lowercase);
    if !matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg")) {
        return Err(unusable(path, "it is no .png, .jpg or .jpeg file: remove it, or convert it"));
    }
    let failed =
        |error: &dyn std::fmt::Display| unusable(path, format!("the image does not decode: {error}"));
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let image = reader.map_err(|error| failed(&error))?.decode().map_err(|error| failed(&error))?;
    let clear = image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] != 255);
    if clear {
        Err(unusable(path, "it is transparent in places: flatten it onto a background"))
    } else {
        Ok(image)
    }
}

fn samples(pictures: &[Picture], coloured: bool) -> Samples {
    let (height, width) = pictures
        .first()
        .map_or((0, 0), |first| (first.image.height() as usize, first.image.width() as usize));
    let mut pixels = Vec::with_capacity(pictures.len() * height * width * if coloured { 3 } else { 1 });
    for Picture { image, .. } in pictures {
        if coloured {
            // Channels first: all red values, then all green ones, then all blue ones.
            let interleaved = image.to_rgb8().into_raw();
            (0..3).for_each(|channel| pixels.extend(interleaved.iter().skip(channel).step_by(3)));
        } else {
            pixels.extend(image.to_luma8().into_raw());
        }
    }
    let labels = pictures.iter().map(|picture| picture.label).collect();
    let channels = if coloured { 3 } else { 1 };
    Samples::images([pictures.len(), channels, height, width], pixels, labels)
}
