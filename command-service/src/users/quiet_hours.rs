//! `PUT` and `DELETE /users/me/quiet-hours`

use axum::extract::State;
use domain::{
    UserCommand,
    values::{QuietHours, TimeOfDay, TimeZone},
};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::invalid_field};
use utoipa::ToSchema;

use crate::{
    answer::Done,
    app::App,
    error::Error,
    request::{BareCommand, Command},
    schemas,
};

/// The hours of each day without push messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00" }))]
pub(crate) struct SetQuietHours {
    /// The time zone of the times.
    #[schema(value_type = schemas::TimeZone)]
    #[eserde(compat)]
    time_zone: TimeZone,
    /// The first quiet minute.
    #[schema(value_type = schemas::TimeOfDay)]
    #[eserde(compat)]
    from: TimeOfDay,
    /// The minute after the last quiet one; on the next day if it is earlier than `from`.
    #[schema(value_type = schemas::TimeOfDay)]
    #[eserde(compat)]
    to: TimeOfDay,
}

/// Sets the quiet hours
///
/// The user receives no push messages in these hours. Alarms are kept.
#[utoipa::path(put, path = "/users/me/quiet-hours", tag = "users", request_body = SetQuietHours)]
pub(crate) async fn set_quiet_hours(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<SetQuietHours>,
) -> Result<Done, Error> {
    let quiet_hours = QuietHours::new(body.time_zone, body.from, body.to);
    let quiet_hours = quiet_hours.map_err(|error| invalid_field("/to", error.to_string()))?;
    let command = UserCommand::SetQuietHours { quiet_hours };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}

/// Removes the quiet hours
#[utoipa::path(delete, path = "/users/me/quiet-hours", tag = "users")]
pub(crate) async fn remove_quiet_hours(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let committed = app.users.execute(&user_id, UserCommand::RemoveQuietHours, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
