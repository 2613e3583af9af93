//! The folder of the private keys that sign access tokens.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use service_kit::auth::Signer;

/// The keys in a folder. They are parsed again only if a file has changed, so that the folder can be read often.
pub struct KeyFolder {
    path: PathBuf,
    /// The files of the last read, with their text.
    files: Vec<(PathBuf, String)>,
    keys: Vec<Signer>,
}

impl KeyFolder {
    /// Reads a folder, which must contain a key.
    pub fn open(path: &Path) -> Result<Self> {
        let mut folder = Self { path: path.to_owned(), files: Vec::new(), keys: Vec::new() };
        folder.read()?;
        Ok(folder)
    }

    /// Returns the keys of the last read, in the order of the file names.
    pub fn keys(&self) -> &[Signer] {
        &self.keys
    }

    /// Reads the folder again. Returns its keys in the order of the file names.
    pub fn read(&mut self) -> Result<&[Signer]> {
        let files = read_files(&self.path)?;
        if files != self.files {
            let key = |(path, pem): &(PathBuf, String)| {
                Signer::from_pem(pem).with_context(|| format!("{} is not a signing key", path.display()))
            };
            self.keys = files.iter().map(key).collect::<Result<_>>()?;
            self.files = files;
        }
        anyhow::ensure!(!self.keys.is_empty(), "there is no signing key (*.pem) in {}", self.path.display());
        Ok(&self.keys)
    }
}

fn read_files(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let context = || format!("cannot read the signing keys in {}", folder.display());
    let paths =
        std::fs::read_dir(folder).and_then(|files| files.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>());
    let mut paths = paths.with_context(context)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pem"));
    paths.sort();
    let read = |path: PathBuf| {
        let pem = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((path, pem))
    };
    paths.into_iter().map(read).collect()
}
