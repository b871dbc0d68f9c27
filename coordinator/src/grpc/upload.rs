//! Objects on their way in.

use std::{fmt::Display, str::FromStr};

use bytes::{Bytes, BytesMut};
use common::checkpoint::Digest;
use futures::{Stream, StreamExt as _};
use proto::{Malformed, present, v1 as pb};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Status, Streaming};

use super::status;
use crate::{
    access::{
        About,
        limits::{self, Pace},
    },
    blobs::Blobs,
};

/// Largest upload, in bytes.
const MAX_OBJECT_BYTES: u64 = data::LARGEST_OBJECT;

/// A packed data set or weights that arrived whole, and what they are to be called.
pub(super) struct Upload<N> {
    pub(super) name: N,
    /// The digest of the bytes, checked.
    pub(super) digest: Digest,
    pub(super) bytes: Bytes,
}

impl<N: FromStr<Err: Display>> Upload<N> {
    /// Receives an object: its header, whose name is what the call is about, then chunks once there is memory for them.
    pub(super) async fn receive(
        blobs: &Blobs,
        mut chunks: Streaming<pb::DataChunk>,
        about: &About,
    ) -> Result<Self, Status> {
        let first = first_chunk(&mut chunks).await?;
        let parsed = || {
            let header = present("chunk.header", first.header)?;
            about.is(&header.name);
            let name: N = header.name.parse().map_err(|error| Malformed::new("header.name", error))?;
            let digest: Digest =
                header.digest.parse().map_err(|error| Malformed::new("header.digest", error))?;
            Ok((name, digest, header.size))
        };
        let (name, digest, size) = parsed().map_err(|error: Malformed| status::malformed(&error))?;
        if size > MAX_OBJECT_BYTES {
            return Err(Status::invalid_argument(format!(
                "an object may have {MAX_OBJECT_BYTES} bytes at most"
            )));
        }
        let share = blobs.share_of_set(size).await;
        let bytes = share.hold(whole(size, first.data, chunks.map(|chunk| chunk.map(|c| c.data))).await?);
        if Digest::of(&bytes) != digest {
            return Err(Status::invalid_argument("the bytes are not those that the header says"));
        }
        Ok(Self { name, digest, bytes })
    }
}

/// The first chunk of an upload, which has its header and must not be long in coming.
pub(super) async fn first_chunk<T>(chunks: &mut Streaming<T>) -> Result<T, Status> {
    let Ok(first) = timeout(limits::SILENCE, chunks.message()).await else {
        return Err(Status::deadline_exceeded(format!("no chunk came in {:?}", limits::SILENCE)));
    };
    first?.ok_or_else(|| Status::invalid_argument("no header"))
}

/// The bytes of an object of this size that begins with `first`; fails where more or fewer come, or nothing in a chunk, or
/// too slowly.
pub(super) async fn whole(
    size: u64,
    first: Bytes,
    rest: impl Stream<Item = Result<Bytes, Status>> + Unpin,
) -> Result<Bytes, Status> {
    whole_at(limits::PACE, size, first, rest).await
}

async fn whole_at(
    pace: Pace,
    size: u64,
    first: Bytes,
    mut rest: impl Stream<Item = Result<Bytes, Status>> + Unpin,
) -> Result<Bytes, Status> {
    let begun = Instant::now();
    let mut bytes = BytesMut::with_capacity(size as usize);
    let mut next = first;
    loop {
        if bytes.len() as u64 + next.len() as u64 > size {
            return Err(Status::invalid_argument("more bytes than the header says"));
        }
        bytes.extend_from_slice(&next);
        let Ok(chunk) = timeout_at(pace.due(begun, bytes.len() as u64), rest.next()).await else {
            let Pace { silence, rate } = pace;
            return Err(Status::deadline_exceeded(format!(
                "no chunk came in {silence:?}, or they come too slowly: {rate} bytes a second are the fewest"
            )));
        };
        let Some(chunk) = chunk else { break };
        next = chunk?;
        if next.is_empty() {
            return Err(Status::invalid_argument("a chunk without a byte"));
        }
    }
    if bytes.len() as u64 != size {
        return Err(Status::invalid_argument("fewer bytes than the header says"));
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use tonic::Code;

    use super::*;

    fn chunks(texts: &'static [&'static str]) -> impl Stream<Item = Result<Bytes, Status>> + Unpin {
        stream::iter(texts.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))))
    }

    #[tokio::test]
    async fn an_object_is_as_long_as_its_header_says() {
        let come = async |size: u64, texts: &'static [&'static str]| {
            let came = whole(size, Bytes::new(), chunks(texts)).await;
            came.map_err(|status| status.code())
        };
        assert_eq!(come(4, &["we", "ig"]).await.as_deref(), Ok(&b"weig"[..]));
        assert_eq!(come(0, &[]).await.as_deref(), Ok(&b""[..]));
        let wrong: [(u64, &[&str]); 3] = [(4, &["we"]), (4, &["we", "igh"]), (4, &["we", "", "ig"])];
        for (size, texts) in wrong {
            assert_eq!(come(size, texts).await, Err(Code::InvalidArgument), "{texts:?}");
        }
    }

    #[tokio::test]
    async fn whoever_sends_a_byte_now_and_then_is_given_up() {
        let trickle = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Some((Ok(Bytes::from_static(b"x")), ()))
        });
        let pace = Pace { silence: Duration::from_millis(100), rate: 1 << 20 };
        let came = whole_at(pace, 1 << 20, Bytes::new(), Box::pin(trickle));
        let status = timeout(Duration::from_secs(30), came).await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        // Nothing at all takes no longer.
        let came = whole_at(pace, 4, Bytes::new(), stream::pending());
        assert_eq!(came.await.unwrap_err().code(), Code::DeadlineExceeded);
    }
}
