//! The exit code of a process, and its error message.

use std::{fmt::Display, process::ExitCode};

/// Prints the error and its causes to standard error, on one line, and returns the exit code.
pub fn code<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
