//! The paths of the sink.

use std::sync::Arc;

use axum::{
    Router,
    routing::{delete, get, post, put},
};

use crate::{apns, control, fcm, state::State, token, web_push};

/// Returns the router of all services and of the control interface.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/token", post(token::issue))
        .route("/v1/projects/{project}/messages:send", post(fcm::send))
        .route("/3/device/{token}", post(apns::send))
        .route("/web-push/{id}", post(web_push::send))
        .route("/received", get(control::received))
        .route("/behaviour/{service}", put(control::set_behaviour).delete(control::clear_behaviour))
        .route("/subscriptions", post(control::subscribe))
        .route("/subscriptions/{id}", delete(control::unsubscribe))
        .with_state(state)
}
