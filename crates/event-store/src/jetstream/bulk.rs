//! Reads whole streams over a connection of its own. To take every header of every message apart, as the client library
//! does, costs more than all the rest that a rebuild does with them.

mod connection;

use std::{fmt, sync::Arc};

use chrono::DateTime;
use nats_wire::Message;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use self::connection::Connection;
use super::{
    ApiAnswer, CONNECT_PATIENCE,
    read::{batch_request, placed, status_error},
    unavailable,
};
use crate::{
    headers::StoredHeaders,
    keys::KeyRing,
    log::{LogError, Range, Recorded},
    stream::StreamName,
};

/// The consumer of each dense stream that whoever reads all of it may move, one at a time. Stored; never rename.
pub(crate) const BULK_CONSUMER: &str = "bulk";

/// What the server says after the last message of a page that was bounded in bytes too.
const BATCH_COMPLETED: &str = "Batch Completed";

/// Where the server is, and as whom it is asked. Only for servers that do not want TLS.
#[derive(Clone)]
pub struct BulkAddress {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whose answers come to `_INBOX_<user>.>`.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl fmt::Debug for BulkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

/// Reads a stream page by page. Connects when it is first asked; not to be asked again after an error.
pub struct BulkReader {
    address: BulkAddress,
    prefix: String,
    connection: Option<Connection>,
    consumer: Consumer,
    keys: Option<Arc<KeyRing>>,
}

/// What is known of the stream's consumer.
#[derive(Clone, Copy, PartialEq)]
enum Consumer {
    /// It delivers this sequence next, unless somebody else moves it.
    At(u64),
    /// It has to be moved first.
    Anywhere,
    /// There is none, or somebody else uses it: this reader does without, for good.
    Unusable,
}

/// Where a consumer was moved.
#[derive(Deserialize)]
struct Moved {
    reset_seq: u64,
}

impl BulkReader {
    pub(super) fn new(address: BulkAddress, prefix: &str) -> Self {
        Self { address, prefix: prefix.to_owned(), connection: None, consumer: Consumer::Anywhere, keys: None }
    }

    /// The same reader, of a log with personal values sealed.
    pub(crate) fn opened_with(self, keys: Arc<KeyRing>) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// As [`Log::read`](crate::Log::read).
    pub async fn read(&mut self, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let mut page = self.read_stored(range).await?;
        if let Some(keys) = &self.keys {
            keys.open(&mut page).await?;
        }
        Ok(page)
    }

    async fn read_stored(&mut self, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        // A connection whose answer was not waited for to its end is not used again.
        if let Some(connection) = self.connection.take()
            && let Ok(page) = self.read_over(connection, range).await
        {
            return Ok(page);
        }
        // The server ends a connection that was silent for minutes, as that of a paused rebuild is.
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
            self.consumer = Consumer::Anywhere;
        }
        timeout(CONNECT_PATIENCE, Connection::open(&self.address)).await.map_err(unavailable)?
    }

    /// Only a dense stream shows by its sequences that somebody else was given some.
    fn consumes(&self, range: Range<'_>) -> bool {
        self.consumer != Consumer::Unusable && range.stream.is_dense() && range.subject.is_none()
    }

    async fn read_over(&mut self, connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        if self.consumes(range) { self.consume(connection, range).await } else { self.get(connection, range).await }
    }

    /// By direct gets, which any number of readers may send.
    async fn get(&mut self, mut connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let operation = format!("{}.DIRECT.GET.{}", self.prefix, range.stream.on_server());
        connection.ask(&operation, &batch_request(range)).await?;
        let mut messages = Vec::with_capacity(range.max_messages);
        loop {
            let message = connection.message().await?;
            match message.status() {
                None => messages.push(placed(range.stream, StoredHeaders::lines(message.headers), message.payload)?),
                Some((204 | 404, _)) => break,
                Some((code, description)) => return Err(status_error(code, Some(description))),
            }
        }
        self.connection = Some(connection);
        Ok(messages)
    }

    /// From the stream's consumer, which costs the server about half of that. An error unless everything comes that is asked
    /// for, or all that there is: who gets less than that looks into it by other means.
    async fn consume(&mut self, mut connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let consumer = format!("{}.{BULK_CONSUMER}", range.stream.on_server());
        let from = range.from.max(1);
        if self.consumer != Consumer::At(from) {
            connection
                .ask(&format!("{}.CONSUMER.RESET.{consumer}", self.prefix), &json!({ "seq": from }).to_string())
                .await?;
            check_moved(&connection.message().await?, from)?;
        }
        self.consumer = Consumer::Anywhere;
        let request = json!({ "batch": range.max_messages, "max_bytes": range.max_bytes.max(1), "no_wait": true });
        connection.ask(&format!("{}.CONSUMER.MSG.NEXT.{consumer}", self.prefix), &request.to_string()).await?;
        let (mut messages, mut next) = (Vec::with_capacity(range.max_messages), from);
        while messages.len() < range.max_messages {
            let message = connection.message().await?;
            match message.status() {
                None => messages.push(delivered(range.stream, message, next)?),
                // The end of the stream, or of what may be sent at once.
                Some((404 | 409, _)) if !messages.is_empty() => break,
                // Of the page before.
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

/// Whether that is the answer of a consumer that delivers this sequence next.
fn check_moved(answer: &Message, from: u64) -> Result<(), LogError> {
    if let Some((code, description)) = answer.status() {
        return Err(status_error(code, Some(description)));
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(ApiAnswer::Fine(Moved { reset_seq })) if reset_seq == from => Ok(()),
        Ok(ApiAnswer::Error { error }) => Err(unavailable(error.description)),
        _ => Err(unavailable("the consumer stands somewhere else")),
    }
}

/// A message of a consumer, which must be the next one of the stream.
fn delivered(stream: StreamName, message: Message, sequence: u64) -> Result<Recorded, LogError> {
    let places = message.subject().zip(message.reply());
    let (subject, reply) = places.ok_or_else(|| unavailable("a delivery without its place"))?;
    // $JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<delivery>.<time>.<pending>
    let mut tokens = reply.split('.').skip(5);
    let (place, time) = (tokens.next(), tokens.nth(1));
    if place.and_then(|place| place.parse().ok()) != Some(sequence) {
        return Err(unavailable("somebody else reads from the same consumer"));
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
