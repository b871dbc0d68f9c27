//! What a certificate that somebody showed is worth.
//!
//! TLS itself only makes sure that who shows a certificate has its key. What it is worth is decided here, so that a
//! certificate which is too old or another's gets an answer that says so, and not a broken connection.

use std::{sync::Arc, time::Duration};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use trust::{Subject, TlsError};

/// What somebody showed when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presented {
    /// Nothing.
    Nothing,
    /// A certificate of the cluster's authority; its time may be over.
    Certificate(Subject),
    /// A certificate that is worth nothing here, and why.
    Worthless(String),
}

/// Knows the authorities.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Judge {
    /// A judge by these authorities.
    pub(crate) fn new(authorities: &[CertificateDer<'static>]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let refused = |error: String| TlsError::Refused(error);
        for authority in authorities {
            roots.add(authority.clone()).map_err(|error| refused(error.to_string()))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), trust::provider()).build();
        Ok(Self { verifier: verifier.map_err(|error| refused(error.to_string()))? })
    }

    /// Judges what was shown.
    pub(crate) fn judge(&self, chain: Option<&[CertificateDer<'_>]>, now: Duration) -> Presented {
        let Some((leaf, rest)) = chain.and_then(<[_]>::split_first) else { return Presented::Nothing };
        let subject = match Subject::of_certificate(leaf) {
            Ok(subject) => subject,
            Err(error) => return Presented::Worthless(error.to_string()),
        };
        // One that has ended is looked at as of its last moment: whether that is recent enough is decided by each call.
        let at = now.min(Duration::from_secs(subject.not_after));
        match self.verifier.verify_client_cert(leaf, rest, UnixTime::since_unix_epoch(at)) {
            Ok(_) => Presented::Certificate(subject),
            Err(error) => Presented::Worthless(reason(&error)),
        }
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the certificate is of another cluster's authority: join this one with a token of its own"
                .to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the certificate does not hold yet: set this machine's clock, or the coordinator's".to_owned(),
        Error::InvalidCertificate(reason) => format!("the certificate is not accepted: {reason}"),
        other => format!("the certificate is not accepted: {other}"),
    }
}

/// Lets anybody show a certificate that has its key, and nobody has to.
#[derive(Debug)]
pub(crate) struct AnyCertificate;

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let provider = trust::provider();
        verify_tls12_signature(message, certificate, signed, &provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let provider = trust::provider();
        verify_tls13_signature(message, certificate, signed, &provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        trust::provider().signature_verification_algorithms.supported_schemes()
    }
}
