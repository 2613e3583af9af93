//! Requests to the server's API and its answers, independent of the connection.

use bytes::Bytes;
use chrono::DateTime;
use serde_json::json;
use storage::codes::ApiError;
use wire::StreamName;

use crate::{
    codec::headers::StoredHeaders,
    log::{LogError, Range, Recorded},
};

/// The body of a request for the messages of a range.
pub(super) fn batch_request(range: Range<'_>) -> String {
    let mut request =
        json!({ "seq": range.from.max(1), "batch": range.max_messages, "max_bytes": range.max_bytes.max(1) });
    if let Some(subject) = range.subject {
        request["next_by_subj"] = subject.into();
    }
    request.to_string()
}

/// Converts the status of an answer that is not a message.
pub(super) fn status_error(code: u16, description: Option<&str>) -> LogError {
    let description = description.unwrap_or_default().to_owned();
    match code {
        503 | 408 => LogError::Unavailable(format!("the stream has no responder: {code} {description}")),
        _ => LogError::Rejected { code: code.into(), description },
    }
}

/// Reads a message from its parts. Its sequence, subject and time are in the headers.
pub(super) fn parse_message(stream: StreamName, headers: StoredHeaders, payload: Bytes) -> Result<Recorded, LogError> {
    let corrupt = |reason: &str| LogError::Corrupt { stream, sequence: 0, reason: reason.to_owned() };
    let (mut sequence, mut stored_at, mut subject) = (None, None, None);
    headers.each(|name, value| match name {
        "Nats-Sequence" => sequence = sequence.or_else(|| value.parse().ok()),
        "Nats-Time-Stamp" => stored_at = stored_at.or_else(|| DateTime::parse_from_rfc3339(value).ok()),
        "Nats-Subject" => subject = subject.take().or_else(|| Some(value.to_owned())),
        _ => {}
    });
    Ok(Recorded {
        stream,
        sequence: sequence.ok_or_else(|| corrupt("an answer without sequence"))?,
        subject: subject.ok_or_else(|| corrupt("an answer without subject"))?,
        stored_at: stored_at.ok_or_else(|| corrupt("an answer without time"))?.to_utc(),
        payload,
        headers,
    })
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> LogError {
    LogError::Unavailable(error.to_string())
}

const STREAM_NOT_FOUND: u64 = 10059;
const STREAM_OFFLINE: u64 = 10118;

/// Converts an error of the API in an answer about a stream.
pub(super) fn for_stream(error: ApiError, stream: StreamName) -> LogError {
    match error {
        ApiError { err_code: STREAM_NOT_FOUND, .. } => LogError::Absent(stream),
        ApiError { code: 503, description, .. } | ApiError { err_code: STREAM_OFFLINE, description, .. } => {
            LogError::Unavailable(description)
        }
        ApiError { err_code, description, .. } => LogError::Rejected { code: err_code, description },
    }
}
