//! `POST /users`

use axum::extract::State;
use domain::{UserCommand, values::Nickname};
use eserde::Deserialize;
use service_kit::{auth::AsUser, http::ClientAddress};
use utoipa::ToSchema;

use super::registration::{self, RegisterUser, Registered};
use crate::{answer::Created, app::App, error::Error, metrics::METRICS, quotas::Admission, request::Command, schemas};

/// The registration of a user of the external issuer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "nickname": "Ana" }))]
pub(crate) struct RegisterBearer {
    /// The nickname that others see; no other user has one that looks like it.
    #[schema(value_type = schemas::Nickname)]
    #[eserde(compat)]
    nickname: Nickname,
}

/// Registers the caller as a user
///
/// The id is the one in the token. A taken nickname changes nothing.
#[utoipa::path(post, path = "/users", tag = "users", operation_id = "register_user", request_body = RegisterBearer)]
pub(crate) async fn register_bearer(
    State(app): State<App>,
    AsUser(user_id): AsUser,
    Command { body, stamp }: Command<RegisterBearer>,
) -> Result<Created, Error> {
    app.nicknames.claimed().await?;
    let admission = Admission::free().unless_refused(app.text_filter.refuses_nickname(&body.nickname).await?);
    let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname: body.nickname };
    let result = app.users.execute_prepared(&user_id, command, stamp.by(&user_id), &admission.preparation()).await;
    let committed = admission.conclude(result)?;
    if !committed.replayed {
        METRICS.registrations.inc();
    }
    Ok(Created::of(&committed, &user_id))
}

/// Registers a user
///
/// A taken user id or nickname changes nothing. A repeat after a crash, with the same password, completes the
/// registration. If the installation confirms registrations, the answer is `202`: a link is sent to the contact
/// address, and a repeat with the same password sends it again.
#[utoipa::path(post, path = "/users", tag = "users", request_body = RegisterUser)]
pub(crate) async fn register_user(
    State(app): State<App>,
    address: ClientAddress,
    Command { body, stamp }: Command<RegisterUser>,
) -> Result<Registered, Error> {
    registration::register(&app, body, address, &stamp).await
}
