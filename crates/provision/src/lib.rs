//! Prepares the servers that Boxroom runs on. Only this code may create streams, roles and keys; no service links it.

pub mod accounts;
pub mod backup;
pub mod keys;
pub mod nats_accounts;
pub mod restore;
pub mod roles;
mod secret;
pub mod snapshot;
pub mod streams;
pub mod topology;
pub mod upload;

use std::path::{Path, PathBuf};

/// The reason why a server or a folder could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file in question.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file does not have the expected content.
    #[error("{} is damaged: {detail}", path.display())]
    Damaged {
        /// The file in question.
        path: PathBuf,
        /// The problem.
        detail: String,
    },
    /// A folder holds a backup already.
    #[error("{} already contains a backup: use a new folder for each", path.display())]
    AlreadyBackedUp {
        /// The folder in question.
        path: PathBuf,
    },
    /// A folder holds no backup, or an unfinished one.
    #[error("{} contains no complete backup", path.display())]
    NoBackup {
        /// The folder in question.
        path: PathBuf,
    },
    /// The streams could not be copied.
    #[error("cannot copy the streams")]
    Backup(#[from] snapshot::BackupError),
    /// The server began to store a stream and stopped before its end.
    #[error("the server aborted {stream} ({description}): start it with restore.conf, and run this again")]
    Aborted {
        /// The stream in question.
        stream: String,
        /// The server's description of the error.
        description: String,
    },
    /// The NATS URL is invalid.
    #[error("invalid NATS URL")]
    Address(#[from] service_kit::nats::ConnectError),
    /// NATS could not be reached with this address and account.
    #[error("cannot connect to NATS")]
    Connect(#[source] async_nats::ConnectError),
    /// The streams could not be created, or exist with other settings.
    #[error("cannot provision the streams")]
    Streams(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// PostgreSQL refused a statement or could not be reached.
    #[error("cannot provision the database")]
    Database(#[from] sqlx::Error),
    /// A key or a password could not be encoded.
    #[error("cannot encode a secret: {0}")]
    Key(String),
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
