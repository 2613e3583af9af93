//! Plans the alarms of a stream: copies those that the read model has since the last time into the notifier's tables.

use sqlx::{Connection, PgConnection, PgPool, query, query_scalar};

use crate::cursor::Planned;

/// The number of positions in one transaction. Each causes a bounded number of alarms.
const MAX_POSITIONS: i64 = 2_000;

/// The number of boxes released from quarantine, and of positions of each, in one transaction.
const RELEASED_BOXES: i64 = 16;
const RELEASED_POSITIONS: i64 = 20_000;

/// What is planned, and when it is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The time from planning to telling, in milliseconds.
    pub(crate) delay_ms: i64,
    /// The age of an alarm, and of a push message that could not be sent, from which on it is given up, in seconds.
    pub(crate) lifetime_s: i64,
}

/// The result of planning.
#[derive(Debug)]
pub(crate) enum Planning {
    /// The read model is built from another incarnation of the log, or there was no position. This is its checkpoint.
    OtherLog(Planned),
    Progress(Progress),
}

/// The progress of planning.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The position up to which the stream is planned.
    pub(crate) planned: Planned,
    /// The number of new alarms to tell.
    pub(crate) alarms: u64,
    /// True if the read model has later positions.
    pub(crate) has_more: bool,
}

/// Plans the alarms after a position, in one transaction that sees one state of the read model. Returns none if the
/// read model does not have the stream yet.
pub(crate) async fn plan(
    pool: &PgPool,
    stream: &str,
    from: Option<&Planned>,
    rules: Rules,
) -> Result<Option<Planning>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin_with("begin isolation level repeatable read").await?;
    let checkpoint = query!("select incarnation, position from checkpoints where stream = $1", stream);
    let Some(checkpoint) = checkpoint.fetch_optional(&mut *transaction).await? else { return Ok(None) };
    let Some(from) = from.filter(|from| from.incarnation == checkpoint.incarnation) else {
        let checkpoint = Planned { incarnation: checkpoint.incarnation, position: checkpoint.position };
        return Ok(Some(Planning::OtherLog(checkpoint)));
    };
    // Another generation may be behind.
    let to = checkpoint.position.min(from.position + MAX_POSITIONS).max(from.position);
    let range = Range { stream, incarnation: &checkpoint.incarnation, from: from.position, to };
    hold(&mut transaction, range).await?;
    let (mut alarms, has_more_released) = release(&mut transaction, range, rules).await?;
    if to > from.position {
        alarms += insert(&mut transaction, range, None, rules).await?;
    }
    record(&mut transaction, stream, &checkpoint.incarnation, to).await?;
    transaction.commit().await?;
    let planned = Planned { incarnation: checkpoint.incarnation, position: to };
    let has_more = checkpoint.position > to || has_more_released;
    Ok(Some(Planning::Progress(Progress { planned, alarms, has_more })))
}

/// Begins in another incarnation of the log, at this position: nothing before it is told, and neither is what was
/// planned for the former one, because its alarms cannot be found any more. Returns the position from which planning
/// goes on, which is an earlier one if only the position in NATS was lost.
pub(crate) async fn begin(pool: &PgPool, stream: &str, end: Planned) -> Result<Planned, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let recorded = query!(
        "select position from planned_positions where stream = $1 and incarnation = $2",
        stream,
        end.incarnation
    );
    if let Some(recorded) = recorded.fetch_optional(&mut *transaction).await? {
        return Ok(Planned { position: recorded.position, ..end });
    }
    query!(
        "with messages as (
           update pushes
           set state = 'skipped', detail = 'other_log', updated_at = now()
           where stream = $1 and state in ('waiting', 'sending')
         )
         update planned_alarms
         set state = 'skipped', reason = 'other_log'
         where stream = $1 and state = 'planned' and incarnation <> $2",
        stream,
        end.incarnation
    )
    .execute(&mut *transaction)
    .await?;
    record(&mut transaction, stream, &end.incarnation, end.position).await?;
    transaction.commit().await?;
    Ok(end)
}

/// The positions after `from`, up to `to`.
#[derive(Debug, Clone, Copy)]
struct Range<'a> {
    stream: &'a str,
    incarnation: &'a str,
    from: i64,
    to: i64,
}

async fn insert(
    connection: &mut PgConnection,
    Range { stream, incarnation, from, to }: Range<'_>,
    box_id: Option<&str>,
    rules: Rules,
) -> Result<u64, sqlx::Error> {
    let inserted = query!(
        "insert into planned_alarms (stream, incarnation, position, user_id, kind, room_id, box_id, due_at)
         select stream, $2, position, user_id, kind, room_id, box_id, now() + $6::bigint * interval '1 ms'
         from alarms
         where stream = $1
           and position > $3
           and position <= $4
           and ($5::text is null or box_id = $5)
           and withdrawn is null
           and at > now() - $7::bigint * interval '1 s'
           and exists (select from devices where devices.user_id = alarms.user_id)
         on conflict do nothing",
        stream,
        incarnation,
        from,
        to,
        box_id,
        rules.delay_ms,
        rules.lifetime_s
    );
    Ok(inserted.execute(connection).await?.rows_affected())
}

