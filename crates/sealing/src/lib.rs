//! Encryption of personal values in the log: the keys of users, the cipher, and the log that encrypts and decrypts.

pub use error::KeyError;
pub use keys::{KeyRing, MasterKeyError, MasterKeys};
pub use sealed_log::SealedLog;

mod cipher;
pub mod error;
pub mod keys;
pub mod sealed_log;
