//! `POST /sessions/refresh`: exchanges a refresh token for another one and a new access token.

use axum::{extract::State, response::Response};
use credentials::{SessionKey, SessionRecord, StoredAccount};
use eserde::Deserialize;
use service_kit::{auth::Role, clock};
use sign_in::sign_out;
use storage::BucketError;
use utoipa::ToSchema;

use super::{
    Times, answer,
    place::SessionPlace,
    refresh_token::{RefreshToken, RefreshTokenText, random_salt},
    rotation::{Verdict, rotate},
};
use crate::{app::App, error::Error, problems::Code, request::OptionalBodyCommand, schemas};

/// The maximum number of attempts to update a session against concurrent changes.
const ATTEMPTS: usize = 8;

/// The refresh of a session.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "refresh_token": "user.ana.0199f3a5c0de7000a1b2c3d4e5f60718.Yb0v3v8w6q0J" }))]
pub(crate) struct RefreshSession {
    /// The refresh token of the last answer. Absent if it is in a cookie.
    #[schema(value_type = Option<schemas::RefreshToken>)]
    #[serde(default)]
    #[eserde(compat)]
    refresh_token: Option<RefreshTokenText>,
}

/// Refreshes a session
///
/// Each refresh token can be exchanged once. A repeat of the last refresh within ten seconds gets the same refresh
/// token again, in case the answer was lost. Any other reuse of a token ends the session, because the token or its
/// successor may be stolen. An `Idempotency-Key` has no effect.
#[utoipa::path(post, path = "/sessions/refresh", tag = "sessions", request_body = Option<RefreshSession>)]
pub(crate) async fn refresh_session(
    State(app): State<App>,
    place: SessionPlace,
    OptionalBodyCommand { body, .. }: OptionalBodyCommand<RefreshSession>,
) -> Result<Response, Error> {
    app.signing()?;
    let RefreshToken { key, secret } = place.received(body.refresh_token.as_ref())?;
    for _ in 0..ATTEMPTS {
        let now = clock::now();
        let (record, revision) = app.sessions.get(&key).await?.ok_or(Code::InvalidRefreshToken)?;
        if record.used_at + app.session_lifetime < now {
            return Err(Code::InvalidRefreshToken.into());
        }
        let role = role(&key.role, &record)?;
        let Some(account) = account_of(&app, &key, &role, &record).await? else {
            sign_out::end_session(app.session_stores(), &key, now).await?;
            return Err(Code::InvalidRefreshToken.into());
        };
        let secret = match rotate(&record, &secret, random_salt(), now) {
            Verdict::Replaced(next, secret) => {
                let next = SessionRecord { credential: Some(account.credential()), ..next };
                match app.sessions.update(&key, &next, revision).await {
                    Err(BucketError::Conflict(_)) => continue,
                    result => result.map(|()| secret)?,
                }
            }
            Verdict::Repeated(secret) => secret,
            Verdict::Reused => {
                tracing::warn!(user.id = %key.user_id, "a refresh token was used again: its session ends");
                sign_out::end_session(app.session_stores(), &key, now).await?;
                return Err(Code::RefreshTokenReused.into());
            }
        };
        let times = Times { signed_in: record.created_at, at: now };
        return Ok(answer(&app, &RefreshToken { key, secret }, &role, times)?.at(&place, &app));
    }
    Err(Error::contended())
}

/// The account of a session; `None` if the session has ended. A session ends with its credential and with its user or
/// box, even if the service crashed before it deleted the session.
async fn account_of(
    app: &App,
    key: &SessionKey,
    role: &Role,
    record: &SessionRecord,
) -> Result<Option<StoredAccount>, Error> {
    let (account, has_ended) = match role {
        Role::Device(box_id) => {
            (app.accounts.get_box(box_id).await?, app.boxes.load_latest(box_id).await?.0.is_retired())
        }
        Role::User | Role::Moderator => {
            let (user, _) = app.users.load_latest(&key.user_id).await?;
            (app.accounts.get(&key.user_id).await?, user.is_erased() || user.is_suspended(clock::now()))
        }
        Role::Operator => (app.accounts.get(&key.user_id).await?, false),
    };
    let admits = |account: &StoredAccount| {
        account.account.role == key.role && account.accepts_session(&key.session, record.credential.as_deref())
    };
    Ok(account.filter(|account| !has_ended && admits(account)))
}

fn role(name: &str, record: &SessionRecord) -> Result<Role, Code> {
    Role::named(name, record.box_id.clone()).ok_or(Code::InvalidRefreshToken)
}
