//! Everything that a read can answer instead of its view, as one enum and one `match` into a problem.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use service_kit::problem::Problem;

/// Seconds after which a client may try again when the database is away.
const DATABASE_RETRY: u32 = 2;

/// The same when a user has too many connections: others may have closed by then.
const TOO_MANY_RETRY: u32 = 5;

/// The same when NATS is away.
const TICKETS_RETRY: u32 = 2;

/// Seconds after which a client may repeat a search that was not carried out.
const SEARCH_RETRY: u32 = 1;

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such box.
    #[error("there is no such box")]
    BoxNotFound,
    /// No such room.
    #[error("there is no such room")]
    RoomNotFound,
    /// No such store.
    #[error("there is no such store")]
    StoreNotFound,
    /// The caller is not registered.
    #[error("there is no such user")]
    UserNotFound,
    /// Only members may read this.
    #[error("only members of the room may read this")]
    NotAMember,
    /// The host has put the caller out.
    #[error("you were put out of this room")]
    Kicked,
    /// A parameter that parses but makes no sense here; says which.
    #[error("{0}")]
    InvalidQuery(&'static str),
    /// A cursor of another list, or no cursor at all.
    #[error("cursor: must be the `next` of an earlier answer of this very list")]
    InvalidCursor,
    /// A position of another log, or no position at all.
    #[error("{0}")]
    InvalidPosition(String),
    /// The read model has not come to the wanted position in time; says how far it is.
    #[error("{0}")]
    NotYetProjected(String),
    /// The box's events cannot be projected.
    #[error("this box's events wait for a repair; its reads are older than the position you ask for")]
    BoxQuarantined,
    /// The request should have been a WebSocket handshake.
    #[error("{0}")]
    UpgradeRequired(String),
    /// The user has as many live connections as one may have.
    #[error("this user has no further live connection free")]
    TooManyConnections,
    /// A ticket that was used, has expired, or never was one.
    #[error("this ticket was used, has expired, or never was one")]
    InvalidTicket,
    /// NATS keeps the tickets, and does not answer.
    #[error("tickets cannot be made or used at the moment")]
    TicketsUnavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too many searches at a time, or one that takes too long.
    #[error("too many searches wait, or this one takes too long: search for fewer or rarer words, or try again")]
    SearchBusy,
    /// No generation of this build's read model is active.
    #[error("no read model of this version is active yet")]
    ReadModelUnavailable,
    /// PostgreSQL does not answer.
    #[error("the database does not answer")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// PostgreSQL answers, but not to this.
    #[error("a query failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::DatabaseUnavailable(error),
            sqlx::Error::Database(ref answer) if answer.code().is_some_and(|code| is_outage(&code)) => {
                Self::DatabaseUnavailable(error)
            }
            other => Self::Database(other),
        }
    }
}

/// Connection exceptions, a lack of resources, a server that stops or a statement that was cut off.
fn is_outage(code: &str) -> bool {
    ["08", "53", "57"].iter().any(|class| code.starts_with(class))
}

impl Error {
    /// The tickets cannot be reached, for this reason.
    pub(crate) fn tickets_unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::TicketsUnavailable(source.into())
    }

    /// The problem that a client sees.
    pub(crate) fn into_problem(self) -> Problem {
        let text = self.to_string();
        let problem = match self {
            Self::BoxNotFound => not_found("box-not-found", "There is no such box"),
            Self::RoomNotFound => not_found("room-not-found", "There is no such room"),
            Self::StoreNotFound => not_found("store-not-found", "There is no such store"),
            Self::UserNotFound => not_found("user-not-found", "There is no such user"),
            Self::NotAMember => {
                Problem::new(StatusCode::FORBIDDEN, "not-a-member", "You are not a member of this room")
            }
            Self::Kicked => Problem::new(StatusCode::FORBIDDEN, "kicked", "You were put out of this room"),
            Self::InvalidQuery(_) => bad("invalid-query", "A query parameter is not what this request takes"),
            Self::InvalidCursor => bad("invalid-cursor", "The cursor is not one of this list"),
            Self::InvalidPosition(_) => bad("invalid-position", "The position is not one of this log"),
            Self::NotYetProjected(_) => {
                unavailable("not-yet-projected", "The read model is not that far yet").retry_after(1)
            }
            Self::BoxQuarantined => {
                unavailable("box-quarantined", "This box's events wait for a repair").retry_after(60)
            }
            Self::UpgradeRequired(_) => {
                Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade-required", "This path speaks WebSocket only")
            }
            Self::TooManyConnections => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-connections",
                "There are too many live connections",
            )
            .retry_after(TOO_MANY_RETRY),
            Self::InvalidTicket => Problem::new(StatusCode::UNAUTHORIZED, "invalid-ticket", "The ticket is not valid"),
            Self::TicketsUnavailable(source) => {
                tracing::warn!(error = %source, "the tickets cannot be reached");
                unavailable("tickets-unavailable", "Tickets cannot be made or used at the moment")
                    .retry_after(TICKETS_RETRY)
            }
            Self::SearchBusy => unavailable("busy", "Too much to do").retry_after(SEARCH_RETRY),
            Self::ReadModelUnavailable => {
                unavailable("read-model-unavailable", "The read model is not there yet").retry_after(DATABASE_RETRY)
            }
            Self::DatabaseUnavailable(source) => {
                tracing::warn!(error = %source, "the database does not answer");
                unavailable("database-unavailable", "The database does not answer").retry_after(DATABASE_RETRY)
            }
            Self::Database(source) => {
                tracing::error!(error = %source, "a query failed");
                return Problem::internal();
            }
        };
        problem.detail(text)
    }
}

fn not_found(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, code, title)
}

fn bad(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, title)
}

fn unavailable(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, title)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.into_problem().into_response()
    }
}
