//! Which tokens and certificates still let somebody in: one small file, whole and durable before anything is given. What
//! is taken away counts at once, and is stored then: a full disk must not keep anybody in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use common::{checkpoint::Digest, ids::WorkerId, time::Timestamp};
use serde::{Deserialize, Serialize};
use trust::{Pin, Role, Secret, Token, read_private, write_private};

/// Most tokens that are kept; the oldest that no longer let in make room.
const MAX_TOKENS: usize = 1000;

/// How long a token that no longer lets in is still listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a token is called in lists and logs: eight hexadecimal digits that say nothing of its secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(String);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A token as it is kept: with its secret's hash alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredToken {
    /// What it is called.
    pub id: TokenId,
    /// What it lets in for.
    pub role: Role,
    /// What it is for, for people.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// How many workers may still join by it; a person's token has none to count.
    pub uses_left: u32,
    /// Whether it was taken away.
    pub revoked: bool,
    /// Workers that have joined by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub joined: BTreeSet<WorkerId>,
    /// What each of them asked with last: the same request again is no further use.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    requests: BTreeMap<WorkerId, Digest>,
    hash: String,
}

impl StoredToken {
    /// Whether it lets in, or why it does not.
    pub fn state(&self, now: Timestamp) -> TokenState {
        if self.revoked {
            TokenState::Revoked
        } else if now >= self.expires {
            TokenState::Expired
        } else if self.role == Role::Worker && self.uses_left == 0 {
            TokenState::UsedUp
        } else {
            TokenState::Valid
        }
    }
}

/// Whether a token lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It does.
    Valid,
    /// Its time is over.
    Expired,
    /// As many workers as it was for have joined by it.
    UsedUp,
    /// It was taken away.
    Revoked,
}

impl fmt::Display for TokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::UsedUp => "used up",
            Self::Revoked => "revoked",
        })
    }
}

/// What a new token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it lets in for.
    pub role: Role,
    /// What it is for.
    pub name: String,
    /// How long it lets in.
    pub life: Duration,
    /// How many workers may join by it.
    pub uses: u32,
}

/// What came of using a token to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spending {
    /// The worker has joined by it.
    Joined,
    /// The token no longer lets in.
    Over,
    /// The worker was revoked after the token was made: whoever had its certificate may have the token too.
    Older,
}

/// The tokens, and which certificates were taken away.
#[derive(Debug)]
pub(crate) struct Book {
    file: PathBuf,
    pages: Pages,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Pages {
    tokens: Vec<StoredToken>,
    /// Certificates of these names that began no later than this were taken away.
    revoked: BTreeMap<WorkerId, Timestamp>,
}

impl Book {
    /// Opens the book of a folder; an empty one where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let file = folder.join("book.json");
        let pages = match read_private(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Pages::default(),
            Err(error) => return Err(error),
        };
        fs::create_dir_all(folder)?;
        Ok(Self { file, pages })
    }

    /// The token with this secret.
    ///
    /// Hashes of 256 random bits are compared, so how long it takes tells nothing that helps to guess one.
    pub(crate) fn token(&self, secret: &Secret) -> Option<&StoredToken> {
        let hash = secret.hash();
        self.pages.tokens.iter().find(|token| token.hash == hash)
    }

    /// All tokens, oldest first.
    pub(crate) fn tokens(&self) -> &[StoredToken] {
        &self.pages.tokens
    }

    /// Makes a token; its secret is in what comes back and nowhere else.
    pub(crate) fn create(
        &mut self,
        wanted: NewToken,
        pin: Option<Pin>,
        now: Timestamp,
    ) -> io::Result<(Token, StoredToken)> {
        let token = Token { role: wanted.role, secret: Secret::draw(), pin };
        // No earlier than any revocation so far, also where the clock was set back since.
        let created = self.pages.revoked.values().copied().fold(now, Timestamp::max);
        let stored = StoredToken {
            id: TokenId(Secret::draw().hash()[..8].to_owned()),
            role: wanted.role,
            name: wanted.name,
            created,
            expires: now + wanted.life,
            uses_left: wanted.uses,
            revoked: false,
            joined: BTreeSet::new(),
            requests: BTreeMap::new(),
            hash: token.secret.hash(),
        };
        let mut pages = self.pages.clone();
        pages
            .tokens
            .retain(|token| token.state(now) == TokenState::Valid || now.since(token.expires) < REMEMBERED);
        while pages.tokens.len() >= MAX_TOKENS {
            let gone = pages.tokens.iter().position(|token| token.state(now) != TokenState::Valid);
            let Some(gone) = gone else {
                return Err(io::Error::other(format!("there are {MAX_TOKENS} valid tokens: revoke some")));
            };
            pages.tokens.remove(gone);
        }
        pages.tokens.push(stored.clone());
        self.turn(pages)?;
        Ok((token, stored))
    }

