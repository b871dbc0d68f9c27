//! Access as a coordinator's settings ask for it.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::NoServerSessionStorage,
};
use trust::{OwnPki, Pin, Role, Secret, TlsError, Token, read_private, write_private};

use super::{
    Access, AuthorityError,
    audit::Audit,
    authority::Authority,
    book::Book,
    judge::{AnyCertificate, Judge},
    listener::{Speech, Tls},
};
use crate::{
    clock::date,
    settings::{ServeSettings, ServeTls},
};

/// The folder of keys, tokens and the audit log in a state folder.
const FOLDER: &str = "access";

/// The file in it with what lets its own user in.
const LOCAL: &str = "local";

/// Access that is ready to be asked, and how to reach it.
#[derive(Debug)]
pub struct Opened {
    /// Decides about calls.
    pub access: Arc<Access>,
    /// What connections may speak.
    pub(crate) speech: Speech,
    /// What lets the coordinator's own user in; none where nobody is asked.
    pub token: Option<Token>,
    /// What programs of this machine know it by; none where they speak plainly.
    pub pin: Option<Pin>,
}

impl Opened {
    /// Opens what the state folder has, and makes what it lacks.
    pub(crate) fn of(
        settings: &ServeSettings,
        folder: &Path,
        address: SocketAddr,
    ) -> Result<Self, AccessError> {
        let folder = folder.join(FOLDER);
        let unusable = |source| AccessError::Folder { folder: folder.clone(), source };
        let book = Book::open(&folder).map_err(unusable)?;
        private(&folder).map_err(unusable)?;
        let audit = Audit::open(&folder).map_err(unusable)?;
        let now = Duration::from_millis(date().0);
        let host = settings.advertise.clone().unwrap_or_else(|| reachable(address.ip()).to_string());
        let (authority, tls) = match &settings.tls {
            ServeTls::Off => (None, None),
            ServeTls::Authority => {
                let authority = Authority::open(&folder, now)?;
                let names = [
                    host.clone(),
                    hostname::get()
                        .map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned()),
                ];
                let chain =
                    authority.server(&names, now).map_err(|error| TlsError::Refused(error.to_string()))?;
                let judge = Judge::new(std::slice::from_ref(authority.certificate()))?;
                (Some(authority), Some(Tls { config: server(chain)?, judge }))
            }
            ServeTls::Own(pki) => (None, Some(own(pki)?)),
        };
        let token = settings.auth.then(|| local(&folder)).transpose().map_err(unusable)?;
        let access = Access {
            book,
            audit,
            local: token.as_ref().map(|token| token.secret.hash()),
            certificate_life: settings.certificate_life,
            advertised: advertised(&host, address.port()),
            open: Mutex::new(BTreeMap::new()),
            authority,
        };
        let plainly_reached = address.ip().is_loopback() || address.ip().is_unspecified();
        let pin = if plainly_reached { None } else { access.pin() };
        Ok(Self { access: Arc::new(access), speech: Speech { tls }, token, pin })
    }
}

/// What lets the coordinator's own user in. It is kept in a file that this user alone can read: programs that were
/// let in before a restart are let in after it.
fn local(folder: &Path) -> io::Result<Token> {
    let file = folder.join(LOCAL);
    let kept = read_private(&file).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    if let Some(token) = kept {
        return Ok(token);
    }
    let token = Token { role: Role::Admin, secret: Secret::draw(), pin: None };
    write_private(&file, token.reveal().as_bytes())?;
    Ok(token)
}

/// One's own certificates instead of an authority.
fn own(pki: &OwnPki) -> Result<Tls, AccessError> {
    let missing = |flag| AccessError::OwnPki(flag);
    let authority = pki.authority()?.ok_or_else(|| missing("--tls-ca"))?;
    let chain = pki.chain()?.ok_or_else(|| missing("--tls-cert and --tls-key"))?;
    Ok(Tls { config: server(chain)?, judge: Judge::new(&authority)? })
}

/// A server's side of TLS 1.3.
fn server(
    (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> Result<Arc<ServerConfig>, TlsError> {
    let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
    let builder = ServerConfig::builder_with_provider(trust::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(refused)?;
    let mut config = builder
        .with_client_cert_verifier(Arc::new(AnyCertificate))
        .with_single_cert(chain, key)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would bring back a certificate that was looked at another time.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

/// An address by which other machines reach one that listens there.
fn reachable(listen: IpAddr) -> IpAddr {
    if !listen.is_unspecified() {
        return listen;
    }
    // Sends nothing: it asks the system which of this machine's addresses it would send from. The other end is a
    // documentation address (RFC 5737, RFC 3849).
    let (from, to) = match listen {
        IpAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9"),
        IpAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9"),
    };
    let asked = UdpSocket::bind(from).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    match (asked, listen) {
        (Ok(address), _) => address.ip(),
        (Err(_), IpAddr::V4(_)) => std::net::Ipv4Addr::LOCALHOST.into(),
        (Err(_), IpAddr::V6(_)) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}

fn advertised(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Why a coordinator cannot let anybody in.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The folder cannot be used.
    #[error("{} cannot be used for keys and tokens: {source}", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// One's own certificates are not complete.
    #[error("certificates of one's own need --tls-ca, --tls-cert and --tls-key; {0} is missing")]
    OwnPki(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lets_the_own_user_in_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = local(folder.path()).unwrap();
        assert_eq!(local(folder.path()).unwrap(), first);
        std::fs::write(folder.path().join(LOCAL), "rung_cut").unwrap();
        let second = local(folder.path()).unwrap();
        assert_ne!(second, first);
        assert_eq!(local(folder.path()).unwrap(), second);
    }

    #[test]
    fn an_address_for_others_is_found() {
        assert_eq!(reachable([192, 0, 2, 7].into()), IpAddr::from([192, 0, 2, 7]));
        assert!(!reachable([0, 0, 0, 0].into()).is_unspecified());
        assert_eq!(advertised("2001:db8::1", 1), "[2001:db8::1]:1");
        assert_eq!(advertised("node", 7070), "node:7070");
    }
}
