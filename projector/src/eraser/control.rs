//! The stored state of erasures. All connections are to the active generation.

use chrono::{DateTime, TimeDelta, Utc};
use domain::UserId;
use operator_protocol::ErasureReport;
use sqlx::{PgConnection, postgres::types::PgInterval, query, query_scalar};

use super::work::parse_id;
use crate::generation::{error::ChangeError, positions::Positions};

/// The time after a suspension for which the rooms of the user are looked at every half second, in seconds. It is
/// longer than any command takes.
const WATCHED_SECONDS: i64 = 120;

/// Returns the time after a suspension for which the user is watched.
pub(super) fn watched() -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: WATCHED_SECONDS * 1_000_000 }
}

/// A user whose erasure is not complete.
pub(super) struct Pending {
    pub(super) user_id: UserId,
    /// The time since the user's key was destroyed and no trace was found.
    pub(super) settled_for: Option<TimeDelta>,
}

/// Returns the active generation.
pub(super) async fn active(connection: &mut PgConnection) -> Result<Option<i32>, sqlx::Error> {
    let sql = query_scalar!(
        "select generation from control.generations where state = 'active' and model_version = $1",
        read_model::version()
    );
    sql.fetch_optional(connection).await
}

/// Returns true if this generation is still the active one, and neither a pending, nor a newly deleted, nor a suspended
/// user waits. Asked often, so it is one query.
pub(super) async fn is_idle(connection: &mut PgConnection, generation: i32) -> Result<bool, sqlx::Error> {
    let idle = query_scalar!(
        r#"select
             exists (
               select from control.generations where generation = $1 and state = 'active' and model_version = $2
             )
             and not exists (select from control.erasures where finished_at is null)
             and not exists (
               select
               from users
               where nickname is null
                 and not exists (select from control.erasures where erasures.user_id = users.user_id)
             )
             and not exists (
               select
               from users
               where suspended_at is not null
                 and (
                   suspended_at > now() - $3::interval
                   or (suspended_until is null or suspended_until > now())
                     and exists (
                       select
                       from user_rooms mine
                       where mine.user_id = users.user_id and mine.inside and mine.closed_at is null
                     )
                 )
             )
             and not exists (
               select
               from control.erasures, checkpoints
               where checkpoints.stream = 'user' and checkpoints.incarnation <> erasures.incarnation
             ) as "idle!""#,
        generation,
        read_model::version(),
        watched()
    );
    idle.fetch_one(connection).await
}

/// Records newly deleted users. Removes the erasures of a log that was lost.
pub(super) async fn discover(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    query!(
        "delete from control.erasures
         using checkpoints
         where checkpoints.stream = 'user'
           and checkpoints.incarnation <> erasures.incarnation"
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "insert into control.erasures (incarnation, user_id)
         select checkpoints.incarnation, users.user_id
         from users, checkpoints
         where users.nickname is null
           and checkpoints.stream = 'user'
           and not exists (select from control.erasures where erasures.user_id = users.user_id)
         on conflict do nothing"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the pending erasures, oldest first.
pub(super) async fn pending(connection: &mut PgConnection) -> Result<Vec<Pending>, sqlx::Error> {
    let rows = query!(
        r#"select user_id, settled_at, now() as "now!"
         from control.erasures
         where finished_at is null
         order by seen_at"#
    );
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let settled_for = row.settled_at.map(|at: DateTime<Utc>| row.now - at);
            Ok(Pending { user_id: parse_id(&row.user_id)?, settled_for })
        })
        .collect()
}

pub(super) async fn mark_key_destroyed(connection: &mut PgConnection, user_id: &UserId) -> Result<(), sqlx::Error> {
    query!("update control.erasures set settled_at = now() where user_id = $1", user_id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn finish(connection: &mut PgConnection, user_id: &UserId) -> Result<(), sqlx::Error> {
    query!("update control.erasures set finished_at = now() where user_id = $1", user_id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Records what an erasure waits for.
pub(super) async fn set_waiting(
    connection: &mut PgConnection,
    user_id: &UserId,
    what: &str,
) -> Result<(), sqlx::Error> {
    let sql = query!(
        "update control.erasures set waits_for = $2 where user_id = $1 and waits_for <> $2",
        user_id.as_str(),
        what
    );
    sql.execute(connection).await?;
    Ok(())
}

/// Records what all erasures wait for.
pub(super) async fn set_all_waiting(connection: &mut PgConnection, what: &str) -> Result<(), ChangeError> {
    query!("update control.erasures set waits_for = $1 where finished_at is null and waits_for <> $1", what)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the first generation of any version that is behind these positions: it still shows erased content.
pub(super) async fn behind(connection: &mut PgConnection, ends: &Positions) -> Result<Option<String>, sqlx::Error> {
    let generations =
        query_scalar!("select generation from control.generations where dropped_at is null order by generation");
    for generation in generations.fetch_all(&mut *connection).await? {
        if let Some(missing) = Positions::of(connection, generation).await?.missing(ends) {
            return Ok(Some(format!("generation {generation}, to be projected or retired: {missing}")));
        }
    }
    Ok(None)
}

/// Returns the pending erasures for the status report, oldest first.
pub(crate) async fn report(connection: &mut PgConnection) -> Result<Vec<ErasureReport>, sqlx::Error> {
    let rows =
        query!("select user_id, seen_at, waits_for from control.erasures where finished_at is null order by seen_at");
    let rows = rows.fetch_all(connection).await?;
    let report = |row| {
        let (user_id, since, waits_for) = row;
        ErasureReport { user_id, since, waits_for }
    };
    Ok(rows.into_iter().map(|row| report((row.user_id, row.seen_at, row.waits_for))).collect())
}
