//! `PUT` and `DELETE /users/me/devices/{device}`

use axum::extract::State;
use domain::{UserCommand, values::PushToken};
use eserde::Deserialize;
use service_kit::{auth::AsUser, extract::Path};
use utoipa::ToSchema;

use crate::{
    answer::Done,
    app::App,
    error::Error,
    paths::DevicePath,
    request::{BareCommand, Command},
    schemas,
};

/// A device and its push address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "push_token": "fcm-registration-token" }))]
pub(crate) struct RegisterDevice {
    /// The device's address at its push provider.
    #[schema(value_type = schemas::PushToken)]
    #[eserde(compat)]
    push_token: PushToken,
}

/// Adds a device, or changes its push address
#[utoipa::path(
    put, path = "/users/me/devices/{device}", tag = "users", params(DevicePath), request_body = RegisterDevice
)]
pub(crate) async fn register_device(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(DevicePath { device_id }): Path<DevicePath>,
    Command { body, stamp }: Command<RegisterDevice>,
) -> Result<Done, Error> {
    let command = UserCommand::RegisterDevice { device_id, push_token: body.push_token };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}

/// Removes a device
#[utoipa::path(delete, path = "/users/me/devices/{device}", tag = "users", params(DevicePath))]
pub(crate) async fn remove_device(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Path(DevicePath { device_id }): Path<DevicePath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let command = UserCommand::RemoveDevice { device_id };
    let committed = app.users.execute(&user_id, command, stamp.by(&user_id)).await?;
    Ok(Done::of(&committed))
}
