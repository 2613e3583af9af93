//! The accounts of users, operators, moderators and boxes: password hashes and roles. They are stored outside the log,
//! because they must be deletable.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{Bucket, BucketError, JetStream, SpaceLimit};
use wire::bucket::{ACCOUNTS_BUCKET, box_key};

use crate::password_reset::{PasswordReset, ResetToken};

/// The progress of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The account exists, its user may not.
    Pending,
    /// The user exists.
    Active,
    /// The user has to open a link first.
    Unconfirmed,
}

/// The confirmation that an account waits for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The secret in the link.
    pub nonce: String,
    /// The address to which the link is sent. Empty while the user is being registered.
    pub contact: String,
    /// The nickname of the user to be registered.
    pub nickname: String,
    /// The time at which the link and the account expire.
    pub expires_at: DateTime<Utc>,
    /// The number of times that the link was sent.
    pub sent: u32,
    /// The time at which it was sent last.
    pub sent_at: DateTime<Utc>,
}

/// The credentials and role of a user, an operator, a moderator or a box.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// argon2id, in PHC form.
    pub password_hash: String,
    /// The role of the principal.
    pub role: String,
    /// The progress of the registration.
    pub state: AccountState,
    /// The time at which the account was created.
    pub created_at: DateTime<Utc>,
    /// The session that set this password. It stays valid with the new password, all others end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_session: Option<String>,
    /// The token with which the user can set a new password, if one was issued. A new password removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_reset: Option<PasswordReset>,
    /// The confirmation that the account waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// The secret of the link with which the account was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<String>,
}

impl Account {
    /// An account without a confirmation.
    fn new(password_hash: String, role: String, state: AccountState, created_at: DateTime<Utc>) -> Self {
        Self {
            password_hash,
            role,
            state,
            created_at,
            kept_session: None,
            password_reset: None,
            confirmation: None,
            confirmed: None,
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("role", &self.role).field("state", &self.state).finish_non_exhaustive()
    }
}

/// An account and its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAccount {
    key: String,
    /// The account.
    pub account: Account,
    /// Changes with every write and guards the next one.
    pub revision: u64,
}

impl StoredAccount {
    /// The identifier of the current password. It is never reused, because each hash has a salt of its own, and reveals
    /// nothing about the password.
    pub fn credential(&self) -> String {
        let digest = Sha256::digest(&self.account.password_hash);
        BASE64_URL_SAFE_NO_PAD.encode(&digest[..16])
    }

    /// Returns true if a session that was opened or refreshed with this credential is still valid. Sessions of earlier
    /// versions have no credential.
    pub fn accepts_session(&self, session: &str, credential: Option<&str>) -> bool {
        let kept = self.account.kept_session.as_deref() == Some(session);
        kept || credential.is_none_or(|credential| credential == self.credential())
    }

    /// Returns true if the token for a new password is the one that was issued last, and is valid.
    pub fn accepts_reset(&self, token: &ResetToken, now: DateTime<Utc>) -> bool {
        let reset = self.account.password_reset.as_ref();
        reset.is_some_and(|reset| reset.hash == token.hash() && now < reset.expires_at)
    }
}

/// The reasons for which an account could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The account was changed concurrently: read it again.
    #[error("the account was changed at the same time")]
    Conflict,
    /// The server has no space left: certainly not written.
    #[error("the accounts have no space left: {0}")]
    Full(SpaceLimit),
    /// The server is unreachable or slow. A write may have happened: read the account to find out.
    #[error("the accounts cannot be reached")]
    Unavailable(#[source] async_nats::Error),
    /// The stored value is not an account.
    #[error("the account {key} cannot be read")]
    Corrupt {
        /// The key of the account.
        key: String,
        /// The error of the parser.
        source: serde_json::Error,
    },
}

/// The accounts of all principals, shared by all command-services.
#[derive(Debug)]
pub struct Accounts(Bucket);

impl From<BucketError> for AccountError {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Conflict(_) => Self::Conflict,
            BucketError::Full(_, space_limit) => Self::Full(space_limit),
            BucketError::Unavailable(_, source) => Self::Unavailable(source),
            BucketError::Corrupt(key, source) => Self::Corrupt { key, source },
        }
    }
}

impl Accounts {
    /// Creates a handle to the accounts on this server.
    pub fn new(server: JetStream) -> Self {
        Self(Bucket::new(server, ACCOUNTS_BUCKET))
    }

    /// Returns the account of a user, an operator or a moderator.
    pub async fn get(&self, user_id: &UserId) -> Result<Option<StoredAccount>, AccountError> {
        self.read(user_id.as_str()).await
    }

