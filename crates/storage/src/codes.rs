//! The error codes that a server returns for a publish, and their meaning for the message.

use serde::Deserialize;

use crate::space::SpaceLimit;

/// An error of the server's API.
#[derive(Debug, Deserialize)]
pub struct ApiError {
    /// The class of the error, as in HTTP.
    pub code: u64,
    /// The error.
    #[serde(default)]
    pub err_code: u64,
    /// The server's description of the error.
    #[serde(default)]
    pub description: String,
}

impl From<&async_nats::jetstream::Error> for ApiError {
    fn from(error: &async_nats::jetstream::Error) -> Self {
        Self {
            code: u64::try_from(error.code()).unwrap_or_default(),
            err_code: error.error_code().0,
            description: error.to_string(),
        }
    }
}

/// The meaning of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The guard does not hold.
    Guard,
    /// Concurrent appends prevented it. Nothing was stored.
    Busy,
    /// A batch contains a message id that is already stored.
    KnownId,
    /// No space. Nothing was stored.
    Full(SpaceLimit),
    /// A temporary failure of the server. The outcome is unknown.
    Unknown,
    /// The server will never accept the message.
    Final,
}

/// The error of every guard that does not hold.
const WRONG_LAST_SEQUENCE: u64 = 10071;
/// In a cluster: another append under the same guard is in flight.
const GUARD_IN_FLIGHT: u64 = 10164;
/// In a cluster: another append with the same message id is in flight.
const ID_IN_FLIGHT: u64 = 10158;
/// The server has dropped the staged messages of a batch: too many batches are in progress, or it took too long.
const INCOMPLETE_BATCH: u64 = 10176;
/// Too many batches are in progress.
const TOO_MANY_BATCHES: u64 = 10210;
/// A batch contains a message id that is already stored.
const KNOWN_ID_IN_BATCH: u64 = 10201;
/// The account's limit is reached.
const ACCOUNT_FULL: u64 = 10002;
/// The server's limit is reached.
const SERVER_FULL: u64 = 10023;
/// The server's limit is reached, when space was to be reserved.
const STORAGE_FULL: u64 = 10047;
/// The store failed. The description contains the reason.
const STORE_FAILED: u64 = 10077;
/// The stream's leader has moved, or the stream cannot be used for now. Not all of these are answered with 503.
const MOVED: [u64; 6] = [10007, 10009, 10041, 10063, 10118, 10194];

/// Returns the meaning of an error.
pub fn refusal(error: &ApiError) -> Refusal {
    match error.err_code {
        WRONG_LAST_SEQUENCE => Refusal::Guard,
        GUARD_IN_FLIGHT | ID_IN_FLIGHT | INCOMPLETE_BATCH | TOO_MANY_BATCHES => Refusal::Busy,
        KNOWN_ID_IN_BATCH => Refusal::KnownId,
        ACCOUNT_FULL => Refusal::Full(SpaceLimit::Account),
        SERVER_FULL | STORAGE_FULL => Refusal::Full(SpaceLimit::Server),
        STORE_FAILED => store_failed(&error.description),
        code if error.code == 503 || MOVED.contains(&code) => Refusal::Unknown,
        _ => Refusal::Final,
    }
}

/// Derives the meaning of a store's failure from its description. A store that was closed, for example, may have
/// written before it failed.
fn store_failed(description: &str) -> Refusal {
    let says = |words| description.contains(words);
    if says("maximum bytes exceeded") || says("maximum messages exceeded") {
        Refusal::Full(SpaceLimit::Stream)
    } else if says("no space left on device") {
        Refusal::Full(SpaceLimit::Disk)
    } else {
        Refusal::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_code_is_classified() {
        let decided = |code, err_code, description: &str| {
            refusal(&ApiError { code, err_code, description: description.to_owned() })
        };
        for code in [10158, 10164, 10176, 10210] {
            assert_eq!(decided(400, code, ""), Refusal::Busy, "{code}");
        }
        for (code, err_code, space_limit) in
            [(400, 10002, SpaceLimit::Account), (503, 10023, SpaceLimit::Server), (500, 10047, SpaceLimit::Server)]
        {
            assert_eq!(decided(code, err_code, ""), Refusal::Full(space_limit), "{err_code}");
        }
        let store_failed = |description| decided(503, STORE_FAILED, description);
        assert_eq!(store_failed("maximum bytes exceeded"), Refusal::Full(SpaceLimit::Stream));
        assert_eq!(store_failed("write 2.blk: no space left on device"), Refusal::Full(SpaceLimit::Disk));
        assert_eq!(store_failed("store is closed"), Refusal::Unknown);
        // Not available, not enabled, no account. Not the leader, not assigned, Raft, offline.
        for (code, err_code) in [(503, 10008), (503, 10076), (503, 10039), (503, 10035), (500, 10009), (500, 10007)] {
            assert_eq!(decided(code, err_code, ""), Refusal::Unknown, "{err_code}");
        }
        for err_code in [10041, 10118, 10194] {
            assert_eq!(decided(500, err_code, ""), Refusal::Unknown, "{err_code}");
        }
        // Too large, sealed, no such stream. Roll-up, time to live, schedule and batch, which the stream never allows.
        for err_code in [10054, 10097, 10109, 10059, 10060, 10111, 10165, 10166, 10188, 10189, 10174, 10175, 10199] {
            assert_eq!(decided(400, err_code, ""), Refusal::Final, "{err_code}");
        }
    }
}
