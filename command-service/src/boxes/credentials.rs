//! `PUT` and `DELETE /boxes/{box}/credentials`: the secret with which a box signs in.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::{BoxId, DeliveryBox};
use eserde::Deserialize;
use service_kit::{auth::AsOperator, clock, extract::Path, http::ClientAddress};
use sign_in::sign_out;
use utoipa::ToSchema;

use super::as_user;
use crate::{
    app::App,
    error::Error,
    passwords::{NewBoxSecret, Work},
    paths::BoxPath,
    problems::Code,
    request::{BareCommand, Command},
    schemas,
};

/// The new credentials of a box.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "secret": "Tz1mQ8vXr5bN2cK7pL4wS9dF6gH3jY0a" }))]
pub(crate) struct SetCredentials {
    /// A secret known to this box only, preferably random.
    #[schema(value_type = schemas::BoxSecret)]
    #[eserde(compat)]
    secret: NewBoxSecret,
}

/// Sets the credentials of a box
///
/// Replaces the former ones and ends the box's sessions. An `Idempotency-Key` has no effect; a repeat ends them again.
#[utoipa::path(put, path = "/boxes/{box}/credentials", tag = "boxes", params(BoxPath), request_body = SetCredentials)]
pub(crate) async fn set_credentials(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    Command { body, .. }: Command<SetCredentials>,
) -> Result<StatusCode, Error> {
    app.signing()?;
    if load_installed(&app, &box_id).await?.is_retired() {
        return Err(Code::BoxRetired.into());
    }
    let hash = app.passwords.hash(Work::SignIn(ClientAddress::UNSPECIFIED), body.secret).await?;
    app.accounts.put_box(&box_id, hash, clock::now()).await?;
    sign_out::end_all(app.session_stores(), "device", &as_user(&box_id)?).await?;
    tracing::info!(user.id = %operator, box.id = %box_id, "the credentials of a box were set");
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the credentials of a box
///
/// Its sessions end. An `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/boxes/{box}/credentials", tag = "boxes", params(BoxPath))]
pub(crate) async fn remove_credentials(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(BoxPath { box_id }): Path<BoxPath>,
    BareCommand(_stamp): BareCommand,
) -> Result<StatusCode, Error> {
    load_installed(&app, &box_id).await?;
    revoke_credentials(&app, &box_id).await?;
    tracing::info!(user.id = %operator, box.id = %box_id, "the credentials of a box were removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes the credentials of the box and ends its sessions.
pub(super) async fn revoke_credentials(app: &App, box_id: &BoxId) -> Result<(), Error> {
    app.accounts.delete_box(box_id).await?;
    Ok(sign_out::end_all(app.session_stores(), "device", &as_user(box_id)?).await?)
}

async fn load_installed(app: &App, box_id: &BoxId) -> Result<Arc<DeliveryBox>, Error> {
    let (found, _) = app.boxes.load_latest(box_id).await?;
    if found.is_installed() { Ok(found) } else { Err(Code::BoxNotFound.into()) }
}
