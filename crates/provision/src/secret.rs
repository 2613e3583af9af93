//! Random values, and files that only their owner may read.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions, Permissions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::Error;

/// Returns random bytes of the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// Formats bytes in lower-case hexadecimal, safe in URLs and in every configuration language.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Replaces `path` atomically, readable for its owner only.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let mut draft = AtomicFile::create(path)?;
    draft.write(content.as_bytes())?;
    draft.finish()
}

/// A file that appears under its name when it is complete.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    file: File,
    unfinished: PathBuf,
    path: PathBuf,
}

impl AtomicFile {
    /// Creates an unfinished file for `path`, readable for its owner only.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let draft = path.with_extension("new");
        let create = || {
            let _ = std::fs::remove_file(&draft);
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        };
        let file = create().map_err(Error::file(path))?;
        Ok(Self { file, unfinished: draft, path: path.to_path_buf() })
    }

    /// Appends to the file.
    pub(crate) fn write(&mut self, content: &[u8]) -> Result<(), Error> {
        self.file.write_all(content).map_err(Error::file(&self.path))
    }

    /// Syncs the file and renames it to its path, durably.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let finish = || {
            self.file.sync_all()?;
            std::fs::rename(&self.unfinished, &self.path)?;
            match self.path.parent() {
                Some(folder) if folder.is_dir() => File::open(folder)?.sync_all(),
                _ => Ok(()),
            }
        };
        finish().map_err(Error::file(&self.path))
    }
}

/// Reads `path`; `None` if there is no such file.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}