    /// Returns the credentials of a box.
    pub async fn get_box(&self, box_id: &BoxId) -> Result<Option<StoredAccount>, AccountError> {
        self.read(&box_key(box_id)).await
    }

    /// Returns true if an account still has the password that was read.
    pub async fn has_same_password(&self, stored: &StoredAccount) -> Result<bool, AccountError> {
        let now = self.read(&stored.key).await?;
        Ok(now.is_some_and(|now| now.account.password_hash == stored.account.password_hash))
    }

    async fn read(&self, key: &str) -> Result<Option<StoredAccount>, AccountError> {
        let found = self.0.get(key).await?;
        Ok(found.map(|(account, revision)| StoredAccount { key: key.to_owned(), account, revision }))
    }

    /// Creates a pending account and returns its revision. Fails with a conflict if there is one.
    pub async fn create_pending(
        &self,
        user_id: &UserId,
        password_hash: String,
        role: String,
        at: DateTime<Utc>,
    ) -> Result<u64, AccountError> {
        self.create(user_id, &Account::new(password_hash, role, AccountState::Pending, at)).await
    }

    /// Creates an account that waits for a confirmation, and is removed if it does not come.
    pub async fn create_unconfirmed(
        &self,
        user_id: &UserId,
        password_hash: String,
        role: String,
        confirmation: Confirmation,
        at: DateTime<Utc>,
    ) -> Result<u64, AccountError> {
        let lifetime = lifetime(&confirmation, at);
        let account = Account::new(password_hash, role, AccountState::Unconfirmed, at);
        let account = Account { confirmation: Some(confirmation), ..account };
        Ok(self.0.create_for(user_id.as_str(), &account, lifetime).await?)
    }

    /// Replaces the confirmation that an account waits for. Fails with a conflict if the revision is not current.
    pub async fn await_confirmation(
        &self,
        stored: StoredAccount,
        confirmation: Confirmation,
        at: DateTime<Utc>,
    ) -> Result<u64, AccountError> {
        let lifetime = lifetime(&confirmation, at);
        let account = Account { state: AccountState::Unconfirmed, confirmation: Some(confirmation), ..stored.account };
        Ok(self.0.update_for(&stored.key, &account, stored.revision, lifetime).await?)
    }

    /// Removes the lifetime of an account that waits for a confirmation, while its user is being registered, and the
    /// contact address, which would stay if the process ended now. Fails with a conflict if the revision is not
    /// current.
    pub async fn keep(&self, stored: StoredAccount) -> Result<StoredAccount, AccountError> {
        let confirmation =
            stored.account.confirmation.map(|waiting| Confirmation { contact: String::new(), ..waiting });
        let account = Account { state: AccountState::Pending, confirmation, ..stored.account };
        let revision = self.update(&stored.key, &account, stored.revision).await?;
        Ok(StoredAccount { key: stored.key, account, revision })
    }

    /// Creates an active account for an operator or a moderator, who is not a registered user. Fails with a conflict if
    /// there is one.
    pub async fn create_active(
        &self,
        user_id: &UserId,
        password_hash: String,
        role: &str,
        at: DateTime<Utc>,
    ) -> Result<(), AccountError> {
        let account = Account::new(password_hash, role.to_owned(), AccountState::Active, at);
        self.create(user_id, &account).await.map(drop)
    }

    async fn create(&self, user_id: &UserId, account: &Account) -> Result<u64, AccountError> {
        Ok(self.0.create(user_id.as_str(), account).await?)
    }

    /// Sets the credentials of a box and replaces former ones.
    pub async fn put_box(&self, box_id: &BoxId, password_hash: String, at: DateTime<Utc>) -> Result<(), AccountError> {
        let account = Account::new(password_hash, "device".to_owned(), AccountState::Active, at);
        Ok(self.0.put(&box_key(box_id), &account).await?)
    }

    /// Deletes the credentials of a box, if it has any.
    pub async fn delete_box(&self, box_id: &BoxId) -> Result<(), AccountError> {
        if self.get_box(box_id).await?.is_none() {
            return Ok(());
        }
        Ok(self.0.delete(&box_key(box_id)).await?)
    }

    /// Activates an account and returns the new revision. Its contact address is forgotten. Fails with a conflict if
    /// the revision is not current.
    pub async fn confirm(&self, stored: StoredAccount) -> Result<u64, AccountError> {
        let mut account = Account { state: AccountState::Active, ..stored.account };
        if let Some(confirmation) = account.confirmation.take() {
            account.confirmed = Some(confirmation.nonce);
        }
        self.update(&stored.key, &account, stored.revision).await
    }