/// Remembers the boxes in quarantine.
async fn hold(connection: &mut PgConnection, range: Range<'_>) -> Result<(), sqlx::Error> {
    query!(
        "insert into held_boxes (stream, incarnation, box_id, since)
         select stream, $2, box_id, position
         from quarantined_boxes
         where stream = $1
         on conflict do nothing",
        range.stream,
        range.incarnation
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Plans the alarms that released boxes have caused at positions that are already planned: boxes out of quarantine, and
/// those that a retry has taken further. Returns their number, and true if there is more to do.
async fn release(connection: &mut PgConnection, range: Range<'_>, rules: Rules) -> Result<(u64, bool), sqlx::Error> {
    let released = query!(
        r#"select h.box_id, h.since, q.position as "quarantined_at?"
           from held_boxes h
           left join quarantined_boxes q on q.stream = h.stream and q.box_id = h.box_id
           where h.stream = $1 and h.incarnation = $2 and (q.position is null or q.position > h.since)
           limit $3"#,
        range.stream,
        range.incarnation,
        RELEASED_BOXES
    );
    let (mut alarms, mut has_more) = (0, false);
    for released in released.fetch_all(&mut *connection).await? {
        let end = released.quarantined_at.map_or(range.from, |position| range.from.min(position - 1));
        let to = end.min(released.since - 1 + RELEASED_POSITIONS);
        let missed = Range { from: released.since - 1, to, ..range };
        alarms += insert(connection, missed, Some(&released.box_id), rules).await?;
        let since = if to < end { Some(to + 1) } else { released.quarantined_at };
        has_more |= to < end;
        let moved = query!(
            "with moved as (
               update held_boxes
               set since = coalesce($4, since)
               where stream = $1 and incarnation = $2 and box_id = $3 and $4::bigint is not null
             )
             delete from held_boxes
             where stream = $1 and incarnation = $2 and box_id = $3 and $4::bigint is null",
            range.stream,
            range.incarnation,
            released.box_id,
            since
        );
        moved.execute(&mut *connection).await?;
    }
    Ok((alarms, has_more))
}

/// Records the position beside the rows, to recognize a copy of the database that was restored.
async fn record(
    connection: &mut PgConnection,
    stream: &str,
    incarnation: &str,
    position: i64,
) -> Result<(), sqlx::Error> {
    query!(
        "insert into planned_positions (stream, incarnation, position)
         values ($1, $2, $3)
         on conflict (stream) do update set incarnation = excluded.incarnation, position = excluded.position
         where (planned_positions.incarnation, planned_positions.position)
           is distinct from (excluded.incarnation, excluded.position)",
        stream,
        incarnation,
        position
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Skips everything that is not sent yet if the rows are older than the position in NATS: the database is a copy that
/// was restored, and what it still has to tell was told since. Returns true if it is.
pub(crate) async fn skip_if_restored(pool: &PgPool, stream: &str, planned: &Planned) -> Result<bool, sqlx::Error> {
    let recorded = query!("select incarnation, position from planned_positions where stream = $1", stream);
    let recorded = recorded.fetch_optional(pool).await?;
    let is_current = |row: (String, i64)| row.0 != planned.incarnation || row.1 >= planned.position;
    if recorded.is_some_and(|row| is_current((row.incarnation, row.position))) {
        return Ok(false);
    }
    let skipped = query_scalar!(
        r#"with alarms as (
             update planned_alarms
             set state = 'skipped', reason = 'restored'
             where stream = $1 and state = 'planned'
             returning 1
           ),
           messages as (
             update pushes
             set state = 'skipped', detail = 'restored', updated_at = now()
             where stream = $1 and state in ('waiting', 'sending')
             returning 1
           )
           select (select count(*) from alarms) + (select count(*) from messages) as "skipped!""#,
        stream
    );
    Ok(skipped.fetch_one(pool).await? > 0)
}

/// Removes rows that are older than 30 days, some at a time. Returns true if there may be more.
pub(crate) async fn remove_old(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let removed = query_scalar!(
        r#"with alarms as (
             delete from planned_alarms
             where ctid = any(array(
               select ctid from planned_alarms where planned_at < now() - interval '30 days' limit 1000
             ))
             returning 1
           ),
           messages as (
             delete from pushes
             where ctid = any(array(
               select ctid from pushes where created_at < now() - interval '30 days' limit 1000
             ))
             returning 1
           )
           select (select count(*) from alarms) + (select count(*) from messages) as "removed!""#
    );
    Ok(removed.fetch_one(pool).await? > 0)
}
