//! The failures of commands, each with its exit code.

use std::process::ExitCode;

use async_nats::ConnectErrorKind;
use operator_protocol::RequestError;
use service_kit::nats::ConnectError;

/// The outcome of a command that did not succeed. Each variant has its own exit code. Scripts depend on the codes:
/// never change one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command failed.
    #[error("{0}")]
    Failed(String),
    /// The current state does not allow the command.
    #[error("refused: {0}")]
    Refused(String),
    /// Two generations that should be equal differ.
    #[error("{0}")]
    Different(String),
    /// No projector answered, or NATS is unreachable.
    #[error("{0}")]
    NoAnswer(String),
}

impl Failure {
    /// Returns kind and reason, for scripts.
    pub(crate) fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Failed(reason) => ("failed", reason),
            Self::Refused(reason) => ("refused", reason),
            Self::Different(reason) => ("different", reason),
            Self::NoAnswer(reason) => ("no_answer", reason),
        }
    }

    /// Returns the exit code of the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => 1,
            Self::Refused(_) => 3,
            Self::Different(_) => 4,
            Self::NoAnswer(_) => 5,
        }
        .into()
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NoAnswer(..) => Self::NoAnswer(error.to_string()),
            RequestError::Refused(reason) => Self::Refused(reason),
            RequestError::Failed(reason) => Self::Failed(reason),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Nats(error) if error.kind() == ConnectErrorKind::AuthorizationViolation => {
                Self::Failed("NATS does not accept this user with this password".to_owned())
            }
            ConnectError::Nats(error) => Self::NoAnswer(format!("there is no connection to NATS: {error}")),
            error => Self::Failed(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("cannot print: {error}"))
    }
}
