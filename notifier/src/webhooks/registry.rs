//! The registered webhooks, and the operators' changes of them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use operator_protocol::{ShownWebhook, Webhook, WebhookCounts, WebhookFailure, WebhookProgress};
use push::signature::Secret;
use sqlx::{PgConnection, PgPool, query, query_scalar};

use crate::database::announce_change;

/// The maximum number of webhooks.
pub(crate) const MAX_WEBHOOKS: i64 = 100;

/// The number up to which events that are done or dead are counted.
const MAX_COUNT: i64 = 100_000;

/// The text that stands for all types of events.
pub(crate) const ALL_TYPES: &str = "*";

/// A webhook as the planner needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) webhook_id: String,
    pub(crate) types: BTreeSet<String>,
    pub(crate) box_id: Option<String>,
}

impl Active {
    /// Returns true if the webhook gets the events of a type on a box.
    pub(crate) fn wants(&self, event_type: &str, box_id: &str) -> bool {
        (self.types.contains(ALL_TYPES) || self.types.contains(event_type))
            && self.box_id.as_ref().is_none_or(|wanted| wanted == box_id)
    }
}

/// A position in a stream, with the incarnation of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stream: String,
    pub(crate) incarnation: String,
    pub(crate) position: i64,
}

/// Returns the webhooks that are not paused.
pub(crate) async fn active(pool: &PgPool) -> Result<Vec<Active>, sqlx::Error> {
    let rows = query!("select webhook_id, types, box_id from webhooks where paused_at is null order by webhook_id");
    let rows = rows.fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Active { webhook_id: row.webhook_id, types: row.types.into_iter().collect(), box_id: row.box_id })
        .collect())
}

