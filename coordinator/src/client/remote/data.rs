//! The cluster's data sets, through its coordinator.

use bytes::Bytes;
use common::{checkpoint::Digest, ids::DataName, view::DataView};
use futures::Stream;
use proto::v1 as pb;

use super::{super::ClientError, Remote, call, within};
use crate::access::policy;

impl Remote {
    /// Stores a packed data set under a name; one that is there with the same content is that one.
    pub async fn add_data(&self, name: &DataName, bytes: Bytes) -> Result<DataView, ClientError> {
        let chunks = upload(name.as_str(), bytes);
        let reply = self.answer(self.client.clone().add_data(within(policy::UPLOAD, chunks)).await)?;
        self.meant(reply.try_into())
    }

    /// Removes a data set that no study uses.
    pub async fn remove_data(&self, name: &DataName) -> Result<(), ClientError> {
        let request = pb::DataRef { name: name.to_string() };
        self.answer(self.client.clone().remove_data(call(request)).await).map(drop)
    }

    /// The stored data sets, by name.
    pub(in crate::client) async fn data(&self) -> Result<Vec<DataView>, ClientError> {
        let reply = self.answer(self.client.clone().list_data(call(pb::ListDataRequest {})).await)?;
        self.meant(reply.sets.into_iter().map(TryInto::try_into).collect())
    }

    pub(in crate::client) async fn data_object(&self, digest: Digest) -> Result<Bytes, ClientError> {
        let request = within(policy::USUAL, pb::DataObject { digest: digest.to_string() });
        let chunks = self.answer(self.client.clone().read_data(request).await)?;
        self.collect(chunks, digest).await
    }
}

/// The chunks of an object that is to be stored under a name.
pub(super) fn upload(name: &str, bytes: Bytes) -> impl Stream<Item = pb::DataChunk> + Send + use<> {
    let header = pb::DataHeader {
        name: name.to_owned(),
        digest: Digest::of(&bytes).to_string(),
        size: bytes.len() as u64,
    };
    let first = pb::DataChunk { header: Some(header), data: Bytes::new() };
    let pieces = (0..bytes.len()).step_by(proto::CHUNK_BYTES).map(move |start| {
        let end = bytes.len().min(start + proto::CHUNK_BYTES);
        pb::DataChunk { header: None, data: bytes.slice(start..end) }
    });
    futures::stream::iter(std::iter::once(first).chain(pieces))
}
