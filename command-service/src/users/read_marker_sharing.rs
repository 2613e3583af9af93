//! `PUT /users/me/read-marker-sharing`

use axum::extract::State;
use domain::UserCommand;
use eserde::Deserialize;
use service_kit::auth::AsUser;
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, request::Command};

/// The visibility of the caller's read markers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "shared": false }))]
pub(crate) struct ShareReadMarkers {
    /// True if other members of open rooms are shown how far the caller has read.
    shared: bool,
}

/// Shows the caller's read markers to other members, or hides them
#[utoipa::path(put, path = "/users/me/read-marker-sharing", tag = "users", request_body = ShareReadMarkers)]
pub(crate) async fn share_read_markers(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<ShareReadMarkers>,
) -> Result<Done, Error> {
    let command = UserCommand::ShareReadMarkers { shared: body.shared };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
