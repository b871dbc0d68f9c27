use std::path::Path;

use trust::{Bearer, Dial, InvalidToken, OwnPki, Published, Token, Trust};

use super::{ClientError, Logins};

/// What a command line says of how to be known by a coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// A token, or why the text that was given is none.
    pub token: Option<Result<Token, InvalidToken>>,
    /// Certificates of one's own.
    pub pki: OwnPki,
}

impl Credentials {
    /// The way to a coordinator: by what was given, or else by a login, or else by what the coordinator of the state
    /// folder has published, or else plainly on this machine.
    pub(super) fn dial_to(&self, address: &str, folder: &Path, logins: &Logins) -> Result<Dial, ClientError> {
        if self != &Self::default() {
            return self.dial(address);
        }
        if let Some(login) = logins.logins.get(address) {
            let pki = OwnPki { ca: login.tls_ca.clone(), ..OwnPki::default() };
            return Self { token: login.token.clone().map(Ok), pki }.dial(address);
        }
        if let Some(published) =
            Published::of_folder(folder).filter(|published| published.answers_at(address))
        {
            return Ok(dial_published(&published)?);
        }
        self.dial(address)
    }

    fn dial(&self, address: &str) -> Result<Dial, ClientError> {
        if address.parse::<config::Coordinator>().is_err() {
            return Err(ClientError::Address(address.to_owned()));
        }
        let token = self.token.clone().transpose()?;
        let bearer = Bearer::new(token.as_ref());
        let pin = token.and_then(|token| token.pin);
        let trust = self.pki.authority()?.map(Trust::Roots).or_else(|| pin.map(Trust::Pinned));
        let chain = self.pki.chain()?;
        let dial = match trust {
            Some(trust) => Dial::tls(address, &trust, chain, bearer)?,
            None => Dial::plain(address, bearer),
        };
        if dial.is_exposed() {
            let address = address.to_owned();
            return Err(match self.token {
                Some(_) => ClientError::NoAuthority(address),
                None => ClientError::Stranger(address),
            });
        }
        Ok(dial)
    }
}

/// The way to the coordinator that has published this.
pub(crate) fn dial_published(published: &Published) -> Result<Dial, trust::TlsError> {
    let bearer = Bearer::new(published.token.as_ref());
    match published.pin {
        Some(pin) => Dial::tls(&published.address, &Trust::Pinned(pin), None, bearer),
        None => Ok(Dial::plain(&published.address, bearer)),
    }
}

#[cfg(test)]
mod tests {
    use trust::{Role, Secret};

    use super::*;

    #[test]
    fn a_token_without_a_pin_needs_an_authority_on_another_machine() {
        let token = Token { role: Role::Viewer, secret: Secret::draw(), pin: None };
        let dial = |token: Option<Token>, address: &str| {
            let token = token.map(Ok);
            Credentials { token, ..Credentials::default() }.dial(address)
        };
        let refused = dial(Some(token.clone()), "hub.example:7070").unwrap_err();
        assert!(refused.is_bad_input() && refused.to_string().contains("add --tls-ca FILE"), "{refused}");
        let refused = dial(None, "hub.example:7070").unwrap_err();
        assert!(matches!(refused, ClientError::Stranger(_)), "{refused}");
        assert!(dial(Some(token), "127.0.0.1:7070").is_ok());
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        let token = Token { role: Role::Viewer, secret: Secret::draw(), pin: None };
        let said = |token: Option<&Token>, address: &str| {
            let token = token.cloned().map(Ok);
            let refused = Credentials { token, ..Credentials::default() }.dial(address).unwrap_err();
            assert!(refused.is_bad_input());
            refused.to_string()
        };
        for given in [None, Some(&token)] {
            for text in ["foo", "", ":7070", "foo:", "foo:http", "foo:70707", "::1"] {
                assert_eq!(said(given, text), format!("`{text}` is no address: HOST:PORT is expected"));
            }
        }
        for text in ["foo:7070", "192.0.2.1:1", "[2001:db8::1]:7070"] {
            let stranger = said(None, text);
            assert!(
                stranger.starts_with(&format!("there is no login for {text}: `rung login {text} ")),
                "{stranger}"
            );
            let known = said(Some(&token), text);
            assert!(known.contains(&format!("by what {text} is known")), "{known}");
        }
    }
}
