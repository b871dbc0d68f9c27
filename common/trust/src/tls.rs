use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer},
};

use crate::{Pin, pem_certificates, pem_key, verify::PinnedAuthority};

/// The one TLS implementation of both programs.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}

/// By what a coordinator's certificate is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authority's pin, whatever the server is called.
    Pinned(Pin),
    /// Certificates of one's own authorities; the server's name must be the one that was called.
    Roots(Vec<CertificateDer<'static>>),
}

/// A certificate, those between it and its authority, and its key.
pub(crate) type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A client's side of TLS 1.3.
pub(crate) fn client(trust: &Trust, identity: Option<Chain>) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| TlsError::Refused(error.to_string()))?;
    let builder = match trust {
        Trust::Pinned(pin) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(*pin)))
        }
        Trust::Roots(certificates) => builder.with_root_certificates(roots(certificates)?),
    };
    let mut config = match identity {
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| TlsError::Refused(error.to_string()))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Authorities that are trusted.
pub(crate) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| TlsError::Refused(error.to_string()))?;
    }
    Ok(roots)
}

/// Files of one's own public key infrastructure: an authority, and a certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnPki {
    /// The authority's certificates, PEM.
    pub ca: Option<PathBuf>,
    /// This program's certificate and those between it and the authority, PEM.
    pub cert: Option<PathBuf>,
    /// Its key, PEM; only its owner may be able to read it.
    pub key: Option<PathBuf>,
}

impl OwnPki {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// The authority's certificates; none where no file is named.
    pub fn authority(&self) -> Result<Option<Vec<CertificateDer<'static>>>, TlsError> {
        self.ca.as_deref().map(pem_certificates).transpose()
    }

    /// The certificate and its key; none where neither is named. One without the other is an error.
    pub fn chain(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, TlsError> {
        let read = |cert: &Path, key: &Path| Ok(Some((pem_certificates(cert)?, pem_key(key)?)));
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => read(cert, key),
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError::Incomplete { given: "--tls-cert", missing: "--tls-key" }),
            (None, Some(_)) => Err(TlsError::Incomplete { given: "--tls-key", missing: "--tls-cert" }),
        }
    }
}

/// Why certificates or keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{} cannot be used: {reason}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// One of two flags that need each other.
    #[error("{given} needs {missing} beside it")]
    Incomplete {
        /// The flag that was given.
        given: &'static str,
        /// The one that was not.
        missing: &'static str,
    },
    /// The certificate or key makes no sense to TLS.
    #[error("the certificate or its key cannot be used: {0}")]
    Refused(String),
}
