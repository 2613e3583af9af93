//! Connections for HTTP requests. Each has one request at a time, and the others wait.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use memchr::memmem;
use mio::{Interest, Registry, Token, net::TcpStream};

/// The first token of these connections in a poll.
pub(crate) const FIRST_TOKEN: usize = 1 << 40;

/// A pool of connections to one service.
#[derive(Debug)]
pub(crate) struct Commands {
    connections: Vec<Connection>,
    free: Vec<usize>,
    waiting: VecDeque<Request>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    number: u64,
    at: Instant,
}

#[derive(Debug)]
struct Request {
    number: u64,
    bytes: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The number of its request.
    pub(crate) number: u64,
    pub(crate) status: u16,
    /// The time from sending the request to the last byte.
    pub(crate) latency: Duration,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Returns a header. Its name is in lower case, as the services send it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Describes the response if its status is not this one.
    pub(crate) fn unless(&self, status: u16) -> Option<String> {
        (self.status != status).then(|| format!("{} {}", self.status, String::from_utf8_lossy(&self.body)))
    }
}

impl Commands {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr, size: usize, registry: &Registry) -> anyhow::Result<Self> {
        let mut connections = Vec::new();
        for index in 0..size {
            let stream = std::net::TcpStream::connect(address).with_context(|| format!("no service at {address}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            registry.register(&mut stream, Token(FIRST_TOKEN + index), Interest::READABLE)?;
            connections.push(Connection { stream, received: Vec::new(), sent: None });
        }
        Ok(Self { connections, free: (0..size).collect(), waiting: VecDeque::new() })
    }

    /// Sends a request, or lets it wait for a free connection.
    pub(crate) fn send(&mut self, number: u64, bytes: Vec<u8>) -> anyhow::Result<()> {
        let Some(index) = self.free.pop() else {
            self.waiting.push_back(Request { number, bytes });
            return Ok(());
        };
        self.connections[index].send(&Request { number, bytes })
    }

    /// True if no request is without a response.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.len() == self.connections.len()
    }

    /// Reads from the connection with this token. Returns its response once it is complete.
    pub(crate) fn read(&mut self, token: Token) -> anyhow::Result<Option<Answer>> {
        let index = token.0 - FIRST_TOKEN;
        let connection = self.connections.get_mut(index).context("no such connection")?;
        let answer = connection.read()?;
        if answer.is_some() {
            match self.waiting.pop_front() {
                Some(request) => connection.send(&request)?,
                None => self.free.push(index),
            }
        }
        Ok(answer)
    }
}

impl Connection {
    fn send(&mut self, request: &Request) -> anyhow::Result<()> {
        self.sent = Some(Sent { number: request.number, at: Instant::now() });
        // A request is far smaller than the send buffer of an idle connection.
        self.stream.write_all(&request.bytes).context("a request cannot be sent")
    }

    fn read(&mut self) -> anyhow::Result<Option<Answer>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the service has closed a connection: {}", String::from_utf8_lossy(&self.received)),
                Ok(size) => self.received.extend(&buffer[..size]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a connection is broken"),
            }
        }
        let Some(sent) = self.sent else { bail!("a response without a request") };
        let answer = parse(&self.received, sent.number, sent.at)?;
        if answer.is_some() {
            self.sent = None;
            self.received.clear();
        }
        Ok(answer)
    }
}

/// Returns the response in a buffer, once it is complete.
pub(super) fn parse(received: &[u8], number: u64, sent: Instant) -> anyhow::Result<Option<Answer>> {
    let Some(end) = memmem::find(received, b"\r\n\r\n").map(|at| at + 4) else { return Ok(None) };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let size: usize = header(&head, "content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
    if received.len() < end + size {
        return Ok(None);
    }
    ensure!(received.len() == end + size, "more than one response to a request");
    let status = head.get(9..12).and_then(|status| status.parse().ok()).context("no HTTP response")?;
    Ok(Some(Answer { number, status, latency: sent.elapsed(), body: received[end..].to_vec(), head }))
}

/// Returns a header. Its name is in lower case, as the services send it.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
