//! `DELETE /sessions/current` and `DELETE /sessions`

use axum::{extract::State, http::StatusCode};
use credentials::SessionKey;
use service_kit::{auth::Caller, clock};
use sign_in::sign_out;

use super::place::{SessionPlace, SetCookie};
use crate::{app::App, error::Error, problems::Code, request::BareCommand};

/// Signs out
///
/// Ends the session of the access token: it cannot be refreshed any more, its access tokens are refused within seconds,
/// and its live connections end. A printed token has no session. An `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions")]
pub(crate) async fn close_session(
    State(app): State<App>,
    caller: Caller,
    place: SessionPlace,
    BareCommand(_stamp): BareCommand,
) -> Result<(StatusCode, SetCookie), Error> {
    let Caller { user_id, role, expires_at, session, .. } = caller;
    let session = session.ok_or(Code::NoSession)?;
    let key = SessionKey { role: role.name().to_owned(), user_id, session };
    let until = expires_at.max(clock::now());
    sign_out::end_session(app.session_stores(), &key, until).await?;
    Ok((StatusCode::NO_CONTENT, place.clear()))
}

/// Signs out everywhere
///
/// Ends every session of the caller, and refuses every token that the caller has, including this one. An
/// `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/sessions", tag = "sessions")]
pub(crate) async fn close_all_sessions(
    State(app): State<App>,
    caller: Caller,
    place: SessionPlace,
    BareCommand(_stamp): BareCommand,
) -> Result<(StatusCode, SetCookie), Error> {
    sign_out::end_all(app.session_stores(), caller.role.name(), &caller.user_id).await?;
    Ok((StatusCode::NO_CONTENT, place.clear()))
}
