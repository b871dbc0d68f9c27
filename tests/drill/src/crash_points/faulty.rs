//! Wrappers around the store and the objects that go wrong once.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::ids::StudyId;
use coordinator::store::{Commit, SqliteStore, Store, StoreError, StoredData, StoredStudy};
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    local::LocalFileSystem, path::Path,
};
use scheduler::Event;

use super::Mode;

/// What a panic that was asked for says.
pub(super) const PANIC: &str = "a crash point";

/// How long a delayed boundary takes.
const DELAY: Duration = Duration::from_millis(5);

/// Something that is durable once it has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    Commit,
    Put,
    Delete,
}

/// Which boundary goes wrong, and how.
#[derive(Debug)]
pub(super) struct Plan {
    mode: Mode,
    target: u64,
    crossed: Mutex<(u64, Option<Boundary>)>,
}

/// What goes wrong at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wrong(Option<Mode>);

impl Plan {
    pub(super) fn new(mode: Mode, target: u64) -> Self {
        Self { mode, target, crossed: Mutex::new((0, None)) }
    }

    /// The boundary that went wrong.
    pub(super) fn crossed(&self) -> Option<Boundary> {
        self.crossed.lock().unwrap().1
    }

    fn cross(&self, boundary: Boundary) -> Wrong {
        let mut crossed = self.crossed.lock().unwrap();
        let hit = crossed.0 == self.target;
        crossed.0 += 1;
        if hit {
            crossed.1 = Some(boundary);
        }
        Wrong(hit.then_some(self.mode))
    }
}

impl Wrong {
    /// Panics or waits, or says that it is an error now.
    fn before(self) -> bool {
        match self.0 {
            Some(Mode::PanicBefore) => std::panic::panic_any(PANIC),
            Some(Mode::DelayBefore) => std::thread::sleep(DELAY),
            _ => {}
        }
        self.0 == Some(Mode::ErrorBefore)
    }

    /// The same, once it has happened.
    fn after(self) -> bool {
        match self.0 {
            Some(Mode::PanicAfter) => std::panic::panic_any(PANIC),
            Some(Mode::DelayAfter) => std::thread::sleep(DELAY),
            _ => {}
        }
        self.0 == Some(Mode::ErrorAfter)
    }
}

/// A store whose commits may go wrong.
pub(super) struct FaultyStore {
    pub(super) store: SqliteStore,
    pub(super) plan: Arc<Plan>,
}

impl Store for FaultyStore {
    fn commit(&mut self, commit: &Commit) -> std::result::Result<(), StoreError> {
        let failed =
            || StoreError::Unreadable { what: "the disk".to_owned(), reason: "it has failed".to_owned() };
        let wrong = self.plan.cross(Boundary::Commit);
        if wrong.before() {
            return Err(failed());
        }
        self.store.commit(commit)?;
        if wrong.after() { Err(failed()) } else { Ok(()) }
    }

    fn load(&mut self) -> std::result::Result<Vec<StoredStudy>, StoreError> {
        self.store.load()
    }

    fn log(&mut self, study: &StudyId) -> std::result::Result<Vec<Event>, StoreError> {
        self.store.log(study)
    }

    fn data(&mut self) -> std::result::Result<StoredData, StoreError> {
        self.store.data()
    }

    fn reopen(&mut self) -> std::result::Result<(), StoreError> {
        self.store.reopen()
    }
}

/// Objects whose storing and deleting may go wrong.
#[derive(Debug)]
pub(super) struct FaultyObjects {
    pub(super) store: Arc<LocalFileSystem>,
    pub(super) plan: Arc<Plan>,
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

fn failed() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "it has failed".into() }
}

async fn delete(store: Arc<LocalFileSystem>, plan: Arc<Plan>, location: Path) -> Result<Path> {
    let wrong = plan.cross(Boundary::Delete);
    if wrong.before() {
        return Err(failed());
    }
    store.delete(&location).await?;
    if wrong.after() { Err(failed()) } else { Ok(location) }
}

#[tonic::async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let wrong = self.plan.cross(Boundary::Put);
        if wrong.before() {
            return Err(failed());
        }
        let stored = self.store.put_opts(location, payload, opts).await?;
        if wrong.after() { Err(failed()) } else { Ok(stored) }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (store, plan) = (Arc::clone(&self.store), Arc::clone(&self.plan));
        let deleted = locations.then(move |location| {
            let (store, plan) = (Arc::clone(&store), Arc::clone(&plan));
            async move { delete(store, plan, location?).await }
        });
        deleted.boxed()
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
