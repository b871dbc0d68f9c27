use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use common::ids::WorkerId;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use crate::{Pin, Role, Subject, read_private, subject::ORGANISATION, write_private};

/// A worker's certificate and key, and the authority that gave it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Where its coordinator was when it was joined.
    pub coordinator: String,
    /// Who the certificate says that it is.
    pub worker: WorkerId,
    /// The authority's pin.
    pub pin: Pin,
    #[serde(with = "base64_bytes")]
    certificate: Vec<u8>,
    #[serde(with = "base64_bytes")]
    key: Vec<u8>,
}

impl Identity {
    /// The certificate and its key, as TLS wants them.
    pub fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (vec![self.certificate.clone().into()], PrivatePkcs8KeyDer::from(self.key.clone()).into())
    }

    /// When the certificate begins and ends to hold, in seconds since 1970.
    pub fn validity(&self) -> (u64, u64) {
        Subject::of_certificate(&self.certificate)
            .map_or((0, 0), |subject| (subject.not_before, subject.not_after))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { coordinator, worker, pin, .. } = self;
        write!(f, "Identity({worker} at {coordinator}, {pin:?}, key …)")
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({}, key …)", self.worker)
    }
}

/// A key of a worker's own, and the request for a certificate of it. The key never leaves this machine.
pub struct Request {
    worker: WorkerId,
    key: KeyPair,
    /// What the authority is to sign: PKCS #10, DER.
    pub csr: Vec<u8>,
}

impl Request {
    /// A new key and a request for a worker.
    pub fn new(worker: WorkerId) -> Result<Self, IdentityError> {
        let broken = |error: rcgen::Error| IdentityError::Broken(error.to_string());
        let key = KeyPair::generate().map_err(broken)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
        params.distinguished_name.push(DnType::OrganizationalUnitName, Role::Worker.as_str());
        params.distinguished_name.push(DnType::CommonName, worker.as_str());
        let csr = params.serialize_request(&key).map_err(broken)?.der().to_vec();
        Ok(Self { worker, key, csr })
    }

    /// The identity that an authority's answer makes of it; refuses a certificate that is another's.
    pub fn answered(
        &self,
        coordinator: &str,
        pin: Pin,
        certificate: Vec<u8>,
    ) -> Result<Identity, IdentityError> {
        let subject = Subject::of_certificate(&certificate)
            .map_err(|error| IdentityError::Broken(error.to_string()))?;
        if subject.role != Role::Worker || subject.name != self.worker {
            return Err(IdentityError::Broken("the certificate that came is somebody else's".to_owned()));
        }
        let key = self.key.serialize_der();
        Ok(Identity {
            coordinator: coordinator.to_owned(),
            worker: self.worker.clone(),
            pin,
            certificate,
            key,
        })
    }
}

/// The folder where workers of this machine keep who they are: one file each, readable by their user alone, locked by
/// the process that is that worker.
#[derive(Debug, Clone)]
pub struct Identities {
    folder: PathBuf,
}

/// A place in the folder that this process has.
#[derive(Debug)]
pub struct Place {
    worker: WorkerId,
    file: PathBuf,
    /// Unlocked by the system when the process ends, in whatever way.
    _lock: File,
    /// What was kept there.
    pub identity: Option<Identity>,
}

impl Identities {
    /// A folder; nothing is made before something is kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// An identity that no living process has, for a coordinator that is known by its pin, or else by its address; with
    /// this id where one is wanted.
    pub fn find(
        &self,
        (address, pin): (&str, Option<Pin>),
        id: Option<&WorkerId>,
    ) -> Result<Option<Place>, IdentityError> {
        let mut files: Vec<PathBuf> = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.unusable(source)),
        };
        files.retain(|file| file.extension().is_some_and(|end| end == "json"));
        files.sort();
        for file in files {
            let Some(identity) = read(&file) else { continue };
            let meant = pin.map_or(identity.coordinator == address, |pin| identity.pin == pin);
            if !meant || id.is_some_and(|id| *id != identity.worker) {
                continue;
            }
            if let Some(lock) = self.lock(&file)? {
                let worker = identity.worker.clone();
                return Ok(Some(Place { worker, file, _lock: lock, identity: Some(identity) }));
            }
            if let Some(id) = id {
                return Err(IdentityError::InUse(id.clone()));
            }
        }
        Ok(None)
    }

    /// A place for a new identity.
    pub fn reserve(&self, worker: &WorkerId, pin: Pin) -> Result<Place, IdentityError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| self.unusable(source))?;
        let file = self.folder.join(format!("{worker}@{}.json", &pin.to_string()[..16]));
        match self.lock(&file)? {
            Some(lock) => Ok(Place { worker: worker.clone(), file, _lock: lock, identity: None }),
            None => Err(IdentityError::InUse(worker.clone())),
        }
    }

    fn lock(&self, file: &Path) -> Result<Option<File>, IdentityError> {
        let path = file.with_extension("lock");
        let lock = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
        let lock = lock.map_err(|source| self.unusable(source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(self.unusable(source)),
        }
    }

    fn unusable(&self, source: io::Error) -> IdentityError {
        IdentityError::Folder { folder: self.folder.clone(), reason: source.to_string() }
    }
}

