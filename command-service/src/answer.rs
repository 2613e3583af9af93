//! Answers to commands: an id or nothing, and the position of the commit in the log.

use std::fmt::Display;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use domain::Position;
use event_store::{Committed, StoredAggregate};
use serde::Serialize;
use utoipa::ToSchema;

/// The positions of the command's commits, with commas between them; a query takes them as `Min-Position`.
pub(crate) const EVENT_POSITION: HeaderName = HeaderName::from_static("event-position");

/// Marks the answer to a repeated command: the command was carried out before, and this is its first answer.
pub(crate) const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// The answer to a command that created something: `201`.
#[derive(Debug)]
pub(crate) struct Created {
    id: NewId,
    done: Done,
}

/// The answer to a command that made an invitation: `201`.
#[derive(Debug)]
pub(crate) struct CreatedInvitation {
    invitation: NewInvitation,
    done: Done,
}

/// The answer to a message: `201`, or `202` if a filter holds it back.
#[derive(Debug)]
pub(crate) enum Posted {
    /// The message is stored.
    Created(Created),
    /// A moderator decides about the message.
    Held {
        /// The report about it.
        report: HeldMessage,
        /// The commit of the report.
        done: Done,
    },
}

/// The answer to a command that created nothing: `204`.
#[derive(Debug)]
pub(crate) struct Done {
    positions: Vec<Position>,
    replayed: bool,
}

/// The id of the created object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewId {
    /// The id.
    #[schema(example = "42")]
    id: String,
}

/// A message that a filter holds back until a moderator has seen it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HeldMessage {
    /// The id of the report in the moderators' queue.
    #[schema(example = "5f0c3a9f4f7f7b1f6a5f2c0f-1")]
    pub(crate) report_id: String,
}

/// A new invitation to a room.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewInvitation {
    /// The number of the invitation in the room.
    #[schema(example = "1")]
    id: String,
    /// The token with which users join.
    #[schema(example = "5f0c3a9f4f7f7b1f6a5f2c0f9f1d2e3c")]
    token: String,
}

impl CreatedInvitation {
    /// Builds the answer from a commit, the number of the invitation and its token.
    pub(crate) fn of<A: StoredAggregate>(committed: &Committed<A>, id: &impl Display, token: String) -> Self {
        Self { invitation: NewInvitation { id: id.to_string(), token }, done: Done::of(committed) }
    }
}

impl Created {
    /// Builds the answer from a commit and the id that it created.
    pub(crate) fn of<A: StoredAggregate>(committed: &Committed<A>, id: &impl Display) -> Self {
        Self { id: NewId { id: id.to_string() }, done: Done::of(committed) }
    }

    /// Adds the position of another commit.
    pub(crate) fn and_at(mut self, position: Position) -> Self {
        self.done = self.done.and_at(position);
        self
    }

    /// Builds the answer for an object that was created before, at this position.
    pub(crate) fn replayed(position: Position, id: &impl Display) -> Self {
        Self { id: NewId { id: id.to_string() }, done: Done::at(position, true) }
    }
}

impl Done {
    /// Builds the answer from a commit.
    pub(crate) fn of<A: StoredAggregate>(committed: &Committed<A>) -> Self {
        Self::at(committed.position.clone(), committed.replayed)
    }

    /// Adds the position of another commit.
    pub(crate) fn and_at(mut self, position: Position) -> Self {
        self.positions.push(position);
        self
    }

    /// Builds the answer for a position; `replayed` if an earlier request had the effect.
    pub(crate) fn at(position: Position, replayed: bool) -> Self {
        Self { positions: vec![position], replayed }
    }

    fn write_headers(&self, response: &mut Response) {
        let positions: Vec<String> = self.positions.iter().map(ToString::to_string).collect();
        // A position is visible ASCII.
        if let Ok(positions) = HeaderValue::from_str(&positions.join(", ")) {
            response.headers_mut().insert(EVENT_POSITION, positions);
        }
        if self.replayed {
            response.headers_mut().insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
        }
    }
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.id)).into_response();
        self.done.write_headers(&mut response);
        response
    }
}

impl IntoResponse for Posted {
    fn into_response(self) -> Response {
        match self {
            Self::Created(created) => created.into_response(),
            Self::Held { report, done } => {
                let mut response = (StatusCode::ACCEPTED, Json(report)).into_response();
                done.write_headers(&mut response);
                response
            }
        }
    }
}

impl IntoResponse for CreatedInvitation {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.invitation)).into_response();
        self.done.write_headers(&mut response);
        response
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        self.write_headers(&mut response);
        response
    }
}
