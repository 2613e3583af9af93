//! Fetches the public keys of an external issuer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

use super::issuer::KeySource;

/// The timeout of fetching the keys from an address.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a key set.
const MAX_BYTES: usize = 256 * 1024;

/// Returns the keys that have an id.
pub(super) async fn fetch(source: &KeySource) -> Result<Vec<Jwk>, String> {
    let content = match source {
        KeySource::File(path) => tokio::fs::read(path).await.map_err(|error| format!("{}: {error}", path.display()))?,
        KeySource::Address(url) => {
            let got = timeout(FETCH_TIMEOUT, get(url)).await.unwrap_or_else(|_| Err("no answer".into()));
            got.map_err(|error| format!("{url}: {error}"))?
        }
    };
    let keys: JwkSet = serde_json::from_slice(&content).map_err(|error| format!("not a set of keys: {error}"))?;
    let keys: Vec<Jwk> = keys.keys.into_iter().filter(|key| key.common.key_id.is_some()).collect();
    // Not accepted: a verifier without keys would reject all tokens.
    if keys.is_empty() { Err("the issuer has no keys with an id".to_owned()) } else { Ok(keys) }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn get(url: &Url) -> Result<Vec<u8>, Failure> {
    let host = url.host_str().ok_or("no host")?;
    let port = url.port_or_known_default().ok_or("no port")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if url.scheme() == "https" {
        let name = ServerName::try_from(host.to_owned())?;
        return request_keys(TlsConnector::from(tls()?).connect(name, stream).await?, url, host).await;
    }
    request_keys(stream, url, host).await
}

fn tls() -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

async fn request_keys<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    url: &Url,
    host: &str,
) -> Result<Vec<u8>, Failure> {
    let (mut sender, connection) = http1::handshake::<_, Body>(TokioIo::new(stream)).await?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Request::get(path).header(header::HOST, host).header(header::ACCEPT, "application/json");
    let request = request.body(Body::empty())?;
    // Dropped, and so stopped, at the end of this request.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered {}", response.status()).into());
    }
    Ok(Limited::new(response.into_body(), MAX_BYTES).collect().await?.to_bytes().to_vec())
}
