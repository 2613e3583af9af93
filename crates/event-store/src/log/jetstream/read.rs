//! Reads from the leader, from any replica, and in batches.

use async_nats::{
    Message,
    jetstream::{
        self,
        message::StreamMessage,
        stream::{RawMessageError, RawMessageErrorKind},
    },
};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::StreamExt;
use serde_json::json;
use storage::{codes::ApiError, server::READ_TIMEOUT};
use tokio::time::timeout;

use super::{
    JetStreamLog,
    answers::{batch_request, for_stream, parse_message, status_error, unavailable},
};
use crate::log::{LogError, Range, Recorded};
use wire::StreamName;

impl JetStreamLog {
    pub(super) async fn leader_last(&self, stream: StreamName, subject: &str) -> Result<Option<Recorded>, LogError> {
        let handle = self.stream_handle(stream).await?;
        from_leader(stream, handle.raw_message_builder().last_by_subject(subject).send().await)
    }

    pub(super) async fn leader_get(&self, stream: StreamName, sequence: u64) -> Result<Option<Recorded>, LogError> {
        let handle = self.stream_handle(stream).await?;
        from_leader(stream, handle.raw_message_builder().sequence(sequence).send().await)
    }

    async fn stream_handle(&self, stream: StreamName) -> Result<jetstream::stream::Stream<()>, LogError> {
        self.server.connected().await?;
        self.server.context().get_stream_no_info(stream.on_server()).await.map_err(unavailable)
    }

    pub(super) async fn direct_last(&self, stream: StreamName, subject: &str) -> Result<Option<Recorded>, LogError> {
        self.direct(stream, &format!("DIRECT.GET.{}.{subject}", stream.on_server()), String::new()).await
    }

    pub(super) async fn direct_get(&self, stream: StreamName, sequence: u64) -> Result<Option<Recorded>, LogError> {
        let request = json!({ "seq": sequence }).to_string();
        let found = self.direct(stream, &format!("DIRECT.GET.{}", stream.on_server()), request).await?;
        Ok(found.filter(|message| message.sequence == sequence))
    }

    pub(super) async fn sequence_at(&self, stream: StreamName, time: DateTime<Utc>) -> Result<u64, LogError> {
        let request = json!({ "start_time": time.to_rfc3339_opts(SecondsFormat::Nanos, true), "batch": 1 });
        let range = Range { stream, from: 0, subject: None, max_messages: 1, max_bytes: 0 };
        match self.batch(range, request.to_string()).await?.first() {
            Some(first) => Ok(first.sequence),
            None => Ok(self.stream_state(stream).await?.last_sequence + 1),
        }
    }

    async fn direct(&self, stream: StreamName, operation: &str, request: String) -> Result<Option<Recorded>, LogError> {
        self.server.connected().await?;
        let request = async_nats::Request::new().payload(request.into()).timeout(Some(READ_TIMEOUT));
        let answer =
            self.server.client().send_request(self.server.api(operation), request).await.map_err(unavailable)?;
        match answer.status.map(|status| status.as_u16()) {
            None => recorded(stream, answer).map(Some),
            Some(404) => Ok(None),
            Some(code) => Err(status_error(code, answer.description.as_deref())),
        }
    }

    pub(super) async fn direct_batch(&self, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        self.batch(range, batch_request(range)).await
    }

    /// Reads a batch. The server sends one message for each, and one without content at the end.
    async fn batch(&self, range: Range<'_>, request: String) -> Result<Vec<Recorded>, LogError> {
        self.server.connected().await?;
        let inbox = self.server.client().new_inbox();
        let mut answers = self.server.client().subscribe(inbox.clone()).await.map_err(unavailable)?;
        let operation = self.server.api(&format!("DIRECT.GET.{}", range.stream.on_server()));
        self.server.client().publish_with_reply(operation, inbox, request.into()).await.map_err(unavailable)?;
        let mut messages = Vec::new();
        loop {
            let answer = timeout(READ_TIMEOUT, answers.next()).await.map_err(unavailable)?;
            let answer = answer.ok_or_else(|| unavailable("the connection was closed"))?;
            match answer.status.map(|status| status.as_u16()) {
                None => messages.push(recorded(range.stream, answer)?),
                Some(204 | 404) => return Ok(messages),
                Some(code) => return Err(status_error(code, answer.description.as_deref())),
            }
        }
    }
}

/// Reads a message with its sequence, subject and time in the headers: from a direct get, or republished after it was
/// stored.
pub(super) fn recorded(stream: StreamName, message: Message) -> Result<Recorded, LogError> {
    parse_message(stream, message.headers.unwrap_or_default().into(), message.payload)
}

fn from_leader(
    stream: StreamName,
    answer: Result<StreamMessage, RawMessageError>,
) -> Result<Option<Recorded>, LogError> {
    match answer {
        Ok(message) => Ok(Some(from_stream_message(stream, message)?)),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(error) => Err(for_stream(ApiError::from(&error), stream)),
            _ => Err(unavailable(error)),
        },
    }
}

fn from_stream_message(stream: StreamName, message: StreamMessage) -> Result<Recorded, LogError> {
    let nanos = i64::try_from(message.time.unix_timestamp_nanos());
    let stored_at = nanos.map(DateTime::from_timestamp_nanos).map_err(|_| LogError::Corrupt {
        stream,
        sequence: message.sequence,
        reason: "a time out of range".into(),
    })?;
    Ok(Recorded {
        stream,
        sequence: message.sequence,
        subject: message.subject.to_string(),
        headers: message.headers.into(),
        payload: message.payload,
        stored_at,
    })
}
