//! argon2id with reused buffers: an allocator keeps a freed buffer of 19 MiB for each thread that had one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{
        self,
        phc::{Output, ParamsString, Salt},
    },
};

/// The reason why a password could not be hashed.
pub type HashError = password_hash::Error;

/// The maximum number of buffers kept. More are in use while more processors hash.
const KEPT: usize = 4;

/// Hashes and verifies passwords.
///
/// A buffer is not overwritten after use: it helps to guess a password no more than the hash, which is stored.
#[derive(Default)]
pub struct Hasher {
    buffers: Mutex<Vec<Vec<Block>>>,
}

impl Hasher {
    /// Returns the hash of a password in PHC form, with a new salt. The parameters are argon2's defaults, which OWASP
    /// recommends: 19 MiB, two passes, one lane.
    pub fn hash(&self, password: &str) -> Result<String, HashError> {
        let salt = Salt::new(&rand::random::<[u8; Salt::RECOMMENDED_LENGTH]>())?;
        let params = Params::default();
        let hash = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: Some(self.output(&Argon2::from(&params), password, &salt, Params::DEFAULT_OUTPUT_LEN)?),
        };
        Ok(hash.to_string())
    }

    /// Returns true if a password has this hash, which may have been made with other parameters.
    pub fn matches(&self, password: &str, hash: &str) -> bool {
        self.verify(password, hash).unwrap_or_else(|error| {
            tracing::error!(%error, "a stored password hash cannot be read");
            false
        })
    }

    fn verify(&self, password: &str, hash: &str) -> Result<bool, HashError> {
        let hash = PasswordHash::new(hash)?;
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
        let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
        let argon = Argon2::new(Algorithm::try_from(hash.algorithm.as_str())?, version, Params::try_from(&hash)?);
        // Compared in constant time.
        Ok(self.output(&argon, password, &salt, expected.len())? == expected)
    }

    fn output(&self, argon: &Argon2<'_>, password: &str, salt: &Salt, length: usize) -> Result<Output, HashError> {
        let mut bytes = [0; Output::MAX_LENGTH];
        let bytes = bytes.get_mut(..length).ok_or(HashError::OutputSize)?;
        let mut buffer = self.buffers().pop().unwrap_or_default();
        buffer.resize(buffer.len().max(argon.params().block_count()), Block::new());
        let hashed = argon.hash_password_into_with_memory(password.as_bytes(), salt, bytes, &mut buffer);
        let mut buffers = self.buffers();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
        hashed?;
        Ok(Output::new(bytes)?)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn a_reused_buffer_yields_the_same_hashes() {
        let hasher = Hasher::default();
        for password in ["correct horse", "battery staple", ""] {
            let hash = hasher.hash(password).unwrap();
            assert!(Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_ok());
            assert!(hasher.matches(password, &hash) && !hasher.matches("another", &hash));
        }
        assert_eq!(hasher.buffers().len(), 1);
        let hash = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(hasher.matches("correct horse", &hash) && !hasher.matches("correct hors", &hash));
    }

    #[test]
    fn hashes_with_other_parameters_are_verified_and_other_algorithms_are_not() {
        let hasher = Hasher::default();
        for (memory, passes, lanes, length) in [(32, 1, 1, 16), (64, 3, 2, 32), (40_000, 1, 1, 32)] {
            let argon = Argon2::new(
                Algorithm::Argon2id,
                Version::V0x10,
                Params::new(memory, passes, lanes, Some(length)).unwrap(),
            );
            let hash = argon.hash_password(b"correct horse").unwrap().to_string();
            assert!(hasher.matches("correct horse", &hash) && !hasher.matches("battery staple", &hash), "{hash}");
        }
        for bad in ["", "secret", "$argon2id$v=19$m=19456,t=2,p=1", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaGhhc2g"] {
            assert!(!hasher.matches("correct horse", bad), "{bad}");
        }
    }
}
