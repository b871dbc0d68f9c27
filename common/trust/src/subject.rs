use common::ids::WorkerId;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use crate::Role;

/// The organisation that every subject names, so that a company's other certificates mean nothing here.
pub(crate) const ORGANISATION: &str = "rung";

/// Who a certificate is for: `O=rung, OU=<role>, CN=<name>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What it may do.
    pub role: Role,
    /// A worker's id, or what a person is called.
    pub name: WorkerId,
    /// When the certificate begins to hold, in seconds since 1970.
    pub not_before: u64,
    /// When it ends, in seconds since 1970.
    pub not_after: u64,
}

impl Subject {
    /// The subject of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Result<Self, InvalidSubject> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| InvalidSubject::Unreadable)?;
        let subject = certificate.subject();
        let organisation = first(subject.iter_organization());
        let unit = first(subject.iter_organizational_unit());
        let name = first(subject.iter_common_name());
        if organisation != Some(ORGANISATION) {
            return Err(InvalidSubject::Foreign(described(subject)));
        }
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let validity = certificate.validity();
        Ok(Self {
            role: unit
                .and_then(|unit| unit.parse().ok())
                .ok_or_else(|| InvalidSubject::NoRole(described(subject)))?,
            name: name
                .and_then(|name| name.parse().ok())
                .ok_or_else(|| InvalidSubject::NoName(described(subject)))?,
            not_before: seconds(validity.not_before.timestamp()),
            not_after: seconds(validity.not_after.timestamp()),
        })
    }
}

fn first<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::prelude::AttributeTypeAndValue<'a>>,
) -> Option<&'a str> {
    let value = values.next()?.as_str().ok()?;
    // Two of one kind could be read one way here and another way elsewhere.
    values.next().is_none().then_some(value)
}

/// A subject for people, short enough for a log.
fn described(subject: &X509Name<'_>) -> String {
    subject.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// A certificate that names nobody here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// It is no certificate.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// It is not for Rung.
    #[error("the certificate is for `{0}`: Rung's say O=rung, OU=ROLE, CN=NAME")]
    Foreign(String),
    /// Its unit is no role.
    #[error("the certificate is for `{0}`: its OU must be viewer, operator, admin or worker")]
    NoRole(String),
    /// Its common name is no name.
    #[error("the certificate is for `{0}`: its CN must be 1 to 64 of a-z, 0-9 and -")]
    NoName(String),
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn certificate(parts: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_subject_is_read_and_others_are_named() {
        use DnType::{CommonName as Cn, OrganizationName as O, OrganizationalUnitName as Ou};
        let read = |parts: &[(DnType, &str)]| Subject::of_certificate(&certificate(parts));
        let subject = read(&[(O, "rung"), (Ou, "worker"), (Cn, "node-3")]).unwrap();
        assert_eq!((subject.role, subject.name.as_str()), (Role::Worker, "node-3"));
        assert!(subject.not_before < subject.not_after);
        assert!(matches!(read(&[(O, "acme"), (Ou, "admin"), (Cn, "bob")]), Err(InvalidSubject::Foreign(_))));
        assert!(matches!(read(&[(O, "rung"), (Ou, "root"), (Cn, "bob")]), Err(InvalidSubject::NoRole(_))));
        assert!(matches!(read(&[(O, "rung"), (Ou, "admin"), (Cn, "B ob")]), Err(InvalidSubject::NoName(_))));
        assert_eq!(Subject::of_certificate(b""), Err(InvalidSubject::Unreadable));
    }
}
