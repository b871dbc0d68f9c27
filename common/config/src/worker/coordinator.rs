use std::{fmt, net::Ipv6Addr, str::FromStr};

/// A coordinator's address: host and port, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coordinator {
    authority: String,
}

impl FromStr for Coordinator {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        if !is_host(host) || !port.parse::<u16>().is_ok_and(|port| port != 0) {
            return Err(invalid());
        }
        Ok(Self { authority: text.to_owned() })
    }
}

impl fmt::Display for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

/// Whether a text is a name, an IPv4 address, or an IPv6 address in brackets. One with a zone is not: no certificate names
/// it.
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
        None => is_name(text),
    }
}

/// Whether a text has only what names of hosts have.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address: use HOST:PORT, for example 127.0.0.1:7070 or [::1]:7070")]
pub struct InvalidAddress(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_address_are_taken() {
        for good in ["localhost:7070", "10.0.0.7:1", "[::1]:7070", "node-3.lab.example:65535", "my_pc:7"] {
            let coordinator: Coordinator = good.parse().unwrap();
            assert_eq!(coordinator.to_string(), good);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "host",
            "host:",
            ":7070",
            "host:0",
            "host:70707",
            "http://host:1",
            "a@b:1",
            "::1:70",
            "[]:70",
            "[host]:70",
            "[::1:70",
            "[fe80::1%eth0]:70",
            "a b:1",
            "é:1",
        ] {
            assert!(bad.parse::<Coordinator>().is_err(), "{bad}");
        }
    }
}
