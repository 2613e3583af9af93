//! A plain or TLS connection to a server without the client library.

use std::{io, sync::Arc};

use bytes::BytesMut;
use nats_wire::{Info, ServerOp, take};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::Address;

/// A plain or a TLS stream.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Connects, and returns the connection and the first line to send over it. If the address requires TLS, the password
/// is sent over TLS only.
pub(super) async fn open(address: &Address, name: &str) -> io::Result<(Box<dyn Socket>, String)> {
    let mut socket = TcpStream::connect((address.host.trim_matches(['[', ']']), address.port)).await?;
    socket.set_nodelay(true)?;
    let info = receive_info(&mut socket).await?;
    if info.tls_required && !address.tls {
        return Err(io::Error::other("the server requires TLS"));
    }
    let mut hello = json!({
        "verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true, "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"), "name": name, "tls_required": address.tls,
    });
    if !address.user.is_empty() {
        hello["user"] = address.user.as_str().into();
        hello["pass"] = address.password.as_str().into();
    }
    let hello = format!("CONNECT {hello}\r\n");
    if !address.tls {
        return Ok((Box::new(socket), hello));
    }
    let host = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
    let tls = TlsConnector::from(Arc::new(tls_config(address)?)).connect(host, socket).await?;
    Ok((Box::new(tls), hello))
}

/// Receives the server's first line, which is sent before TLS.
async fn receive_info(socket: &mut TcpStream) -> io::Result<Info> {
    let mut received = BytesMut::new();
    loop {
        match take(&mut received)? {
            Some(ServerOp::Info(info)) => return Ok(info),
            Some(ServerOp::Error(reason)) => return Err(io::Error::other(reason)),
            None if socket.read_buf(&mut received).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(_) | None => {}
        }
    }
}

/// Reads the certificates for each connection, because they may have been renewed.
fn tls_config(address: &Address) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for file in &address.authorities {
        let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        roots.add_parsable_certificates(certificates.map_err(io::Error::other)?);
    }
    if address.authorities.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots);
    let Some((certificate, key)) = &address.identity else { return Ok(config.with_no_client_auth()) };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
    config.with_client_auth_cert(chain.map_err(io::Error::other)?, key).map_err(io::Error::other)
}
