//! What a connection's socket is set to, at both of its ends.

use std::io;

use tokio::net::TcpStream;

/// Most bytes that wait in the system to be sent. All of them go before what is written next: a sign of life behind megabytes of a
/// checkpoint would be seconds late on a slow line, and the connection be taken for dead.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 32 << 10;

/// Lets what is written go at once, before much else that waits.
pub fn prompt(socket: &TcpStream) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT)?;
    socket.set_nodelay(true)
}