/// Returns true if there are webhooks, active or not.
pub(crate) async fn any(pool: &PgPool) -> Result<bool, sqlx::Error> {
    query_scalar!(r#"select exists (select from webhooks) as "any!""#).fetch_one(pool).await
}

/// Stores a webhook that begins after these places. Returns none if there are too many webhooks.
pub(crate) async fn add(
    connection: &mut PgConnection,
    (webhook_id, secret): (&str, &Secret),
    url: &str,
    types: &[String],
    box_id: Option<&str>,
    ends: &[Place],
) -> Result<Option<Webhook>, sqlx::Error> {
    // Concurrent registrations must not exceed the limit together.
    query!("lock table webhooks in share row exclusive mode").execute(&mut *connection).await?;
    let count = query_scalar!(r#"select count(*) as "count!" from webhooks"#).fetch_one(&mut *connection).await?;
    if count >= MAX_WEBHOOKS {
        return Ok(None);
    }
    query!(
        "insert into webhooks (webhook_id, url, types, box_id) values ($1, $2, $3, $4)",
        webhook_id,
        url,
        types,
        box_id
    )
    .execute(&mut *connection)
    .await?;
    query!("insert into webhook_secrets (webhook_id, secret) values ($1, $2)", webhook_id, secret.as_bytes())
        .execute(&mut *connection)
        .await?;
    for end in ends {
        query!(
            "insert into webhook_cursors (webhook_id, stream, is_replay, incarnation, position)
             values ($1, $2, false, $3, $4)",
            webhook_id,
            end.stream,
            end.incarnation,
            end.position
        )
        .execute(&mut *connection)
        .await?;
    }
    announce_change(connection).await?;
    find(connection, webhook_id).await
}

/// Returns webhooks after an id, in the order of their registration.
pub(crate) async fn list(connection: &mut PgConnection, after: &str, limit: i64) -> Result<Vec<Webhook>, sqlx::Error> {
    let rows = query_webhooks(connection, None, after, limit).await?;
    Ok(rows.into_iter().map(Webhook::from).collect())
}

/// Returns a webhook.
pub(crate) async fn find(connection: &mut PgConnection, webhook_id: &str) -> Result<Option<Webhook>, sqlx::Error> {
    let rows = query_webhooks(connection, Some(webhook_id), "", 1).await?;
    Ok(rows.into_iter().next().map(Webhook::from))
}

struct Row {
    webhook_id: String,
    url: String,
    types: Vec<String>,
    box_id: Option<String>,
    created_at: DateTime<Utc>,
    paused_at: Option<DateTime<Utc>>,
    paused_by: Option<String>,
    last_failure_at: Option<DateTime<Utc>>,
    last_failure_event: Option<String>,
    last_failure: Option<String>,
}

impl From<Row> for Webhook {
    fn from(row: Row) -> Self {
        let failure = row.last_failure_at.zip(row.last_failure_event).zip(row.last_failure);
        Self {
            webhook_id: row.webhook_id,
            url: row.url,
            types: row.types,
            box_id: row.box_id,
            created_at: row.created_at,
            paused_at: row.paused_at,
            paused_by: row.paused_by,
            last_failure: failure.map(|((at, event_id), reason)| WebhookFailure { at, event_id, reason }),
        }
    }
}

async fn query_webhooks(
    connection: &mut PgConnection,
    webhook_id: Option<&str>,
    after: &str,
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Row,
        "select
           webhook_id,
           url,
           types,
           box_id,
           created_at,
           paused_at,
           paused_by,
           last_failure_at,
           last_failure_event,
           last_failure
         from webhooks
         where ($1::text is null or webhook_id = $1) and webhook_id > $2
         order by webhook_id
         limit $3",
        webhook_id,
        after,
        limit
    );
    rows.fetch_all(connection).await
}

/// Returns a webhook with the states of its events.
pub(crate) async fn show(connection: &mut PgConnection, webhook_id: &str) -> Result<Option<ShownWebhook>, sqlx::Error> {
    let Some(webhook) = find(connection, webhook_id).await? else { return Ok(None) };
    let states = query!(
        r#"select of_webhook.is_replay as "is_replay!", counted.state as "state!", counted.count as "count!", next_at
           from (values (false), (true)) as of_webhook (is_replay)
           cross join lateral (
             select state, count(*) as count, min(next_at) filter (where state = 'waiting') as next_at
             from webhook_events
             where webhook_id = $1
               and is_replay = of_webhook.is_replay
               and state in ('queued', 'waiting', 'sending')
             group by state
             union all
             select 'dead', count(*), null
             from (
               select
               from webhook_events
               where webhook_id = $1 and is_replay = of_webhook.is_replay and state = 'dead'
               limit $2
             ) as dead
             union all
             select 'done', count(*), null
             from (
               select
               from webhook_events
               where webhook_id = $1 and is_replay = of_webhook.is_replay and state = 'done'
               limit $2
             ) as done
           ) as counted"#,
        webhook_id,
        MAX_COUNT
    );
    let (mut live, mut replayed, mut next_attempt_at) = (WebhookCounts::default(), WebhookCounts::default(), None);
    for row in states.fetch_all(&mut *connection).await? {
        let counts = if row.is_replay { &mut replayed } else { &mut live };
        let count = row.count.unsigned_abs();
        match row.state.as_str() {
            "sending" => counts.sending += count,
            "done" => counts.done += count,
            "dead" => counts.dead += count,
            _ => counts.waiting += count,
        }
        next_attempt_at = [next_attempt_at, row.next_at].into_iter().flatten().min();
    }
    let cursors = query!(
        r#"select stream, incarnation, position, until, problem
           from webhook_cursors
           where webhook_id = $1
           order by stream, is_replay"#,
        webhook_id
    );
    let cursors = cursors.fetch_all(connection).await?;
    let progress = cursors.into_iter().map(|row| WebhookProgress {
        position: format!("{}.{}.{}", row.stream, row.incarnation, row.position),
        stream: row.stream,
        replay_until: row.until.map(i64::unsigned_abs),
        problem: row.problem,
    });
    Ok(Some(ShownWebhook { webhook, live, replayed, next_attempt_at, progress: progress.collect() }))
}

/// Pauses a webhook, for this reason: `operator` or `receiver`.
pub(crate) async fn pause(connection: &mut PgConnection, webhook_id: &str, by: &str) -> Result<(), sqlx::Error> {
    query!(
        "update webhooks set paused_at = now(), paused_by = $2 where webhook_id = $1 and paused_at is null",
        webhook_id,
        by
    )
    .execute(&mut *connection)
    .await?;
    announce_change(connection).await
}

/// Makes waiting events of a webhook due, some at a time: a statement must not take too long. Returns true if there may
/// be more.
pub(crate) async fn make_due(connection: &mut PgConnection, webhook_id: &str) -> Result<bool, sqlx::Error> {
    let due = query!(
        "update webhook_events
         set next_at = now()
         where ctid = any(array(
           select ctid
           from webhook_events
           where webhook_id = $1 and state = 'waiting' and next_at > now()
           limit 5000
         ))",
        webhook_id
    );
    Ok(due.execute(connection).await?.rows_affected() > 0)
}

/// Resumes a webhook. Its events have all their time again.
pub(crate) async fn resume(
    connection: &mut PgConnection,
    webhook_id: &str,
    lifetime_s: i64,
) -> Result<(), sqlx::Error> {
    query!(
        "update webhooks
         set paused_at = null, paused_by = null, attempts_until = now() + $2::bigint * interval '1 s'
         where webhook_id = $1",
        webhook_id,
        lifetime_s
    )
    .execute(&mut *connection)
    .await?;
    announce_change(connection).await
}

/// Removes events of a webhook, some at a time. Returns true if there may be more.
pub(crate) async fn remove_events(connection: &mut PgConnection, webhook_id: &str) -> Result<bool, sqlx::Error> {
    let removed = query!(
        "delete from webhook_events
         where ctid = any(array(select ctid from webhook_events where webhook_id = $1 limit 10000))",
        webhook_id
    );
    Ok(removed.execute(connection).await?.rows_affected() > 0)
}

/// Removes events that a former replay of a stream has planned, some at a time. Returns true if there may be more.
pub(crate) async fn remove_replayed(
    connection: &mut PgConnection,
    webhook_id: &str,
    stream: &str,
) -> Result<bool, sqlx::Error> {
    let removed = query!(
        "delete from webhook_events
         where ctid = any(array(
           select ctid
           from webhook_events
           where webhook_id = $1 and stream = $2 and is_replay and state <> 'sending'
           limit 10000
         ))",
        webhook_id,
        stream
    );
    Ok(removed.execute(connection).await?.rows_affected() > 0)
}

/// Removes a webhook. Returns false if there is none.
pub(crate) async fn remove(connection: &mut PgConnection, webhook_id: &str) -> Result<bool, sqlx::Error> {
    let removed = query!("delete from webhooks where webhook_id = $1", webhook_id).execute(&mut *connection).await?;
    announce_change(connection).await?;
    Ok(removed.rows_affected() > 0)
}

/// Returns the position up to which a webhook is planned in a stream.
pub(crate) async fn planned(
    connection: &mut PgConnection,
    webhook_id: &str,
    stream: &str,
) -> Result<Option<Place>, sqlx::Error> {
    let cursor = query!(
        "select incarnation, position
         from webhook_cursors
         where webhook_id = $1 and stream = $2 and not is_replay",
        webhook_id,
        stream
    );
    let cursor = cursor.fetch_optional(connection).await?;
    Ok(cursor.map(|row| Place { stream: stream.to_owned(), incarnation: row.incarnation, position: row.position }))
}

/// Begins to replay the events after a place, up to a position. Replaces a former replay of the stream.
pub(crate) async fn replay(
    connection: &mut PgConnection,
    webhook_id: &str,
    after: &Place,
    until: i64,
) -> Result<(), sqlx::Error> {
    query!(
        "insert into webhook_cursors (webhook_id, stream, is_replay, incarnation, position, until)
         values ($1, $2, true, $3, $4, $5)
         on conflict (webhook_id, stream, is_replay) do update
         set
           incarnation = excluded.incarnation,
           position = excluded.position,
           until = excluded.until,
           problem = null",
        webhook_id,
        after.stream,
        after.incarnation,
        after.position,
        until
    )
    .execute(&mut *connection)
    .await?;
    // An event in an attempt ends as usual.
    query!(
        "delete from webhook_events
         where webhook_id = $1 and stream = $2 and is_replay and state <> 'sending'",
        webhook_id,
        after.stream
    )
    .execute(&mut *connection)
    .await?;
    announce_change(connection).await
}
