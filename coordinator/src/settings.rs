//! What `rung serve` is started with, parsed and complete.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use trust::OwnPki;
pub use trust::default_state;

/// How a coordinator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The folder of its store, checkpoints and logs.
    pub state: PathBuf,
    /// The host name that other machines call it by, where that is not the listen address.
    pub advertise: Option<String>,
    /// A file that its address is written to once it listens.
    pub address_file: Option<PathBuf>,
    /// How long a lease lives without a sign of life.
    pub lease: Duration,
    /// Most bytes of checkpoints, probabilities and data sets; none for as many as the disk holds.
    pub quota: Option<u64>,
    /// How connections are encrypted.
    pub tls: ServeTls,
    /// Whether callers are asked who they are.
    pub auth: bool,
    /// How long a worker's certificate holds; it is renewed at half of it.
    pub certificate_life: Duration,
    /// Whether it ends with a command that needs it meanwhile, such as `rung run`.
    pub of_command: bool,
}

/// How connections are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServeTls {
    /// By an authority of the coordinator's own, which signs workers' certificates too.
    Authority,
    /// By certificates that the operator brings, for the coordinator and for everybody else.
    Own(OwnPki),
    /// Not at all.
    Off,
}

impl ServeSettings {
    /// The settings of `rung serve` without flags, on a state folder.
    pub fn new(state: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT)),
            state,
            advertise: None,
            address_file: None,
            lease: DEFAULT_LEASE,
            quota: None,
            tls: ServeTls::Authority,
            auth: true,
            certificate_life: DEFAULT_CERTIFICATE_LIFE,
            of_command: false,
        }
    }

    /// Whether other machines could reach it without TLS, or without being asked who they are.
    pub fn is_exposed(&self) -> bool {
        !self.listen.ip().is_loopback() && (self.tls == ServeTls::Off || !self.auth)
    }
}

/// The port that a coordinator listens on where none is named.
pub const DEFAULT_PORT: u16 = 7070;

/// A lease's life without a sign of life, where none is named.
///
/// Long enough that a paused laptop process or a slow disk loses nothing, short enough that a trial on a vanished
/// machine starts elsewhere within a minute. A worker whose stream closes is noticed within a second anyway.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(30);

/// A worker's certificate's life, where none is named: one that is stolen from a machine is soon worth nothing.
pub const DEFAULT_CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The state folder that is named, or else the default one; a variable that is set to nothing names none.
pub fn state_or_default(state: Option<PathBuf>) -> PathBuf {
    state.filter(|state| !state.as_os_str().is_empty()).unwrap_or_else(default_state)
}
