//! The push messages of a stream and their states.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sqlx::{PgPool, query, query_scalar};
use uuid::Uuid;

use crate::tell::Group;

/// The maximum number of alarms of a user in a room that are decided at a time.
pub(crate) const ROOM_LIMIT: i64 = 1_000;

/// A push message during an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) id: Uuid,
    pub(crate) stream: String,
    pub(crate) group: Group,
    pub(crate) device_id: String,
    /// The host of a Web Push endpoint when the message was made; empty for other providers.
    pub(crate) host: String,
    pub(crate) position: i64,
    pub(crate) kind: String,
    pub(crate) alarms: i32,
    /// The number of this attempt, from 1.
    pub(crate) attempt: i32,
    /// The time until it is worth nothing; zero or less if it has passed.
    pub(crate) expires_in_s: i64,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The provider has accepted it.
    Sent,
    /// The user need not be told any more.
    Skipped(&'static str),
    /// The device does not exist any more.
    Gone,
    /// It will never be accepted.
    Dead(String),
    /// Another attempt may succeed after this time.
    Retry(Duration, String),
    /// There was no attempt: it is due again after this time.
    Postponed(Duration),
}

/// The number of running calls by host and by user, and their limits.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) hosts: BTreeMap<String, i64>,
    pub(crate) users: BTreeMap<String, i64>,
    pub(crate) max_of_host: i64,
    pub(crate) max_of_user: i64,
}

/// The number of due push messages among which those within the limits are looked for.
const CANDIDATES: i64 = 1_000;

/// Takes push messages of a provider that are due, for an attempt each, within the limits of hosts and users.
pub(crate) async fn claim(
    pool: &PgPool,
    stream: &str,
    provider: &str,
    limit: i64,
    running: &Running,
) -> Result<Vec<Push>, sqlx::Error> {
    let (hosts, calls_of_hosts): (Vec<String>, Vec<i64>) = running.hosts.clone().into_iter().unzip();
    let (users, calls_of_users): (Vec<String>, Vec<i64>) = running.users.clone().into_iter().unzip();
    let rows = query!(
        r#"with of_hosts as (
             select host, calls from unnest($4::text[], $5::bigint[]) as of (host, calls)
           ),
           of_users as (
             select user_id, calls from unnest($6::text[], $7::bigint[]) as of (user_id, calls)
           ),
           due as (
             select push_id, next_at, host, user_id
             from pushes
             where stream = $1
               and provider = $2
               and state = 'waiting'
               and next_at <= now()
               and host <> all(array(select host from of_hosts where calls >= $8))
               and user_id <> all(array(select user_id from of_users where calls >= $9))
             order by next_at
             limit $10
           ),
           counted as (
             select
               push_id,
               next_at,
               host,
               coalesce(h.calls, 0) + row_number() over (partition by host order by next_at, push_id) as of_host,
               coalesce(u.calls, 0) + row_number() over (partition by user_id order by next_at, push_id) as of_user
             from due
             left join of_hosts h using (host)
             left join of_users u using (user_id)
           )
           update pushes
           set state = 'sending', attempts = attempts + 1, updated_at = now()
           where state = 'waiting'
             and push_id = any(array(
               select push_id
               from counted
               where (host = '' or of_host <= $8) and of_user <= $9
               order by next_at
               limit $3
             ))
           returning
             push_id,
             user_id,
             room_id,
             box_id,
             device_id,
             host,
             position,
             kind,
             alarms,
             attempts,
             extract(epoch from expires_at - now())::bigint as "expires_in_s!""#,
        stream,
        provider,
        limit,
        &hosts,
        &calls_of_hosts,
        &users,
        &calls_of_users,
        running.max_of_host,
        running.max_of_user,
        CANDIDATES
    );
    let rows = rows.fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| Push {
            id: row.push_id,
            stream: stream.to_owned(),
            group: Group { box_id: row.box_id, room_id: row.room_id, user_id: row.user_id },
            device_id: row.device_id,
            host: row.host,
            position: row.position,
            kind: row.kind,
            alarms: row.alarms,
            attempt: row.attempts,
            expires_in_s: row.expires_in_s,
        })
        .collect())
}

