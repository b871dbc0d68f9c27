//! Pictures as what a model takes: their format, colours and size.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use common::model_spec::DataShape;
use data::{Reading, idx};
use image::{DynamicImage, GrayImage, ImageFormat, imageops::FilterType};

use super::{
    super::{failure::Failure, text::quoted},
    Named,
};

/// Most folders that are named where one has pictures only below it.
const NAMED: usize = 3;

/// How files become samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    /// What the model takes.
    pub(super) shape: DataShape,
    /// What a byte is multiplied by.
    pub(super) scale: f32,
    /// Whether images of another size are scaled to the model's.
    pub(super) resize: bool,
    /// Whether black and white change places.
    pub(super) invert: bool,
}

impl Reader {
    /// Reads everything that is named, folders by file name.
    pub(super) fn read(&self, sources: &[String]) -> Result<Named, Failure> {
        if ![1, 3].contains(&self.shape.channels) {
            let channels = self.shape.channels;
            return Err(Failure::bad_input(format!(
                "the model takes {channels} values a pixel: pictures have 1 (grey) or 3 (colours)"
            )));
        }
        let mut pictures = Named::default();
        for source in sources {
            let path = Path::new(source);
            if source == "-" {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes)?;
                self.add("-", bytes, &mut pictures)?;
            } else if path.is_dir() {
                for file in pictures_in(path)? {
                    self.add(&file.display().to_string(), contents(&file)?, &mut pictures)?;
                }
            } else {
                self.add(source, contents(path)?, &mut pictures)?;
            }
        }
        Ok(pictures)
    }

    /// Adds the picture, or the pictures, of one file.
    fn add(&self, name: &str, bytes: Vec<u8>, to: &mut Named) -> Result<(), Failure> {
        let bad = |problem: String| Failure::bad_input(format!("{name}: {problem}"));
        let bytes = idx::uncompressed(bytes).map_err(bad)?;
        if bytes.starts_with(&[0, 0]) {
            let ([count, height, width], pixels) = idx::parse::<3>(bytes).map_err(bad)?;
            if count * height * width == 0 {
                return Err(bad(format!(
                    "it has {count} images of {height} × {width} pixels: nothing to tell"
                )));
            }
            for (i, image) in pixels.chunks_exact(height * width).enumerate() {
                let image = GrayImage::from_raw(width as u32, height as u32, image.to_vec());
                let image = image.ok_or_else(|| bad("its images are too large".to_owned()))?;
                self.take(format!("{name}[{i}]"), DynamicImage::ImageLuma8(image), to)?;
            }
            return Ok(());
        }
        if !matches!(image::guess_format(&bytes), Ok(ImageFormat::Png | ImageFormat::Jpeg)) {
            return Err(bad("it is neither PNG nor JPEG nor IDX".to_owned()));
        }
        let image =
            Reading::picture(&bytes).map_err(|error| bad(format!("it cannot be decoded: {error}")))?;
        self.take(name.to_owned(), image, to)
    }

    /// Adds one picture in the model's colours and size.
    fn take(&self, name: String, image: DynamicImage, to: &mut Named) -> Result<(), Failure> {
        let DataShape { channels, height, width, .. } = self.shape;
        let fits = (image.width(), image.height()) == (width, height);
        let image = match (fits, self.resize) {
            (true, _) => image,
            (false, true) => image.resize_exact(width, height, FilterType::Triangle),
            (false, false) => {
                let (w, h) = (image.width(), image.height());
                let problem = format!("{name} has {w} × {h} pixels, but the model takes {width} × {height}");
                return Err(Failure::bad_input(problem).help("--resize scales images to the model's size"));
            }
        };
        let bytes = if channels == 1 { image.into_luma8().into_raw() } else { image.into_rgb8().into_raw() };
        let value = |byte: u8| f32::from(if self.invert { 255 - byte } else { byte }) * self.scale;
        for channel in 0..channels as usize {
            to.samples.extend(bytes.iter().skip(channel).step_by(channels as usize).map(|byte| value(*byte)));
        }
        to.names.push(name);
        Ok(())
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| {
        Failure::bad_input(format!("{} cannot be read: {error}", path.display()))
            .help("name PNG, JPEG or IDX files, folders of pictures, or - for standard input")
    })
}

/// The pictures of a folder by name; what lies in folders below it is left alone.
fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let picture = |path: &PathBuf| {
        let end = path.extension().map(|end| end.to_string_lossy().to_ascii_lowercase());
        end.is_some_and(|end| ["png", "jpg", "jpeg"].contains(&end.as_str())) && path.is_file()
    };
    let unreadable = |error| Failure::bad_input(format!("{} cannot be read: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.retain(picture);
    files.sort();
    if files.is_empty() {
        return Err(no_picture(folder));
    }
    Ok(files)
}

/// A folder without pictures, and which folders in it have some: those of a data set have a folder for each class.
fn no_picture(folder: &Path) -> Failure {
    let failure = Failure::bad_input(format!("folder {} has no PNG or JPEG picture", folder.display()));
    let below = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut with_pictures: Vec<_> = below.filter(|path| path.is_dir() && pictures_in(path).is_ok()).collect();
    with_pictures.sort();
    let names: Vec<_> =
        with_pictures.iter().take(NAMED).map(|path| quoted(&path.to_string_lossy())).collect();
    match with_pictures.len() {
        0 => failure,
        1 => failure.help(format!("folders in a folder are not looked into: name {}", names[0])),
        _ => failure.help(format!(
            "folders in a folder are not looked into: name those with pictures, such as {}",
            names.join(" ")
        )),
    }
}

#[cfg(test)]
mod tests;
