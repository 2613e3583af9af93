//! HTTP requests to addresses outside: guarded, limited in time and in size, without redirects and proxies.
//!
//! With [`Reach::Public`] an address may come from a user. The address that a name resolves to is checked when the
//! connection is made, so a name that resolves differently the second time does not pass.

use std::{error::Error, iter, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    http::uri::Scheme,
};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::time::timeout;

pub use addresses::is_public;
use connector::{ConnectError, Connector, Forbidden, Resolver, bare_host};

mod addresses;
mod connector;

/// The maximum size of a response's body. The rest of a longer one is not read.
pub const MAX_BODY: usize = 16 * 1024;

/// The interval of pings on open connections. A connection that is silently dead would otherwise take requests until
/// TCP gives up.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// The time after which a connection without an answer to a ping is closed.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for which an unused connection to an operator's address stays open.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// The time for which an unused connection to a user's address stays open. Users can name many hosts.
const IDLE_TIMEOUT_PUBLIC: Duration = Duration::from_secs(30);

/// The maximum number of unused HTTP/1.1 connections to one host.
const MAX_IDLE_PER_HOST: usize = 4;

/// The maximum length of the cause of a broken connection. A server can send one with HTTP/2.
const MAX_CAUSE: usize = 200;

/// The number of times that a request begins, if it is not sent because of another one.
const MAX_ATTEMPTS: u32 = 3;

/// The addresses that a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses over HTTPS. For addresses given by users.
    Public,
    /// All addresses, also over plain HTTP. For addresses given by operators.
    Any,
}

/// The protocols that a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 only, over plain TCP with prior knowledge. All requests to a host share one connection.
    Http2,
    /// HTTP/2 if the server offers it over TLS, otherwise HTTP/1.1.
    Negotiated,
}

/// The settings of connections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The timeout of a connection: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// The timeout of a whole call, with its connection and the body of its response.
    pub timeout: Duration,
    /// The trusted certificate authorities; those of the system if empty.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), timeout: Duration::from_secs(10), authorities: Vec::new() }
    }
}

/// A response with the part of its body that was read.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_BODY`] bytes of it.
    pub body: Bytes,
}

/// The reason why a request has no response. The texts contain no path of an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The address is not allowed. Nothing was sent.
    #[error("the address is not allowed: {0}")]
    Forbidden(&'static str),
    /// The call took too long. The request may have been received.
    #[error("no response within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection could not be made, or broke. The request may have been received.
    #[error("{0}")]
    Broken(String),
}

/// Sends requests and keeps connections for further ones. Copies share the connections.
#[derive(Clone)]
pub struct Client {
    connections: legacy::Client<Connector, Full<Bytes>>,
    reach: Reach,
    timeout: Duration,
}

impl Client {
    /// Returns a client without connections.
    pub fn new(reach: Reach, protocol: Protocol, settings: &Settings) -> Result<Self, rustls::Error> {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(reach));
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
            .http2_keep_alive_while_idle(reach == Reach::Any)
            .build(Connector::new(https, reach, settings.connect_timeout));
        Ok(Self { connections, reach, timeout: settings.timeout })
    }

    /// Sends a request and returns the response, whatever its status. Redirects are responses too.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Answer, RequestError> {
        self.check(request.uri())?;
        let call = async {
            let (head, body) = self.respond(request).await?.into_parts();
            Ok(Answer { status: head.status, headers: head.headers, body: read(body).await })
        };
        timeout(self.timeout, call).await.unwrap_or(Err(RequestError::TimedOut(self.timeout)))
    }

    /// Returns the head of a response. A connection is made by one request, while others wait for it. If that request
    /// is dropped, another one has to begin.
    async fn respond(&self, request: Request<Bytes>) -> Result<Response<Incoming>, RequestError> {
        let mut attempts = 1;
        loop {
            match self.connections.request(request.clone().map(Full::new)).await {
                Ok(response) => return Ok(response),
                Err(error) if attempts < MAX_ATTEMPTS && has_waited_in_vain(&error) => attempts += 1,
                Err(error) => return Err(cause(&error)),
            }
        }
    }

    fn check(&self, uri: &Uri) -> Result<(), RequestError> {
        let authority = uri.authority().ok_or(RequestError::Forbidden("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(RequestError::Forbidden("it contains a user name"));
        }
        if self.reach == Reach::Public && uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(RequestError::Forbidden("only https is allowed"));
        }
        // For example an address as one number, which a resolver would accept.
        if self.reach == Reach::Public && ServerName::try_from(bare_host(uri)).is_err() {
            return Err(RequestError::Forbidden("its host is not a name or an address"));
        }
        Ok(())
    }
}

/// Reads a body up to the limit. The status is known by then, so a body that breaks off is returned as far as it came.
async fn read(mut body: Incoming) -> Bytes {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(MAX_BODY);
    let mut content = Vec::with_capacity(expected.min(MAX_BODY));
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        content.extend_from_slice(&data[..data.len().min(MAX_BODY - content.len())]);
        if content.len() == MAX_BODY {
            break;
        }
    }
    content.into()
}

/// Returns true if the request was not sent because another one did not make the connection that both needed.
fn has_waited_in_vain(error: &legacy::Error) -> bool {
    error.is_connect() && !chain(error).any(<dyn Error>::is::<ConnectError>)
}

/// Returns the innermost cause of an error, which is the one that helps: the outer ones only say that a request failed.
fn cause(error: &legacy::Error) -> RequestError {
    if has_waited_in_vain(error) {
        return RequestError::Broken("another request could not connect".to_owned());
    }
    let innermost = chain(error).last().unwrap_or(error);
    match innermost.downcast_ref() {
        Some(Forbidden(reason)) => RequestError::Forbidden(reason),
        None => RequestError::Broken(innermost.to_string().chars().take(MAX_CAUSE).collect()),
    }
}

/// Returns an error and its causes, from the outside in.
fn chain(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
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
