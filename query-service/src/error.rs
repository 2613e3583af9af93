//! All errors of a read, as one enum and one `match` that maps them to problems.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use service_kit::problem::Problem;

/// Seconds after which a client may try again when the database is unavailable.
const DATABASE_RETRY: u32 = 2;

/// Seconds after which a user with too many connections may try again, as others may have closed by then.
const TOO_MANY_RETRY: u32 = 5;

/// Seconds after which a client may try again when NATS is unavailable.
const TICKETS_RETRY: u32 = 2;

/// Seconds after which a client may repeat a search that was not carried out.
const SEARCH_RETRY: u32 = 1;

/// The reason why a read failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such box.
    #[error("no box has this id")]
    BoxNotFound,
    /// No such room.
    #[error("no room has this id")]
    RoomNotFound,
    /// No such store.
    #[error("no store has this id")]
    StoreNotFound,
    /// No such user.
    #[error("the user is not registered")]
    UserNotFound,
    /// The room has no such message.
    #[error("the room has no message with this id")]
    MessageNotFound,
    /// No such report.
    #[error("no report has this id")]
    ReportNotFound,
    /// The caller is not a member of the room.
    #[error("only members of the room may read this")]
    NotAMember,
    /// The host has kicked the caller from the room.
    #[error("the host has kicked you from this room")]
    Kicked,
    /// The caller is neither the host nor a co-host of the room.
    #[error("only the host and the co-hosts of the room may read this")]
    NotTheHost,
    /// The box is private, and the caller is not one of its users.
    #[error("the box is private, and you are not one of its users")]
    PrivateBox,
    /// A parameter that parses but does not fit the others. The text names it.
    #[error("{0}")]
    InvalidQuery(&'static str),
    /// A cursor of another list, or no cursor at all.
    #[error("cursor: must be the `next` of an earlier page of the same list")]
    InvalidCursor,
    /// A position of another log, or no position at all.
    #[error("{0}")]
    InvalidPosition(String),
    /// The read model has not reached the wanted position in time. The text says how far it is.
    #[error("{0}")]
    NotYetProjected(String),
    /// The box is in quarantine.
    #[error("the box is in quarantine: its reads stay before the wanted position until it is repaired")]
    BoxQuarantined,
    /// The request is not a WebSocket handshake.
    #[error("{0}")]
    UpgradeRequired(String),
    /// The user has reached the limit of live connections.
    #[error("the user has reached the limit of live connections")]
    TooManyConnections,
    /// The ticket was used, has expired, or never existed.
    #[error("the ticket was used, has expired, or never existed")]
    InvalidTicket,
    /// NATS, which stores the tickets, does not answer.
    #[error("tickets cannot be issued or redeemed at the moment")]
    TicketsUnavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too many searches at a time, or one that takes too long.
    #[error("too many searches wait, or this one takes too long: search for fewer or rarer words, or try again")]
    SearchBusy,
    /// Another export of the user runs, or too many have begun; the seconds to wait.
    #[error("another export of the user runs, or too many have begun in the last hour")]
    TooManyExports(u32),
    /// The caller may not do this, or not any more.
    #[error("the caller may not do this")]
    Caller(Problem),
    /// No generation of this build's read model is active.
    #[error("no generation of this read model version is active yet")]
    ReadModelUnavailable,
    /// PostgreSQL does not answer.
    #[error("the database does not answer")]
    DatabaseUnavailable(#[source] sqlx::Error),
    /// PostgreSQL has rejected a query.
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

/// Returns true for connection exceptions, a lack of resources, a server that stops and a cancelled statement.
fn is_outage(code: &str) -> bool {
    ["08", "53", "57"].iter().any(|class| code.starts_with(class))
}

impl Error {
    /// Creates [`Error::TicketsUnavailable`] from its cause.
    pub(crate) fn tickets_unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::TicketsUnavailable(source.into())
    }

    /// Converts the error into the problem that a client receives. Logs errors of PostgreSQL and NATS.
    pub(crate) fn into_problem(self) -> Problem {
        let text = self.to_string();
        let problem = match self {
            Self::BoxNotFound => not_found("box-not-found", "Box not found"),
            Self::RoomNotFound => not_found("room-not-found", "Room not found"),
            Self::StoreNotFound => not_found("store-not-found", "Store not found"),
            Self::ReportNotFound => not_found("report-not-found", "Report not found"),
            Self::UserNotFound => not_found("user-not-found", "User not found"),
            Self::MessageNotFound => not_found("message-not-found", "Message not found"),
            Self::NotAMember => {
                Problem::new(StatusCode::FORBIDDEN, "not-a-member", "You are not a member of this room")
            }
            Self::NotTheHost => {
                Problem::new(StatusCode::FORBIDDEN, "not-the-host", "You are not the host of this room")
            }
            Self::PrivateBox => Problem::new(StatusCode::FORBIDDEN, "private-box", "The box is private"),
            Self::Kicked => Problem::new(StatusCode::FORBIDDEN, "kicked", "You were kicked from this room"),
            Self::InvalidQuery(_) => bad("invalid-query", "Invalid query parameter"),
            Self::InvalidCursor => bad("invalid-cursor", "Invalid cursor"),
            Self::InvalidPosition(_) => bad("invalid-position", "Invalid position"),
            Self::NotYetProjected(_) => {
                unavailable("not-yet-projected", "The read model has not reached the position yet").retry_after(1)
            }
            Self::BoxQuarantined => {
                unavailable("box-quarantined", "The box is in quarantine until it is repaired").retry_after(60)
            }
            Self::UpgradeRequired(_) => {
                Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade-required", "This path accepts WebSocket only")
            }
            Self::TooManyConnections => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-connections",
                "The user has too many live connections",
            )
            .retry_after(TOO_MANY_RETRY),
            Self::InvalidTicket => Problem::new(StatusCode::UNAUTHORIZED, "invalid-ticket", "Invalid ticket"),
            Self::TicketsUnavailable(source) => {
                tracing::warn!(error = %source, "the bucket of tickets is unavailable");
                unavailable("tickets-unavailable", "Tickets cannot be issued or redeemed at the moment")
                    .retry_after(TICKETS_RETRY)
            }
            Self::TooManyExports(seconds) => {
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-exports", "Too many exports").retry_after(seconds)
            }
            Self::Caller(problem) => return problem,
            Self::SearchBusy => unavailable("busy", "The service is busy").retry_after(SEARCH_RETRY),
            Self::ReadModelUnavailable => {
                unavailable("read-model-unavailable", "The read model is unavailable").retry_after(DATABASE_RETRY)
            }
            Self::DatabaseUnavailable(source) => {
                tracing::warn!(error = %source, "the database does not answer");
                unavailable("database-unavailable", "The database is unavailable").retry_after(DATABASE_RETRY)
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
