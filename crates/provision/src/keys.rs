//! The installation's keys: token signing keys, the request hash secret, and the master key of user keys.

use std::path::{Path, PathBuf};

use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, spki::der::pem::LineEnding},
};
use service_kit::clock;

use crate::{
    Error,
    secret::{hex, random_bytes, read_if_present, write_private},
};

/// The paths of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The folder of Ed25519 private keys, PKCS#8 PEM, the newest last by name; for the command-service only.
    pub signing_keys: PathBuf,
    /// 32 random bytes in hexadecimal. The command-service hashes requests with them.
    pub request_secret: PathBuf,
    /// An id and 32 random bytes in hexadecimal. The command-service and the projector encrypt user keys with them.
    pub master_key: PathBuf,
}

impl KeyFiles {
    /// Returns the paths in `folder`, whether the files exist or not.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            signing_keys: folder.join("signing-keys"),
            request_secret: folder.join("request-secret"),
            master_key: folder.join("master-key"),
        }
    }
}

/// Writes missing keys into `folder` and keeps existing ones. A new signing key would end every session, a new request
/// secret would make every repeated request look like another one, and a new master key would make the log unreadable.
pub fn write(folder: &Path) -> Result<KeyFiles, Error> {
    let files = KeyFiles::in_folder(folder);
    std::fs::create_dir_all(&files.signing_keys).map_err(Error::file(&files.signing_keys))?;
    if !has_key(&files.signing_keys)? {
        add_signing_key(&files.signing_keys)?;
    }
    if read_if_present(&files.request_secret)?.is_none() {
        write_private(&files.request_secret, &(hex(&random_bytes::<32>()) + "\n"))?;
    }
    if read_if_present(&files.master_key)?.is_none() {
        let (id, key) = (hex(&random_bytes::<4>()), hex(&random_bytes::<32>()));
        write_private(&files.master_key, &format!("{id} {key}\n"))?;
    }
    Ok(files)
}

/// Writes missing keys, and adds a signing key. The command-services publish it first, and sign with it once every
/// service had time to learn it.
pub fn rotate(folder: &Path) -> Result<PathBuf, Error> {
    add_signing_key(&write(folder)?.signing_keys)
}

fn has_key(folder: &Path) -> Result<bool, Error> {
    let files = std::fs::read_dir(folder).map_err(Error::file(folder))?;
    let names: Result<Vec<PathBuf>, _> = files.map(|file| file.map(|file| file.path())).collect();
    let names = names.map_err(Error::file(folder))?;
    Ok(names.iter().any(|name| name.extension().is_some_and(|extension| extension == "pem")))
}

/// Adds a signing key. The file name is the time of creation, so that the newest key is the last one.
fn add_signing_key(folder: &Path) -> Result<PathBuf, Error> {
    let key = SigningKey::from_bytes(&random_bytes());
    let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| Error::Key(error.to_string()))?;
    let file = folder.join(clock::now().format("%Y%m%dT%H%M%S%3fZ.pem").to_string());
    write_private(&file, &private)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn signing_keys(files: &KeyFiles) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&files.signing_keys).unwrap();
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    }

    fn content(files: &KeyFiles) -> Vec<String> {
        let all = signing_keys(files).into_iter().chain([files.request_secret.clone(), files.master_key.clone()]);
        all.map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    #[test]
    fn a_second_run_keeps_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        let before = content(&files);
        assert_eq!(before.len(), 3);
        assert_eq!(write(folder.path()).unwrap(), files);
        assert_eq!(content(&files), before);
        assert!(sealing::MasterKeys::read(&files.master_key).is_ok());
    }

    #[test]
    fn a_rotation_adds_a_key_after_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let first = signing_keys(&write(folder.path()).unwrap());
        let second = rotate(folder.path()).unwrap();
        assert_eq!(signing_keys(&KeyFiles::in_folder(folder.path())), [first, vec![second]].concat());
        let keys = content(&KeyFiles::in_folder(folder.path()));
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn only_the_owner_can_read_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        for path in signing_keys(&files).into_iter().chain([files.request_secret, files.master_key]) {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
