//! The parts of sign-in that the command-service and `boxroomctl` share: passwords and their hashes, the folder of
//! signing keys, and sign-outs.

pub use hasher::{HashError, Hasher};
pub use key_folder::KeyFolder;
pub use password::{AccountPassword, MAX_CHARS, NewAccountPassword, NewPassword, Password};

pub mod sign_out;

mod hasher;
mod key_folder;
mod password;
