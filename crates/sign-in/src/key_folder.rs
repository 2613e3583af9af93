//! The folder of the private keys that sign access tokens.

use std::{io, path::Path};

use anyhow::{Context, Result};
use service_kit::auth::Signer;

/// Reads the keys in a folder, in the order of the file names.
pub fn read(folder: &Path) -> Result<Vec<Signer>> {
    let context = || format!("cannot read the signing keys in {}", folder.display());
    let files =
        std::fs::read_dir(folder).and_then(|files| files.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>());
    let mut files = files.with_context(context)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pem"));
    files.sort();
    let keys: Result<Vec<Signer>> = files
        .iter()
        .map(|file| {
            let pem = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Signer::from_pem(&pem).with_context(|| format!("{} is not a signing key", file.display()))
        })
        .collect();
    let keys = keys?;
    anyhow::ensure!(!keys.is_empty(), "there is no signing key (*.pem) in {}", folder.display());
    Ok(keys)
}
