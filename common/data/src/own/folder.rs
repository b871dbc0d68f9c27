//! A folder of images in folders named by class.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use image::DynamicImage;

use super::{Found, Reading, contents, entries, labels, picture::Header, unusable};
use crate::{DataError, Samples, packed::LARGEST_OBJECT};

/// One image file.
struct Picture {
    path: PathBuf,
    label: u8,
}

/// Reads `CLASS/image.png` or `train/CLASS/image.png` and `test/CLASS/image.png`.
///
/// Images are grey where all are stored as grey, else of three colours. No image is decoded before all headers were read,
/// and only one at a time is.
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
    let all: Vec<&Picture> = train.iter().chain(test.iter().flatten()).collect();
    let shape = shape(path, &all)?;
    Ok(Found {
        train: samples(&train, shape)?,
        test: test.map(|test| samples(&test, shape)).transpose()?,
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
            if path.is_dir() {
                let problem = "it is a folder in a class's folder: what is read is CLASS/image.png, or train/CLASS/image.png \
                               and test/CLASS/image.png with no other folder beside train and test";
                return Err(unusable(&path, problem));
            }
            let ending = path.extension().and_then(|end| end.to_str()).map(str::to_lowercase);
            if !matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg")) {
                return Err(unusable(&path, "it is no .png, .jpg or .jpeg file: remove it, or convert it"));
            }
            // A list of classes is no longer than a byte counts.
            pictures.push(Picture { path, label: label as u8 });
        }
    }
    Ok(pictures)
}

/// Channels, height and width of all images, by their headers.
fn shape(folder: &Path, pictures: &[&Picture]) -> Result<[usize; 3], DataError> {
    let Some(first) = pictures.first() else {
        return Err(unusable(folder, "it has no folder of images"));
    };
    let [height, width] = header(&first.path)?.size;
    let (count, mut channels) = (pictures.len() as u64, 1_u64);
    for Picture { path, .. } in pictures {
        let Header { size: [h, w], coloured } = header(path)?;
        if [h, w] != [height, width] {
            let problem = format!(
                "it is {w} × {h} pixels, and `{}` is {width} × {height}: all images must have one size",
                first.path.display()
            );
            return Err(unusable(path, problem));
        }
        if coloured {
            channels = 3;
        }
        let bytes = (u64::from(height) * u64::from(width)).saturating_mul(channels * count);
        if bytes > LARGEST_OBJECT {
            let problem = format!(
                "its {count} images of {width} × {height} pixels take {bytes} bytes, and {LARGEST_OBJECT} \
                 are the most for one data set: scale them down, or leave some out"
            );
            return Err(unusable(folder, problem));
        }
    }
    Ok([channels as usize, height as usize, width as usize])
}

fn header(path: &Path) -> Result<Header, DataError> {
    let file = File::open(path).map_err(|error| unusable(path, error.to_string()))?;
    Header::read(BufReader::new(file)).map_err(|problem| undecoded(path, &problem))
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    let image = Reading::picture(&contents(path)?).map_err(|problem| undecoded(path, &problem))?;
    let clear = image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] != 255);
    if clear {
        Err(unusable(path, "it is transparent in places: flatten it onto a background"))
    } else {
        Ok(image)
    }
}

fn undecoded(path: &Path, problem: &str) -> DataError {
    unusable(path, format!("the image does not decode: {problem}"))
}

/// Decodes the images of a part, one after the other.
fn samples(pictures: &[Picture], [channels, height, width]: [usize; 3]) -> Result<Samples, DataError> {
    let mut pixels = Vec::with_capacity(pictures.len() * channels * height * width);
    for Picture { path, .. } in pictures {
        let image = decode(path)?;
        if [image.height() as usize, image.width() as usize] != [height, width] {
            return Err(unusable(path, "it changed while the folder was read: add the folder again"));
        }
        if channels == 3 {
            // Channels first: all red values, then all green ones, then all blue ones.
            let interleaved = image.into_rgb8().into_raw();
            (0..3).for_each(|channel| pixels.extend(interleaved.iter().skip(channel).step_by(3)));
        } else {
            pixels.extend(image.into_luma8().into_raw());
        }
    }
    let labels = pictures.iter().map(|picture| picture.label).collect();
    Ok(Samples::images([pictures.len(), channels, height, width], pixels, labels))
}
