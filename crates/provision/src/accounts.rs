//! The NATS accounts, one for each process, and their passwords.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{
    Error,
    nats_accounts::{self, Passwords},
    secret::{hex, random_bytes, read_if_present, write_private},
};

/// The passwords of the NATS accounts' users.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    /// The owner of the log, for provisioning only.
    pub admin: String,
    /// The command-service.
    pub command: String,
    /// The projector.
    pub projector: String,
    /// The query-service.
    pub query: String,
    /// The notifier; files of former versions lack it.
    #[serde(default = "password")]
    pub notifier: String,
    /// The delivery boxes.
    pub device: String,
    /// The operators; files of former versions lack it.
    #[serde(default = "password")]
    pub operator: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The file that `nats.conf` includes.
const ACCOUNTS: &str = "accounts.conf";
/// The file with the passwords, for starting the services.
const CREDENTIALS: &str = "credentials.json";

/// Writes `accounts.conf` and `credentials.json` into `folder`. Existing passwords are kept. Only `credentials.json`
/// contains them: `accounts.conf` has their hashes.
pub fn write(folder: &Path, partitions: u16) -> Result<Credentials, Error> {
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let path = folder.join(CREDENTIALS);
    let credentials = match read_if_present(&path)? {
        Some(content) => serde_json::from_str(&content)
            .map_err(|error| Error::Damaged { path: path.clone(), detail: error.to_string() })?,
        None => Credentials::random(),
    };
    let content = serde_json::to_string_pretty(&credentials)
        .map_err(|error| Error::Damaged { path: path.clone(), detail: error.to_string() })?;
    write_private(&path, &(content + "\n"))?;
    write_private(&folder.join(ACCOUNTS), &nats_accounts::render(partitions, &credentials.hashed()?))?;
    Ok(credentials)
}

impl Credentials {
    fn random() -> Self {
        let (admin, command, projector) = (password(), password(), password());
        let (query, notifier, device, operator) = (password(), password(), password(), password());
        Self { admin, command, projector, query, notifier, device, operator }
    }

    /// Hashes the passwords for nats-server, which only needs to verify them.
    fn hashed(&self) -> Result<Passwords, Error> {
        let Self { admin, command, projector, query, notifier, device, operator } = self;
        Ok(Passwords {
            admin: hash(admin)?,
            command: hash(command)?,
            projector: hash(projector)?,
            query: hash(query)?,
            notifier: hash(notifier)?,
            device: hash(device)?,
            operator: hash(operator)?,
        })
    }
}

/// The lowest cost of bcrypt. A higher one protects guessable passwords, and every connection pays it.
const COST: u32 = 4;

/// Hashes a password, with the same result at every run: nats-server disconnects all clients of a user whose hash has
/// changed. Each password is 16 random bytes, so it has its own salt.
fn hash(password: &str) -> Result<String, Error> {
    let mut salt = [0; 16];
    salt.copy_from_slice(&Sha256::digest(format!("bcrypt salt of {password}"))[..16]);
    let hash = bcrypt::hash_with_salt(password, COST, salt).map_err(|error| Error::Key(error.to_string()))?;
    Ok(hash.format_for_version(bcrypt::Version::TwoA))
}

fn password() -> String {
    format!("p{}", hex(&random_bytes::<16>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_file_contains_no_password_and_is_stable() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = write(folder.path(), 4).unwrap();
        let accounts = || std::fs::read_to_string(folder.path().join(ACCOUNTS)).unwrap();
        let before = accounts();
        let said = serde_json::to_value(&credentials).unwrap();
        let passwords: Vec<_> = said.as_object().unwrap().values().map(|password| password.as_str().unwrap()).collect();
        assert!(passwords.iter().all(|password| password.len() == 33 && !before.contains(password)));
        assert_eq!(before.matches("$2a$04$").count(), passwords.len());
        assert!(write(folder.path(), 4).unwrap() == credentials && accounts() == before);
    }
}
