//! Which tokens and certificates still let somebody in: one small file, whole and durable before anything is given. What
//! is taken away counts at once, and is stored then: a full disk must not keep anybody in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{checkpoint::Digest, ids::WorkerId, time::Timestamp};
use serde::{Deserialize, Serialize};
use trust::{Pin, Secret, Token, read_private, write_private};

use super::{
    lock,
    token::{NewToken, StoredToken, TokenId, TokenState},
};

/// Most tokens that are kept; the oldest that no longer let in make room.
const MAX_TOKENS: usize = 1000;

/// How long a token that no longer lets in is still listed.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

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

/// What counts: the tokens, and which certificates were taken away. It is never changed, but replaced.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pages {
    tokens: Vec<StoredToken>,
    /// Certificates of these names that began no later than this were taken away.
    revoked: BTreeMap<WorkerId, Timestamp>,
}

impl Pages {
    /// The token with this secret.
    ///
    /// Hashes of 256 random bits are compared, so how long it takes tells nothing that helps to guess one.
    pub(crate) fn token(&self, secret: &Secret) -> Option<&StoredToken> {
        let hash = secret.hash();
        self.tokens.iter().find(|token| token.hash == hash)
    }

    /// All tokens, oldest first.
    pub(crate) fn tokens(&self) -> &[StoredToken] {
        &self.tokens
    }

    /// Whether a worker has joined by a token that is remembered.
    pub(crate) fn has_joined(&self, worker: &WorkerId) -> bool {
        self.tokens.iter().any(|token| token.joined.contains(worker))
    }

    /// Up to when certificates of this name were taken away.
    pub(crate) fn revoked(&self, name: &WorkerId) -> Option<Timestamp> {
        self.revoked.get(name).copied()
    }
}

/// The pages in force, and their file. Every call reads them, and none waits for a disk to do so: whoever changes them writes
/// beside the readers, one after another.
#[derive(Debug)]
pub(crate) struct Book {
    file: PathBuf,
    pages: Mutex<Arc<Pages>>,
    /// Held by whoever changes the pages, from reading them to the end of writing them.
    turn: Mutex<()>,
}

impl Book {
    /// Opens the book of a folder; an empty one where there is none.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let file = folder.join("book.json");
        let pages: Pages = match read_private(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Pages::default(),
            Err(error) => return Err(error),
        };
        fs::create_dir_all(folder)?;
        Ok(Self { file, pages: Mutex::new(Arc::new(pages)), turn: Mutex::new(()) })
    }

    /// What counts now.
    pub(crate) fn pages(&self) -> Arc<Pages> {
        Arc::clone(&lock(&self.pages))
    }

    /// Makes a token; its secret is in what comes back and nowhere else. Waits for the disk.
    pub(crate) fn create(
        &self,
        wanted: NewToken,
        pin: Option<Pin>,
        now: Timestamp,
    ) -> io::Result<(Token, StoredToken)> {
        let _turn = lock(&self.turn);
        let mut pages = (*self.pages()).clone();
        let token = Token { role: wanted.role, secret: Secret::draw(), pin };
        // No earlier than any revocation so far, also where the clock was set back since.
        let created = pages.revoked.values().copied().fold(now, Timestamp::max);
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
        self.write_then_turn(pages)?;
        Ok((token, stored))
    }

    /// Counts one use of a worker's token, unless the worker asks with the same request again: then the answer to it was lost,
    /// and whoever has the request's key is the one that it was for. Waits for the disk.
    pub(crate) fn spend(
        &self,
        id: &TokenId,
        (worker, csr): (&WorkerId, &[u8]),
        now: Timestamp,
    ) -> io::Result<Spending> {
        let _turn = lock(&self.turn);
        let mut pages = (*self.pages()).clone();
        let revoked = pages.revoked(worker);
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
        if revoked.is_some_and(|revoked| token.created < revoked) {
            return Ok(Spending::Older);
        }
        if !again {
            token.uses_left = token.uses_left.saturating_sub(1);
            token.joined.insert(worker.clone());
            token.requests.insert(worker.clone(), request);
            self.write_then_turn(pages)?;
        }
        Ok(Spending::Joined)
    }

    /// Takes a token's access away; none where there is no such token. It counts, and is to be [stored](Book::store).
    pub(crate) fn revoke_token(&self, id: &str) -> Option<TokenId> {
        self.turn(|pages| {
            let token = pages.tokens.iter_mut().find(|token| token.id.0 == id)?;
            token.revoked = true;
            Some(token.id.clone())
        })
    }

    /// Takes away all certificates of this name that were given so far, and the tokens by which it joined: whoever has
    /// the worker's certificate has those too. Tells which. It counts, and is to be [stored](Book::store).
    pub(crate) fn revoke_certificates(&self, name: &WorkerId, now: Timestamp) -> Vec<TokenId> {
        self.turn(|pages| {
            pages.revoked.insert(name.clone(), now);
            let joined = pages.tokens.iter_mut().filter(|token| token.joined.contains(name));
            let revoke = |token: &mut StoredToken| {
                token.revoked = true;
                token.id.clone()
            };
            joined.map(revoke).collect()
        })
    }

    /// Puts on disk what counts. What could not be stored is with the next that can.
    pub(crate) fn store(&self) -> io::Result<()> {
        let _turn = lock(&self.turn);
        self.write(&self.pages())
    }

    /// Changes what counts, at once and before it is on disk.
    fn turn<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> T {
        let _turn = lock(&self.turn);
        let mut pages = (*self.pages()).clone();
        let told = change(&mut pages);
        *lock(&self.pages) = Arc::new(pages);
        told
    }

    /// Puts new pages on disk, then in force. To be called by whoever holds the turn.
    fn write_then_turn(&self, pages: Pages) -> io::Result<()> {
        self.write(&pages)?;
        *lock(&self.pages) = Arc::new(pages);
        Ok(())
    }

    fn write(&self, pages: &Pages) -> io::Result<()> {
        write_private(&self.file, &serde_json::to_vec(pages)?)
    }
}

