//! What is known of each data set before it is opened.

use common::{nearest::nearest, study::DataFacts};

use crate::DataError;

/// One data set: its classes, its files and where they come from.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) classes: &'static [&'static str],
    pub(crate) train_images: File,
    pub(crate) train_labels: File,
    pub(crate) test_images: File,
    pub(crate) test_labels: File,
    /// The folder of the project's own server that has the files.
    pub(crate) official: String,
    /// The Debian package that has the files in `/usr/share/datasets/<name>`.
    pub(crate) debian: Option<&'static str>,
}

impl Entry {
    /// Returns the four files.
    pub(crate) fn files(&self) -> [&File; 4] {
        [&self.train_images, &self.train_labels, &self.test_images, &self.test_labels]
    }
}

/// One gzip file, known by what is in it.
///
/// The digest is of the uncompressed contents, because the same contents are distributed in gzip files that differ
/// in their headers.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) bytes: usize,
    pub(crate) md5: &'static str,
}

/// Returns the entry of that name.
pub(crate) fn entry(name: &str) -> Result<Entry, DataError> {
    let known = [fashion_mnist()];
    if let Some(entry) = known.iter().find(|entry| entry.name == name) {
        return Ok(entry.clone());
    }
    let known: Vec<_> = known.iter().map(|entry| entry.name).collect();
    let nearest = nearest(name, known.iter().copied());
    Err(DataError::Unknown { name: name.to_owned(), nearest, known })
}

/// Fashion-MNIST, the fixed release of 31 August 2017.
///
/// The md5 beside each file is the published one, of the project's own gzip file. Debian's files hold the same deflate
/// stream under a header without name and time: with the official header put back (the file's name, no flags for the
/// level, time 1504176606 for train and 1504176627 for t10k) all four give the published md5. So the contents' digests
/// below are those of the official files, although they were computed from Debian's.
fn fashion_mnist() -> Entry {
    Entry {
        name: "fashion-mnist",
        classes: DataFacts::FASHION_MNIST,
        train_images: File {
            name: "train-images-idx3-ubyte.gz", // 8d4fb7e6c68d591d4c3dfef9ec88bf0d
            bytes: 47_040_016,
            md5: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        },
        train_labels: File {
            name: "train-labels-idx1-ubyte.gz", // 25c81989df183df01b3e8a0aad5dffbe
            bytes: 60_008,
            md5: "9018921c3c673c538a1fc5bad174d6f9",
        },
        test_images: File {
            name: "t10k-images-idx3-ubyte.gz", // bef4ecab320f06d8554ea6380940ec79
            bytes: 7_840_016,
            md5: "8181f5470baa50b63fa0f6fddb340f0a",
        },
        test_labels: File {
            name: "t10k-labels-idx1-ubyte.gz", // bb300cfdad3c16e7a12a480ee83cd310
            bytes: 10_008,
            md5: "15d484375f8d13e6eb1aabb0c3f46965",
        },
        official: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com".to_owned(),
        debian: Some("dataset-fashion-mnist"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_suggests_the_nearest() {
        let message = entry("fashion_minst").unwrap_err().to_string();
        assert_eq!(message, "unknown data set `fashion_minst`; did you mean `fashion-mnist`?");
    }

    #[test]
    fn a_name_like_no_other_lists_what_there_is() {
        let message = entry("imagenet-21k").unwrap_err().to_string();
        assert_eq!(message, "unknown data set `imagenet-21k`; known are fashion-mnist");
    }
}
