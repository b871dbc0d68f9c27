use std::path::Path;

use crate::catalog::{self, Entry, File};
use crate::{DataError, Dataset, Samples, Sources, dataset, idx, verify};

/// Reads a data set from the first folder that has it, every file verified.
///
/// It never downloads: a training process must not wait for, or depend on, somebody else's server.
pub fn open(name: &str, sources: &Sources) -> Result<Dataset, DataError> {
    open_entry(&catalog::entry(name)?, sources)
}

pub(crate) fn open_entry(entry: &Entry, sources: &Sources) -> Result<Dataset, DataError> {
    let folder = sources.locate_entry(entry)?;
    let classes = entry.classes.len();
    let train = images(&folder, &entry.train_images, &entry.train_labels, classes)?;
    let test = images(&folder, &entry.test_images, &entry.test_labels, classes)?;
    let digest = dataset::digest(&train, &test);
    let classes = entry.classes.iter().map(|class| (*class).to_owned()).collect();
    Ok(Dataset {
        name: entry.name.to_owned(),
        classes,
        train,
        test,
        scale: None,
        columns: Vec::new(),
        digest,
    })
}

fn images(folder: &Path, images: &File, labels: &File, classes: usize) -> Result<Samples, DataError> {
    let path = folder.join(images.name);
    let parsed = idx::parse::<3>(verify::read(&path, images)?);
    let ([count, height, width], pixels) =
        parsed.map_err(|problem| DataError::Malformed { path: path.clone(), problem })?;

    let path = folder.join(labels.name);
    let malformed = |problem| DataError::Malformed { path: path.clone(), problem };
    let ([labelled], labels) = idx::parse::<1>(verify::read(&path, labels)?).map_err(malformed)?;
    if labelled != count {
        return Err(malformed(format!("it has {labelled} labels for {count} images")));
    }
    if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
        return Err(malformed(format!("it has label {label}, but there are {classes} classes")));
    }
    Ok(Samples::images([count, 1, height, width], pixels, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, gzip, labels};
    use std::fs;

    #[test]
    fn what_was_written_is_read() {
        let fixture = Fixture::new();
        let dataset = open_entry(&fixture.entry, &fixture.sources()).unwrap();
        assert_eq!((dataset.train.count, dataset.train.height, dataset.train.width), (3, 2, 2));
        assert_eq!(dataset.train.pixels(), Some(&(0..12).collect::<Vec<u8>>()[..]));
        assert_eq!(dataset.train.labels, [0, 1, 0]);
        assert_eq!((dataset.test.count, &dataset.test.labels[..]), (1, &[1][..]));
        assert_eq!(dataset.classes, ["left", "right"]);
    }

    #[test]
    fn the_digest_is_of_the_contents_and_not_of_their_compression() {
        let fixture = Fixture::new();
        let before = open_entry(&fixture.entry, &fixture.sources()).unwrap().digest;
        fs::write(fixture.path(&fixture.entry.test_labels), gzip(&labels(&[1]), 0)).unwrap();
        assert_eq!(open_entry(&fixture.entry, &fixture.sources()).unwrap().digest, before);
        assert_eq!(before.len(), 64);
    }

    #[test]
    fn a_label_without_class_is_refused() {
        let mut fixture = Fixture::new();
        fixture.entry.test_labels = fixture.write("t10k-labels.gz", &labels(&[2]));
        let error = open_entry(&fixture.entry, &fixture.sources()).unwrap_err().to_string();
        assert!(error.ends_with("it has label 2, but there are 2 classes"), "{error}");
    }

    #[test]
    fn a_label_too_few_is_refused() {
        let mut fixture = Fixture::new();
        fixture.entry.train_labels = fixture.write("train-labels.gz", &labels(&[0, 1]));
        let error = open_entry(&fixture.entry, &fixture.sources()).unwrap_err().to_string();
        assert!(error.ends_with("it has 2 labels for 3 images"), "{error}");
    }

    #[test]
    fn a_file_of_another_kind_is_refused() {
        let mut fixture = Fixture::new();
        fixture.entry.train_images = fixture.write("train-images.gz", &labels(&[0; 16]));
        let error = open_entry(&fixture.entry, &fixture.sources()).unwrap_err().to_string();
        assert!(error.contains("train-images.gz` is not usable: it starts with 00000801"), "{error}");
    }
}
