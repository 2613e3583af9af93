//! The check that a log is the one that a service needs.

use wire::{StreamName, streams};

use crate::log::{Log, LogError};

/// The log cannot be used with the settings, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Another number of partitions would assign boxes to other streams.
    #[error("the log was created with {existing} partitions and cannot be used with {configured}")]
    OtherPartitions {
        /// The number of the existing log.
        existing: String,
        /// The configured number.
        configured: u16,
    },
    /// The log could not be read.
    #[error("the log cannot be checked")]
    Log(#[from] LogError),
}

/// Checks that the log exists, is complete, and has this number of partitions. Services call it at their start.
pub async fn verify(log: &dyn Log, partitions: u16) -> Result<(), VerifyError> {
    for stream in streams(partitions).into_iter().chain([StreamName::Timer]) {
        let state = log.state(stream).await?;
        let existing = state.partitions.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
        if state.partitions != Some(partitions) {
            return Err(VerifyError::OtherPartitions { existing, configured: partitions });
        }
    }
    Ok(())
}
