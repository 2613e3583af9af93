//! The client side of WebSocket, as lean as it can be: no copy of a received frame, no masking work.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use memchr::memmem;

/// The time limit of each step of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Close,
    Ping,
    Other,
}

/// A received frame: its kind, and the place of its payload in the buffer. The next frame begins at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// Returns the first frame of a buffer, or none if it is not complete.
pub(crate) fn parse(buffer: &[u8]) -> Option<Frame> {
    let (&first, &second) = (buffer.first()?, buffer.get(1)?);
    let (begin, size) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)),
        size => (2, u64::from(size)),
    };
    let end = begin + usize::try_from(size).ok()?;
    let kind = match first & 0x0f {
        1 => Kind::Text,
        8 => Kind::Close,
        9 => Kind::Ping,
        _ => Kind::Other,
    };
    (buffer.len() >= end).then_some(Frame { kind, begin, end })
}

/// Appends a text frame. Its mask is zero, so the payload is sent as it is.
pub(crate) fn write_text(to: &mut Vec<u8>, payload: &[u8]) {
    write(to, 0x81, payload);
}

/// Appends the answer to a ping.
pub(crate) fn write_pong(to: &mut Vec<u8>, payload: &[u8]) {
    write(to, 0x8a, payload);
}

fn write(to: &mut Vec<u8>, first: u8, payload: &[u8]) {
    to.push(first);
    match u16::try_from(payload.len()) {
        Ok(size @ ..126) => to.push(0x80 | size.to_be_bytes()[1]),
        Ok(size) => {
            to.push(0xfe);
            to.extend(size.to_be_bytes());
        }
        Err(_) => {
            to.push(0xff);
            to.extend((payload.len() as u64).to_be_bytes());
        }
    }
    to.extend([0; 4]);
    to.extend(payload);
}

/// A connection during its handshake, with blocking reads.
#[derive(Debug)]
pub(crate) struct Opening {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Opening {
    /// Connects, and upgrades to a WebSocket.
    pub(crate) fn connect(address: SocketAddr, path: &str, protocol: Option<&str>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        let mut opening = Self { stream, received: Vec::new() };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_size_are_parsed_once_they_are_complete() {
        for size in [0, 125, 126, 65_535, 65_536] {
            let mut sent = Vec::new();
            write_text(&mut sent, &vec![b'a'; size]);
            // A server does not mask.
            let at = sent.len() - size;
            sent.drain(at - 4..at);
            sent[1] &= 0x7f;
            assert_eq!(parse(&sent[..sent.len() - 1]), None);
            let frame = parse(&sent).unwrap();
            assert_eq!((frame.kind, frame.begin, frame.end), (Kind::Text, at - 4, sent.len()));
        }
    }
}
