//! `POST /users/{user}/password-resets` and `POST /password-resets`

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use credentials::{PasswordReset, ResetToken};
use domain::UserCommand;
use eserde::Deserialize;
use event_store::CommandContext;
use serde::Serialize;
use service_kit::{auth::AsOperator, clock, extract::Path, http::ClientAddress};
use sign_in::{NewAccountPassword, sign_out};
use utoipa::ToSchema;

use super::Reasoned;
use crate::{
    app::App, error::Error, login_throttle::ThrottleKey, passwords::Work, paths::UserPath, problems::Code,
    request::Command, schemas,
};

/// The lifetime of a token.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

/// A token with which a user sets a new password.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "reset_token": "ana.Yb0v3v8w6q0Jd7hYkqS5c2y1n4m8p9r3t6u7x0z1A2c", "expires_at": "2026-11-30T13:00:00Z"
}))]
pub(crate) struct IssuedReset {
    /// Token for `POST /password-resets`, valid once.
    reset_token: String,
    /// The time at which the token expires.
    expires_at: DateTime<Utc>,
}

impl IntoResponse for IssuedReset {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self)).into_response()
    }
}

/// Issues a token with which a user sets a new password
///
/// The token is shown once, expires after an hour, and is valid once. The password stays valid until then. An
/// `Idempotency-Key` has no effect: a repeat issues another token, and only the last one is valid.
#[utoipa::path(
    post, path = "/users/{user}/password-resets", tag = "sessions", params(UserPath), request_body = Reasoned
)]
pub(crate) async fn issue_password_reset(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    Path(UserPath { user_id }): Path<UserPath>,
    Command { body, stamp }: Command<Reasoned>,
) -> Result<IssuedReset, Error> {
    app.signing()?;
    let stored = app.accounts.get(&user_id).await?.filter(|stored| stored.account.role == "user");
    let stored = stored.ok_or(Code::UserNotFound)?;
    let expires_at = stamp.at + LIFETIME;
    // Without the key: every token has its record in the audit trail.
    let context = CommandContext { command_id: None, ..stamp.of_operator(&operator, body.reason) };
    app.users.execute(&user_id, UserCommand::IssuePasswordReset { expires_at }, context).await?;
    let token = ResetToken::random(user_id.clone());
    app.accounts.set_reset(stored, PasswordReset { hash: token.hash(), expires_at }).await?;
    tracing::info!(user.id = %operator, target.id = %user_id, "issued a token for a new password");
    Ok(IssuedReset { reset_token: token.to_string(), expires_at })
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "reset_token": "ana.Yb0v3v8w6q0Jd7hYkqS5c2y1n4m8p9r3t6u7x0z1A2c", "password": "correct horse"
}))]
pub(crate) struct RedeemReset {
    /// The token that an operator has passed on.
    #[schema(value_type = schemas::ResetToken)]
    #[eserde(compat)]
    reset_token: ResetTokenText,
    /// The new password.
    #[schema(value_type = schemas::AccountPassword)]
    #[eserde(compat)]
    password: NewAccountPassword,
}

/// A received token of valid length. It has no `Debug` form.
#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct ResetTokenText(String);

impl TryFrom<String> for ResetTokenText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let length = (1..=ResetToken::MAX_CHARS).contains(&text.len());
        if length {
            Ok(Self(text))
        } else {
            Err(format!("a reset token must have 1 to {} characters", ResetToken::MAX_CHARS))
        }
    }
}

/// Sets a new password with a token from an operator
///
/// Ends every session of the user. Wrong tokens are throttled as wrong passwords are. An `Idempotency-Key` has no
/// effect: a token is valid once.
#[utoipa::path(post, path = "/password-resets", tag = "sessions", request_body = RedeemReset)]
pub(crate) async fn redeem_password_reset(
    State(app): State<App>,
    address: ClientAddress,
    Command { body, .. }: Command<RedeemReset>,
) -> Result<StatusCode, Error> {
    app.signing()?;
    let token: ResetToken = body.reset_token.0.parse().map_err(|_| Code::InvalidResetToken)?;
    let stored = app.accounts.get(token.user_id()).await?;
    let fits = stored.as_ref().is_some_and(|stored| stored.accepts_reset(&token, clock::now()));
    let throttle_key = ThrottleKey::account(&app.secret, token.user_id(), address);
    let is_valid = app.login_throttle.check(&throttle_key, std::future::ready(Ok(fits))).await?;
    let stored = stored.filter(|_| is_valid).ok_or(Code::InvalidResetToken)?;
    let hash = app.passwords.hash(Work::SignIn(address), body.password).await?;
    let role = stored.account.role.clone();
    // A concurrent use of the token, or a change of the password, makes this fail.
    app.accounts.change_password(stored, hash, None).await?;
    sign_out::end_all(app.session_stores(), &role, token.user_id()).await?;
    tracing::info!(user.id = %token.user_id(), "a user has set a new password with a token from an operator");
    Ok(StatusCode::NO_CONTENT)
}
