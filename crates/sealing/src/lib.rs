//! Encryption of personal values in the log: the keys of users, the cipher, and the log that encrypts and decrypts.

pub use encrypted_log::EncryptedLog;
pub use error::KeyError;
pub use keys::{KeyRing, MasterKeyError, MasterKeys};

mod cipher;
pub mod encrypted_log;
pub mod error;
pub mod keys;
