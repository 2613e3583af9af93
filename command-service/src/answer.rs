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

/// The position of the command's commit; a query takes it as `Min-Position`.
pub(crate) const EVENT_POSITION: HeaderName = HeaderName::from_static("event-position");

/// Marks the answer to a repeated command: the command was carried out before, and this is its first answer.
pub(crate) const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// The answer to a command that created something: `201`.
#[derive(Debug)]
pub(crate) struct Created {
    id: NewId,
    done: Done,
}

/// The answer to a command that created nothing: `204`.
#[derive(Debug)]
pub(crate) struct Done {
    position: Position,
    replayed: bool,
}

/// The id of the created object.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewId {
    /// The id.
    #[schema(example = "42")]
    id: String,
}

impl Created {
    /// Builds the answer from a commit and the id that it created.
    pub(crate) fn of<A: StoredAggregate>(committed: &Committed<A>, id: &impl Display) -> Self {
        Self { id: NewId { id: id.to_string() }, done: Done::of(committed) }
    }

    /// Builds the answer for an object that was created before, at this position.
    pub(crate) fn replayed(position: Position, id: &impl Display) -> Self {
        Self { id: NewId { id: id.to_string() }, done: Done { position, replayed: true } }
    }
}

impl Done {
    /// Builds the answer from a commit.
    pub(crate) fn of<A: StoredAggregate>(committed: &Committed<A>) -> Self {
        Self { position: committed.position.clone(), replayed: committed.replayed }
    }

    /// Builds the answer for a position; `replayed` if an earlier request had the effect.
    pub(crate) fn at(position: Position, replayed: bool) -> Self {
        Self { position, replayed }
    }

    fn write_headers(&self, response: &mut Response) {
        // A position is visible ASCII.
        if let Ok(position) = HeaderValue::from_str(&self.position.to_string()) {
            response.headers_mut().insert(EVENT_POSITION, position);
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

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        self.write_headers(&mut response);
        response
    }
}
