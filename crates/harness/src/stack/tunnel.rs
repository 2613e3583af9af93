//! A tunnel from clear text to a TLS service, for clients without TLS.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use anyhow::Context;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

/// Forwards clear-text connections over TLS. Ends with this value, together with all its connections.
#[derive(Debug)]
pub(super) struct Tunnel {
    port: u16,
    _passing: JoinSet<()>,
}

impl Tunnel {
    /// Opens a tunnel to the service at this port, whose certificate must be of this authority and for 127.0.0.1.
    pub(super) fn to(service: u16, authority: &Path) -> anyhow::Result<Self> {
        let connector = connector(authority).context("no TLS")?;
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a port for the tunnel")?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let port = listener.local_addr()?.port();
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, connector.clone(), service));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { port, _passing: passing })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn connector(authority: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Closes the client's connection if there is no service, or if its certificate is not valid.
async fn pass(mut client: TcpStream, connector: TlsConnector, service: u16) {
    let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, service)).await else { return };
    // Small frames must not be delayed.
    let _ = (client.set_nodelay(true), stream.set_nodelay(true));
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    if let Ok(mut stream) = connector.connect(name, stream).await {
        let _ = copy_bidirectional(&mut client, &mut stream).await;
    }
}