impl Place {
    /// Whose it is.
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }

    /// Keeps an identity in place of what was there.
    pub fn keep(&mut self, identity: Identity) -> Result<(), IdentityError> {
        let kept = serde_json::to_vec(&identity).map_err(io::Error::other);
        let kept = kept.and_then(|bytes| write_private(&self.file, &bytes));
        kept.map_err(|error| IdentityError::Folder { folder: self.file.clone(), reason: error.to_string() })?;
        self.identity = Some(identity);
        Ok(())
    }
}

/// What a file holds; none where that is no identity, or others could read it.
fn read(file: &Path) -> Option<Identity> {
    serde_json::from_slice(&read_private(file).ok()?).ok()
}

/// Why there is no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The folder cannot be used.
    #[error("{} cannot be used for this worker's certificate: {reason}; name another folder with --identity", .folder.display())]
    Folder {
        /// The folder or file.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A living process on this machine is that worker.
    #[error("worker id `{0}` is in use by a worker on this machine: give this one another with --id")]
    InUse(WorkerId),
    /// What was made or came makes no sense.
    #[error("no certificate: {0}")]
    Broken(String),
}

/// Bytes in a text file.
mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(worker: &str, pin: Pin) -> Identity {
        let worker: WorkerId = worker.parse().unwrap();
        let request = Request::new(worker).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "rung");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "worker");
        params.distinguished_name.push(DnType::CommonName, request.worker.as_str());
        let certificate = params.self_signed(&request.key).unwrap().der().to_vec();
        request.answered("host:7070", pin, certificate).unwrap()
    }

    #[test]
    fn a_kept_identity_is_found_by_address_or_pin_and_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let identities = Identities::new(folder.path().join("made"));
        let (pin, other) = (Pin::from_bytes([1; 32]), Pin::from_bytes([2; 32]));
        assert!(identities.find(("host:7070", None), None).unwrap().is_none());
        let kept = identity("node-1", pin);
        let mut place = identities.reserve(&kept.worker, pin).unwrap();
        place.keep(kept.clone()).unwrap();
        assert!(matches!(identities.reserve(&kept.worker, pin), Err(IdentityError::InUse(_))));
        assert!(identities.find(("host:7070", None), None).unwrap().is_none(), "its process lives");
        assert!(matches!(
            identities.find(("host:7070", None), Some(&kept.worker)),
            Err(IdentityError::InUse(_))
        ));
        drop(place);
        let found =
            |address, pin| identities.find((address, pin), None).unwrap().and_then(|place| place.identity);
        assert_eq!(found("host:7070", None), Some(kept.clone()));
        assert_eq!(found("moved:1", Some(pin)), Some(kept.clone()));
        assert_eq!(found("host:7070", Some(other)), None);
        assert_eq!(found("other:7070", None), None);
        let nobody = "node-2".parse().unwrap();
        assert!(identities.find(("host:7070", None), Some(&nobody)).unwrap().is_none());
        assert!(!format!("{kept:?}").contains(&format!("{:?}", &kept.key[..8])), "{kept:?}");
    }

    #[test]
    fn somebody_elses_certificate_is_refused() {
        let other = identity("node-1", Pin::from_bytes([1; 32]));
        let request = Request::new("node-2".parse().unwrap()).unwrap();
        let error = request.answered("host:7070", other.pin, other.certificate).unwrap_err();
        assert!(error.to_string().contains("somebody else's"), "{error}");
    }
}
