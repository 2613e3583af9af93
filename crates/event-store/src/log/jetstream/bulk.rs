//! Reads whole streams over a connection of its own. The client library parses every header of every message, which
//! costs more than all other work of a rebuild.

mod connection;

use chrono::DateTime;
use futures::FutureExt;
use nats_wire::Message;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

pub use self::connection::BulkAddress;
use self::connection::Connection;
use super::answers::{batch_request, parse_message, status_error, unavailable};
use crate::{
    codec::headers::StoredHeaders,
    log::{Answer, BulkReader, LogError, Range, Recorded},
};
use storage::server::{ApiAnswer, CONNECT_TIMEOUT};
use wire::{StreamName, api::BULK_CONSUMER};

/// The server's status text after the last message of a page that is also limited in bytes.
const BATCH_COMPLETED: &str = "Batch Completed";

/// Reads a stream over a connection of its own. Connects on the first read.
pub(super) struct ConnectionReader {
    address: BulkAddress,
    prefix: String,
    connection: Option<Connection>,
    consumer: Consumer,
}

/// The known state of the stream's consumer.
#[derive(Clone, Copy, PartialEq)]
enum Consumer {
    /// It delivers this sequence next, unless another reader resets it.
    At(u64),
    /// It must be reset before the next read.
    Unknown,
    /// It does not exist or has another reader. This reader no longer uses it.
    Unusable,
}

/// The server's answer to a reset of a consumer.
#[derive(Deserialize)]
struct ConsumerReset {
    reset_seq: u64,
}

impl ConnectionReader {
    pub(super) fn new(address: BulkAddress, prefix: &str) -> Self {
        Self { address, prefix: prefix.to_owned(), connection: None, consumer: Consumer::Unknown }
    }

    async fn read_page(&mut self, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        // A connection is not reused unless its last answer was received completely.
        if let Some(connection) = self.connection.take()
            && let Ok(page) = self.read_over(connection, range).await
        {
            return Ok(page);
        }
        // The server closes a connection that was idle for minutes, such as that of a paused rebuild.
        let connection = self.connect().await?;
        match self.read_over(connection, range).await {
            Err(_) if self.consumes(range) => {
                self.consumer = Consumer::Unusable;
                let connection = self.connect().await?;
                self.read_over(connection, range).await
            }
            read => read,
        }
    }

    async fn connect(&mut self) -> Result<Connection, LogError> {
        if self.consumer != Consumer::Unusable {
            self.consumer = Consumer::Unknown;
        }
        timeout(CONNECT_TIMEOUT, Connection::open(&self.address)).await.map_err(unavailable)?
    }

    /// Returns true if the range can be read from the consumer. Only the sequences of a dense stream show that another
    /// reader has taken some of the messages.
    fn consumes(&self, range: Range<'_>) -> bool {
        self.consumer != Consumer::Unusable && range.stream.is_dense() && range.subject.is_none()
    }

    async fn read_over(&mut self, connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        if self.consumes(range) { self.consume(connection, range).await } else { self.get(connection, range).await }
    }

    /// Reads a page with direct gets, which any number of readers may use.
    async fn get(&mut self, mut connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let operation = format!("{}.DIRECT.GET.{}", self.prefix, range.stream.on_server());
        connection.request(&operation, &batch_request(range)).await?;
        let mut messages = Vec::with_capacity(range.max_messages);
        loop {
            let message = connection.message().await?;
            match message.status() {
                None => {
                    messages.push(parse_message(range.stream, StoredHeaders::lines(message.headers), message.payload)?);
                }
                Some((204 | 404, _)) => break,
                Some((code, description)) => return Err(status_error(code, Some(description))),
            }
        }
        self.connection = Some(connection);
        Ok(messages)
    }

    /// Reads a page from the stream's consumer, at about half the server's cost of direct gets. Fails unless it returns
    /// all requested messages or reaches the end of the stream or the byte limit. The caller then reads by other means.
    async fn consume(&mut self, mut connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let consumer = format!("{}.{BULK_CONSUMER}", range.stream.on_server());
        let from = range.from.max(1);
        if self.consumer != Consumer::At(from) {
            connection
                .request(&format!("{}.CONSUMER.RESET.{consumer}", self.prefix), &json!({ "seq": from }).to_string())
                .await?;
            check_reset(&connection.message().await?, from)?;
        }
        self.consumer = Consumer::Unknown;
        let request = json!({ "batch": range.max_messages, "max_bytes": range.max_bytes.max(1), "no_wait": true });
        connection.request(&format!("{}.CONSUMER.MSG.NEXT.{consumer}", self.prefix), &request.to_string()).await?;
        let (mut messages, mut next) = (Vec::with_capacity(range.max_messages), from);
        while messages.len() < range.max_messages {
            let message = connection.message().await?;
            match message.status() {
                None => messages.push(delivered(range.stream, message, next)?),
                // The end of the stream, or the byte limit of the page.
                Some((404 | 409, _)) if !messages.is_empty() => break,
                // The status of the previous page.
                Some((409, BATCH_COMPLETED)) => continue,
                Some((code, description)) => return Err(status_error(code, Some(description))),
            }
            next += 1;
        }
        if messages.len() == range.max_messages {
            self.consumer = Consumer::At(next);
        }
        self.connection = Some(connection);
        Ok(messages)
    }
}

impl BulkReader for ConnectionReader {
    fn read<'a>(&'a mut self, range: Range<'a>) -> Answer<'a, Vec<Recorded>> {
        self.read_page(range).boxed()
    }
}

/// Checks that the answer to a reset names this sequence as the next one.
fn check_reset(answer: &Message, from: u64) -> Result<(), LogError> {
    if let Some((code, description)) = answer.status() {
        return Err(status_error(code, Some(description)));
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(ApiAnswer::Success(ConsumerReset { reset_seq })) if reset_seq == from => Ok(()),
        Ok(ApiAnswer::Error { error }) => Err(unavailable(error.description)),
        _ => Err(unavailable("the consumer was reset to another sequence")),
    }
}

/// Reads a message delivered by the consumer, which must have the given sequence.
fn delivered(stream: StreamName, message: Message, sequence: u64) -> Result<Recorded, LogError> {
    let subjects = message.subject().zip(message.reply());
    let (subject, reply) = subjects.ok_or_else(|| unavailable("a delivery without subject or reply"))?;
    // $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<delivery>.<time>.<pending>
    let mut tokens = reply.split('.').skip(5);
    let (delivered_sequence, time) = (tokens.next(), tokens.nth(1));
    if delivered_sequence.and_then(|text| text.parse().ok()) != Some(sequence) {
        return Err(unavailable("another reader uses the same consumer"));
    }
    let time = time.and_then(|time| time.parse().ok()).ok_or_else(|| unavailable("a delivery without time"))?;
    Ok(Recorded {
        stream,
        sequence,
        subject: subject.to_owned(),
        stored_at: DateTime::from_timestamp_nanos(time),
        headers: StoredHeaders::lines(message.headers),
        payload: message.payload,
    })
}
