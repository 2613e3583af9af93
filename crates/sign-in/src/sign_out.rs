//! Ends sessions and refuses the tokens of an account.

use std::future::ready;

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{Revocations, SessionKey, Sessions};
use domain::UserId;
use futures::{StreamExt, TryStreamExt, stream};
use service_kit::clock;
use storage::BucketError;
use wire::trust::{self, Revoked};

/// The number of sessions ended concurrently.
const CONCURRENCY: usize = 8;

/// The time for which tokens of an ended session are refused: longer than the lifetime of any of them.
const REVOCATION: TimeDelta = TimeDelta::minutes(20);

/// The time for which a sign-out everywhere refuses older tokens of an account, including printed ones.
const FULL_REVOCATION: TimeDelta = TimeDelta::hours(trust::REVOKED_HOURS);

/// The buckets that a sign-out changes.
#[derive(Clone, Copy)]
pub struct SessionStores<'a> {
    /// The sessions.
    pub sessions: &'a Sessions,
    /// The revocations.
    pub revocations: &'a Revocations,
}

/// Ends all sessions of an account in a role, and refuses all tokens issued before.
pub async fn end_all(session_stores: SessionStores<'_>, role: &str, user_id: &UserId) -> Result<(), BucketError> {
    end_others(session_stores, role, user_id, None).await?;
    // Written last, so that it also covers refreshes that were allowed meanwhile.
    let before = clock::now();
    let revoked = Revoked { before, until: before + FULL_REVOCATION };
    session_stores.revocations.put(&trust::subject_key(role, user_id), revoked).await
}

/// Ends the sessions of an account in a role, except the session `kept`.
pub async fn end_others(
    session_stores: SessionStores<'_>,
    role: &str,
    user_id: &UserId,
    kept: Option<&str>,
) -> Result<(), BucketError> {
    let now = clock::now();
    let mut sessions = session_stores.sessions.of(role, user_id).await?;
    sessions.retain(|key| Some(key.session.as_str()) != kept);
    let ended = stream::iter(sessions).map(|key| async move {
        // A session that ended before needs no revocation.
        match session_stores.sessions.get(&key).await? {
            Some(_) => end_session(session_stores, &key, now).await,
            None => Ok(()),
        }
    });
    ended.buffer_unordered(CONCURRENCY).try_collect().await
}

/// Ends the oldest sessions of an account in a role, so that at most `kept` remain.
pub async fn end_oldest(
    session_stores: SessionStores<'_>,
    role: &str,
    user_id: &UserId,
    kept: usize,
) -> Result<(), BucketError> {
    let now = clock::now();
    let mut sessions = session_stores.sessions.of(role, user_id).await?;
    if sessions.len() <= kept {
        return Ok(());
    }
    // The ids are ordered by time.
    sessions.sort_by(|one, other| other.session.cmp(&one.session));
    let found = stream::iter(sessions).map(|key| async move {
        let is_open = session_stores.sessions.get(&key).await?.is_some();
        Ok::<_, BucketError>(is_open.then_some(key))
    });
    let open: Vec<_> = found.buffered(CONCURRENCY).try_filter_map(|key| ready(Ok(key))).try_collect().await?;
    for key in open.iter().skip(kept) {
        end_session(session_stores, key, now).await?;
    }
    Ok(())
}

/// Ends a session whose access tokens may be valid until `valid_until`. Deletes it first: after a crash in between, a
/// repeat revokes the access token, which expires soon anyway. A session that was only revoked could continue later.
pub async fn end_session(
    session_stores: SessionStores<'_>,
    key: &SessionKey,
    valid_until: DateTime<Utc>,
) -> Result<(), BucketError> {
    let until = valid_until + REVOCATION;
    session_stores.sessions.delete(key).await?;
    session_stores.revocations.put(&trust::session_key(&key.session), Revoked { before: until, until }).await
}
