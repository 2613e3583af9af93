//! The log, with its personal values decrypted.

use std::{path::PathBuf, sync::Arc};

use event_store::{BulkAddress, JetStreamLog, Log};
use sealing::{EncryptedLog, KeyRing, MasterKeyError, MasterKeys};
use service_kit::{master_key::MasterKeyArgs, nats};

/// The master key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} is not a valid master key file", path.display())]
pub struct MasterError {
    path: PathBuf,
    source: MasterKeyError,
}

/// Opens the log with decryption of its personal values. Whole streams are read over separate connections if the server
/// does not require TLS.
pub fn open(client: async_nats::Client, nats_url: &str, master: &MasterKeyArgs) -> Result<Arc<dyn Log>, MasterError> {
    let path = &master.master_key_file;
    let masters = MasterKeys::read(path).map_err(|source| MasterError { path: path.clone(), source })?;
    let log = JetStreamLog::new(client).with_bulk(bulk_address(nats_url));
    let keys = KeyRing::start(log.server().clone(), masters);
    Ok(EncryptedLog::new(Arc::new(log), keys))
}

fn bulk_address(nats_url: &str) -> Option<BulkAddress> {
    let nats::PlainAddress { host, port, user, password } = nats::PlainAddress::parse(nats_url)?;
    Some(BulkAddress { host, port, user, password })
}
