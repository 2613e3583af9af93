//! `DELETE /sessions/current` and `DELETE /sessions`

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use credentials::{Revocations, SessionKey, Sessions};
use domain::UserId;
use futures::{StreamExt, TryStreamExt, stream};
use service_kit::{auth::Caller, clock};
use storage::BucketError;
use wire::trust::{self, Revoked};

use super::{FULL_REVOCATION, REVOCATION};
use crate::{
    app::App,
    error::Error,
    problems::Code,
    request::{AsAnybody, BareCommand},
};

/// The number of sessions ended concurrently.
const AT_ONCE: usize = 8;

/// Signs out
///
/// Ends the session of the access token: it cannot be refreshed any more, its access tokens are refused within seconds,
/// and its live connections end. A printed token has no session. An `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions")]
pub(crate) async fn close_session(
    State(app): State<App>,
    AsAnybody(caller): AsAnybody,
    BareCommand(_stamp): BareCommand,
) -> Result<StatusCode, Error> {
    let Caller { user_id, role, expires_at, session, .. } = caller;
    let session = session.ok_or(Code::NoSession)?;
    let key = SessionKey { role: role.name().to_owned(), user_id, session };
    let until = expires_at.max(clock::now());
    end(app.records(), &key, until).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs out everywhere
///
/// Ends every session of the caller, and refuses every token that the caller has, including this one. An
/// `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/sessions", tag = "sessions")]
pub(crate) async fn close_all_sessions(
    State(app): State<App>,
    AsAnybody(caller): AsAnybody,
    BareCommand(_stamp): BareCommand,
) -> Result<StatusCode, Error> {
    everywhere(app.records(), caller.role.name(), &caller.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The buckets that a sign-out changes.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) sessions: &'a Sessions,
    pub(crate) revocations: &'a Revocations,
}

/// Ends all sessions of an account in a role, and refuses all tokens issued before.
pub(crate) async fn everywhere(records: Records<'_>, role: &str, user_id: &UserId) -> Result<(), BucketError> {
    elsewhere(records, role, user_id, None).await?;
    // Written last, so that it also covers refreshes that were allowed meanwhile.
    let before = clock::now();
    let revoked = Revoked { before, until: before + FULL_REVOCATION };
    records.revocations.put(&trust::subject_key(role, user_id), revoked).await
}

/// Ends the sessions of an account in a role, except the session `here`.
pub(crate) async fn elsewhere(
    records: Records<'_>,
    role: &str,
    user_id: &UserId,
    here: Option<&str>,
) -> Result<(), BucketError> {
    let now = clock::now();
    let mut sessions = records.sessions.of(role, user_id).await?;
    sessions.retain(|key| Some(key.session.as_str()) != here);
    let ended = stream::iter(sessions).map(|key| async move {
        // A session that ended before needs no revocation.
        match records.sessions.get(&key).await? {
            Some(_) => end(records, &key, now).await,
            None => Ok(()),
        }
    });
    ended.buffer_unordered(AT_ONCE).try_collect().await
}

/// Ends a session whose access tokens may be valid until `alive_until`. Deletes it first: after a crash in between, a
/// repeat revokes the access token, which expires soon anyway. A session that was only revoked could go on later.
pub(super) async fn end(records: Records<'_>, key: &SessionKey, alive_until: DateTime<Utc>) -> Result<(), BucketError> {
    let until = alive_until + REVOCATION;
    records.sessions.delete(key).await?;
    records.revocations.put(&trust::session_key(&key.session), Revoked { before: until, until }).await
}
