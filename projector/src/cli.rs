//! The operators' command line: asks the running projectors over NATS, and shows what they say to people or machines.

pub use arguments::{OperatorCommand, Priority};

mod arguments;
mod audit;
mod changes;
mod console;
mod progress;
mod quarantine;
mod rates;
mod rebuild;
mod status;

use std::process::ExitCode;

use async_nats::ConnectErrorKind;
use service_kit::nats::ConnectError;

use crate::operator::{AskError, Operator, Request};
use arguments::OperatorArgs;

/// Why a command did not do what it was asked to; each is an exit code of its own. Codes are for scripts: never change
/// one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It went wrong.
    #[error("{0}")]
    Failed(String),
    /// The state of things does not allow it.
    #[error("refused: {0}")]
    Refused(String),
    /// Two generations that should be equal are not.
    #[error("{0}")]
    Different(String),
    /// Nobody is there to do it.
    #[error("{0}")]
    NoAnswer(String),
}

impl Failure {
    /// Its kind and its reason, for scripts.
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Failed(reason) => ("failed", reason),
            Self::Refused(reason) => ("refused", reason),
            Self::Different(reason) => ("different", reason),
            Self::NoAnswer(reason) => ("no_answer", reason),
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => 1,
            Self::Refused(_) => 3,
            Self::Different(_) => 4,
            Self::NoAnswer(_) => 5,
        }
        .into()
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoAnswer(_) => Self::NoAnswer(error.to_string()),
            AskError::Refused(reason) => Self::Refused(reason),
            AskError::Failed(reason) => Self::Failed(reason),
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

/// Does what an operator asks for; says how it ended.
pub async fn act(command: OperatorCommand) -> ExitCode {
    let json = command.operator().json;
    let acted = match command {
        OperatorCommand::Status(args) => status::show(args).await,
        OperatorCommand::Rebuild(args) => rebuild::rebuild(args).await,
        OperatorCommand::Activate(args) => changes::activate(args).await,
        OperatorCommand::Rollback(args) => changes::roll_back(args).await,
        OperatorCommand::Retire(args) => changes::retire(args).await,
        OperatorCommand::Pause(args) => changes::pause(args).await,
        OperatorCommand::Resume(args) => changes::resume(args).await,
        OperatorCommand::Quarantine(command) => quarantine::act(command).await,
        OperatorCommand::Audit(args) => audit::audit(args).await,
    };
    ended(acted, json)
}

/// Says why a command failed, to people or machines; returns how to end.
pub(crate) fn ended(acted: Result<(), Failure>, json: bool) -> ExitCode {
    match acted {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console::complain(json, &failure);
            failure.exit_code()
        }
    }
}

/// Asks once.
async fn ask<R: Request>(args: &OperatorArgs, request: &R) -> Result<R::Answer, Failure> {
    Ok(Operator::connect(&args.operator_url).await?.ask(request).await?)
}
