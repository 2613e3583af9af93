//! HTTP requests to addresses outside: guarded, limited in time and in size, without redirects and proxies.
//!
//! With [`Reach::Public`] an address may come from a user. The address that a name resolves to is checked when the
//! connection is made, so a name that resolves differently the second time does not pass.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::{Body, Incoming},
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use tokio::time::{Instant, timeout_at};

pub use addresses::is_public;
pub use error::RequestError;
pub use settings::{Protocol, Reach, Settings};

use connector::{Connector, Resolver};
use error::is_shared_connect_error;
use guard::Guard;

mod settings;

mod connector;
mod error;
mod stream;

mod lookups;

mod addresses;
mod guard;
mod limits;

/// The maximum size of a response's body. The rest of a longer one is not read.
pub const MAX_BODY: usize = 16 * 1024;

/// The time without a frame after which a connection with open requests is pinged. With [`PING_TIMEOUT`], a connection
/// that is silently dead is closed after 10 seconds, when TCP would still wait.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// The time after which a connection without an answer to a ping is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// The time for which an unused connection to an operator's address stays open.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The time for which an unused connection to a user's address stays open. Users can name many hosts, and unused
/// connections count below the limits.
const IDLE_TIMEOUT_PUBLIC: Duration = Duration::from_secs(10);

/// The maximum number of unused HTTP/1.1 connections to one host.
const MAX_IDLE_PER_HOST: usize = 4;

/// The number of times that a request begins, if it is not sent because of another one.
const MAX_ATTEMPTS: u32 = 3;

/// A response with the part of its body that was read.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_BODY`] bytes of it.
    pub body: Bytes,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The rest is the server's text.
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Sends requests and keeps connections for further ones. Copies share the connections.
#[derive(Clone)]
pub struct Client {
    connections: legacy::Client<Connector, Full<Bytes>>,
    guard: Arc<Guard>,
    timeout: Duration,
}

impl Client {
    /// Returns a client without connections.
    pub fn new(reach: Reach, protocol: Protocol, settings: &Settings) -> Result<Self, rustls::Error> {
        let guard = Arc::new(Guard::new(reach, settings));
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(guard.clone(), settings.connect_timeout));
        // The scheme is checked by `send`.
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name, so that one that does not respond leaves time for the others.
        tcp.set_connect_timeout(Some(settings.connect_timeout));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(&settings.authorities)?).https_or_http();
        let https = match protocol {
            Protocol::Http2 => tls.enable_http2().wrap_connector(tcp),
            Protocol::Negotiated => tls.enable_all_versions().wrap_connector(tcp),
        };
        let connections = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(match reach {
                Reach::Public => IDLE_TIMEOUT_PUBLIC,
                Reach::Any => IDLE_TIMEOUT,
            })
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http2_only(protocol == Protocol::Http2)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(Connector::new(https, settings));
        Ok(Self { connections, guard, timeout: settings.timeout })
    }

    /// Checks an address without connecting to it. The addresses that its name resolves to are checked when a
    /// connection is made.
    pub fn check(&self, uri: &Uri) -> Result<(), RequestError> {
        Ok(self.guard.check(uri)?)
    }

    /// Sends a request and returns the response, whatever its status. Redirects are responses too.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response, RequestError> {
        self.send_before(self.deadline(), request).await
    }

    /// Returns the time at which a call that begins now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Returns the error of a call that reached its deadline.
    pub(crate) fn timed_out(&self) -> RequestError {
        RequestError::TimedOut(self.timeout)
    }

    /// Sends one of the requests of a call.
    pub(crate) async fn send_before(
        &self,
        deadline: Instant,
        request: Request<Bytes>,
    ) -> Result<Response, RequestError> {
        self.guard.check(request.uri())?;
        let response = timeout_at(deadline, self.request(request)).await.map_err(|_| self.timed_out())??;
        let (head, body) = response.into_parts();
        Ok(Response { status: head.status, headers: head.headers, body: read(deadline, body).await })
    }

    /// Returns the head of a response. A connection is made by one request, while others wait for it. If that request
    /// is dropped, another one has to begin.
    async fn request(&self, request: Request<Bytes>) -> Result<hyper::Response<Incoming>, legacy::Error> {
        let mut attempts = 1;
        loop {
            match self.connections.request(request.clone().map(Full::new)).await {
                Err(error) if attempts < MAX_ATTEMPTS && is_shared_connect_error(&error) => attempts += 1,
                result => return result,
            }
        }
    }
}

/// Reads a body up to the limit. The status is known by then, so a body that breaks off or reaches the deadline is
/// returned as far as it came.
async fn read(deadline: Instant, mut body: Incoming) -> Bytes {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_BODY);
    let mut content = Vec::with_capacity(expected.min(MAX_BODY));
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        let Ok(data) = frame.into_data() else { continue };
        content.extend_from_slice(&data[..data.len().min(MAX_BODY - content.len())]);
        if content.len() == MAX_BODY {
            break;
        }
    }
    content.into()
}

fn tls(authorities: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    if authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        roots.add_parsable_certificates(authorities.iter().cloned());
    }
    if roots.is_empty() {
        tracing::warn!("there are no certificate authorities on this machine: HTTPS requests will fail");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
