//! Files whose contents are known beforehand.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use md5::{Digest, Md5};

use crate::DataError;
use crate::catalog::File;

/// Returns the uncompressed contents of a file after comparing their digest.
pub(crate) fn read(path: &Path, file: &File) -> Result<Vec<u8>, DataError> {
    let compressed =
        fs::read(path).map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
    contents(&compressed, file).map_err(|problem| DataError::Corrupted { path: path.to_owned(), problem })
}

/// Uncompresses a file's bytes and compares the digest of what comes out; says how it differs from what is expected.
pub(crate) fn contents(compressed: &[u8], file: &File) -> Result<Vec<u8>, String> {
    // One byte more than expected is enough to know that there is too much.
    let mut bytes = Vec::with_capacity(file.bytes + 1);
    let read = MultiGzDecoder::new(compressed).take(file.bytes as u64 + 1).read_to_end(&mut bytes);
    let found = hex(&Md5::digest(&bytes));
    let length = match bytes.len() {
        length if length > file.bytes => format!("more than {} bytes", file.bytes),
        length => format!("{length} of {} bytes", file.bytes),
    };
    let differs =
        |detail| format!("the md5 of its uncompressed contents is {found}, expected {} ({detail})", file.md5);
    match read {
        Ok(_) if found == file.md5 => Ok(bytes),
        Ok(_) => Err(differs(length)),
        Err(error) if found == file.md5 => Err(format!(
            "its contents, md5 {found}, are right, but it does not end as a gzip file does: {error}"
        )),
        Err(error) => Err(differs(format!("{length}, then {error}"))),
    }
}

/// Writes bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, gzip, labels};

    fn error_after(change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
        let fixture = Fixture::new();
        let path = fixture.path(&fixture.entry.train_images);
        fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
        let error = read(&path, &fixture.entry.train_images).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        error
    }

    #[test]
    fn a_corrupted_file_names_both_digests_and_what_to_do() {
        let error = error_after(|_| gzip(&labels(&[7]), 6));
        let found = hex(&Md5::digest(labels(&[7])));
        let expected = Fixture::new().entry.train_images.md5;
        assert!(error.contains(&format!("is {found}, expected {expected} (9 of 28 bytes)")), "{error}");
        assert!(error.contains("delete it and fetch it with `cargo xtask setup`"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let error = error_after(|bytes| bytes[..bytes.len() - 12].to_vec());
        assert!(error.contains("of 28 bytes, then "), "{error}");
    }

    #[test]
    fn what_is_wrong_after_the_right_contents_is_said() {
        let cut_in_its_trailer = error_after(|bytes| bytes[..bytes.len() - 4].to_vec());
        let with_bytes_appended = error_after(|bytes| [bytes, b"more than a header".to_vec()].concat());
        for error in [cut_in_its_trailer, with_bytes_appended] {
            assert!(error.contains("are right, but it does not end as a gzip file does: "), "{error}");
            assert!(!error.contains(", expected "), "{error}");
        }
    }

    #[test]
    fn a_file_that_uncompresses_to_more_is_not_read_to_its_end() {
        let error = error_after(|_| gzip(&vec![0; 1 << 20], 9));
        assert!(error.contains("more than 28 bytes"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_gzip_file_is_refused() {
        let error = error_after(|_| b"<html>not found</html>".to_vec());
        assert!(error.contains("0 of 28 bytes, then invalid gzip header"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let fixture = Fixture::new();
        let error = read(fixture.folder(), &fixture.entry.train_images).unwrap_err();
        assert!(matches!(error, DataError::Unreadable { .. }), "{error}");
    }
}
