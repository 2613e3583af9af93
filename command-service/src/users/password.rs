//! `PUT /users/me/password`

use axum::{extract::State, http::StatusCode};
use eserde::Deserialize;
use service_kit::{
    auth::{AsPerson, Caller},
    http::ClientAddress,
};
use sign_in::{AccountPassword, NewAccountPassword, sign_out};
use utoipa::ToSchema;

use crate::{
    app::App, error::Error, login_throttle::ThrottleKey, passwords::Work, problems::Code, request::Command, schemas,
};

/// A change of the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "old": "correct horse", "new": "battery staple" }))]
pub(crate) struct ChangePassword {
    /// The current password.
    #[schema(value_type = schemas::AccountPassword)]
    #[eserde(compat)]
    old: AccountPassword,
    /// The new password.
    #[schema(value_type = schemas::AccountPassword)]
    #[eserde(compat)]
    new: NewAccountPassword,
}

/// Changes the password
///
/// Ends every other session of the caller. An `Idempotency-Key` has no effect.
#[utoipa::path(put, path = "/users/me/password", tag = "users", request_body = ChangePassword)]
pub(crate) async fn change_password(
    State(app): State<App>,
    AsPerson(caller): AsPerson,
    address: ClientAddress,
    Command { body, .. }: Command<ChangePassword>,
) -> Result<StatusCode, Error> {
    app.signing()?;
    let Caller { user_id, role, session, .. } = caller;
    let stored = app.accounts.get(&user_id).await?.filter(|stored| stored.account.role == role.name());
    let hash = stored.as_ref().map(|stored| stored.account.password_hash.as_str());
    let throttle_key = ThrottleKey::account(&app.secret, &user_id, address);
    let work = Work::SignIn(address);
    let is_correct = app.login_throttle.check(&throttle_key, app.passwords.matches(work, body.old, hash)).await?;
    let stored = stored.filter(|_| is_correct).ok_or(Code::WrongCredentials)?;
    let hash = app.passwords.hash(work, body.new).await?;
    app.accounts.change_password(stored, hash, session.clone()).await?;
    sign_out::end_others(app.session_stores(), role.name(), &user_id, session.as_deref()).await?;
    tracing::info!(user.id = %user_id, "changed the password of an account");
    Ok(StatusCode::NO_CONTENT)
}
