//! The setting of the master keys, for the processes that read personal data in the log.

use std::path::PathBuf;

use clap::Args;

/// The installation's master keys.
#[derive(Debug, Clone, Args)]
pub struct MasterKeyArgs {
    /// File of master keys, one per line; the first one wraps new user keys, all unwrap
    #[arg(long, env = "BOXROOM_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: PathBuf,
}
