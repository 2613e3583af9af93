//! The error of a key that is not available.

use domain::UserId;
use storage::SpaceLimit;

/// The reasons for which a key is not available. None of them means that a value was erased.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The bucket is unreachable or slow.
    #[error("the keys of users cannot be reached: {0}")]
    Unavailable(String),
    /// A new key was not stored, because the server has no space left.
    #[error("the keys of users have no space left: {0}")]
    Full(SpaceLimit),
    /// The log has values encrypted under a key that does not exist: the bucket is older than the log, or was lost.
    #[error("the key of {0} is missing: restore the bucket of keys that belongs to this log")]
    Missing(UserId),
    /// The key is wrapped with a master key that is not in the file.
    #[error("the key of {user_id} is wrapped with the master key {master}, which is not in the file of master keys")]
    UnknownMaster {
        /// The owner of the key.
        user_id: UserId,
        /// The id of the master key.
        master: String,
    },
    /// The stored value is not a key, was modified, or belongs to another user.
    #[error("the key of {0} cannot be unwrapped with the master key that it names")]
    Corrupt(UserId),
}