#[cfg(test)]
mod tests {
    use trust::Role;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn worker_token(uses: u32) -> NewToken {
        NewToken { role: Role::Worker, name: String::new(), life: HOUR, uses }
    }

    #[test]
    fn a_token_lets_in_until_it_is_used_up_expired_or_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let (now, worker) = (Timestamp(1_000), "node-1".parse().unwrap());
        let (token, stored) = book.create(worker_token(2), None, now).unwrap();
        let spend = |book: &Book, csr: &[u8]| book.spend(&stored.id, (&worker, csr), now).unwrap();
        assert_eq!(spend(&book, b"one"), Spending::Joined);
        let book = Book::open(folder.path()).unwrap();
        assert_eq!(spend(&book, b"one"), Spending::Joined, "the answer was lost: that is no second use");
        assert_eq!(spend(&book, b"two"), Spending::Joined, "what was spent is remembered");
        assert_eq!(spend(&book, b"three"), Spending::Over, "and so is the last use");
        assert_eq!(spend(&book, b"two"), Spending::Joined, "and whose it was");
        let other = "node-2".parse().unwrap();
        assert_eq!(book.spend(&stored.id, (&other, b"two"), now).unwrap(), Spending::Over);
        let state = |book: &Book, at| book.pages().token(&token.secret).unwrap().state(at);
        assert_eq!(state(&book, now), TokenState::UsedUp);
        assert_eq!(state(&book, now + HOUR), TokenState::Expired);
        assert_eq!(book.revoke_token(&stored.id.to_string()), Some(stored.id));
        assert_eq!(state(&book, now), TokenState::Revoked);
        assert_eq!(book.revoke_token("00000000"), None);
        assert!(book.pages().token(&Secret::draw()).is_none());
    }

    #[test]
    fn a_revoked_worker_joins_by_later_tokens_alone() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let (worker, other) = ("node-1".parse().unwrap(), "node-2".parse().unwrap());
        let (made, revoked) = (Timestamp(1_000), Timestamp(1_001));
        let (_, used) = book.create(worker_token(9), None, made).unwrap();
        let (_, older) = book.create(worker_token(9), None, made).unwrap();
        assert!(!book.pages().has_joined(&worker));
        book.spend(&used.id, (&worker, b"csr"), made).unwrap();
        assert!(book.pages().has_joined(&worker));
        assert_eq!(book.revoke_certificates(&worker, revoked), std::slice::from_ref(&used.id));
        book.store().unwrap();
        let book = Book::open(folder.path()).unwrap();
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
        let book = Book::open(folder.path()).unwrap();
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
        assert!(book.pages().tokens()[0].revoked && book.pages().tokens().len() == 1);
        assert_eq!(book.pages().revoked(&worker), Some(now));
        fs::remove_dir(&file).unwrap();
        book.create(worker_token(1), None, now).unwrap();
        let book = Book::open(folder.path()).unwrap();
        assert!(book.pages().tokens()[0].revoked);
        assert_eq!(book.pages().revoked(&worker), Some(now));
    }

    #[test]
    fn nobody_waits_for_another_one_s_disk_to_be_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let (token, stored) = book.create(worker_token(1), None, Timestamp(0)).unwrap();
        // As while another one writes.
        let _turn = lock(&book.turn);
        assert_eq!(book.pages().token(&token.secret), Some(&stored));
    }

    #[test]
    fn the_file_has_hashes_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let (token, _) = book.create(worker_token(1), None, Timestamp(0)).unwrap();
        let text = fs::read_to_string(folder.path().join("book.json")).unwrap();
        assert!(text.contains(&token.secret.hash()));
        assert!(!text.contains(&token.reveal()[7..50]), "{text}");
    }

    #[test]
    fn tokens_that_are_over_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path()).unwrap();
        let (old, _) = book.create(worker_token(1), None, Timestamp(0)).unwrap();
        let much_later = Timestamp(0) + HOUR + REMEMBERED;
        book.create(worker_token(1), None, much_later).unwrap();
        assert!(book.pages().token(&old.secret).is_none());
        assert_eq!(book.pages().tokens().len(), 1);
    }
}
