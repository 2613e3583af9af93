//! `PUT /users/me/notification-preferences`

use axum::extract::State;
use domain::{NotificationPreferences, UserCommand};
use eserde::Deserialize;
use service_kit::auth::AsUser;
use utoipa::ToSchema;

use crate::{answer::Done, app::App, error::Error, request::Command, schemas};

/// The wanted kinds of notification; an absent kind is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "preferences": { "reaction": false } }))]
pub(crate) struct SetNotificationPreferences {
    /// `true` for each wanted kind, `false` for each unwanted one.
    #[schema(value_type = schemas::NotificationPreferences)]
    #[eserde(compat)]
    preferences: NotificationPreferences,
}

/// Sets the wanted kinds of notification
#[utoipa::path(
    put, path = "/users/me/notification-preferences", tag = "users", request_body = SetNotificationPreferences
)]
pub(crate) async fn set_notification_preferences(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<SetNotificationPreferences>,
) -> Result<Done, Error> {
    let command = UserCommand::SetNotificationPreferences { preferences: body.preferences };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
