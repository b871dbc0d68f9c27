//! For tests: a folder of objects that is slow, counts reads, and loses answers.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem,
    path::Path as StorePath,
};
use tokio::sync::Semaphore;

/// Objects whose writing waits at a gate, and goes on there where nobody waits for it, as a disk does.
#[derive(Debug)]
pub(crate) struct Gated {
    store: Arc<LocalFileSystem>,
    gate: Arc<Semaphore>,
    begun: Semaphore,
    reads: AtomicUsize,
    silent: AtomicBool,
}

impl Gated {
    /// The objects of a state folder, with a gate that is shut.
    pub(crate) fn shut(state: &Path) -> Arc<Self> {
        let folder = state.join(super::FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        Arc::new(Self {
            store: Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap()),
            gate: Arc::new(Semaphore::new(0)),
            begun: Semaphore::new(0),
            reads: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
        })
    }

    /// Opens the gate for good.
    pub(crate) fn open(&self) {
        self.gate.add_permits(1);
    }

    /// Says of all that is written from now on that it failed, although it did not.
    pub(crate) fn lose_answers(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Waits until another object has come to the gate.
    pub(crate) async fn arrival(&self) {
        self.begun.acquire().await.unwrap().forget();
    }

    /// How often an object was read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[tonic::async_trait]
impl ObjectStore for Gated {
    async fn put_opts(
        &self,
        location: &StorePath,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.begun.add_permits(1);
        let (store, gate, location) = (Arc::clone(&self.store), Arc::clone(&self.gate), location.clone());
        let stored = tokio::spawn(async move {
            let _pass = gate.acquire().await;
            store.put_opts(&location, payload, opts).await
        });
        let stored = stored.await?;
        if self.silent.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "gated", source: "the answer is lost".into() });
        }
        stored
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<StorePath>>,
    ) -> BoxStream<'static, Result<StorePath>> {
        self.store.delete_stream(locations)
    }

    async fn put_multipart_opts(
        &self,
        location: &StorePath,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &StorePath, options: GetOptions) -> Result<GetResult> {
        if !options.head {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        self.store.get_opts(location, options).await
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &StorePath, to: &StorePath, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
