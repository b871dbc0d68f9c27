//! Packed data sets and weights on their way in.

use std::{fmt::Display, str::FromStr};

use bytes::{Bytes, BytesMut};
use common::checkpoint::Digest;
use proto::{Malformed, v1 as pb};
use tonic::{Status, Streaming};

use super::{status, wire::present, worker_service::next_chunk};
use crate::blobs::Blobs;

/// Largest upload, in bytes.
const MOST: u64 = data::LARGEST_OBJECT;

/// An object that arrived whole, and what it is to be called.
pub(super) struct Upload<N> {
    pub(super) name: N,
    /// The digest of the bytes, checked.
    pub(super) digest: Digest,
    pub(super) bytes: Bytes,
}

impl<N: FromStr<Err: Display>> Upload<N> {
    /// Receives an object: its header, then chunks once there is memory for them.
    pub(super) async fn receive(blobs: &Blobs, mut chunks: Streaming<pb::DataChunk>) -> Result<Self, Status> {
        let first = next_chunk(&mut chunks).await?.ok_or_else(|| Status::invalid_argument("no header"))?;
        let parsed = || {
            let header = present("chunk.header", first.header)?;
            let name: N = header.name.parse().map_err(|error| Malformed::new("header.name", error))?;
            let digest: Digest =
                header.digest.parse().map_err(|error| Malformed::new("header.digest", error))?;
            Ok((name, digest, header.size))
        };
        let (name, digest, size) = parsed().map_err(|error: Malformed| status::malformed(&error))?;
        if size > MOST {
            return Err(Status::invalid_argument(format!("an object may have {MOST} bytes at most")));
        }
        let share = blobs.share(size).await;
        let mut bytes = BytesMut::with_capacity(size as usize);
        let mut next = Some(first.data);
        while let Some(data) = next {
            if bytes.len() as u64 + data.len() as u64 > size {
                return Err(Status::invalid_argument("more bytes than the header says"));
            }
            bytes.extend_from_slice(&data);
            next = next_chunk(&mut chunks).await?.map(|chunk| chunk.data);
        }
        let bytes = share.hold(bytes.freeze());
        if bytes.len() as u64 != size || Digest::of(&bytes) != digest {
            return Err(Status::invalid_argument("the bytes are not those that the header says"));
        }
        Ok(Self { name, digest, bytes })
    }
}
