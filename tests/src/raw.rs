//! A sender of NATS messages that no client library would send.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind},
};

use harness::{Account, Stack};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// A connection to the server that writes any bytes. The answers of the server are read and dropped.
#[derive(Debug)]
pub struct RawSender {
    url: String,
    socket: OwnedWriteHalf,
    reader: JoinHandle<()>,
}

impl Drop for RawSender {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl RawSender {
    /// Connects as a user of this account.
    pub async fn connect(stack: &Stack, account: Account) -> Self {
        let url = stack.nats_url(account);
        let (socket, reader) =
            open(&url).await.unwrap_or_else(|error| panic!("cannot connect as {account:?}: {error}"));
        Self { url, socket, reader }
    }

    /// Sends bytes. If the server has closed the connection, opens a new one instead, and the bytes are lost.
    pub async fn send(&mut self, bytes: &[u8]) {
        if self.reader.is_finished() || self.socket.write_all(bytes).await.is_err() {
            let (socket, reader) = open(&self.url).await.expect("another connection");
            (self.socket, self.reader) = (socket, reader);
            // Not sent again: the server may close the new connection as well.
        }
    }

    /// Sends a message with this block of headers.
    pub async fn publish(&mut self, subject: &str, headers: &[u8], payload: &[u8]) {
        self.send(&message(subject.as_bytes(), b"", headers, payload)).await;
    }

    /// Waits until the server has received everything, or has closed the connection.
    pub async fn finish(mut self) {
        let _ = self.socket.shutdown().await;
        let _ = (&mut self.reader).await;
    }
}

/// Encodes a message: `PUB` without headers, else `HPUB`.
fn message(subject: &[u8], reply: &[u8], headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let verb: &[u8] = if headers.is_empty() { b"PUB " } else { b"HPUB " };
    let mut bytes = [verb, subject, b" ", reply, b" "].concat();
    let lengths = if headers.is_empty() {
        payload.len().to_string()
    } else {
        format!("{} {}", headers.len(), headers.len() + payload.len())
    };
    for part in [lengths.as_bytes(), b"\r\n", headers, payload, b"\r\n"] {
        bytes.extend_from_slice(part);
    }
    bytes
}

async fn open(url: &str) -> io::Result<(OwnedWriteHalf, JoinHandle<()>)> {
    let address = reqwest::Url::parse(url).map_err(io::Error::other)?;
    let socket = TcpStream::connect(("127.0.0.1", address.port().unwrap_or_default())).await?;
    let (mut reader, mut writer) = socket.into_split();
    let hello = json!({
        "verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true,
        "user": address.username(), "pass": address.password(),
    });
    writer.write_all(format!("CONNECT {hello}\r\nPING\r\n").as_bytes()).await?;
    let mut said = Vec::new();
    while !said.windows(6).any(|said| said == b"PONG\r\n") {
        if reader.read_buf(&mut said).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((writer, tokio::spawn(drain(reader))))
}

async fn drain(mut reader: OwnedReadHalf) {
    let mut buffer = [0; 4096];
    while matches!(reader.read(&mut buffer).await, Ok(read) if read > 0) {}
}

/// A generator of invalid messages. The same seed yields the same messages.
#[derive(Debug)]
pub struct Garbage {
    state: u64,
    subjects: &'static [&'static str],
    /// The prefix of the subjects for answers.
    inbox: &'static str,
}

impl Garbage {
    /// Creates a generator of messages to these subjects.
    pub fn new(seed: u64, subjects: &'static [&'static str], inbox: &'static str) -> Self {
        Self { state: seed, subjects, inbox }
    }

    /// Generates a message with invalid headers, an invalid reply subject, an invalid payload or wrong lengths.
    pub fn message(&mut self) -> Vec<u8> {
        let index = self.below(self.subjects.len() as u64);
        let mut subject = self.subjects[usize::try_from(index).unwrap_or_default()].as_bytes().to_vec();
        if self.below(20) == 0 {
            subject.extend_from_slice(b"\xff\xfe");
        }
        let number = self.below(1000);
        let reply = match self.below(6) {
            0 | 1 => Vec::new(),
            2 => format!("{}.{number}", self.inbox).into_bytes(),
            3 => [self.inbox.as_bytes(), b".\xff"].concat(),
            4 => subject.clone(),
            _ => format!("{}.{}", self.inbox, "x".repeat(300)).into_bytes(),
        };
        let headers = self.headers();
        let payload = self.payload();
        if self.below(50) == 0 {
            let more = headers.len() + 7;
            return [format!("HPUB {} {more} {more}\r\n", self.subjects[0]).as_bytes(), &headers, b"\r\n"].concat();
        }
        message(&subject, &reply, &headers, &payload)
    }

    fn headers(&mut self) -> Vec<u8> {
        let block = |lines: &[u8]| [b"NATS/1.0\r\n", lines, b"\r\n"].concat();
        match self.below(12) {
            0 => block(b"x-request-id: a\rb\r\n"),
            1 => block(b"x-request-id: a\nb\r\n"),
            2 => block(b"x-request-id: \xff\xfe\r\n"),
            3 => b"x-request-id: a\r\n\r\n".to_vec(),
            4 => block(format!("x-request-id: {}\r\n", "x".repeat(40_000)).as_bytes()),
            5 => Vec::new(),
            6 => block(
                (0..300)
                    .fold(String::new(), |mut all, n| {
                        let _ = write!(all, "x-{n}: {n}\r\n");
                        all
                    })
                    .as_bytes(),
            ),
            7 => b"NATS/1.0 503 \xf0\r\n\r\n".to_vec(),
            8 => b"NATS/1.0 99999999999999999999\r\n\r\n".to_vec(),
            9 => block(b"no colon\r\n: no name\r\ntraceparent: \0\r\n"),
            10 => block(b"b\xc3\xa4d n\xe4me: 1\r\n folded: \r\n\tline\r\n"),
            _ => {
                let length = 1 + self.below(200);
                self.bytes(length)
            }
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => Vec::new(),
            1 => b"{}".to_vec(),
            2 => br#"{"token":"x","path":{"box":"box-1"},"idempotency_key":"k","body":{}}"#.to_vec(),
            3 => vec![b'['; 20_000],
            4 => self.bytes(100_000),
            _ => {
                let length = self.below(500);
                self.bytes(length)
            }
        }
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Returns the next number of splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
