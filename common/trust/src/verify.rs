//! Knowing a coordinator by its authority's pin.

use std::time::Duration;

use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::{Pin, provider};

/// Takes a server whose certificate was signed by the authority with this pin, whatever it is called.
///
/// Such an authority signs servers' certificates for its own coordinator alone, and workers' only for the use of clients.
/// So the name by which the coordinator was reached, which may be a tunnel's end, says nothing more. A certificate that
/// does not hold yet holds from now on: its coordinator's date is ahead of this machine's, and made it a moment ago.
#[derive(Debug)]
pub(crate) struct PinnedAuthority {
    pin: Pin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedAuthority {
    pub(crate) fn new(pin: Pin) -> Self {
        Self { pin, algorithms: provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = |certificate: &&CertificateDer<'_>| Pin::of_certificate(certificate) == Some(self.pin);
        let authority =
            intermediates.iter().find(pinned).ok_or_else(|| Error::General(FOREIGN.to_owned()))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let now = begun(leaf).map_or(now, |begun| now.max(begun));
        let leaf = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&leaf, &roots, &[], now, self.algorithms.all)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// When a certificate begins to hold.
fn begun(certificate: &[u8]) -> Option<UnixTime> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = u64::try_from(certificate.validity().not_before.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// What is said where none of a server's certificates has the pin.
pub(crate) const FOREIGN: &str = "what answers there is not the coordinator that the token is for, or that was joined: \
                                  its certificate authority is another one";
