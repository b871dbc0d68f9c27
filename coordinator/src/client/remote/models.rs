//! The cluster's weights, through its coordinator.

use bytes::Bytes;
use common::{ids::ModelName, view::ModelView};
use proto::v1 as pb;

use super::{super::ClientError, Remote, call, data::upload, within};
use crate::access::policy;

impl Remote {
    /// Stores packed weights under a name; those that are there with the same content are those.
    pub async fn add_model(&self, name: &ModelName, bytes: Bytes) -> Result<ModelView, ClientError> {
        let chunks = upload(name.as_str(), bytes);
        let reply = self.answer(self.client.clone().add_model(within(policy::UPLOAD, chunks)).await)?;
        self.meant(reply.try_into())
    }

    /// Removes weights that no unfinished study begins with.
    pub async fn remove_model(&self, name: &ModelName) -> Result<(), ClientError> {
        let request = pb::ModelRef { name: name.to_string() };
        self.answer(self.client.clone().remove_model(call(request)).await).map(drop)
    }

    /// The stored weights, by name.
    pub(in crate::client) async fn models(&self) -> Result<Vec<ModelView>, ClientError> {
        let reply = self.answer(self.client.clone().list_models(call(pb::ListModelsRequest {})).await)?;
        self.meant(reply.models.into_iter().map(TryInto::try_into).collect())
    }
}
