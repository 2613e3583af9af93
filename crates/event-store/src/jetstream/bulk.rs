//! Reads whole streams over a connection of its own. To take every header of every message apart, as the client library
//! does, costs more than all the rest that a rebuild does with them.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    CONNECT_PATIENCE, READ_PATIENCE,
    read::{batch_request, placed, status_error},
    unavailable,
};
use crate::{
    headers::StoredHeaders,
    keys::KeyRing,
    log::{LogError, Range, Recorded},
};

/// How much is received at a time.
const CHUNK: usize = 128 * 1024;

/// The longest line of the protocol besides messages: what a server says of itself.
const LONGEST_LINE: usize = 64 * 1024;

/// The first line of headers that say nothing but themselves.
const VERSION: &[u8] = b"NATS/1.0";

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
    keys: Option<Arc<KeyRing>>,
}

struct Connection {
    socket: TcpStream,
    received: BytesMut,
    inbox: String,
}

/// What the server says.
enum Said {
    Message { headers: Bytes, payload: Bytes },
    Ping,
    Pong,
    Refusal(String),
    Info(Info),
    Other,
}

/// What a server says of itself first.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
}

impl BulkReader {
    pub(super) fn new(address: BulkAddress, prefix: &str) -> Self {
        Self { address, prefix: prefix.to_owned(), connection: None, keys: None }
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
        let connection = timeout(CONNECT_PATIENCE, Connection::open(&self.address)).await.map_err(unavailable)??;
        self.read_over(connection, range).await
    }

    async fn read_over(&mut self, mut connection: Connection, range: Range<'_>) -> Result<Vec<Recorded>, LogError> {
        let operation = format!("{}.DIRECT.GET.{}", self.prefix, range.stream.on_server());
        connection.ask(&operation, &batch_request(range)).await?;
        let mut messages = Vec::with_capacity(range.max_messages);
        loop {
            let (headers, payload) = connection.message().await?;
            match status(&headers) {
                None => messages.push(placed(range.stream, StoredHeaders::lines(headers), payload)?),
                Some((204 | 404, _)) => break,
                Some((code, description)) => return Err(status_error(code, Some(description))),
            }
        }
        self.connection = Some(connection);
        Ok(messages)
    }
}

/// The code and the text after the version; none for a message.
fn status(headers: &[u8]) -> Option<(u16, &str)> {
    let line = headers.strip_prefix(VERSION)?.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (code, description) = line.split_once(' ').unwrap_or((line, ""));
    Some((code.parse().ok()?, description))
}

impl Connection {
    async fn open(address: &BulkAddress) -> Result<Self, LogError> {
        let BulkAddress { host, port, user, password } = address;
        let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(unavailable)?;
        socket.set_nodelay(true).map_err(unavailable)?;
        let inbox = format!("_INBOX_{user}.bulk{:032x}", rand::random::<u128>());
        let mut connection = Self { socket, received: BytesMut::with_capacity(CHUNK), inbox };
        // The password must not leave before that is known.
        if matches!(connection.next().await?, Said::Info(Info { tls_required: true })) {
            return Err(unavailable("the server wants TLS"));
        }
        let hello = json!({
            "verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true,
            "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "bulk", "user": user, "pass": password,
        });
        let hello = format!("CONNECT {hello}\r\nSUB {} 1\r\nPING\r\n", connection.inbox);
        connection.send(hello.as_bytes()).await?;
        while !matches!(connection.next().await?, Said::Pong) {}
        Ok(connection)
    }

    async fn ask(&mut self, operation: &str, request: &str) -> Result<(), LogError> {
        let line = format!("PUB {operation} {} {}\r\n{request}\r\n", self.inbox, request.len());
        self.send(line.as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        timeout(READ_PATIENCE, self.socket.write_all(bytes)).await.map_err(unavailable)?.map_err(unavailable)
    }

    async fn message(&mut self) -> Result<(Bytes, Bytes), LogError> {
        loop {
            if let Said::Message { headers, payload } = self.next().await? {
                return Ok((headers, payload));
            }
        }
    }

    /// What comes next; a ping is answered, a refusal is an error.
    async fn next(&mut self) -> Result<Said, LogError> {
        loop {
            match self.take().map_err(unavailable)? {
                Some(Said::Ping) => self.send(b"PONG\r\n").await?,
                Some(Said::Refusal(reason)) => return Err(unavailable(reason)),
                Some(said) => return Ok(said),
                None => self.receive(READ_PATIENCE).await?,
            }
        }
    }

    async fn receive(&mut self, patience: Duration) -> Result<(), LogError> {
        if self.received.capacity() - self.received.len() < CHUNK / 8 {
            self.received.reserve(CHUNK);
        }
        let read = timeout(patience, self.socket.read_buf(&mut self.received)).await.map_err(unavailable)?;
        match read.map_err(unavailable)? {
            0 => Err(unavailable("the connection was closed")),
            _ => Ok(()),
        }
    }

    /// Takes what the server has said, if that has been received whole.
    fn take(&mut self) -> io::Result<Option<Said>> {
        let Some(end) = memchr(b'\n', &self.received) else {
            return if self.received.len() > LONGEST_LINE { Err(malformed("a line without end")) } else { Ok(None) };
        };
        let line = std::str::from_utf8(self.received.get(..end).unwrap_or_default()).map_err(io::Error::other)?;
        let mut words = line.trim_end().split(' ');
        let (said, lengths) = match words.next() {
            Some("PING") => (Said::Ping, None),
            Some("PONG") => (Said::Pong, None),
            Some("-ERR") => (Said::Refusal(line.trim_end().to_owned()), None),
            // HMSG <subject> <sid> [reply-to] <length of headers> <length of all>
            Some("HMSG") => (Said::Other, Some(lengths(words)?)),
            Some("INFO") => (Said::Info(serde_json::from_str(line.trim_start_matches("INFO"))?), None),
            Some("+OK") => (Said::Other, None),
            _ => return Err(malformed("an unknown line")),
        };
        let Some((of_headers, of_all)) = lengths else {
            self.received.advance(end + 1);
            return Ok(Some(said));
        };
        // Followed by a line's end.
        if self.received.len() < end + 1 + of_all + 2 {
            return Ok(None);
        }
        self.received.advance(end + 1);
        let mut payload = self.received.split_to(of_all).freeze();
        self.received.advance(2);
        Ok(Some(Said::Message { headers: payload.split_to(of_headers), payload }))
    }
}

fn lengths<'a>(words: impl DoubleEndedIterator<Item = &'a str>) -> io::Result<(usize, usize)> {
    let mut last = words.rev().map(str::parse::<usize>);
    match (last.next(), last.next()) {
        (Some(Ok(all)), Some(Ok(headers))) if headers <= all => Ok((headers, all)),
        _ => Err(malformed("a message without lengths")),
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
