//! The credentials of users, operators, moderators and boxes, in buckets beside the log: accounts, invitations,
//! sessions, revocations, signing keys, and tallies of wrong passwords.
//!
//! They are not part of the log, because they must be deletable.

pub use accounts::{Account, AccountError, AccountState, Accounts, Confirmation, StoredAccount};
pub use invitations::{Invitation, Invitations};
pub use login_throttle::{KeyedMutex, LoginAttempts, Tally};
pub use password_reset::{PasswordReset, ResetToken};
pub use revocations::Revocations;
pub use sessions::{FormerToken, SessionKey, SessionRecord, Sessions};
pub use signing_keys::SigningKeys;

pub mod accounts;
pub mod changes;
pub mod invitations;
pub mod login_throttle;
pub mod password_reset;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
