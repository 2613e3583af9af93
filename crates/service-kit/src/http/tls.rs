//! HTTPS: a certificate from files, read again when they change.

use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use rustls::{
    ServerConfig, crypto,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

use crate::args::ListenArgs;

/// What is spoken over TLS.
const PROTOCOL: &[u8] = b"http/1.1";

type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// The certificate of a listener, as it is in the files.
#[derive(Debug)]
pub(super) struct Certificate {
    files: [PathBuf; 2],
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    /// The files' state when they were last read.
    read: Option<[SystemTime; 2]>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("read", &self.read).finish_non_exhaustive()
    }
}

impl Certificate {
    /// That of the settings; none where plain HTTP is served.
    pub(super) fn of(args: &ListenArgs) -> io::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&args.tls_cert_file, &args.tls_key_file) else { return Ok(None) };
        let files = [certificate.clone(), key.clone()];
        let read = changed(&files);
        let acceptor = load(&files).map_err(|error| {
            let [certificate, key] = &files;
            let files = format!("{} and {}", certificate.display(), key.display());
            io::Error::new(io::ErrorKind::InvalidData, format!("HTTPS cannot be served with {files}: {error}"))
        })?;
        Ok(Some(Self { files, current: Mutex::new(Current { acceptor, read }) }))
    }

    /// For the next connection: with the files as they are now, or as they were when they were last good.
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
                // Perhaps one of both is still to be written; that is a change, too.
                Err(error) => tracing::warn!(error, "the renewed certificate cannot be used; the former one still is"),
            }
        }
        current.acceptor.clone()
    }
}

fn changed(files: &[PathBuf; 2]) -> Option<[SystemTime; 2]> {
    let time = |file: &PathBuf| fs::metadata(file).and_then(|data| data.modified()).ok();
    Some([time(&files[0])?, time(&files[1])?])
}

fn load([certificate, key]: &[PathBuf; 2]) -> Result<TlsAcceptor, Trouble> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
