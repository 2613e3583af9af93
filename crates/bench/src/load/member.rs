//! The live connection of a member of a room.

use std::{
    io::{ErrorKind, Read, Write},
    time::Instant,
};

use anyhow::{Context, bail};
use memchr::memmem;
use mio::{Interest, Registry, Token, net::TcpStream};

use super::{
    Mark, Target,
    opening::Opening,
    rooms::MARK,
    websocket::{self, Kind},
};

/// The size of the buffer that all members share for reading.
pub(super) const BUFFER: usize = 256 * 1024;

/// A connected member.
#[derive(Debug)]
pub(super) struct Member {
    stream: TcpStream,
    /// The beginning of a frame that is not complete.
    unparsed: Vec<u8>,
    /// Frames that the connection did not take yet.
    pub(super) unsent: Vec<u8>,
    /// The version of the last event, if the server counts events.
    pub(super) version: Option<u64>,
    /// The number of frames whose version does not follow the one before.
    pub(super) gaps: u64,
}

impl Member {
    pub(super) fn new(opening: Opening, token: Token, registry: &Registry) -> anyhow::Result<Self> {
        let (stream, unparsed) = opening.finish()?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, unparsed, unsent: Vec::new(), version: None, gaps: 0 })
    }

    /// Reads all that has arrived, and calls `deliver` with each message.
    pub(super) fn read(
        &mut self,
        target: &dyn Target,
        buffer: &mut [u8],
        mut deliver: impl FnMut(Mark, Instant),
    ) -> anyhow::Result<()> {
        loop {
            let kept = self.unparsed.len();
            buffer[..kept].copy_from_slice(&self.unparsed);
            let received = match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => bail!("the server has closed a live connection"),
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("a live connection is broken"),
            };
            let end = kept + received;
            let parsed = self.parse(target, &buffer[..end], &mut deliver)?;
            self.unparsed.clear();
            self.unparsed.extend(&buffer[parsed..end]);
            // A short read has taken all that was there.
            if end < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Handles the complete frames of a buffer. Returns the number of their bytes.
    fn parse(
        &mut self,
        target: &dyn Target,
        buffer: &[u8],
        deliver: &mut impl FnMut(Mark, Instant),
    ) -> anyhow::Result<usize> {
        let (now, mut parsed) = (Instant::now(), 0);
        let framing = target.framing();
        while let Some(frame) = framing.parse(&buffer[parsed..]) {
            let payload = &buffer[parsed + frame.begin..parsed + frame.end];
            parsed += frame.end;
            match frame.kind {
                Kind::Text => self.handle(target, payload, now, deliver),
                Kind::Ping => websocket::write_pong(&mut self.unsent, payload),
                Kind::Close => bail!("the server closes a connection: {}", String::from_utf8_lossy(payload)),
                Kind::Other => {}
            }
        }
        Ok(parsed)
    }

    fn handle(&mut self, target: &dyn Target, payload: &[u8], at: Instant, deliver: &mut impl FnMut(Mark, Instant)) {
        if let Some(version) = target.version(payload) {
            self.gaps += u64::from(self.version.is_some_and(|last| last + 1 != version));
            self.version = Some(version);
        }
        let mark = memmem::find(payload, MARK).and_then(|at| Mark::parse(&payload[at + MARK.len()..]));
        if let Some(mark) = mark {
            deliver(mark, at);
        } else if let Some(response) = target.respond(payload) {
            target.framing().write(&mut self.unsent, response.as_bytes());
        }
    }

    /// Sends what waits. Returns false if some of it still waits.
    pub(super) fn flush(&mut self) -> anyhow::Result<bool> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("a live connection is broken"),
            }
        }
        Ok(true)
    }
}
