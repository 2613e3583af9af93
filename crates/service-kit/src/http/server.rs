//! The listener: accepts connections within limits, and serves HTTP/1.1 on each, plain or over TLS.
//!
//! HTTP/2 is left to proxies: live connections do not benefit from it, and an unsupported protocol cannot be abused.

use std::{io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use clap::Args;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use super::{
    client::{self, ClientAddress},
    connection_limits::{ConnectionLimiter, ConnectionPermit, PermittedStream},
    requests,
    tls::Certificate,
};

/// The length of the accept queue. Clients that do not fit try again after one second, then after three.
const BACKLOG: u32 = 4096;

/// The maximum size of a request's head. It is far beyond the limits that are answered with a problem.
const HARD_MAX_HEAD: usize = 96 * 1024;

/// The longest time for which the peer may leave sent data unacknowledged, or its window closed.
const UNSENT_TIMEOUT: Duration = Duration::from_mins(1);

/// The timeout of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before accepting again after a lack of system resources.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The longest time for which open requests may continue after the process was asked to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The settings of the HTTP server.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// Address to serve HTTP on; each service has its own default port
    #[arg(long, env = "BOXROOM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Certificate chain (PEM) for serving HTTPS in place of HTTP
    #[arg(long, env = "BOXROOM_TLS_CERT_FILE", requires = "tls_key_file", value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, env = "BOXROOM_TLS_KEY_FILE", requires = "tls_cert_file", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// Networks of trusted proxies, whose `X-Forwarded-For` is used, separated by commas, like
    /// `10.1.0.0/16,192.0.2.7/32`; none if not given
    #[arg(long, env = "BOXROOM_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<IpNet>,

    /// Maximum number of open connections; less if the process may not open as many files
    #[arg(long, env = "BOXROOM_CONNECTIONS", default_value_t = 50_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Maximum number of open connections from one address (or IPv6 /64 network) that is not a trusted proxy
    #[arg(long, env = "BOXROOM_CONNECTIONS_PER_ADDRESS", default_value_t = 4_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: u32,

    /// Timeout for the head of each request on a connection, in seconds
    #[arg(long, env = "BOXROOM_HEAD_TIMEOUT", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
}

impl ListenArgs {
    /// Returns the given address, or this port on the loopback interface.
    pub fn or_port(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// Listens with a long accept queue. Must be called in a tokio runtime.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a former process may still be closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown` and counts every request, then lets open requests finish for a few seconds.
///
/// Fails at once if the settings name a certificate that cannot be used.
pub fn serve<F: Future<Output = ()>>(
    listener: TcpListener,
    router: Router,
    args: &ListenArgs,
    shutdown: F,
) -> io::Result<impl Future<Output = ()> + use<F>> {
    let server = Arc::new(Server::new(router, args)?);
    Ok(async move {
        let stopping = watch::Sender::new(());
        tokio::select! {
            () = server.accept_all(&listener, &stopping) => {}
            () = shutdown => {}
        }
        drop(listener);
        stopping.send_replace(());
        let _ = timeout(DRAIN_TIMEOUT, stopping.closed()).await;
    })
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client closed the connection before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// The state shared by all connections of a listener.
struct Server {
    router: Router,
    http: http1::Builder,
    connections: Arc<ConnectionLimiter>,
    certificate: Option<Certificate>,
    trusted_proxies: Vec<IpNet>,
}

impl Server {
    fn new(router: Router, args: &ListenArgs) -> io::Result<Self> {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(args.head_timeout))
            .max_header_size(HARD_MAX_HEAD);
        let certificate = Certificate::of(args.tls_cert_file.as_deref(), args.tls_key_file.as_deref())?;
        let router = if certificate.is_some() { router.layer(middleware::map_response(add_hsts)) } else { router };
        Ok(Self {
            router: router.layer(middleware::from_fn(requests::count)),
            http,
            connections: ConnectionLimiter::new(args.connections, args.connections_per_address),
            certificate,
            trusted_proxies: args.trusted_proxies.clone(),
        })
    }

    async fn accept_all(self: &Arc<Self>, listener: &TcpListener, stopping: &watch::Sender<()>) {
        loop {
            let (stream, peer) = accept(listener).await;
            if let Some(permit) = self.acquire_permit(peer) {
                tokio::spawn(Arc::clone(self).serve_connection(stream, peer, permit, stopping.subscribe()));
            }
        }
    }

    fn acquire_permit(&self, peer: SocketAddr) -> Option<ConnectionPermit> {
        let trusted = client::is_trusted(&self.trusted_proxies, peer.ip());
        self.connections.acquire((!trusted).then(|| ClientAddress::from(peer.ip())))
    }

    async fn serve_connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
        stopping: watch::Receiver<()>,
    ) {
        set_socket_options(&stream);
        match &self.certificate {
            None => self.serve_http(PermittedStream { stream, _permit: permit }, peer, stopping).await,
            Some(certificate) => match timeout(HANDSHAKE_TIMEOUT, certificate.acceptor().accept(stream)).await {
                Ok(Ok(stream)) => self.serve_http(PermittedStream { stream, _permit: permit }, peer, stopping).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake timed out"),
            },
        }
    }

    /// Serves requests until either side closes, or until the connection becomes a WebSocket.
    async fn serve_http<S>(&self, stream: S, peer: SocketAddr, mut stopping: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let trusted = self.trusted_proxies.clone();
        let service = self.router.clone().map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            let address = client::find(peer.ip(), request.headers(), &trusted);
            request.extensions_mut().insert(address);
            request
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection.with_upgrades());
        let result = tokio::select! {
            result = connection.as_mut() => result,
            // An error means that the sender is gone, and so is the server.
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::trace!(%error, "a connection ended with an error");
        }
    }
}

/// Adds the header that makes a browser use HTTPS only from now on.
async fn add_hsts(mut response: Response) -> Response {
    response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    response
}

fn set_socket_options(stream: &TcpStream) {
    // Errors are ignored: not every system supports both options, and nothing depends on them.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let limit = u32::try_from(UNSENT_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, limit);
    }
}

#[cfg(test)]
mod tests;
