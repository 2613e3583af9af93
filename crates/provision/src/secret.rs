//! Random values, and files that only their owner may read.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions, Permissions},
    io::Write as _,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use crate::Error;

/// Fresh randomness from the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// Lower-case hexadecimal, safe in URLs and in every configuration language.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Replaces `path` as a whole: readers see the old content or the new one, and nobody else sees either.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<(), Error> {
    let draft = path.with_extension("new");
    let write = || {
        let _ = std::fs::remove_file(&draft);
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(Error::file(path))
}

/// The content of `path`, or nothing if there is no such file.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(path)(error)),
    }
}
