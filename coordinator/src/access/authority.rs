//! The cluster's own certificate authority: made at the first start, kept in the state folder for its user alone.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::ids::WorkerId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _,
};
use trust::{Pin, Role, Secret, read_private, write_private};

/// How long the authority and its coordinator's certificates hold: they are as old as the folder that they lie in.
const YEARS: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// How far another machine's clock may be behind.
const SKEW: Duration = Duration::from_secs(24 * 3600);

/// The authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pin: Pin,
}

impl Authority {
    /// The authority of a folder; makes it where there is none.
    pub(crate) fn open(folder: &Path, now: Duration) -> Result<Self, AuthorityError> {
        let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        let unusable = |path: &Path, reason: String| AuthorityError { path: path.to_owned(), reason };
        if !certificate_file.exists() {
            let (certificate, key) =
                made(now).map_err(|error| unusable(&certificate_file, error.to_string()))?;
            // The key first: a certificate without its key would be of no use, and would not be made again.
            let kept = write_private(&key_file, key.as_bytes())
                .and_then(|()| write_private(&certificate_file, certificate.as_bytes()));
            kept.map_err(|error| unusable(&certificate_file, error.to_string()))?;
        }
        let text = |path: &Path| {
            let bytes = read_private(path).map_err(|error| unusable(path, error.to_string()))?;
            String::from_utf8(bytes).map_err(|_| unusable(path, "it is no PEM".to_owned()))
        };
        let (certificate, key) = (text(&certificate_file)?, text(&key_file)?);
        let damaged = |error: rcgen::Error| unusable(&key_file, error.to_string());
        let key = KeyPair::from_pem(&key).map_err(damaged)?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| unusable(&certificate_file, error.to_string()))?;
        let pin = Pin::of_certificate(&der)
            .ok_or_else(|| unusable(&certificate_file, "it is no certificate".to_owned()))?;
        let own = trust::pin_of_key(&key.subject_public_key_info());
        if own != pin {
            return Err(unusable(&key_file, "it is not the key of ca.pem beside it".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(damaged)?;
        Ok(Self { issuer, certificate: der, pin })
    }

    /// What it is known by.
    pub(crate) fn pin(&self) -> Pin {
        self.pin
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// A certificate for the coordinator, with the authority's own behind it, and its key, which is kept nowhere.
    pub(crate) fn server(
        &self,
        names: &[String],
        now: Duration,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "rung");
        params.distinguished_name.push(DnType::CommonName, "coordinator");
        params.subject_alt_names = alternative_names(names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (at(now.saturating_sub(SKEW)), at(now + YEARS));
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((vec![certificate.der().clone(), self.certificate.clone()], key.into()))
    }

    /// Signs a worker's request. Of the request only its key counts: what it asks for besides is not granted.
    pub(crate) fn sign(
        &self,
        csr: &[u8],
        worker: &WorkerId,
        (from, until): (Duration, Duration),
    ) -> Result<Vec<u8>, rcgen::Error> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "rung");
        params.distinguished_name.push(DnType::OrganizationalUnitName, Role::Worker.as_str());
        params.distinguished_name.push(DnType::CommonName, worker.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (at(from), at(until));
        Ok(params.signed_by(&request.public_key, &self.issuer)?.der().to_vec())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.pin)
    }
}

/// A new authority's certificate and key, PEM.
fn made(now: Duration) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "rung");
    params.distinguished_name.push(DnType::CommonName, format!("cluster {}", &Secret::draw().hash()[..8]));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (at(now.saturating_sub(SKEW)), at(now + YEARS));
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Names for programs that check them; Rung's own go by the pin.
fn alternative_names(names: &[String]) -> Vec<SanType> {
    let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(SanType::IpAddress);
    let named = names.iter().map(String::as_str).chain(["localhost"]).filter_map(|name| match name.parse() {
        Ok(address) => Some(SanType::IpAddress(address)),
        Err(_) => name.try_into().ok().map(SanType::DnsName),
    });
    let mut all: Vec<SanType> = Vec::new();
    for name in own.into_iter().chain(named) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn at(since_1970: Duration) -> time::OffsetDateTime {
    SystemTime::into(UNIX_EPOCH + since_1970)
}

/// Why the authority cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("certificate authority: {} cannot be used: {reason}; to start with a new one, which every worker must join again, remove both files", .path.display())]
pub struct AuthorityError {
    path: PathBuf,
    reason: String,
}

impl From<AuthorityError> for io::Error {
    fn from(error: AuthorityError) -> Self {
        Self::other(error)
    }
}
