//! Certificates of somebody's own authority, instead of the coordinator's.

use std::path::{Path, PathBuf};

use proto::v1::{WhoAmIRequest, access_service_client::AccessServiceClient};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use tonic::{Code, Status};
use trust::{Bearer, Dial, OwnPki, Role, Trust};

use super::{Coordinator, open};
use crate::{
    access::GrantError,
    settings::{ServeSettings, ServeTls},
};

/// An authority and the files that it gives out.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.iter().for_each(|(kind, value)| name.push(kind.clone(), *value));
    name
}

impl Authority {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(&[(DnType::CommonName, "our own")]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn give(&self, file: &str, parts: &[(DnType, &str)], server: bool) -> OwnPki {
        let key = KeyPair::generate().unwrap();
        let names = if server { vec!["127.0.0.1".to_owned()] } else { Vec::new() };
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = subject(parts);
        let usage =
            if server { ExtendedKeyUsagePurpose::ServerAuth } else { ExtendedKeyUsagePurpose::ClientAuth };
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (cert, key_file) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        std::fs::write(&cert, certificate.pem()).unwrap();
        trust::write_private(&key_file, key.serialize_pem().as_bytes()).unwrap();
        OwnPki { ca: Some(self.path("ca.pem")), cert: Some(cert), key: Some(key_file) }
    }

    fn person(&self, organisation: &str, unit: &str) -> OwnPki {
        use DnType::{CommonName as Cn, OrganizationName as O, OrganizationalUnitName as Ou};
        self.give(&format!("{organisation}-{unit}"), &[(O, organisation), (Ou, unit), (Cn, "ana")], false)
    }
}

async fn who_am_i(coordinator: &Coordinator, pki: &OwnPki, bearer: Bearer) -> Result<String, Status> {
    let trust = Trust::Roots(pki.authority().unwrap().unwrap());
    let dial = Dial::tls(coordinator.address(), &trust, pki.chain().unwrap(), bearer).unwrap();
    let reply = AccessServiceClient::new(open(&dial).await).who_am_i(WhoAmIRequest {}).await?;
    Ok(reply.into_inner().role)
}

#[tokio::test]
async fn a_certificate_says_its_role_and_no_other_means_anything() {
    let authority = Authority::new();
    let own = authority.give("coordinator", &[(DnType::CommonName, "coordinator")], true);
    let coordinator =
        Coordinator::with(|settings| ServeSettings { tls: ServeTls::Own(own), ..settings }).await;
    for role in Role::ALL {
        let pki = authority.person("rung", role.as_str());
        assert_eq!(who_am_i(&coordinator, &pki, Bearer::default()).await.unwrap(), role.as_str());
    }
    for pki in [authority.person("acme", "admin"), authority.person("rung", "root")] {
        let status = who_am_i(&coordinator, &pki, Bearer::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    let foreign = Authority::new();
    let stranger = OwnPki { ca: Some(authority.path("ca.pem")), ..foreign.person("rung", "admin") };
    let status = who_am_i(&coordinator, &stranger, Bearer::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");

    // People's tokens work as ever; workers bring a certificate.
    let (token, _) = coordinator.token(Role::Viewer, 0);
    assert_eq!(token.pin, None);
    let authority_alone = OwnPki { ca: Some(authority.path("ca.pem")), ..OwnPki::default() };
    assert_eq!(who_am_i(&coordinator, &authority_alone, Bearer::new(Some(&token))).await.unwrap(), "viewer");
    let life = std::time::Duration::from_secs(60);
    let wanted = crate::access::NewToken { role: Role::Worker, name: String::new(), life, uses: 1 };
    assert!(matches!(coordinator.access.create_token(wanted), Err(GrantError::NoAuthority)));
    coordinator.stop().await;
}

#[tokio::test]
async fn files_that_do_not_belong_together_end_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let (authority, other) = (Authority::new(), Authority::new());
    let own = authority.give("coordinator", &[(DnType::CommonName, "coordinator")], true);
    let theirs = other.give("coordinator", &[(DnType::CommonName, "coordinator")], true);
    let readable = authority.path("readable.key");
    std::fs::copy(own.key.as_ref().unwrap(), &readable).unwrap();
    std::fs::set_permissions(&readable, std::fs::Permissions::from_mode(0o644)).unwrap();
    let file = |path: &Path| Some(path.to_owned());
    for (pki, says) in [
        (OwnPki { key: None, ..own.clone() }, "--tls-key"),
        (OwnPki { ca: None, ..own.clone() }, "--tls-ca"),
        (OwnPki { key: theirs.key.clone(), ..own.clone() }, "cannot be used"),
        (OwnPki { cert: file(&authority.path("none.pem")), ..own.clone() }, "none.pem"),
        (OwnPki { cert: own.key.clone(), ..own.clone() }, "no certificate"),
        (OwnPki { key: file(&readable), ..own.clone() }, "chmod 600"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let settings = ServeSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: ServeTls::Own(pki),
            ..ServeSettings::new(state.path().to_owned())
        };
        let error = crate::server::Server::bind(settings).await.unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}
