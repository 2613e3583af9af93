//! Sessions: sign-in, refresh and sign-out. They are stored in a bucket beside the log, not as events.

pub(crate) mod device;
pub(crate) mod list;
pub(crate) mod of_box;
pub(crate) mod open;
pub(crate) mod place;
pub(crate) mod refresh;
pub(crate) mod sign_out;

pub(crate) mod refresh_token;
mod rotation;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use credentials::{SessionKey, SessionRecord, StoredAccount};
use domain::UserId;
use serde::Serialize;
use service_kit::{
    auth::{Grant, Role},
    clock,
};
use utoipa::ToSchema;

use crate::{app::App, error::Error, problems::Code};
use device::{DeviceLabel, UserAgent};
use place::SessionPlace;
use refresh_token::{RefreshToken, Secret};

/// The lifetime of an access token.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Token for `Authorization: Bearer`.
    access_token: String,
    /// Token for `POST /sessions/refresh`, valid once. Absent if it is in a cookie.
    #[schema(
        example = "user.ana.0199f3a5c0de7000a1b2c3d4e5f60718.Yb0v3v8w6q0Jd7hYkqS5c2y1n4m8p9r3t6u7x0z1A2c",
        nullable = false
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    expires_in: i64,
}

impl Session {
    /// Builds the response. With a cookie, the refresh token is nowhere else.
    fn at(mut self, place: &SessionPlace, app: &App) -> Response {
        let token = self.refresh_token.take_if(|_| *place != SessionPlace::Client);
        let cookie = place.keep(&token.unwrap_or_default(), app.session_lifetime);
        ([(header::CACHE_CONTROL, "no-store")], cookie, Json(self)).into_response()
    }
}

/// The account and the client that sign in.
struct SignIn<'a> {
    account: &'a StoredAccount,
    user_id: &'a UserId,
    role: &'a Role,
    device: Option<DeviceLabel>,
    user_agent: UserAgent,
}

/// Begins a session after a successful check of the password of this account.
async fn start_session(app: &App, sign_in: SignIn<'_>) -> Result<Session, Error> {
    let SignIn { account, user_id, role, device, user_agent } = sign_in;
    let now = clock::now();
    let session = clock::new_id().simple().to_string();
    let key = SessionKey { role: role.name().to_owned(), user_id: user_id.clone(), session };
    let secret = Secret::random();
    let box_id = if let Role::Device(box_id) = role { Some(box_id.clone()) } else { None };
    let (hash, credential) = (secret.hash(), Some(account.credential()));
    let record = SessionRecord {
        hash,
        former: None,
        box_id,
        credential,
        created_at: now,
        used_at: now,
        device: device.map(Into::into),
        user_agent: user_agent.0,
    };
    let answer = answer(app, &RefreshToken { key: key.clone(), secret }, role, Times { signed_in: now, at: now })?;
    app.sessions.create(&key, &record).await?;
    // Re-check: a change of the account made before the session was stored would have missed it.
    if !app.accounts.has_same_password(account).await? {
        sign_in::sign_out::end_session(app.session_stores(), &key, now).await?;
        return Err(Code::WrongCredentials.into());
    }
    let limit = app.quotas.sessions;
    if limit > 0 && !matches!(role, Role::Device(_)) {
        // If this fails, the next sign-in ends what is too many.
        if let Err(error) = sign_in::sign_out::end_oldest(app.session_stores(), role.name(), user_id, limit).await {
            tracing::warn!(user.id = %user_id, %error, "the oldest sessions were not ended");
        }
    }
    Ok(answer)
}

/// The times of an access token.
#[derive(Clone, Copy)]
struct Times {
    /// The time of the sign-in.
    signed_in: DateTime<Utc>,
    /// The time of issue.
    at: DateTime<Utc>,
}

/// Builds the session answer. The access token is as old as the read of the session that allowed it, so that a later
/// end of the session covers it.
fn answer(app: &App, token: &RefreshToken, role: &Role, times: Times) -> Result<Session, Error> {
    let RefreshToken { key, .. } = token;
    let (user_id, session) = (&key.user_id, Some(key.session.as_str()));
    let Times { signed_in, at } = times;
    let grant = Grant { user_id, role, session, authenticated_at: Some(signed_in), at, lifetime: LIFETIME };
    let (access_token, lifetime) = app.signing()?.sign(grant)?;
    let refresh_token = Some(token.to_string());
    Ok(Session { access_token, refresh_token, token_type: "Bearer", expires_in: lifetime.num_seconds() })
}
