//! The interface for tests and developers.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Query, State as Shared},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use crate::{
    behaviour::Behaviour,
    records::{Received, Service},
    state::State,
    subscriptions::Subscription,
};

#[derive(Deserialize)]
pub(crate) struct After {
    #[serde(default)]
    after: u64,
}

#[derive(Serialize)]
pub(crate) struct ReceivedView {
    received: Vec<Received>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    application_server_key: Option<String>,
}

/// Returns the requests after a number.
pub(crate) async fn received(
    Shared(state): Shared<Arc<State>>,
    Query(After { after }): Query<After>,
) -> Json<ReceivedView> {
    Json(ReceivedView { received: state.records.after(after) })
}

/// Sets the behaviour of a service.
pub(crate) async fn set_behaviour(
    Shared(state): Shared<Arc<State>>,
    Path(service): Path<Service>,
    Json(behaviour): Json<Behaviour>,
) -> Result<StatusCode, (StatusCode, &'static str)> {
    if behaviour.status.is_some_and(|status| !(200..=599).contains(&status)) {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, "the status must be 200 to 599"));
    }
    state.behaviours.set(service, Some(behaviour));
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the behaviour of a service.
pub(crate) async fn clear_behaviour(Shared(state): Shared<Arc<State>>, Path(service): Path<Service>) -> StatusCode {
    state.behaviours.set(service, None);
    StatusCode::NO_CONTENT
}

/// Makes a subscription.
pub(crate) async fn subscribe(
    Shared(state): Shared<Arc<State>>,
    body: Option<Json<Subscribe>>,
) -> Result<(StatusCode, Json<Subscription>), StatusCode> {
    let Subscribe { application_server_key } = body.map(|Json(body)| body).unwrap_or_default();
    let made = state.subscriptions.add(&state.address, application_server_key);
    made.map(|made| (StatusCode::CREATED, Json(made))).ok_or(StatusCode::INSUFFICIENT_STORAGE)
}

/// Ends a subscription. Messages to it are answered with 410.
pub(crate) async fn unsubscribe(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> StatusCode {
    if state.subscriptions.end(&id) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
