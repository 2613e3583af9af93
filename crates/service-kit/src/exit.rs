//! How a process ends: quietly, or with the reason.

use std::{fmt::Display, process::ExitCode};

/// Says on standard error why the process could not do its job: the reason and its causes, on one line.
pub fn code<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
