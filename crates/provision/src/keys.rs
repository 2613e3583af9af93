//! The installation's keys: the pair that signs tokens, the secret that hashes requests, the master key of users' keys.

use std::path::{Path, PathBuf};

use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};

use crate::{
    Error,
    secret::{hex, random_bytes, read_if_present, write_private},
};

/// Where the keys lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// Ed25519 private key, PKCS#8 PEM: for the command-service only.
    pub signing_key: PathBuf,
    /// Ed25519 public key, SPKI PEM: for whoever checks tokens.
    pub verifying_key: PathBuf,
    /// 32 random bytes in hexadecimal, with which the command-service hashes requests.
    pub request_secret: PathBuf,
    /// An id and 32 random bytes in hexadecimal, with which command-service and projector wrap the keys of users.
    pub master_key: PathBuf,
}

impl KeyFiles {
    /// The files' names in `folder`, whether they exist or not.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            signing_key: folder.join("signing-key.pem"),
            verifying_key: folder.join("verifying-key.pem"),
            request_secret: folder.join("request-secret"),
            master_key: folder.join("master-key"),
        }
    }
}

/// Writes what is missing into `folder` and leaves the rest: a new signing key would end every session, a new request
/// secret would make every repeated request look like another one, and without its master key the log says nothing.
pub fn write(folder: &Path) -> Result<KeyFiles, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let files = KeyFiles::in_folder(folder);
    if read_if_present(&files.signing_key)?.is_none() {
        let key = SigningKey::from_bytes(&random_bytes());
        let private = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| Error::Key(error.to_string()))?;
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
        // The private half last: it is the one whose presence says that the pair is complete.
        write_private(&files.verifying_key, &public.map_err(|error| Error::Key(error.to_string()))?)?;
        write_private(&files.signing_key, &private)?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

    use super::*;

    fn read(path: &Path) -> Vec<u8> {
        std::fs::read(path).unwrap()
    }

    #[test]
    fn a_token_signed_with_one_half_is_accepted_by_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        let claims = serde_json::json!({ "sub": "ana", "exp": 4_102_444_800_u64 });
        let key = EncodingKey::from_ed_pem(&read(&files.signing_key)).unwrap();
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap();
        let key = DecodingKey::from_ed_pem(&read(&files.verifying_key)).unwrap();
        let decoded =
            jsonwebtoken::decode::<serde_json::Value>(&token, &key, &Validation::new(Algorithm::EdDSA)).unwrap();
        assert_eq!(decoded.claims["sub"], "ana");
    }

    #[test]
    fn a_second_run_keeps_the_keys() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        let all = || {
            [&files.signing_key, &files.verifying_key, &files.request_secret, &files.master_key].map(|file| read(file))
        };
        let before = all();
        assert_eq!(write(folder.path()).unwrap(), files);
        assert_eq!(all(), before);
        assert!(event_store::MasterKeys::read(&files.master_key).is_ok());
    }

    #[test]
    fn only_the_owner_can_read_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        for path in [files.signing_key, files.request_secret, files.master_key] {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
