//! A connection during its handshake.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use memchr::memmem;

use super::websocket::{Kind, parse, write_text};

/// The time limit of each step of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection with blocking reads.
#[derive(Debug)]
pub(crate) struct Opening {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Opening {
    /// Connects without an upgrade.
    pub(crate) fn connect_plain(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Connects, and upgrades to a WebSocket.
    pub(crate) fn connect(address: SocketAddr, path: &str, protocol: Option<&str>) -> anyhow::Result<Self> {
        let mut opening = Self::connect_plain(address)?;
        let protocol = protocol.map(|protocol| format!("Sec-WebSocket-Protocol: {protocol}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n"
        );
        opening.stream.write_all(request.as_bytes())?;
        let head = opening.receive(|received| Some(memmem::find(received, b"\r\n\r\n")? + 4))?;
        let head = String::from_utf8_lossy(&head).into_owned();
        ensure!(head.starts_with("HTTP/1.1 101"), "no WebSocket at {path}: {head}");
        Ok(opening)
    }

    /// Sends a text frame.
    pub(crate) fn send(&mut self, payload: &str) -> anyhow::Result<()> {
        let mut frame = Vec::new();
        write_text(&mut frame, payload.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// Waits for a text frame with these words, and returns it. Drops the frames before it.
    pub(crate) fn expect(&mut self, words: &str) -> anyhow::Result<String> {
        loop {
            let bytes = self.receive(|received| parse(received).map(|frame| frame.end))?;
            let frame = parse(&bytes).context("no frame")?;
            let payload = String::from_utf8_lossy(&bytes[frame.begin..]).into_owned();
            match frame.kind {
                Kind::Text if payload.contains(words) => return Ok(payload),
                Kind::Close => bail!("the connection was closed instead of {words}: {payload}"),
                Kind::Text if payload.contains("\"error\"") => bail!("{payload} instead of {words}"),
                _ => {}
            }
        }
    }

    /// Sends bytes without a frame, and waits for bytes with these words. Drops all until the end of the words.
    pub(crate) fn exchange_plain(&mut self, payload: &str, words: &str) -> anyhow::Result<()> {
        self.stream.write_all(payload.as_bytes())?;
        self.receive(|received| Some(memmem::find(received, words.as_bytes())? + words.len())).map(drop)
    }

    /// Takes the bytes up to the end that `end` finds, and reads until it finds one.
    fn receive(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> anyhow::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = end(&self.received) {
                return Ok(self.received.drain(..end).collect());
            }
            let size = self.stream.read(&mut buffer).context("no answer during the handshake")?;
            ensure!(size > 0, "closed during the handshake: {}", String::from_utf8_lossy(&self.received));
            self.received.extend(&buffer[..size]);
        }
    }

    /// Ends the handshake. Returns the stream, from now on without blocking, and the bytes that are not processed yet.
    pub(crate) fn finish(self) -> anyhow::Result<(TcpStream, Vec<u8>)> {
        self.stream.set_nonblocking(true)?;
        Ok((self.stream, self.received))
    }
}
