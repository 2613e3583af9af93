//! The planned events of webhooks and their states.

use std::{collections::BTreeMap, time::Duration};

use push::signature::Secret;
use sqlx::{PgConnection, PgPool, query, query_scalar};

use super::registry;

/// The identity of a planned event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventKey {
    pub(crate) webhook_id: String,
    pub(crate) stream: String,
    pub(crate) is_replay: bool,
    pub(crate) incarnation: String,
    pub(crate) position: i64,
    pub(crate) index: i32,
}

/// A webhook, or its replay.
pub(crate) type CursorKey = (String, bool);

/// An event that a webhook gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) webhook_id: String,
    pub(crate) box_id: String,
    pub(crate) position: i64,
    pub(crate) index: i32,
}

/// An event during an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) key: EventKey,
    pub(crate) box_id: String,
    pub(crate) url: String,
    pub(crate) secret: Secret,
    /// The number of this attempt, from 1.
    pub(crate) attempt: i32,
    /// True if the time for attempts is over after this one.
    pub(crate) is_last: bool,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver has accepted the event.
    Done,
    /// Another attempt may succeed after this time.
    Retry(Duration, String),
    /// The time for attempts is over.
    Dead(String),
    /// The receiver wants no more events.
    Gone(String),
    /// There was no attempt: it is due again after this time.
    Postponed(Duration),
}

/// Inserts events of webhooks, or of their replays. The first of each box waits for an attempt, the others for the one
/// before.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    (stream, incarnation): (&str, &str),
    planned: &[Planned],
    is_replay: bool,
    lifetime_s: i64,
) -> Result<(), sqlx::Error> {
    if planned.is_empty() {
        return Ok(());
    }
    let webhook_ids: Vec<String> = planned.iter().map(|planned| planned.webhook_id.clone()).collect();
    let box_ids: Vec<String> = planned.iter().map(|planned| planned.box_id.clone()).collect();
    let positions: Vec<i64> = planned.iter().map(|planned| planned.position).collect();
    let indexes: Vec<i32> = planned.iter().map(|planned| planned.index).collect();
    query!(
        "insert into webhook_events
           (webhook_id, stream, is_replay, incarnation, position, index, box_id, state, expires_at)
         select
           planned.webhook_id,
           $1,
           $2,
           $3,
           planned.position,
           planned.index,
           planned.box_id,
           'queued',
           now() + $8::bigint * interval '1 s'
         from unnest($4::text[], $5::text[], $6::bigint[], $7::int[])
           as planned (webhook_id, box_id, position, index)
         on conflict do nothing",
        stream,
        is_replay,
        incarnation,
        &webhook_ids,
        &box_ids,
        &positions,
        &indexes,
        lifetime_s
    )
    .execute(&mut *connection)
    .await?;
    // An event of a former replay may be in an attempt, at any position.
    query!(
        "update webhook_events first
         set state = 'waiting', next_at = now()
         from (
           select distinct webhook_id, box_id from unnest($1::text[], $2::text[]) as of (webhook_id, box_id)
         ) as planned
         cross join lateral (
           select ctid as place, state
           from webhook_events pending
           where pending.webhook_id = planned.webhook_id
             and pending.is_replay = $4
             and pending.box_id = planned.box_id
             and pending.state in ('queued', 'waiting', 'sending')
           order by position, index
           limit 1
         ) head
         where first.ctid = head.place
           and head.state = 'queued'
           and not exists (
             select
             from webhook_events sent
             where sent.stream = $3
               and sent.webhook_id = planned.webhook_id
               and sent.is_replay = $4
               and sent.box_id = planned.box_id
               and sent.state = 'sending'
           )",
        &webhook_ids,
        &box_ids,
        stream,
        is_replay
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the number of events of a webhook or its replay that are not done, up to a maximum.
pub(crate) async fn pending(
    pool: &PgPool,
    stream: &str,
    (webhook_id, is_replay): &CursorKey,
    max: i64,
) -> Result<i64, sqlx::Error> {
    let count = query_scalar!(
        r#"select count(*) as "count!"
           from (
             select
             from webhook_events
             where webhook_id = $1
               and stream = $2
               and is_replay = $3
               and state in ('queued', 'waiting', 'sending')
             limit $4
           ) as pending"#,
        webhook_id,
        stream,
        is_replay,
        max
    );
    count.fetch_one(pool).await
}

/// Takes events of a webhook that are due, one of each box, for an attempt each.
pub(crate) async fn claim(
    pool: &PgPool,
    (stream, incarnation): (&str, &str),
    webhook_id: &str,
    limit: i64,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let rows = query!(
        r#"update webhook_events e
           set state = 'sending', attempts = attempts + 1, updated_at = now()
           from webhooks w
           join webhook_secrets s on s.webhook_id = w.webhook_id
           where w.webhook_id = $3
             and w.paused_at is null
             and e.state = 'waiting'
             and e.ctid = any(array(
               select place
               from (
                 select distinct on (box_id) ctid as place, attempts, next_at
                 from webhook_events due
                 where stream = $1
                   and incarnation = $2
                   and webhook_id = $3
                   and state = 'waiting'
                   and next_at <= now()
                   and not exists (
                     select
                     from webhook_events sent
                     where sent.stream = $1
                       and sent.webhook_id = $3
                       and sent.box_id = due.box_id
                       and sent.state = 'sending'
                   )
                 order by box_id, is_replay
               ) as heads
               -- While only one call is allowed, an event that keeps failing must not keep the others waiting.
               order by attempts, next_at
               limit $4
             ))
           returning
             e.is_replay,
             e.position,
             e.index,
             e.box_id,
             e.attempts,
             greatest(e.expires_at, w.attempts_until) <= now() as "is_last!",
             w.url,
             s.secret"#,
        stream,
        incarnation,
        webhook_id,
        limit
    );
    let rows = rows.fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Delivery {
            key: EventKey {
                webhook_id: webhook_id.to_owned(),
                stream: stream.to_owned(),
                is_replay: row.is_replay,
                incarnation: incarnation.to_owned(),
                position: row.position,
                index: row.index,
            },
            box_id: row.box_id,
            url: row.url,
            secret: Secret::from_bytes(row.secret),
            attempt: row.attempts,
            is_last: row.is_last,
        })
        .collect())
}

