//! The cache of keys and revocations on disk. A process that starts without NATS verifies tokens with it.

use std::{io, path::Path};

use super::trust_store::TrustState;

/// Reads the cache. Empty if there is no file.
pub(super) fn read(path: &Path) -> io::Result<TrustState> {
    match std::fs::read(path) {
        Ok(content) => serde_json::from_slice(&content).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(TrustState::default()),
        Err(error) => Err(error),
    }
}

/// Replaces the whole file atomically.
pub(super) async fn write(path: &Path, known: &TrustState) -> io::Result<()> {
    let content = serde_json::to_vec(known).map_err(io::Error::other)?;
    let draft = path.with_extension("new");
    tokio::fs::write(&draft, content).await?;
    tokio::fs::rename(&draft, path).await
}
