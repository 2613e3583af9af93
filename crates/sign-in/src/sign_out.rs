//! Ends sessions and refuses the tokens of an account.

use chrono::{DateTime, TimeDelta, Utc};
use credentials::{Revocations, SessionKey, Sessions};
use domain::UserId;
use futures::{StreamExt, TryStreamExt, stream};
use service_kit::clock;
use storage::BucketError;
use wire::trust::{self, Revoked};

/// The number of sessions ended concurrently.
const AT_ONCE: usize = 8;

/// The time for which tokens of an ended session are refused: longer than the lifetime of any of them.
const REVOCATION: TimeDelta = TimeDelta::minutes(20);

/// The time for which a sign-out everywhere refuses older tokens of an account, including printed ones.
const FULL_REVOCATION: TimeDelta = TimeDelta::hours(trust::REVOKED_HOURS);

/// The buckets that a sign-out changes.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    /// The sessions.
    pub sessions: &'a Sessions,
    /// The revocations.
    pub revocations: &'a Revocations,
}

/// Ends all sessions of an account in a role, and refuses all tokens issued before.
pub async fn everywhere(records: Records<'_>, role: &str, user_id: &UserId) -> Result<(), BucketError> {
    elsewhere(records, role, user_id, None).await?;
    // Written last, so that it also covers refreshes that were allowed meanwhile.
    let before = clock::now();
    let revoked = Revoked { before, until: before + FULL_REVOCATION };
    records.revocations.put(&trust::subject_key(role, user_id), revoked).await
}

/// Ends the sessions of an account in a role, except the session `here`.
pub async fn elsewhere(
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
pub async fn end(records: Records<'_>, key: &SessionKey, alive_until: DateTime<Utc>) -> Result<(), BucketError> {
    let until = alive_until + REVOCATION;
    records.sessions.delete(key).await?;
    records.revocations.put(&trust::session_key(&key.session), Revoked { before: until, until }).await
}
