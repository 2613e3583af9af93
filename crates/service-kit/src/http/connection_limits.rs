//! The limits of open connections: in total, and per client address.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::ClientAddress;

/// The number of open files reserved for everything but connections: databases, the log, files.
const RESERVED_FILES: u64 = 200;

static OPEN: LazyLock<Gauge> = LazyLock::new(Gauge::default);
static REFUSED: LazyLock<Family<[(&'static str, &'static str); 1], Counter>> = LazyLock::new(Family::default);

pub(super) fn register(registry: &mut Registry) {
    for bound in ["process", "address"] {
        // Counters exist from the start, because a rate needs a first value.
        drop(REFUSED.get_or_create(&[("bound", bound)]));
    }
    registry.register("http_connections", "Open connections, including live connections", OPEN.clone());
    let help = "Connections closed on accept because a limit was reached, by bound";
    registry.register("http_connections_refused", help, REFUSED.clone());
}

/// The open connections of one listener.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    max: usize,
    max_per_address: usize,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    all: usize,
    by_address: HashMap<ClientAddress, usize>,
}

impl ConnectionLimiter {
    /// Creates the limits. The total is at most the number of files that the process may open.
    pub(super) fn new(max: u32, max_per_address: u32) -> Arc<Self> {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let max = u64::from(max).min(files.saturating_sub(RESERVED_FILES).max(files / 2));
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let (max, max_per_address) = (count(max), count(max_per_address.into()));
        Arc::new(Self { max, max_per_address, open: Mutex::default() })
    }

    /// Admits a connection. None if a limit is reached. A trusted proxy has no address limit, because it serves many
    /// clients.
    pub(super) fn acquire(self: &Arc<Self>, address: Option<ClientAddress>) -> Option<ConnectionPermit> {
        let mut open = self.open();
        if open.all >= self.max {
            REFUSED.get_or_create(&[("bound", "process")]).inc();
            return None;
        }
        if let Some(address) = address {
            let of_address = open.by_address.entry(address).or_default();
            if *of_address >= self.max_per_address {
                REFUSED.get_or_create(&[("bound", "address")]).inc();
                return None;
            }
            *of_address += 1;
        }
        open.all += 1;
        OPEN.inc();
        Some(ConnectionPermit { address, connections: Arc::clone(self) })
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit of a connection. Dropping it releases the permit.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    address: Option<ClientAddress>,
    connections: Arc<ConnectionLimiter>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all -= 1;
        OPEN.dec();
        let Some(address) = self.address else { return };
        if let Some(of_address) = open.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// A connection that keeps its permit, also as a WebSocket.
#[derive(Debug)]
pub(super) struct PermittedStream<S> {
    pub(super) stream: S,
    pub(super) _permit: ConnectionPermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for PermittedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PermittedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn connections_are_limited_per_address_and_in_total() {
        let connections = ConnectionLimiter::new(4, 2);
        let of = |address: &str| Some(ClientAddress::from(address.parse::<IpAddr>().unwrap()));
        let (one, other) = (of("192.0.2.1"), of("192.0.2.2"));
        let first = connections.acquire(one).unwrap();
        let _second = connections.acquire(one).unwrap();
        assert!(connections.acquire(one).is_none());
        let _third = connections.acquire(other).unwrap();
        drop(first);
        let _proxied = [connections.acquire(None).unwrap(), connections.acquire(None).unwrap()];
        assert!(connections.acquire(one).is_none(), "there are four");
        assert_eq!(connections.open().by_address.len(), 2);
        assert!(ConnectionLimiter::new(u32::MAX, 1).max < usize::try_from(u32::MAX).unwrap(), "files are fewer");
    }
}
