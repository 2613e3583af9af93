//! A plain connection to a server: as much of the protocol as reading needs.

use std::{io, time::Duration};

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
    super::{READ_PATIENCE, unavailable},
    BulkAddress,
};
use crate::log::LogError;

/// How much is received at a time.
const CHUNK: usize = 128 * 1024;

/// The longest line of the protocol besides messages: what a server says of itself.
const LONGEST_LINE: usize = 64 * 1024;

/// The first line of headers that say nothing but themselves.
const VERSION: &[u8] = b"NATS/1.0";

/// Asks one question at a time.
pub(super) struct Connection {
    socket: TcpStream,
    received: BytesMut,
    inbox: String,
}

/// A message as it came.
pub(super) struct Message {
    /// `HMSG <subject> <sid> [reply-to] <length of headers> <length of all>`, or `MSG` and without the former length.
    line: Bytes,
    pub(super) headers: Bytes,
    pub(super) payload: Bytes,
}

/// What the server says.
enum Said {
    Message(Message),
    Ping,
    Pong,
    Refusal(String),
    Info(Info),
    Fine,
}

/// What a server says of itself first.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
}

impl Message {
    /// The code and the text of an answer that is no message of the log; none for one.
    pub(super) fn status(&self) -> Option<(u16, &str)> {
        let line = self.headers.strip_prefix(VERSION)?.split(|byte| *byte == b'\r').next()?;
        let line = std::str::from_utf8(line).ok()?.trim();
        let (code, description) = line.split_once(' ').unwrap_or((line, ""));
        Some((code.parse().ok()?, description))
    }

    /// The subject, and where an answer would go.
    pub(super) fn subjects(&self) -> Option<(&str, &str)> {
        let mut words = std::str::from_utf8(&self.line).ok()?.split(' ');
        Some((words.nth(1)?, words.nth(1)?))
    }
}

impl Connection {
    pub(super) async fn open(address: &BulkAddress) -> Result<Self, LogError> {
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

    pub(super) async fn ask(&mut self, operation: &str, request: &str) -> Result<(), LogError> {
        let line = format!("PUB {operation} {} {}\r\n{request}\r\n", self.inbox, request.len());
        self.send(line.as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        timeout(READ_PATIENCE, self.socket.write_all(bytes)).await.map_err(unavailable)?.map_err(unavailable)
    }

    pub(super) async fn message(&mut self) -> Result<Message, LogError> {
        loop {
            if let Said::Message(message) = self.next().await? {
                return Ok(message);
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
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let of_message = match verb {
            "HMSG" => Some(lengths(rest)?),
            "MSG" => Some((0, length(rest)?)),
            _ => None,
        };
        if let Some(lengths) = of_message {
            return Ok(self.take_message(end + 1, lengths));
        }
        let said = match verb {
            "PING" => Said::Ping,
            "PONG" => Said::Pong,
            "-ERR" => Said::Refusal(line.to_owned()),
            "INFO" => Said::Info(serde_json::from_str(rest)?),
            "+OK" => Said::Fine,
            _ => return Err(malformed("an unknown line")),
        };
        self.received.advance(end + 1);
        Ok(Some(said))
    }

    /// A message is its line, headers and content, and a line's end.
    fn take_message(&mut self, line: usize, (of_headers, of_all): (usize, usize)) -> Option<Said> {
        if self.received.len() < line + of_all + 2 {
            return None;
        }
        let mut payload = self.received.split_to(line + of_all + 2).freeze();
        payload.truncate(line + of_all);
        let line = payload.split_to(line);
        let headers = payload.split_to(of_headers);
        Some(Said::Message(Message { line, headers, payload }))
    }
}

/// The length of the headers, and of all.
fn lengths(line: &str) -> io::Result<(usize, usize)> {
    let (rest, all) = line.rsplit_once(' ').ok_or_else(|| malformed("a message without lengths"))?;
    match (length(rest)?, length(all)?) {
        (headers, all) if headers <= all => Ok((headers, all)),
        _ => Err(malformed("headers longer than their message")),
    }
}

fn length(line: &str) -> io::Result<usize> {
    let last = line.rsplit(' ').next().unwrap_or_default();
    last.parse().map_err(|_| malformed("a message without length"))
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
