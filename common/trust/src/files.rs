use std::{
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::TlsError;

/// Most bytes of a file with certificates, keys or what is published: far more than any needs.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most certificates that one file may hold.
pub const CERTIFICATES_MOST: usize = 16;

/// Writes a file that only its owner can read: whole or not at all, and durable. Its folder is made where it is missing,
/// for the owner alone.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // Temporary files are made with mode 0600.
    let mut partial = tempfile::NamedTempFile::new_in(folder)?;
    partial.as_file().set_permissions(Permissions::from_mode(0o600))?;
    partial.write_all(bytes)?;
    partial.as_file().sync_all()?;
    partial.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Reads a file that holds a secret; refuses one that others than its owner can read.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if facts.mode() & 0o077 != 0 {
        let text = format!("others can read it: `chmod 600 {}`", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    read_some(file)
}

/// Certificates of a PEM file, in its order.
pub fn pem_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |reason: String| TlsError::File { path: path.to_owned(), reason };
    let bytes = File::open(path).and_then(read_some).map_err(|error| unusable(error.to_string()))?;
    let read =
        CertificateDer::pem_slice_iter(&bytes).take(CERTIFICATES_MOST + 1).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(found) if found.is_empty() => Err(unusable("it holds no certificate in PEM".to_owned())),
        Ok(found) if found.len() > CERTIFICATES_MOST => {
            Err(unusable(format!("it holds more than {CERTIFICATES_MOST} certificates")))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(error.to_string())),
    }
}

/// The private key of a PEM file that only its owner can read.
pub fn pem_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let unusable = |reason: String| TlsError::File { path: path.to_owned(), reason };
    let bytes = read_private(path).map_err(|error| unusable(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| unusable(error.to_string()))
}

fn read_some(file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is larger than {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_stays_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/file");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(read_private(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(read_private(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, vec![0; MAX_FILE_BYTES as usize + 1]).unwrap();
        assert!(read_private(&path).is_err());
    }
}
