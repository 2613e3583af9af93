//! Connections to allowed addresses, within limits.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt};

use super::{
    guard::{Guard, NOT_PUBLIC, bare_host},
    limits::Limits,
    lookups::Lookups,
    settings::Settings,
    stream::LimitedStream,
};

type BoxError = Box<dyn Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Https = HttpsConnector<HttpConnector<Resolver>>;

/// The error of a connection that was tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect")]
pub(super) struct ConnectError(#[source] BoxError);

/// The error of a connection that had to wait too long for others to close.
#[derive(Debug, thiserror::Error)]
#[error("too many connections are open")]
pub(super) struct TooManyConnections;

/// Connects within a timeout.
#[derive(Clone)]
pub(super) struct Connector {
    https: Https,
    limits: Arc<Limits>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(https: Https, settings: &Settings) -> Self {
        let limits = Arc::new(Limits::new(settings.max_connections, settings.max_connections_per_host));
        Self { https, limits, timeout: settings.connect_timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = LimitedStream<<Https as Service<Uri>>::Response>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { https, limits, timeout } = self.clone();
        let deadline = Instant::now() + timeout;
        Box::pin(async move {
            let host = bare_host(&uri).to_ascii_lowercase();
            let permit = timeout_at(deadline, limits.acquire(&host)).await;
            let permit = permit.map_err(|_| ConnectError(TooManyConnections.into()))?;
            let stream = timeout_at(deadline, https.oneshot(uri)).await;
            let stream = stream.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            Ok(LimitedStream::new(stream.map_err(ConnectError)?, permit))
        })
    }
}

/// Resolves names to allowed addresses.
#[derive(Clone)]
pub(super) struct Resolver {
    guard: Arc<Guard>,
    lookups: Arc<Lookups>,
}

impl Resolver {
    pub(super) fn new(guard: Arc<Guard>, timeout: Duration) -> Self {
        Self { guard, lookups: Arc::new(Lookups::new(timeout)) }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { guard, lookups } = self.clone();
        Box::pin(async move {
            let mut addresses = lookups.addresses(name.as_str().to_owned()).await?;
            let found = addresses.len();
            addresses.retain(|address| guard.allows(address.ip()));
            if found > 0 && addresses.is_empty() { Err(NOT_PUBLIC.into()) } else { Ok(addresses.into_iter()) }
        })
    }
}
