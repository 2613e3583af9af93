//! Suspended users: they leave their open rooms, and their sessions end.
//!
//! A user may have joined a room in the moment of the suspension, so the rooms are looked at for some time after it.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{BoxId, UserId};
use serde_json::json;
use sqlx::{PgConnection, query};

use super::{Eraser, control::watched, work::parse_id};
use crate::generation::error::ChangeError;

/// The suspensions after which the sessions have been ended: the user and the time. This ends the sessions of a user
/// whose command-service crashed after the suspension. Those before the watched time are forgotten.
#[derive(Debug, Default)]
pub(super) struct EndedSessions(HashSet<(UserId, DateTime<Utc>)>);

impl Eraser {
    /// Ends the sessions of suspended users, and removes the users from open rooms. Returns true if nothing is left to
    /// do or to watch. A failure is repeated by the next round.
    pub(super) async fn enforce_suspensions(
        &self,
        connection: &mut PgConnection,
        ended: &mut EndedSessions,
    ) -> Result<bool, ChangeError> {
        let watched = fresh_suspensions(connection).await?;
        ended.0.retain(|suspension| watched.contains(suspension));
        for suspension in &watched {
            if !ended.0.contains(suspension) {
                let request = json!({ "user_id": suspension.0 });
                match self.request("end_sessions", &request).await {
                    Ok(()) => {
                        ended.0.insert(suspension.clone());
                    }
                    Err(reason) => tracing::warn!(user.id = %suspension.0, reason, "sessions were not ended"),
                }
            }
        }
        let inside = rooms_of_suspended(connection).await?;
        for (user_id, box_id) in &inside {
            let request = json!({ "user_id": user_id, "box_id": box_id });
            match self.request("remove_suspended", &request).await {
                Ok(()) => tracing::info!(user.id = %user_id, box.id = %box_id, "removed a suspended user"),
                Err(reason) => tracing::warn!(user.id = %user_id, box.id = %box_id, reason, "a room was not left"),
            }
        }
        Ok(watched.is_empty() && inside.is_empty())
    }
}

/// Returns the suspensions that began a short time ago.
async fn fresh_suspensions(connection: &mut PgConnection) -> Result<HashSet<(UserId, DateTime<Utc>)>, sqlx::Error> {
    let rows = query!(
        r#"select user_id, suspended_at as "suspended_at!" from users where suspended_at > now() - $1::interval"#,
        watched()
    );
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter().map(|row| Ok((parse_id(&row.user_id)?, row.suspended_at))).collect()
}

/// Returns the suspended users who are in an open room, with its box.
async fn rooms_of_suspended(connection: &mut PgConnection) -> Result<Vec<(UserId, BoxId)>, sqlx::Error> {
    let rows = query!(
        "select users.user_id, mine.box_id
         from users
         join user_rooms mine on mine.user_id = users.user_id and mine.inside and mine.closed_at is null
         where users.suspended_at is not null
           and (users.suspended_until is null or users.suspended_until > now())
         order by users.user_id, mine.box_id"
    );
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter().map(|row| Ok((parse_id(&row.user_id)?, parse_id(&row.box_id)?))).collect()
}
