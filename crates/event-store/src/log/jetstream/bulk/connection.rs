//! A plain connection to a server with the part of the protocol that reading needs.

use std::{fmt, time::Duration};

use bytes::BytesMut;
use nats_wire::{Info, Message, ServerOp, take};
use serde_json::json;
use storage::server::READ_TIMEOUT;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wire::api::inbox;

use crate::log::{LogError, jetstream::answers::unavailable};

/// The size of the receive buffer.
const CHUNK: usize = 128 * 1024;

/// The address and credentials of a server, for bulk connections. Only for servers that do not require TLS.
#[derive(Clone)]
pub struct BulkAddress {
    /// A host name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user's name. Its answers arrive on `_INBOX_<user>.>`.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl fmt::Debug for BulkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

/// A connection for one request at a time.
pub(super) struct Connection {
    socket: TcpStream,
    received: BytesMut,
    inbox: String,
}

impl Connection {
    pub(super) async fn open(address: &BulkAddress) -> Result<Self, LogError> {
        let BulkAddress { host, port, user, password } = address;
        let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(unavailable)?;
        socket.set_nodelay(true).map_err(unavailable)?;
        let inbox = format!("{}.bulk{:032x}", inbox(user), rand::random::<u128>());
        let mut connection = Self { socket, received: BytesMut::with_capacity(CHUNK), inbox };
        // The password must not be sent in clear text to a server that requires TLS.
        if matches!(connection.next().await?, ServerOp::Info(Info { tls_required: true, .. })) {
            return Err(unavailable("the server requires TLS"));
        }
        let hello = json!({
            "verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true,
            "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "bulk", "user": user, "pass": password,
        });
        let hello = format!("CONNECT {hello}\r\nSUB {} 1\r\nPING\r\n", connection.inbox);
        connection.send(hello.as_bytes()).await?;
        while !matches!(connection.next().await?, ServerOp::Pong) {}
        Ok(connection)
    }

    pub(super) async fn request(&mut self, operation: &str, request: &str) -> Result<(), LogError> {
        let line = format!("PUB {operation} {} {}\r\n{request}\r\n", self.inbox, request.len());
        self.send(line.as_bytes()).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        timeout(READ_TIMEOUT, self.socket.write_all(bytes)).await.map_err(unavailable)?.map_err(unavailable)
    }

    pub(super) async fn message(&mut self) -> Result<Message, LogError> {
        loop {
            if let ServerOp::Message(message) = self.next().await? {
                return Ok(message);
            }
        }
    }

    /// Returns the next operation. Answers pings. A protocol error of the server is returned as an error.
    async fn next(&mut self) -> Result<ServerOp, LogError> {
        loop {
            match take(&mut self.received).map_err(unavailable)? {
                Some(ServerOp::Ping) => self.send(b"PONG\r\n").await?,
                Some(ServerOp::Error(reason)) => return Err(unavailable(reason)),
                Some(operation) => return Ok(operation),
                None => self.receive(READ_TIMEOUT).await?,
            }
        }
    }

    async fn receive(&mut self, limit: Duration) -> Result<(), LogError> {
        if self.received.capacity() - self.received.len() < CHUNK / 8 {
            self.received.reserve(CHUNK);
        }
        let read = timeout(limit, self.socket.read_buf(&mut self.received)).await.map_err(unavailable)?;
        match read.map_err(unavailable)? {
            0 => Err(unavailable("the connection was closed")),
            _ => Ok(()),
        }
    }
}