    /// Counts one use of a worker's token, unless the worker asks with the same request again: then the answer to it was lost,
    /// and whoever has the request's key is the one that it was for.
    pub(crate) fn spend(
        &mut self,
        id: &TokenId,
        (worker, csr): (&WorkerId, &[u8]),
        now: Timestamp,
    ) -> io::Result<Spending> {
        let mut pages = self.pages.clone();
        let Some(token) = pages.tokens.iter_mut().find(|token| token.id == *id) else {
            return Ok(Spending::Over);
        };
        let request = Digest::of(csr);
        let again = token.requests.get(worker) == Some(&request);
        match token.state(now) {
            TokenState::Valid => {}
            TokenState::UsedUp if again => {}
            _ => return Ok(Spending::Over),
        }
        if self.revoked(worker).is_some_and(|revoked| token.created < revoked) {
            return Ok(Spending::Older);
        }
        if !again {
            token.uses_left = token.uses_left.saturating_sub(1);
            token.joined.insert(worker.clone());
            token.requests.insert(worker.clone(), request);
            self.turn(pages)?;
        }
        Ok(Spending::Joined)
    }

    /// Takes a token's access away; none where there is no such token. It counts, and is to be [stored](Book::store).
    pub(crate) fn revoke_token(&mut self, id: &str) -> Option<TokenId> {
        let token = self.pages.tokens.iter_mut().find(|token| token.id.0 == id)?;
        token.revoked = true;
        Some(token.id.clone())
    }

    /// Takes away all certificates of this name that were given so far, and the tokens by which it joined: whoever has
    /// the worker's certificate has those too. Tells which. It counts, and is to be [stored](Book::store).
    pub(crate) fn revoke_certificates(&mut self, name: &WorkerId, now: Timestamp) -> Vec<TokenId> {
        self.pages.revoked.insert(name.clone(), now);
        let mut revoked = Vec::new();
        for token in self.pages.tokens.iter_mut().filter(|token| token.joined.contains(name)) {
            token.revoked = true;
            revoked.push(token.id.clone());
        }
        revoked
    }

    /// Whether a worker has joined by a token that is remembered.
    pub(crate) fn has_joined(&self, worker: &WorkerId) -> bool {
        self.pages.tokens.iter().any(|token| token.joined.contains(worker))
    }

    /// Up to when certificates of this name were taken away.
    pub(crate) fn revoked(&self, name: &WorkerId) -> Option<Timestamp> {
        self.pages.revoked.get(name).copied()
    }

    /// Puts on disk what counts. What could not be stored is with the next that can.
    pub(crate) fn store(&self) -> io::Result<()> {
        self.write(&self.pages)
    }

    /// Takes over new pages once they are on disk.
    fn turn(&mut self, pages: Pages) -> io::Result<()> {
        self.write(&pages)?;
        self.pages = pages;
        Ok(())
    }

