//! One attempt to append, and the interpretation of the server's answer.

use std::time::Duration;

use async_nats::{HeaderMap, Message, PublishErrorKind, RequestErrorKind, header};
use serde::Deserialize;
use storage::codes::{self, ApiError, Refusal};
use tokio::time::timeout;

use super::JetStreamLog;
use crate::log::{Attempt, NewMessage};
use wire::subject::hex;

impl JetStreamLog {
    pub(super) async fn attempt_append(&self, messages: &[NewMessage], limit: Duration) -> Attempt {
        if !self.server.is_connected() {
            return Attempt::NotSent;
        }
        match messages {
            [message] => self.request_append(message, headers_of(message), limit).await,
            [staged @ .., last] => match timeout(limit, self.batches.acquire()).await {
                Ok(_permit) => self.attempt_batch(staged, last, limit).await,
                Err(_elapsed) => Attempt::Busy,
            },
            [] => Attempt::Rejected { code: 0, description: "there is nothing to append".into() },
        }
    }

    /// Appends an atomic batch: the server stages the messages and stores all of them with the last one, or none. The
    /// batch has a new id for each attempt, so that messages staged by an earlier attempt do not mix with it.
    async fn attempt_batch(&self, staged: &[NewMessage], last: &NewMessage, limit: Duration) -> Attempt {
        let batch = hex(&rand::random::<u128>().to_be_bytes());
        let batch_headers = |message: &NewMessage, index: usize| {
            let mut headers = headers_of(message);
            headers.insert(header::NATS_BATCH_ID, batch.as_str());
            headers.insert(header::NATS_BATCH_SEQUENCE, (index + 1).to_string().as_str());
            headers
        };
        for (index, message) in staged.iter().enumerate() {
            let headers = batch_headers(message, index);
            let sent = self
                .server
                .client()
                .publish_with_headers(message.subject.clone(), headers, message.payload.clone())
                .await;
            match sent {
                Ok(()) => {}
                Err(error) if error.kind() == PublishErrorKind::Send => return Attempt::NotSent,
                Err(error) => return Attempt::Rejected { code: 0, description: error.to_string() },
            }
        }
        let mut headers = batch_headers(last, staged.len());
        headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
        self.request_append(last, headers, limit).await
    }

    async fn request_append(&self, message: &NewMessage, headers: HeaderMap, limit: Duration) -> Attempt {
        let connection = self.server.connection_count();
        let request = async_nats::Request::new().headers(headers).payload(message.payload.clone()).timeout(Some(limit));
        let answer = tokio::select! {
            answer = self.server.client().send_request(message.subject.clone(), request) => answer,
            () = self.server.disconnected() => return Attempt::Unknown { reason: "the connection was lost".into() },
        };
        match answer {
            Ok(answer) => self.record_space(message, interpret(&answer)),
            Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
                Attempt::Rejected { code: 0, description: error.to_string() }
            }
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {
                let stream = message.stream.on_server();
                if self.server.drops_messages(&stream, message.subject.clone(), connection, limit).await {
                    self.record_space(message, Attempt::Dropped)
                } else {
                    Attempt::Unknown { reason: error.to_string() }
                }
            }
            Err(error) => Attempt::Unknown { reason: error.to_string() },
        }
    }
}

impl JetStreamLog {
    /// Records for readiness whether the answer shows a lack of space.
    fn record_space(&self, message: &NewMessage, attempt: Attempt) -> Attempt {
        match attempt {
            Attempt::Stored { .. } => self.server.space().stored(|| message.stream.on_server()),
            Attempt::Full(space_limit) => self.server.space().refused(&message.stream.on_server(), space_limit),
            _ => {}
        }
        attempt
    }
}

fn headers_of(message: &NewMessage) -> HeaderMap {
    let mut headers = message.headers.clone();
    if let Some(id) = &message.message_id {
        headers.insert(header::NATS_MESSAGE_ID, id.as_str());
    }
    if let Some(guard) = &message.guard {
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, guard.sequence.to_string().as_str());
        if let Some(subject) = &guard.subject {
            headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", subject.as_str());
        }
    }
    headers
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    error: Option<ApiError>,
}

fn interpret(answer: &Message) -> Attempt {
    match serde_json::from_slice(&answer.payload) {
        Ok(Acknowledgement { error: Some(error), .. }) => refusal(error),
        Ok(Acknowledgement { seq: sequence @ 1.., duplicate: false, .. }) => Attempt::Stored { sequence },
        Ok(Acknowledgement { seq: sequence @ 1.., duplicate: true, .. }) => Attempt::Duplicate { sequence },
        Ok(_) => Attempt::Unknown { reason: "the acknowledgement names no sequence".into() },
        Err(error) => Attempt::Unknown { reason: error.to_string() },
    }
}

fn refusal(error: ApiError) -> Attempt {
    match codes::refusal(&error) {
        Refusal::Guard => Attempt::WrongLastSequence,
        Refusal::Busy => Attempt::Busy,
        Refusal::KnownId => Attempt::KnownIdInBatch,
        Refusal::Full(space_limit) => Attempt::Full(space_limit),
        Refusal::Unknown => Attempt::Unknown { reason: error.description },
        Refusal::Final => Attempt::Rejected { code: error.err_code, description: error.description },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::SpaceLimit;

    fn answer(payload: &str) -> Attempt {
        interpret(&Message {
            subject: "_INBOX.x".into(),
            reply: None,
            payload: payload.to_owned().into(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        })
    }

    #[test]
    fn server_codes_map_to_their_outcomes() {
        let error = |code: u64, err_code: u64| {
            answer(&format!(r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"x"}},"seq":0}}"#))
        };
        assert!(matches!(answer(r#"{"stream":"BOX_0","seq":7}"#), Attempt::Stored { sequence: 7 }));
        assert!(matches!(answer(r#"{"stream":"BOX_0","seq":7,"duplicate":true}"#), Attempt::Duplicate { sequence: 7 }));
        assert!(matches!(error(400, 10071), Attempt::WrongLastSequence));
        assert!(matches!(error(400, 10164), Attempt::Busy));
        assert!(matches!(error(409, 10158), Attempt::Busy));
        assert!(matches!(error(400, 10176), Attempt::Busy));
        assert!(matches!(error(429, 10210), Attempt::Busy));
        assert!(matches!(error(400, 10201), Attempt::KnownIdInBatch));
        assert!(matches!(error(503, 10023), Attempt::Full(SpaceLimit::Server)));
        assert!(matches!(error(400, 10002), Attempt::Full(SpaceLimit::Account)));
        assert!(matches!(error(503, 10008), Attempt::Unknown { .. }));
        assert!(matches!(error(400, 10054), Attempt::Rejected { code: 10054, .. }));
        assert!(matches!(answer(""), Attempt::Unknown { .. }));
        assert!(matches!(answer("{}"), Attempt::Unknown { .. }));
    }
}
