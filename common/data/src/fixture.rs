//! A tiny data set on disk, for tests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, write::GzEncoder};
use md5::{Digest, Md5};
use tempfile::TempDir;

use crate::Sources;
use crate::catalog::{Entry, File};
use crate::verify::hex;

/// Two classes, three training images and one test image of 2 × 2 pixels.
pub(crate) struct Fixture {
    pub(crate) entry: Entry,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pixels: Vec<u8> = (0..12).collect();
        let entry = Entry {
            name: "tiny",
            classes: &["left", "right"],
            train_images: write(folder.path(), "train-images.gz", &images([3, 2, 2], &pixels)),
            train_labels: write(folder.path(), "train-labels.gz", &labels(&[0, 1, 0])),
            test_images: write(folder.path(), "t10k-images.gz", &images([1, 2, 2], &pixels[..4])),
            test_labels: write(folder.path(), "t10k-labels.gz", &labels(&[1])),
            // The discard port of this machine: nobody listens there.
            official: "http://127.0.0.1:9".to_owned(),
            debian: None,
        };
        Self { entry, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &File) -> PathBuf {
        self.folder().join(file.name)
    }

    pub(crate) fn sources(&self) -> Sources {
        only(self.folder())
    }

    /// Replaces a file, and returns the entry that fits it.
    pub(crate) fn write(&self, name: &'static str, contents: &[u8]) -> File {
        write(self.folder(), name, contents)
    }
}

/// Sources in which only one folder can have anything.
pub(crate) fn only(folder: &Path) -> Sources {
    Sources::nowhere().with_folder(folder)
}

pub(crate) fn images(sizes: [u32; 3], pixels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 3];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(pixels);
    bytes
}

pub(crate) fn labels(labels: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, 1];
    bytes.extend((labels.len() as u32).to_be_bytes());
    bytes.extend(labels);
    bytes
}

pub(crate) fn gzip(contents: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(contents).unwrap();
    encoder.finish().unwrap()
}

fn write(folder: &Path, name: &'static str, contents: &[u8]) -> File {
    fs::write(folder.join(name), gzip(contents, 6)).unwrap();
    File { name, bytes: contents.len(), md5: hex(&Md5::digest(contents)).leak() }
}
