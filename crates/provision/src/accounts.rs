//! The NATS accounts, one for each process, and their passwords.

use std::path::Path;

use event_store::accounts::{self, Passwords};

use crate::{
    Error,
    secret::{hex, random_bytes, read_if_present, write_private},
};

/// The passwords of the accounts' users.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Credentials {
    /// Of the account that owns the log: for provisioning only.
    pub admin: String,
    /// Of the command-service.
    pub command: String,
    /// Of the projector.
    pub projector: String,
    /// Of the query-service.
    pub query: String,
    /// Of the delivery boxes.
    pub device: String,
    /// Of the people who look after the projectors; files of former versions have none.
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
/// The file that says the passwords to whoever starts the services.
const CREDENTIALS: &str = "credentials.json";

/// Writes `accounts.conf` and `credentials.json` into `folder`. Passwords that are there already are kept.
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
    write_private(&folder.join(ACCOUNTS), &accounts::render(partitions, &credentials.passwords()))?;
    Ok(credentials)
}

impl Credentials {
    fn random() -> Self {
        let (admin, command, projector) = (password(), password(), password());
        Self { admin, command, projector, query: password(), device: password(), operator: password() }
    }

    fn passwords(&self) -> Passwords {
        let Self { admin, command, projector, query, device, operator } = self.clone();
        Passwords { admin, command, projector, query, device, operator }
    }
}

/// A letter first: the configuration's language takes other words for numbers.
fn password() -> String {
    format!("p{}", hex(&random_bytes::<16>()))
}