    fn write(&self, pages: &Pages) -> io::Result<()> {
        write_private(&self.file, &serde_json::to_vec(pages)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn worker_token(uses: u32) -> NewToken {
        NewToken { role: Role::Worker, name: String::new(), life: HOUR, uses }
    }

    #[test]
    fn a_token_lets_in_until_it_is_used_up_expired_or_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        let (now, worker) = (Timestamp(1_000), "node-1".parse().unwrap());
        let (token, stored) = book.create(worker_token(2), None, now).unwrap();
        let spend = |book: &mut Book, csr: &[u8]| book.spend(&stored.id, (&worker, csr), now).unwrap();
        assert_eq!(spend(&mut book, b"one"), Spending::Joined);
        let mut book = Book::open(folder.path()).unwrap();
        assert_eq!(spend(&mut book, b"one"), Spending::Joined, "the answer was lost: that is no second use");
        assert_eq!(spend(&mut book, b"two"), Spending::Joined, "what was spent is remembered");
        assert_eq!(spend(&mut book, b"three"), Spending::Over, "and so is the last use");
        assert_eq!(spend(&mut book, b"two"), Spending::Joined, "and whose it was");
        let other = "node-2".parse().unwrap();
        assert_eq!(book.spend(&stored.id, (&other, b"two"), now).unwrap(), Spending::Over);
        let state = |book: &Book, at| book.token(&token.secret).unwrap().state(at);
        assert_eq!(state(&book, now), TokenState::UsedUp);
        assert_eq!(state(&book, now + HOUR), TokenState::Expired);
        assert_eq!(book.revoke_token(&stored.id.to_string()), Some(stored.id));
        assert_eq!(state(&book, now), TokenState::Revoked);
        assert_eq!(book.revoke_token("00000000"), None);
        assert!(book.token(&Secret::draw()).is_none());
    }

    #[test]
    fn a_revoked_worker_joins_by_later_tokens_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        let (worker, other) = ("node-1".parse().unwrap(), "node-2".parse().unwrap());
        let (made, revoked) = (Timestamp(1_000), Timestamp(1_001));
        let (_, used) = book.create(worker_token(9), None, made).unwrap();
        let (_, older) = book.create(worker_token(9), None, made).unwrap();
        assert!(!book.has_joined(&worker));
        book.spend(&used.id, (&worker, b"csr"), made).unwrap();
        assert!(book.has_joined(&worker));
        assert_eq!(book.revoke_certificates(&worker, revoked), std::slice::from_ref(&used.id));
        book.store().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        assert_eq!(book.spend(&used.id, (&worker, b"csr"), revoked).unwrap(), Spending::Over);
        assert_eq!(book.spend(&older.id, (&worker, b"csr"), revoked).unwrap(), Spending::Older);
        assert_eq!(book.spend(&older.id, (&other, b"csr"), revoked).unwrap(), Spending::Joined);
        // In the same moment, and by a clock that was set back since.
        for now in [revoked, made] {
            let (_, later) = book.create(worker_token(1), None, now).unwrap();
            assert_eq!(book.spend(&later.id, (&worker, b"csr"), now).unwrap(), Spending::Joined);
        }
    }

    #[test]
    fn what_is_taken_away_counts_where_nothing_can_be_stored_and_is_stored_later() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        let (now, worker) = (Timestamp(1_000), "node-1".parse().unwrap());
        let (_, stored) = book.create(worker_token(1), None, now).unwrap();
        // Nothing can be put in the place of a folder.
        let file = folder.path().join("book.json");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(book.revoke_token(&stored.id.to_string()), Some(stored.id.clone()));
        book.revoke_certificates(&worker, now);
        assert!(book.store().is_err());
        assert!(book.create(worker_token(1), None, now).is_err(), "what is given is stored first");
        assert!(book.tokens()[0].revoked && book.tokens().len() == 1);
        assert_eq!(book.revoked(&worker), Some(now));
        fs::remove_dir(&file).unwrap();
        book.create(worker_token(1), None, now).unwrap();
        let book = Book::open(folder.path()).unwrap();
        assert!(book.tokens()[0].revoked);
        assert_eq!(book.revoked(&worker), Some(now));
    }

    #[test]
    fn the_file_has_hashes_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        let (token, _) = book.create(worker_token(1), None, Timestamp(0)).unwrap();
        let text = fs::read_to_string(folder.path().join("book.json")).unwrap();
        assert!(text.contains(&token.secret.hash()));
        assert!(!text.contains(&token.reveal()[7..50]), "{text}");
    }

    #[test]
    fn tokens_that_are_over_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::open(folder.path()).unwrap();
        let (old, _) = book.create(worker_token(1), None, Timestamp(0)).unwrap();
        let much_later = Timestamp(0) + HOUR + REMEMBERED;
        book.create(worker_token(1), None, much_later).unwrap();
        assert!(book.token(&old.secret).is_none());
        assert_eq!(book.tokens().len(), 1);
    }
}