/// Records the result of an attempt, unless another notifier has taken the message in the meantime.
pub(crate) async fn record(pool: &PgPool, push: &Push, outcome: &Outcome) -> Result<(), sqlx::Error> {
    let (state, detail, next_ms, attempt) = match outcome {
        Outcome::Sent => ("sent", None, 0, push.attempt),
        Outcome::Skipped(reason) => ("skipped", Some(*reason), 0, push.attempt),
        Outcome::Gone => ("gone", None, 0, push.attempt),
        Outcome::Dead(detail) => ("dead", Some(detail.as_str()), 0, push.attempt),
        Outcome::Retry(after, detail) => ("waiting", Some(detail.as_str()), milliseconds(*after), push.attempt),
        Outcome::Postponed(after) => ("waiting", None, milliseconds(*after), push.attempt - 1),
    };
    query!(
        "update pushes
         set
           state = $3,
           detail = coalesce($4, detail),
           next_at = now() + $5::bigint * interval '1 ms',
           attempts = $6,
           -- a result is known: a later interruption may repeat it once more
           repeated = false,
           updated_at = now()
         -- waiting: the next notifier has found it, and has not sent it yet
         where push_id = $1 and state in ('sending', 'waiting') and attempts = $2",
        push.id,
        push.attempt,
        state,
        detail,
        next_ms,
        attempt
    )
    .execute(pool)
    .await?;
    Ok(())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Finds the push messages that a notifier was sending when it ended, except those that this process is still sending.
/// Each is sent once more, and never a third time without a known result. It waits, because the former notifier may
/// still be running, and then records the result. Returns the number of those given up.
pub(crate) async fn recover(
    pool: &PgPool,
    stream: &str,
    in_flight: &[Uuid],
    wait: Duration,
) -> Result<u64, sqlx::Error> {
    let given_up = query_scalar!(
        r#"with interrupted as (
             update pushes
             set
               state = case when repeated then 'dead' else 'waiting' end,
               detail = 'the notifier ended during an attempt',
               repeated = true,
               next_at = now() + $3::bigint * interval '1 ms',
               updated_at = now()
             where stream = $1 and state = 'sending' and push_id <> all($2)
             returning state
           )
           select count(*) filter (where state = 'dead') as "given_up!" from interrupted"#,
        stream,
        in_flight,
        milliseconds(wait)
    );
    Ok(given_up.fetch_one(pool).await?.unsigned_abs())
}

/// The time until something of a stream is due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Until planned alarms are told.
    pub(crate) alarms: Option<Duration>,
    /// Until a push message of each provider is sent, in the order of the question.
    pub(crate) pushes: Vec<Option<Duration>>,
}

/// Returns what is due next.
pub(crate) async fn next_due(pool: &PgPool, stream: &str, providers: &[String]) -> Result<Due, sqlx::Error> {
    let row = query!(
        r#"select
             (
               select extract(epoch from min(due_at) - now())::float8
               from planned_alarms
               where stream = $1
                 and state = 'planned'
                 and position <= (select position from checkpoints where stream = $1)
             ) as alarms,
             array(
               select (
                 select extract(epoch from next_at - now())::float8
                 from pushes
                 where stream = $1 and provider = asked.provider and state = 'waiting'
                 order by next_at
                 limit 1
               )
               from unnest($2::text[]) with ordinality as asked (provider, position)
               order by asked.position
             ) as "pushes!: Vec<Option<f64>>""#,
        stream,
        providers
    );
    let row = row.fetch_one(pool).await?;
    let duration = |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    Ok(Due {
        alarms: row.alarms.map(duration),
        pushes: row.pushes.into_iter().map(|seconds| seconds.map(duration)).collect(),
    })
}

/// Returns the rooms of groups, for asking who is connected to them.
pub(crate) fn rooms(groups: &BTreeSet<Group>) -> Vec<&str> {
    let mut rooms: Vec<&str> = groups.iter().map(|group| group.room_id.as_str()).collect();
    rooms.dedup();
    rooms
}
