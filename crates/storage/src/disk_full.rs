//! Detects a server that does not answer appends because it cannot write to its disk.

use std::{error::Error, time::Duration};

use async_nats::{
    HeaderMap, header,
    jetstream::{
        context::{PublishError, PublishErrorKind},
        kv::{UpdateError, UpdateErrorKind},
    },
};

use serde::Deserialize;
use wire::{OWNER_API_PREFIX, bucket};

use crate::{
    codes::{self, ApiError, Refusal},
    server::{ApiAnswer, JetStream, READ_TIMEOUT},
    space::SpaceLimit,
};

/// A last sequence that no stream has. A message that expects it is answered but never stored.
const IMPOSSIBLE: &str = "9007199254740991";

/// The server's answer to a published message.
#[derive(Deserialize)]
struct Acknowledgement {
    error: Option<ApiError>,
}

impl JetStream {
    /// Returns true if the server drops the messages that it should store. Call it after the server has not answered a
    /// message to the stream.
    ///
    /// A server that cannot write to its disk does not answer a message that it should have stored, but still rejects
    /// guards that do not hold. It processes the messages of a connection in order, so such a rejection shows that it
    /// has processed the ones before. A replicated stream stores later than its leader answers, so this does not hold
    /// there.
    pub async fn drops_messages(&self, stream: &str, subject: String, connection: u64, limit: Duration) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, IMPOSSIBLE);
        let probe = async_nats::Request::new().headers(headers).timeout(Some(limit));
        let Ok(answer) = self.client().send_request(subject, probe).await else { return false };
        let refused = match serde_json::from_slice::<Acknowledgement>(&answer.payload) {
            Ok(Acknowledgement { error: Some(error) }) => codes::refusal(&error) == Refusal::Guard,
            _ => false,
        };
        let dropped = refused && connection == self.connection_count() && self.is_unreplicated(stream).await;
        if dropped {
            self.space().refused(stream, SpaceLimit::Disk);
        }
        dropped
    }

    async fn is_unreplicated(&self, stream: &str) -> bool {
        matches!(self.stream_info(stream).await, Ok(ApiAnswer::Success(info)) if info.config.num_replicas == 1)
    }

    /// Returns the lack of space that prevented a write to a bucket, if this was the reason. The value is certainly not
    /// written then. A deletion writes an empty value.
    pub(crate) async fn space_limit(
        &self,
        name: &str,
        key: &str,
        value: &[u8],
        error: &(dyn Error + Send + Sync + 'static),
    ) -> Option<SpaceLimit> {
        let stream = bucket::stream(name);
        if let Some(space_limit) = reported_limit(error) {
            self.space().refused(&stream, space_limit);
            return Some(space_limit);
        }
        let subject = bucket::subject(name, key);
        let connection = self.connection_count();
        let published = self.published_subject(subject.clone());
        let dropped = is_timeout(error)
            && self.drops_messages(&stream, published, connection, READ_TIMEOUT).await
            && self.is_absent(&stream, &subject, value).await;
        dropped.then_some(SpaceLimit::Disk)
    }

    /// Returns the subject under which this account publishes to a subject of a bucket. Accounts other than the owner's
    /// see the bucket under the prefix of their API.
    pub(crate) fn published_subject(&self, subject: String) -> String {
        if self.prefix() == OWNER_API_PREFIX { subject } else { self.api(&subject) }
    }

    /// Records that a bucket accepts values.
    pub(crate) fn record_write(&self, name: &str) {
        self.space().stored(|| bucket::stream(name));
    }

    async fn is_absent(&self, stream: &str, subject: &str, value: &[u8]) -> bool {
        let Ok(stream) = self.context().get_stream_no_info(stream).await else { return false };
        match stream.raw_message_builder().last_by_subject(subject).send().await {
            Ok(message) => message.payload != value,
            Err(error) => error.kind() == async_nats::jetstream::stream::RawMessageErrorKind::NoMessageFound,
        }
    }
}

/// Returns an error and its causes.
pub(crate) fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn reported_limit(error: &(dyn Error + 'static)) -> Option<SpaceLimit> {
    sources(error).find_map(|error| {
        let error = error.downcast_ref::<async_nats::jetstream::Error>()?;
        match codes::refusal(&error.into()) {
            Refusal::Full(space_limit) => Some(space_limit),
            _ => None,
        }
    })
}

fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    sources(error).any(|error| {
        let published = error.downcast_ref::<PublishError>().map(PublishError::kind);
        let updated = error.downcast_ref::<UpdateError>().map(UpdateError::kind);
        published == Some(PublishErrorKind::TimedOut) || updated == Some(UpdateErrorKind::TimedOut)
    })
}
