//! Requests from untrusted senders. They are received over a connection of their own, on which no message is an error.
//!
//! The client library panics at a header value with a carriage return, and drops its connection at a header or a
//! subject that is not UTF-8. Here such a message is received like any other.

use std::{io, time::Duration};

use bytes::{Buf, BytesMut};
use nats_wire::{Message, ServerOp, take};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    Address, ConnectError, reconnect_delay,
    socket::{self, Socket},
};

/// The size of the receive buffer.
const CHUNK: usize = 64 * 1024;

/// The time without data after which the server is pinged, and the timeout of its pong.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The only subscription of the connection.
const SUBSCRIPTION: u64 = 1;

/// Receives the requests on one subject as a member of a queue group, and reconnects after every failure.
pub struct Requests {
    address: Address,
    name: String,
    subject: &'static str,
    group: &'static str,
    connection: Option<Connection>,
    attempts: usize,
    last_error: String,
    connected: watch::Sender<bool>,
    finishing: bool,
}

impl Requests {
    /// Creates the receiver. The first [`next`](Self::next) connects.
    pub fn new(url: &str, name: &str, subject: &'static str, group: &'static str) -> Result<Self, ConnectError> {
        Ok(Self {
            address: Address::parse(url)?,
            name: format!("{name} {subject}"),
            subject,
            group,
            connection: None,
            attempts: 0,
            last_error: String::new(),
            connected: watch::Sender::new(false),
            finishing: false,
        })
    }

    /// Watches whether requests are being received.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Returns the next request. None after [`finish`](Self::finish). Cancellation-safe.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let error = match &mut self.connection {
                Some(connection) => match connection.next().await {
                    Ok(message) => return message,
                    Err(error) => error,
                },
                None if self.finishing => return None,
                None => {
                    sleep(reconnect_delay(self.attempts)).await;
                    self.attempts += 1;
                    match timeout(CONNECT_TIMEOUT, self.connect()).await.unwrap_or_else(|error| Err(error.into())) {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
            };
            self.disconnect(&error);
        }
    }

    /// Unsubscribes. Requests that the server has already sent are still returned by [`next`](Self::next).
    pub fn finish(&mut self) {
        self.finishing = true;
        if let Some(connection) = &mut self.connection {
            connection.finish();
        }
    }

    async fn connect(&mut self) -> io::Result<()> {
        let (socket, hello) = socket::open(&self.address, &self.name).await?;
        let mut connection = Connection::new(socket);
        let subscribe = format!("{hello}SUB {} {} {SUBSCRIPTION}\r\n", self.subject, self.group);
        connection.unsent.extend_from_slice(subscribe.as_bytes());
        connection.confirm().await?;
        self.connection = Some(connection);
        self.attempts = 0;
        self.last_error.clear();
        self.connected.send_replace(true);
        tracing::info!(subject = self.subject, "receiving requests over NATS");
        Ok(())
    }

    fn disconnect(&mut self, error: &io::Error) {
        self.connection = None;
        self.connected.send_replace(false);
        let error = error.to_string();
        if error != self.last_error {
            tracing::warn!(subject = self.subject, %error, "requests cannot be received over NATS now");
            self.last_error = error;
        }
    }
}

/// A connection whose operations can be cancelled at any point.
struct Connection {
    socket: Box<dyn Socket>,
    received: BytesMut,
    unsent: BytesMut,
    unflushed: bool,
    /// The number of unanswered pings.
    pings: usize,
    finishing: bool,
    /// A message received before the server confirmed the subscription.
    early: Option<Message>,
}

impl Connection {
    fn new(socket: Box<dyn Socket>) -> Self {
        let received = BytesMut::with_capacity(CHUNK);
        let unsent = BytesMut::new();
        Self { socket, received, unsent, unflushed: false, pings: 0, finishing: false, early: None }
    }

    /// Waits until the server has processed everything sent, or has sent a message, which implies the same.
    async fn confirm(&mut self) -> io::Result<()> {
        self.ping();
        while self.pings > 0 && self.early.is_none() {
            self.early = self.step().await?;
        }
        Ok(())
    }

    /// Returns the next message. None after the server has confirmed the end of the subscription.
    async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.early.take() {
                return Ok(Some(message));
            }
            if self.finishing && self.pings == 0 {
                return Ok(None);
            }
            self.early = self.step().await?;
        }
    }

    fn finish(&mut self) {
        self.finishing = true;
        self.unsent.extend_from_slice(format!("UNSUB {SUBSCRIPTION}\r\n").as_bytes());
        self.ping();
    }

    fn ping(&mut self) {
        self.unsent.extend_from_slice(b"PING\r\n");
        self.pings += 1;
    }

    /// Handles one operation of the server, or sends or receives data.
    async fn step(&mut self) -> io::Result<Option<Message>> {
        match take(&mut self.received)? {
            Some(ServerOp::Message(message)) => return Ok(Some(message)),
            Some(ServerOp::Ping) => self.unsent.extend_from_slice(b"PONG\r\n"),
            Some(ServerOp::Pong) => self.pings = self.pings.saturating_sub(1),
            Some(ServerOp::Error(reason)) => return Err(io::Error::other(reason)),
            Some(ServerOp::Info(_) | ServerOp::Done) => {}
            None if self.unsent.has_remaining() || self.unflushed => timeout(IDLE_TIMEOUT, self.send()).await??,
            None => self.receive().await?,
        }
        Ok(None)
    }

    async fn send(&mut self) -> io::Result<()> {
        while self.unsent.has_remaining() {
            if self.socket.write_buf(&mut self.unsent).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.unflushed = true;
        }
        self.socket.flush().await?;
        self.unflushed = false;
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.received.reserve(CHUNK / 8);
        match timeout(IDLE_TIMEOUT, self.socket.read_buf(&mut self.received)).await {
            Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(read) => read.map(|_| ()),
            Err(_) if self.pings > 0 => Err(io::Error::new(io::ErrorKind::TimedOut, "the server is silent")),
            Err(_) => {
                self.ping();
                Ok(())
            }
        }
    }
}
