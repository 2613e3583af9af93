//! Turns the planned alarms of a user in one room into one push message for each device.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use push::Subscription;
use serde_json::Value;
use service_kit::clock;
use sqlx::{Connection, PgConnection, PgPool, query};
use uuid::Uuid;

use crate::{
    decision::{Alarm, Reason, Recipient, reason_against},
    pushes::ROOM_LIMIT,
};

/// A user who has planned alarms in a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(crate) struct Group {
    pub(crate) box_id: String,
    pub(crate) room_id: String,
    pub(crate) user_id: String,
}

/// Returns groups with alarms that are due, the oldest first.
pub(crate) async fn due(pool: &PgPool, stream: &str, limit: i64) -> Result<BTreeSet<Group>, sqlx::Error> {
    let rows = query!(
        "select user_id, room_id, box_id
         from planned_alarms
         where stream = $1
           and state = 'planned'
           and due_at <= now()
           -- another generation may be behind
           and position <= (select position from checkpoints where stream = $1)
         order by due_at
         limit $2",
        stream,
        limit
    );
    let group = |row: (String, String, String)| Group { user_id: row.0, room_id: row.1, box_id: row.2 };
    let rows = rows.fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| group((row.user_id, row.room_id, row.box_id))).collect())
}

/// Delays a group whose alarms cannot be told now, so that others are told.
pub(crate) async fn postpone(pool: &PgPool, stream: &str, group: &Group) -> Result<(), sqlx::Error> {
    query!(
        "update planned_alarms
         set due_at = now() + interval '30 s'
         where user_id = $1 and room_id = $2 and stream = $3 and state = 'planned'",
        group.user_id,
        group.room_id,
        stream
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Decides about all planned alarms of a group, and stores the push messages to send. Returns their number.
pub(crate) async fn tell(
    pool: &PgPool,
    stream: &str,
    group: &Group,
    present: &BTreeSet<String>,
    lifetime_s: i64,
) -> Result<u64, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let planned = planned(&mut transaction, stream, group).await?;
    if planned.is_empty() {
        return Ok(0);
    }
    let recipient = recipient(&mut transaction, group).await?;
    let mut told: Vec<&Row> = Vec::new();
    for row in &planned {
        let reason = match (&recipient, &row.alarm) {
            (Some(recipient), Some(alarm)) => reason_against(alarm, &group.user_id, recipient, present, clock::now()),
            (None, _) => Some(Reason::Erased),
            (_, None) => Some(Reason::Withdrawn),
        };
        if reason.is_none() {
            told.push(row);
        }
        decided(&mut transaction, stream, group, row, reason).await?;
    }
    let pushes = match told.last() {
        Some(last) => insert(&mut transaction, stream, group, last, told.len(), lifetime_s).await?,
        None => 0,
    };
    transaction.commit().await?;
    Ok(pushes)
}

/// A planned alarm, with the alarm in the read model if it still has it.
struct Row {
    incarnation: String,
    position: i64,
    kind: String,
    alarm: Option<Alarm>,
}

async fn planned(connection: &mut PgConnection, stream: &str, group: &Group) -> Result<Vec<Row>, sqlx::Error> {
    let rows = query!(
        r#"select
             p.incarnation,
             p.position,
             p.kind,
             a.user_id is not null as "exists!",
             a.message_id as "message_id?",
             coalesce(a.withdrawn is null, false) as "stands!",
             coalesce(a.latest <= r.up_to, false) as "is_read!",
             coalesce(not a.is_shown, false) as "is_by_blocked!"
           from planned_alarms p
           join checkpoints c on c.stream = p.stream and c.incarnation = p.incarnation and c.position >= p.position
           left join shown_alarms a
             on a.user_id = p.user_id and a.stream = p.stream and a.position = p.position and a.kind = p.kind
           left join alarms_read r on r.user_id = p.user_id and r.stream = p.stream
           where p.user_id = $1 and p.room_id = $2 and p.stream = $3 and p.state = 'planned'
           order by p.position
           limit $4
           for update of p skip locked"#,
        group.user_id,
        group.room_id,
        stream,
        ROOM_LIMIT
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows
        .into_iter()
        .map(|row| Row {
            alarm: row.exists.then(|| Alarm {
                kind: row.kind.clone(),
                message_id: row.message_id,
                stands: row.stands,
                is_read: row.is_read,
                is_by_blocked: row.is_by_blocked,
            }),
            incarnation: row.incarnation,
            position: row.position,
            kind: row.kind,
        })
        .collect())
}

/// Returns what the read model knows of the user in the room, or none for an unknown user.
pub(crate) async fn recipient(connection: &mut PgConnection, group: &Group) -> Result<Option<Recipient>, sqlx::Error> {
    let row = query!(
        r#"select
             u.nickname is null as "is_erased!",
             u.notification_preferences as "preferences: Value",
             u.quiet_hours as "quiet_hours: Value",
             coalesce(m.standing = 'inside', false) as "is_inside!",
             exists (select from muted_rooms where user_id = $1 and room_id = $3) as "is_muted!",
             k.message_id as "read_up_to?"
           from users u
           left join members m on m.user_id = u.user_id and m.box_id = $2 and m.room_id = $3
           left join read_markers k on k.user_id = u.user_id and k.box_id = $2 and k.room_id = $3
           where u.user_id = $1"#,
        group.user_id,
        group.box_id,
        group.room_id
    );
    let Some(row) = row.fetch_optional(connection).await? else { return Ok(None) };
    let preferences: BTreeMap<String, bool> = serde_json::from_value(row.preferences).map_err(decoding)?;
    let quiet_hours = row.quiet_hours.map(serde_json::from_value).transpose().map_err(decoding)?;
    Ok(Some(Recipient {
        is_erased: row.is_erased,
        is_inside: row.is_inside,
        is_muted: row.is_muted,
        preferences,
        quiet_hours,
        read_up_to: row.read_up_to,
    }))
}

fn decoding(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

async fn decided(
    connection: &mut PgConnection,
    stream: &str,
    group: &Group,
    row: &Row,
    reason: Option<Reason>,
) -> Result<(), sqlx::Error> {
    query!(
        "update planned_alarms
         set state = case when $6::text is null then 'told' else 'skipped' end, reason = $6
         where stream = $1 and incarnation = $2 and position = $3 and user_id = $4 and kind = $5",
        stream,
        row.incarnation,
        row.position,
        group.user_id,
        row.kind,
        reason.map(Reason::as_str)
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores a push message for each device. It replaces the one that waits for another attempt, counts its alarms, and
/// waits like it.
async fn insert(
    connection: &mut PgConnection,
    stream: &str,
    group: &Group,
    last: &Row,
    alarms: usize,
    lifetime_s: i64,
) -> Result<u64, sqlx::Error> {
    let replaced = query!(
        r#"update pushes
           set state = 'replaced', updated_at = now()
           where user_id = $1 and room_id = $2 and state = 'waiting'
           returning device_id, alarms, attempts, next_at"#,
        group.user_id,
        group.room_id
    );
    let mut waiting: BTreeMap<String, (i32, i32, Option<DateTime<Utc>>)> = BTreeMap::new();
    for row in replaced.fetch_all(&mut *connection).await? {
        let (alarms, attempts, next_at) = waiting.entry(row.device_id).or_default();
        *alarms += row.alarms;
        *attempts = row.attempts.max(*attempts);
        *next_at = (*next_at).max(Some(row.next_at));
    }
    // A token that was registered by another user or device later belongs to that one.
    let devices = query!(
        r#"select device_id, provider, target
           from devices mine
           where user_id = $1
             and not exists (
               select
               from devices other
               where md5(other.target) = md5(mine.target)
                 and other.target = mine.target
                 and (other.registered_at, other.user_id, other.device_id)
                   > (mine.registered_at, mine.user_id, mine.device_id)
             )
           order by device_id"#,
        group.user_id
    );
    let mut pushes = 0;
    for device in devices.fetch_all(&mut *connection).await? {
        let (waiting, attempts, next_at) = waiting.get(&device.device_id).copied().unwrap_or_default();
        let count = i32::try_from(alarms).unwrap_or(i32::MAX).saturating_add(waiting);
        query!(
            "insert into pushes
               (push_id, stream, user_id, device_id, provider, room_id, box_id, position, kind, alarms, expires_at,
                attempts, next_at, host)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + $11::bigint * interval '1 s',
                $12, coalesce($13, now()), $14)",
            Uuid::now_v7(),
            stream,
            group.user_id,
            device.device_id,
            device.provider,
            group.room_id,
            group.box_id,
            last.position,
            last.kind,
            count,
            lifetime_s,
            attempts,
            next_at,
            host(&device.provider, &device.target)
        )
        .execute(&mut *connection)
        .await?;
        pushes += 1;
    }
    Ok(pushes)
}

/// Returns the host that a user has chosen for a device: that of a Web Push endpoint.
fn host(provider: &str, target: &str) -> String {
    let is_web_push = provider == "web_push";
    let subscription = is_web_push.then(|| Subscription::from_json(target).ok()).flatten();
    subscription.map(|subscription| subscription.host()).unwrap_or_default()
}
