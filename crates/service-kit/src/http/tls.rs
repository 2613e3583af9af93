//! HTTPS: a certificate from files, read again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{
    ServerConfig, crypto,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// The protocol served over TLS (ALPN).
const PROTOCOL: &[u8] = b"http/1.1";

type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// The certificate of a listener, reloaded when its files change.
#[derive(Debug)]
pub(super) struct Certificate {
    files: [PathBuf; 2],
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    /// The modification times of the files when they were last read.
    read: Option<[SystemTime; 2]>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("read", &self.read).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Loads the certificate chain and its key. None if there are no files and plain HTTP is served.
    pub(super) fn of(certificate: Option<&Path>, key: Option<&Path>) -> io::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        let files = [certificate.to_owned(), key.to_owned()];
        let read = changed(&files);
        let acceptor = load(&files).map_err(|error| {
            let [certificate, key] = &files;
            let files = format!("{} and {}", certificate.display(), key.display());
            io::Error::new(io::ErrorKind::InvalidData, format!("HTTPS cannot be served with {files}: {error}"))
        })?;
        Ok(Some(Self { files, current: Mutex::new(Current { acceptor, read }) }))
    }

    /// Returns the acceptor for the next connection: with the current files, or with the last valid ones.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = changed(&self.files);
        if now != current.read {
            current.read = now;
            match load(&self.files) {
                Ok(acceptor) => {
                    tracing::info!("serving with a renewed certificate");
                    current.acceptor = acceptor;
                }
                // One of the two files may still be incomplete. It is read again after its next change.
                Err(error) => tracing::warn!(error, "the renewed certificate cannot be used, serving with the old one"),
            }
        }
        current.acceptor.clone()
    }
}

fn changed(files: &[PathBuf; 2]) -> Option<[SystemTime; 2]> {
    let time = |file: &PathBuf| fs::metadata(file).and_then(|data| data.modified()).ok();
    Some([time(&files[0])?, time(&files[1])?])
}

fn load([certificate, key]: &[PathBuf; 2]) -> Result<TlsAcceptor, LoadError> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
