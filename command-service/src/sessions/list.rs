//! `GET /sessions` and `DELETE /sessions/{session}`

use std::str::FromStr;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use chrono::{DateTime, Utc};
use credentials::{SessionKey, SessionRecord};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use service_kit::{
    auth::Caller,
    clock,
    extract::{Path, Query},
};
use sign_in::sign_out;
use storage::BucketError;
use utoipa::ToSchema;

use crate::{app::App, error::Error, paths::SessionPath, problems::Code, request::BareCommand};

/// The maximum number of listed sessions. Users have fewer unless the installation sets no limit.
const MAX_LISTED: usize = 100;

/// The number of sessions that are read concurrently.
const CONCURRENCY: usize = 8;

/// The id of a session: 32 hexadecimal digits.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct SessionId(String);

impl FromStr for SessionId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text.to_owned())) } else { Err("a session has 32 hexadecimal digits") }
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The query of a request without parameters. Any parameter is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

/// The sessions of the caller.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The sessions, the last used one first.
    items: Vec<SessionView>,
}

/// A session that can be refreshed.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// The id.
    #[schema(example = "0199f3a5c0de7000a1b2c3d4e5f60718", pattern = "^[0-9a-f]{32}$")]
    id: String,
    /// True for the session of the request's token.
    current: bool,
    /// The time of the sign-in.
    created_at: DateTime<Utc>,
    /// The time of the last refresh.
    last_used_at: DateTime<Utc>,
    /// The label of the device, as the client gave it at the sign-in.
    #[schema(required, example = "Ana's phone")]
    device: Option<String>,
    /// The beginning of the client's `User-Agent` at the sign-in.
    #[schema(required, example = "BoxroomApp/2.1 (Android 16)")]
    user_agent: Option<String>,
}

/// Lists the caller's sessions
///
/// At most the latest 100. A session is used when it is refreshed, at least every 15 minutes while its client is
/// active.
#[utoipa::path(get, path = "/sessions", tag = "sessions")]
pub(crate) async fn list_sessions(
    State(app): State<App>,
    caller: Caller,
    Query(NoParameters {}): Query<NoParameters>,
) -> Result<impl IntoResponse, Error> {
    app.signing()?;
    let oldest_use = clock::now() - app.session_lifetime;
    let mut keys = app.sessions.of(caller.role.name(), &caller.user_id).await?;
    // The ids are ordered by time.
    keys.sort_by(|one, other| other.session.cmp(&one.session));
    let found = stream::iter(keys).map(async |key: SessionKey| {
        let record = app.sessions.get(&key).await?;
        Ok::<_, BucketError>(record.map(|(record, _)| (key, record)))
    });
    let open = found.buffered(CONCURRENCY).try_filter_map(async |found| {
        Ok(found.filter(|(_, record): &(SessionKey, SessionRecord)| record.used_at >= oldest_use))
    });
    let open: Vec<_> = open.take(MAX_LISTED).try_collect().await?;
    let mut items: Vec<SessionView> = open
        .into_iter()
        .map(|(key, record)| SessionView {
            current: caller.session.as_ref() == Some(&key.session),
            id: key.session,
            created_at: record.created_at,
            last_used_at: record.used_at,
            device: record.device,
            user_agent: record.user_agent,
        })
        .collect();
    items.sort_by_key(|session| std::cmp::Reverse(session.last_used_at));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(SessionList { items })))
}

/// Ends a session
///
/// It cannot be refreshed any more, its access tokens are refused within seconds, and its live connections end. An
/// `Idempotency-Key` has no effect.
#[utoipa::path(delete, path = "/sessions/{session}", tag = "sessions", params(SessionPath))]
pub(crate) async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Path(SessionPath { session }): Path<SessionPath>,
    BareCommand(_stamp): BareCommand,
) -> Result<StatusCode, Error> {
    app.signing()?;
    let key = SessionKey { role: caller.role.name().to_owned(), user_id: caller.user_id, session: session.0 };
    // Only the caller's own: a revocation is stored by the id alone. A repeat completes an end that a crash has
    // interrupted.
    if !app.sessions.is_known(&key).await? {
        return Err(Code::SessionNotFound.into());
    }
    sign_out::end_session(app.session_stores(), &key, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_has_32_digits_and_no_wildcard() {
        assert!(SessionId::from_str("0199f3a5c0de7000a1b2c3d4e5f60718").is_ok());
        for bad in ["", "*", ">", "0199F3A5C0DE7000A1B2C3D4E5F60718", &"0".repeat(31), &"0".repeat(33), "current"] {
            assert!(SessionId::from_str(bad).is_err(), "{bad}");
        }
    }
}
