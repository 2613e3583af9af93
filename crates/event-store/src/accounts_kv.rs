//! The accounts of users, operators and boxes: password hashes and roles. Beside the log, because they must be forgettable.

use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::{jetstream::JetStreamLog, space::Lack};

/// The bucket that holds them. Stored; never rename.
pub(crate) const ACCOUNTS_BUCKET: &str = "accounts";

/// How far a registration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The account is there, the user perhaps not yet.
    Pending,
    /// The user is there.
    Active,
}

/// What signing in needs to know of somebody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// argon2id, in PHC form.
    pub password_hash: String,
    /// What they may do.
    pub role: String,
    /// How far the registration has come.
    pub state: AccountState,
    /// When it began.
    pub created_at: DateTime<Utc>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

/// An account and which of its revisions that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    key: String,
    /// The account.
    pub account: Account,
    /// Changes with every write; guards the next one.
    pub revision: u64,
}

/// Why an account could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Somebody else was faster: read again.
    #[error("the account was changed at the same time")]
    Conflict,
    /// The server has no space left: certainly not written.
    #[error("the accounts have no space left: {0}")]
    Full(Lack),
    /// The server is not there, or slow. A write may have happened; reading it back tells.
    #[error("the accounts cannot be reached")]
    Unavailable(#[source] async_nats::Error),
    /// What is stored is no account.
    #[error("the account {key} cannot be read")]
    Corrupt {
        /// Whose.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// The accounts of everybody, shared by all command-services.
#[derive(Debug)]
pub struct Accounts {
    log: JetStreamLog,
    bucket: OnceCell<Store>,
}

impl Accounts {
    /// The accounts beside this log.
    pub fn new(log: JetStreamLog) -> Self {
        Self { log, bucket: OnceCell::new() }
    }

    async fn bucket(&self) -> Result<&Store, AccountError> {
        self.bucket
            .get_or_try_init(|| self.log.context().get_key_value(ACCOUNTS_BUCKET))
            .await
            .map_err(|error| AccountError::Unavailable(error.into()))
    }

    /// The account of a user or an operator.
    pub async fn get(&self, user_id: &UserId) -> Result<Option<StoredAccount>, AccountError> {
        self.read(user_id.as_str()).await
    }

    /// What a box signs in with.
    pub async fn get_box(&self, box_id: &BoxId) -> Result<Option<StoredAccount>, AccountError> {
        self.read(&key_of_box(box_id)).await
    }

    /// Whether an account still has the password that was read.
    pub async fn has_still(&self, stored: &StoredAccount) -> Result<bool, AccountError> {
        let now = self.read(&stored.key).await?;
        Ok(now.is_some_and(|now| now.account.password_hash == stored.account.password_hash))
    }

    async fn read(&self, key: &str) -> Result<Option<StoredAccount>, AccountError> {
        let entry = self.bucket().await?.entry(key).await;
        let entry = entry.map_err(|error| AccountError::Unavailable(error.into()))?;
        let Some(entry) = entry.filter(|entry| entry.operation == Operation::Put) else {
            return Ok(None);
        };
        let account = serde_json::from_slice(&entry.value);
        let key = key.to_owned();
        match account {
            Ok(account) => Ok(Some(StoredAccount { key, account, revision: entry.revision })),
            Err(source) => Err(AccountError::Corrupt { key, source }),
        }
    }

    /// Creates an account; a conflict if there is one. Returns its revision.
    pub async fn create_pending(
        &self,
        user_id: &UserId,
        password_hash: String,
        role: String,
        at: DateTime<Utc>,
    ) -> Result<u64, AccountError> {
        self.create(user_id, &Account { password_hash, role, state: AccountState::Pending, created_at: at }).await
    }

    /// Creates the account of somebody who is no user, complete at once; a conflict if there is one.
    pub async fn create_active(
        &self,
        user_id: &UserId,
        password_hash: String,
        role: &str,
        at: DateTime<Utc>,
    ) -> Result<(), AccountError> {
        let account = Account { password_hash, role: role.to_owned(), state: AccountState::Active, created_at: at };
        self.create(user_id, &account).await.map(drop)
    }

    async fn create(&self, user_id: &UserId, account: &Account) -> Result<u64, AccountError> {
        let value = encode(user_id.as_str(), account)?;
        match self.bucket().await?.create(user_id.as_str(), value.clone()).await {
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Err(AccountError::Conflict),
            Err(error) => Err(self.failed(user_id.as_str(), &value, error).await),
            Ok(revision) => {
                self.log.written(ACCOUNTS_BUCKET);
                Ok(revision)
            }
        }
    }

    /// Gives a box what it signs in with from now on, in place of what it had.
    pub async fn put_box(&self, box_id: &BoxId, password_hash: String, at: DateTime<Utc>) -> Result<(), AccountError> {
        let (role, state) = ("device".to_owned(), AccountState::Active);
        let key = key_of_box(box_id);
        let bytes = encode(&key, &Account { password_hash, role, state, created_at: at })?;
        match self.bucket().await?.put(&key, bytes.clone()).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed(&key, &bytes, error).await),
        }
    }

    async fn failed(
        &self,
        key: &str,
        value: &[u8],
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> AccountError {
        match self.log.lack(ACCOUNTS_BUCKET, key, value, &error).await {
            Some(lack) => AccountError::Full(lack),
            None => AccountError::Unavailable(error.into()),
        }
    }

    /// Takes from a box what it signs in with, if it has anything.
    pub async fn delete_box(&self, box_id: &BoxId) -> Result<(), AccountError> {
        if self.get_box(box_id).await?.is_none() {
            return Ok(());
        }
        let key = key_of_box(box_id);
        match self.bucket().await?.delete(&key).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(&key, &[], error).await),
        }
    }

    /// Makes a pending account an active one; a conflict if it is not the given revision any more. Returns the new revision.
    pub async fn confirm(&self, stored: StoredAccount) -> Result<u64, AccountError> {
        let account = Account { state: AccountState::Active, ..stored.account };
        self.update(&stored.key, &account, stored.revision).await
    }

    /// Gives an account another password; a conflict if it is not the given revision any more.
    pub async fn change_password(&self, stored: StoredAccount, password_hash: String) -> Result<(), AccountError> {
        let account = Account { password_hash, ..stored.account };
        self.update(&stored.key, &account, stored.revision).await.map(drop)
    }

    async fn update(&self, key: &str, account: &Account, revision: u64) -> Result<u64, AccountError> {
        let value = encode(key, account)?;
        match self.bucket().await?.update(key, value.clone(), revision).await {
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(AccountError::Conflict),
            Err(error) => Err(self.failed(key, &value, error).await),
            Ok(revision) => {
                self.log.written(ACCOUNTS_BUCKET);
                Ok(revision)
            }
        }
    }

    /// Deletes an account; a conflict if it is not the given revision any more.
    pub async fn delete(&self, user_id: &UserId, revision: u64) -> Result<(), AccountError> {
        match self.bucket().await?.delete_expect_revision(user_id.as_str(), Some(revision)).await {
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(AccountError::Conflict),
            Err(error) => Err(self.failed(user_id.as_str(), &[], error).await),
            Ok(()) => Ok(()),
        }
    }
}

/// No user's id has such a character. Stored; never rename.
fn key_of_box(box_id: &BoxId) -> String {
    format!("box={box_id}")
}

fn encode(key: &str, account: &Account) -> Result<bytes::Bytes, AccountError> {
    let encoded = serde_json::to_vec(account);
    encoded.map(Into::into).map_err(|source| AccountError::Corrupt { key: key.to_owned(), source })
}
