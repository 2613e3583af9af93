//! `POST /sessions`: exchanges a password for a session.

use axum::{extract::State, response::Response};
use credentials::{Account, AccountState};
use domain::UserId;
use eserde::Deserialize;
use service_kit::{auth::Role, http::ClientAddress};
use sign_in::AccountPassword;
use utoipa::ToSchema;

use super::{
    SignIn,
    device::{DeviceLabel, UserAgent},
    place::SessionPlace,
    start_session,
};
use crate::{
    app::App, error::Error, login_throttle::ThrottleKey, passwords::Work, problems::Code, quotas::Taken,
    request::Command, schemas, users::registration,
};

/// The sign-in of a user, an operator or a moderator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "user_id": "ana", "password": "correct horse", "device": "Ana's phone" }))]
pub(crate) struct OpenSession {
    /// The user, operator or moderator.
    #[schema(value_type = schemas::UserId)]
    #[eserde(compat)]
    user_id: UserId,
    /// The account's password.
    #[schema(value_type = schemas::AccountPassword)]
    #[eserde(compat)]
    password: AccountPassword,
    /// The label of the device, shown in the list of sessions.
    #[schema(value_type = Option<schemas::DeviceLabel>)]
    #[serde(default)]
    #[eserde(compat)]
    device: Option<DeviceLabel>,
}

/// Signs in
///
/// Unknown users and wrong passwords get the same answer after the same time. An `Idempotency-Key` has no effect: a
/// repeat begins another session.
#[utoipa::path(post, path = "/sessions", tag = "sessions", request_body = OpenSession)]
pub(crate) async fn open_session(
    State(app): State<App>,
    address: ClientAddress,
    user_agent: UserAgent,
    place: SessionPlace,
    Command { body, stamp }: Command<OpenSession>,
) -> Result<Response, Error> {
    app.signing()?;
    let stored = app.accounts.get(&body.user_id).await?;
    let hash = stored.as_ref().map(|stored| stored.account.password_hash.as_str());
    let throttle_key = ThrottleKey::account(&app.secret, &body.user_id, address);
    let is_correct = app
        .login_throttle
        .check(&throttle_key, app.passwords.matches(Work::SignIn(address), body.password, hash))
        .await?;
    let stored = stored.filter(|_| is_correct).ok_or(Code::WrongCredentials)?;
    let role = role(&stored.account).ok_or(Code::Internal)?;
    if matches!(role, Role::User | Role::Moderator) {
        let (user, _) = app.users.load_latest(&body.user_id).await?;
        if role == Role::User {
            // An account may still be pending, or briefly outlive its user: the log decides.
            let is_unconfirmed = stored.account.state == AccountState::Unconfirmed && !user.is_taken();
            user.nickname().ok_or(if is_unconfirmed { Code::Unconfirmed } else { Code::WrongCredentials })?;
            if stored.account.state != AccountState::Active {
                // Completes a registration that was interrupted, so that its contact address is forgotten.
                registration::confirm(&app, &body.user_id, stored.clone()).await?;
            }
        }
        if user.is_suspended(stamp.at) {
            return Err(Code::AccountSuspended.into());
        }
    }
    let taken = app.quotas.sign_in(&body.user_id)?;
    let sign_in = SignIn { account: &stored, user_id: &body.user_id, role: &role, device: body.device, user_agent };
    let session = start_session(&app, sign_in).await?;
    taken.into_iter().for_each(Taken::keep);
    Ok(session.at(&place, &app))
}

fn role(account: &Account) -> Option<Role> {
    match account.role.as_str() {
        "user" => Some(Role::User),
        "operator" => Some(Role::Operator),
        "moderator" => Some(Role::Moderator),
        _ => None,
    }
}