/// Records the result of an attempt, unless another notifier has taken the event in the meantime. When it is done or
/// dead, the next event of its box is due.
pub(crate) async fn record(
    pool: &PgPool,
    delivery: &Delivery,
    event_id: &str,
    outcome: &Outcome,
) -> Result<(), sqlx::Error> {
    let milliseconds = |time: &Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let (state, detail, next_ms, attempt) = match outcome {
        Outcome::Done => ("done", None, 0, delivery.attempt),
        Outcome::Retry(after, detail) => ("waiting", Some(detail.as_str()), milliseconds(after), delivery.attempt),
        Outcome::Dead(detail) => ("dead", Some(detail.as_str()), 0, delivery.attempt),
        Outcome::Gone(detail) => ("waiting", Some(detail.as_str()), 0, delivery.attempt),
        Outcome::Postponed(after) => ("waiting", None, milliseconds(after), delivery.attempt - 1),
    };
    let key = &delivery.key;
    let mut transaction = pool.begin().await?;
    // The planner decides under the same lock whether a new event has to wait for this one.
    query!(
        "select from webhook_cursors where webhook_id = $1 and stream = $2 and is_replay = $3 for update",
        key.webhook_id,
        key.stream,
        key.is_replay
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let recorded = query!(
        "update webhook_events
         set
           state = $8,
           detail = coalesce($9, detail),
           next_at = now() + $10::bigint * interval '1 ms',
           attempts = $11,
           updated_at = now()
         where webhook_id = $1
           and stream = $2
           and is_replay = $3
           and incarnation = $4
           and position = $5
           and index = $6
           and state = 'sending'
           and attempts = $7",
        key.webhook_id,
        key.stream,
        key.is_replay,
        key.incarnation,
        key.position,
        key.index,
        delivery.attempt,
        state,
        detail,
        next_ms,
        attempt
    );
    let is_ours = recorded.execute(&mut *transaction).await?.rows_affected() > 0;
    if is_ours && matches!(outcome, Outcome::Done | Outcome::Dead(_)) {
        query!(
            "update webhook_events
             set state = 'waiting', next_at = now()
             where ctid = (
               select ctid
               from webhook_events
               where webhook_id = $1 and is_replay = $2 and box_id = $3 and state = 'queued'
               order by position, index
               limit 1
             )",
            key.webhook_id,
            key.is_replay,
            delivery.box_id
        )
        .execute(&mut *transaction)
        .await?;
    }
    if let Some(detail) = detail {
        query!(
            "update webhooks
             set last_failure_at = now(), last_failure_event = $2, last_failure = $3
             where webhook_id = $1",
            key.webhook_id,
            event_id,
            detail
        )
        .execute(&mut *transaction)
        .await?;
    }
    if is_ours && matches!(outcome, Outcome::Gone(_)) {
        registry::pause(&mut transaction, &key.webhook_id, "receiver").await?;
    }
    transaction.commit().await
}

/// Finds the events that a notifier was sending when it ended, except those that this process is still sending. They
/// are sent again. Returns their number.
pub(crate) async fn recover(pool: &PgPool, stream: &str, in_flight: &[EventKey]) -> Result<u64, sqlx::Error> {
    let webhook_ids: Vec<String> = in_flight.iter().map(|key| key.webhook_id.clone()).collect();
    let replays: Vec<bool> = in_flight.iter().map(|key| key.is_replay).collect();
    let positions: Vec<i64> = in_flight.iter().map(|key| key.position).collect();
    let indexes: Vec<i32> = in_flight.iter().map(|key| key.index).collect();
    let recovered = query!(
        "update webhook_events e
         set state = 'waiting', next_at = now(), updated_at = now()
         where stream = $1
           and state = 'sending'
           and not exists (
             select
             from unnest($2::text[], $3::bool[], $4::bigint[], $5::int[])
               as sending (webhook_id, is_replay, position, index)
             where sending.webhook_id = e.webhook_id
               and sending.is_replay = e.is_replay
               and sending.position = e.position
               and sending.index = e.index
           )",
        stream,
        &webhook_ids,
        &replays,
        &positions,
        &indexes
    );
    Ok(recovered.execute(pool).await?.rows_affected())
}

/// Returns the time until an event of each active webhook is due. Events behind one in an attempt are left out.
pub(crate) async fn next_due(
    pool: &PgPool,
    (stream, incarnation): (&str, &str),
) -> Result<BTreeMap<String, Duration>, sqlx::Error> {
    let rows = query!(
        r#"select due.webhook_id, extract(epoch from min(due.next_at) - now())::float8 as "seconds!"
           from webhook_events due
           join webhooks w on w.webhook_id = due.webhook_id and w.paused_at is null
           where due.stream = $1
             and due.incarnation = $2
             and due.state = 'waiting'
             and not exists (
               select
               from webhook_events sent
               where sent.stream = $1
                 and sent.webhook_id = due.webhook_id
                 and sent.box_id = due.box_id
                 and sent.state = 'sending'
             )
           group by due.webhook_id"#,
        stream,
        incarnation
    );
    let rows = rows.fetch_all(pool).await?;
    let duration = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    Ok(rows.into_iter().map(|row| (row.webhook_id, duration(row.seconds))).collect())
}

/// Removes events that were done or dead 30 days ago, some at a time. Returns true if there may be more.
pub(crate) async fn remove_old(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let removed = query_scalar!(
        r#"with removed as (
             delete from webhook_events
             where ctid = any(array(
               select ctid
               from webhook_events
               where state in ('done', 'dead') and updated_at < now() - interval '30 days'
               limit 1000
             ))
             returning 1
           )
           select count(*) as "removed!" from removed"#
    );
    Ok(removed.fetch_one(pool).await? > 0)
}