    /// Changes the password of an account, which ends every session but the kept one. Fails with a conflict if the
    /// revision is not current.
    pub async fn change_password(
        &self,
        stored: StoredAccount,
        password_hash: String,
        kept_session: Option<String>,
    ) -> Result<(), AccountError> {
        let account = Account { password_hash, kept_session, password_reset: None, ..stored.account };
        self.update(&stored.key, &account, stored.revision).await.map(drop)
    }

    /// Sets the token for a new password, in place of a former one. Fails with a conflict if the revision is not
    /// current.
    pub async fn set_reset(&self, stored: StoredAccount, reset: PasswordReset) -> Result<(), AccountError> {
        let account = Account { password_reset: Some(reset), ..stored.account };
        self.update(&stored.key, &account, stored.revision).await.map(drop)
    }

    async fn update(&self, key: &str, account: &Account, revision: u64) -> Result<u64, AccountError> {
        Ok(self.0.update(key, account, revision).await?)
    }

    /// Deletes an account. Fails with a conflict if the revision is not current.
    pub async fn delete(&self, user_id: &UserId, revision: u64) -> Result<(), AccountError> {
        Ok(self.0.delete_revision(user_id.as_str(), revision).await?)
    }
}

/// The time until a confirmation expires.
fn lifetime(confirmation: &Confirmation, at: DateTime<Utc>) -> Duration {
    (confirmation.expires_at - at).to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(json: &str) -> StoredAccount {
        StoredAccount { key: "ann".to_owned(), account: serde_json::from_str(json).unwrap(), revision: 1 }
    }

    #[test]
    fn accounts_of_all_versions_can_be_read() {
        let first =
            r#"{"password_hash":"$argon2id$a","role":"user","state":"active","created_at":"2026-11-01T08:00:00Z"}"#;
        assert_eq!(stored(first).account.kept_session, None);
        assert_eq!(serde_json::to_string(&stored(first).account).unwrap(), first);
        let second = first.replace('}', r#","kept_session":"s-1"}"#);
        assert_eq!(stored(&second).account.kept_session.as_deref(), Some("s-1"));
        let reset = r#","password_reset":{"hash":"h","expires_at":"2026-11-01T09:00:00Z"}}"#;
        let with_reset = second.replace('}', reset);
        assert_eq!(serde_json::to_string(&stored(&with_reset).account).unwrap(), with_reset);
        let times = r#""expires_at":"2026-11-02T08:00:00Z","sent":1,"sent_at":"2026-11-01T08:00:00Z""#;
        let waits = format!(r#","confirmation":{{"nonce":"n","contact":"a@b.example","nickname":"Ann",{times}}}}}"#);
        let third = first.replace("active", "unconfirmed").replace('}', &waits);
        let account = stored(&third).account;
        assert_eq!((account.state, account.confirmation.as_ref().unwrap().sent), (AccountState::Unconfirmed, 1));
        assert_eq!(serde_json::to_string(&account).unwrap(), third);
        assert!(!format!("{account:?}").contains("b.example"));
    }

    #[test]
    fn a_token_for_a_new_password_is_valid_until_it_expires() {
        let mut account =
            stored(r#"{"password_hash":"a","role":"user","state":"active","created_at":"2026-11-01T08:00:00Z"}"#);
        let [token, other] = [(); 2].map(|()| ResetToken::random("ann".parse().unwrap()));
        let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0).unwrap();
        assert!(!account.accepts_reset(&token, at(0)));
        account.account.password_reset = Some(PasswordReset { hash: token.hash(), expires_at: at(60) });
        assert!(account.accepts_reset(&token, at(59)) && !account.accepts_reset(&token, at(60)));
        assert!(!account.accepts_reset(&other, at(0)));
    }

    #[test]
    fn a_session_ends_with_its_password_unless_it_set_the_new_one() {
        let old = stored(r#"{"password_hash":"a","role":"user","state":"active","created_at":"2026-11-01T08:00:00Z"}"#);
        let mut new = old.clone();
        new.account.password_hash = "b".to_owned();
        new.account.kept_session = Some("s-1".to_owned());
        let credential = old.credential();
        assert!(old.accepts_session("s-1", Some(&credential)) && old.accepts_session("s-2", Some(&credential)));
        assert!(new.accepts_session("s-1", Some(&credential)) && !new.accepts_session("s-2", Some(&credential)));
        assert!(new.accepts_session("s-2", Some(&new.credential())) && new.accepts_session("s-3", None));
        assert_eq!(credential.len(), 22);
    }
}
