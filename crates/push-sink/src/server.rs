//! The listener: HTTP/1.1 and HTTP/2, plain (with prior knowledge) or over TLS.

use std::sync::Arc;

use anyhow::Context;
use axum::{Extension, Router};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::state::{Connection, State};

/// A certificate of its own, for this machine.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
}

impl Tls {
    /// Makes a certificate.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
        let certificate = made.cert.der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, pem: made.cert.pem() })
    }

    /// The acceptor of connections.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

/// Serves connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, router: Router, state: Arc<State>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        // Finished connections are removed.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        // Small responses are not held back.
        let _ = stream.set_nodelay(true);
        state.count_connection();
        let (router, tls) = (router.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, router).await;
                    }
                }
                None => connection(stream, router).await,
            }
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router) {
    let this = Connection::default();
    let service = TowerToHyperService::new(router.layer(Extension(this.clone())));
    let server = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // A client that breaks the protocol ends its own connection.
        _ = server.serve_connection(TokioIo::new(stream), service) => {}
        () = this.closed() => {}
    }
}
