//! Connections to allowed addresses.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use hyper::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use tokio::{net::lookup_host, time::timeout};
use tower::Service;

use super::{Reach, addresses::is_public};

type BoxError = Box<dyn Error + Send + Sync>;
type Pending<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;
type Https = HttpsConnector<HttpConnector<Resolver>>;

/// The error of an address that a client may not connect to.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed: {0}")]
pub(super) struct Forbidden(pub(super) &'static str);

/// The error of a connection that was tried.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect")]
pub(super) struct ConnectError(#[source] BoxError);

const NOT_PUBLIC: Forbidden = Forbidden("it is not a public address");

/// Returns the host of an address, without the brackets of IPv6.
pub(super) fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

/// Connects within a timeout, if the address is allowed.
#[derive(Clone)]
pub(super) struct Connector {
    https: Https,
    reach: Reach,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(https: Https, reach: Reach, timeout: Duration) -> Self {
        Self { https, reach, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = <Https as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pending<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // A host that is an address is not resolved, so the resolver does not check it.
        if self.reach == Reach::Public && bare_host(&uri).parse::<IpAddr>().is_ok_and(|address| !is_public(address)) {
            return Box::pin(async { Err(ConnectError(NOT_PUBLIC.into()).into()) });
        }
        let connected = timeout(self.timeout, self.https.call(uri));
        Box::pin(async move {
            let connected = connected.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
            connected.map_err(|error| ConnectError(error).into())
        })
    }
}

/// Resolves names to allowed addresses.
#[derive(Clone)]
pub(super) struct Resolver(pub(super) Reach);

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Pending<Self::Response>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.0;
        Box::pin(async move {
            let mut addresses: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            let found = addresses.len();
            if reach == Reach::Public {
                addresses.retain(|address| is_public(address.ip()));
            }
            if found > 0 && addresses.is_empty() { Err(NOT_PUBLIC.into()) } else { Ok(addresses.into_iter()) }
        })
    }
}
