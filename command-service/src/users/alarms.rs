//! `POST /alarms/read`

use axum::extract::State;
use domain::{PositionVector, UserCommand};
use eserde::Deserialize;
use service_kit::auth::AsUser;
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, problems::Code, request::Command, schemas};

/// The alarms to mark as read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "up_to": "box-0.1f9c.4711_box-1.77ab.12" }))]
pub(crate) struct ReadAlarms {
    /// The `up_to` of `GET /me/alarms` or of a live frame: all alarms that the client could have seen then.
    #[schema(value_type = schemas::AlarmsUpTo)]
    #[eserde(compat)]
    up_to: PositionVector,
}

/// Marks alarms as read
///
/// What is read stays read: an earlier `up_to` has no effect.
#[utoipa::path(post, path = "/alarms/read", tag = "users", request_body = ReadAlarms)]
pub(crate) async fn read_alarms(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<ReadAlarms>,
) -> Result<Done, Error> {
    for position in body.up_to.positions() {
        if !app.boxes.has_reached(position).await? {
            return Err(Code::UnknownPosition.into());
        }
    }
    let command = UserCommand::ReadAlarms { up_to: body.up_to };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
