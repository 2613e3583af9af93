//! A blocking HTTP connection, for a client that does one thing after another.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::commands::{self, Answer};

/// The time limit of a response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to one service.
#[derive(Debug)]
pub(crate) struct Exchange {
    stream: TcpStream,
}

impl Exchange {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("no service at {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { stream })
    }

    /// Sends a request, and waits for its response.
    pub(crate) fn send(&mut self, request: &str) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let size = self.stream.read(&mut buffer).context("no response")?;
            ensure!(size > 0, "the service has closed a connection");
            received.extend(&buffer[..size]);
            if let Some(answer) = commands::parse(&received, 0, begun)? {
                return Ok(answer);
            }
        }
    }
}
