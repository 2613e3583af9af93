//! The pages of an export. Each is read by one or a few short statements over an index.

use domain::{BoxId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, query, query_as, query_scalar, types::Json};

use super::lines::{ExportLine, ExportedAccount, ExportedAlarm, ExportedMessage, ExportedReport, ExportedRoom};
use crate::views::{AlarmKind, DeviceView, Preferences, QuietHours, RoomStatus, Standing, Step};

/// The number of messages of a room, of all its members, that are read for a page.
const MESSAGES: i64 = 500;

/// The number of alarms on a page.
const ALARMS: i64 = 200;

/// The number of reports on a page.
const REPORTS: i64 = 200;

/// The place at which a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// The account and its settings.
    Account,
    /// The room after this one, or the first.
    RoomAfter(Option<RoomId>),
    /// The messages of a room after this one.
    MessagesAfter(RoomId, i64),
    /// The alarms after this one: stream, position and kind. The first ones after empty texts.
    AlarmsAfter(String, i64, String),
    /// The reports after this one, or the first ones after an empty text.
    ReportsAfter(String),
}

/// A page, and the place of the next one.
pub(super) struct Page {
    pub(super) lines: Vec<ExportLine>,
    /// None at the end.
    pub(super) next: Option<Place>,
}

/// Reads the page at a place.
pub(super) async fn read(connection: &mut PgConnection, user: &UserId, place: Place) -> Result<Page, sqlx::Error> {
    match place {
        Place::Account => account(connection, user).await,
        Place::RoomAfter(former) => room(connection, user, former.as_ref()).await,
        Place::MessagesAfter(room_id, after) => messages(connection, user, room_id, after).await,
        Place::AlarmsAfter(stream, position, kind) => alarms(connection, user, (&stream, position, &kind)).await,
        Place::ReportsAfter(report_id) => reports(connection, user, &report_id).await,
    }
}

/// The account and what belongs to it: at most ten devices, 200 muted rooms, 500 blocked users, and a row for each
/// stream.
async fn account(connection: &mut PgConnection, user: &UserId) -> Result<Page, sqlx::Error> {
    let account = query_as!(
        ExportedAccount,
        r#"
        select
            user_id,
            nickname as "nickname!",
            registered_at,
            notification_preferences as "notification_preferences: Preferences",
            quiet_hours as "quiet_hours: QuietHours",
            share_read_markers
        from users
        where user_id = $1 and nickname is not null
        "#,
        user.as_str(),
    );
    let mut lines: Vec<_> =
        account.fetch_optional(&mut *connection).await?.into_iter().map(ExportLine::Account).collect();
    let devices = query_as!(
        DeviceView,
        "select device_id, provider, locale, registered_at from devices where user_id = $1 order by device_id",
        user.as_str(),
    );
    lines.extend(devices.fetch_all(&mut *connection).await?.into_iter().map(ExportLine::Device));
    let muted = query_scalar!("select room_id from muted_rooms where user_id = $1 order by room_id", user.as_str());
    let muted = muted.fetch_all(&mut *connection).await?.into_iter();
    lines.extend(muted.map(|room_id| ExportLine::MutedRoom { room_id }));
    let blocked = query!("select blocked, blocked_at from blocks where user_id = $1 order by blocked", user.as_str());
    let blocked = blocked.fetch_all(&mut *connection).await?.into_iter();
    lines.extend(blocked.map(|row| ExportLine::BlockedUser { user_id: row.blocked, blocked_at: row.blocked_at }));
    let boxes =
        query_scalar!("select box_id from boxes where kind = 'private' and users ? $1 order by box_id", user.as_str());
    let boxes = boxes.fetch_all(&mut *connection).await?.into_iter();
    lines.extend(boxes.map(|box_id| ExportLine::PrivateBox { box_id }));
    let read = query!("select stream, up_to from alarms_read where user_id = $1 order by stream", user.as_str());
    let read = read.fetch_all(connection).await?.into_iter();
    lines.extend(read.map(|row| ExportLine::AlarmsRead { stream: row.stream, up_to: row.up_to }));
    Ok(Page { lines, next: Some(Place::RoomAfter(None)) })
}

async fn room(connection: &mut PgConnection, user: &UserId, former: Option<&RoomId>) -> Result<Page, sqlx::Error> {
    let room = query_as!(
        ExportedRoom,
        r#"
        select
            r.room_id,
            case when shown.is_shown then r.store_id end as store_id,
            case when r.title_by = $1 then r.title end as title,
            case when shown.is_shown then r.status end as "status: RoomStatus",
            case when shown.is_shown then r.step end as "step: Step",
            r.opened_at,
            case when shown.is_shown then r.closed_at end as closed_at,
            r.host = $1 as "is_host!",
            me.co_host as is_co_host,
            me.muted_until,
            me.standing as "standing: Standing",
            me.joined_at,
            k.message_id::text as read_up_to
        from user_rooms mine
        join rooms r on r.box_id = mine.box_id and r.room_id = mine.room_id
        join members me on me.box_id = mine.box_id and me.room_id = mine.room_id and me.user_id = mine.user_id
        left join read_markers k
            on k.box_id = mine.box_id and k.room_id = mine.room_id and k.user_id = mine.user_id
        -- former guests of a private box do not see its rooms
        cross join lateral (
            select me.standing = 'inside' or not exists (
                select from boxes b where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $1
            ) as is_shown
        ) as shown
        where mine.user_id = $1 and mine.room_id > $2
        order by mine.room_id
        limit 1
        "#,
        user.as_str(),
        former.map(ToString::to_string).unwrap_or_default(),
    );
    let Some(room) = room.fetch_optional(connection).await? else {
        return Ok(Page { lines: vec![], next: Some(Place::AlarmsAfter(String::new(), 0, String::new())) });
    };
    let room_id = room.room_id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Page { lines: vec![ExportLine::Room(room)], next: Some(Place::MessagesAfter(room_id, 0)) })
}

/// A message of any member, with what is the user's own of it.
struct Row {
    message_id: i64,
    is_own: bool,
    body: Option<String>,
    reply_to: Option<String>,
    posted_at: chrono::DateTime<chrono::Utc>,
    edited_at: Option<chrono::DateTime<chrono::Utc>>,
    mentions: Json<Vec<String>>,
    mentions_all: bool,
    own_reactions: Vec<String>,
}

/// The messages and reactions of the user among the next messages of a room. Reactions are stored with messages, so the
/// messages of others are read as well, without their texts.
async fn messages(
    connection: &mut PgConnection,
    user: &UserId,
    room_id: RoomId,
    after: i64,
) -> Result<Page, sqlx::Error> {
    let box_id: &BoxId = room_id.box_id();
    let rows = query_as!(
        Row,
        r#"
        select
            m.message_id,
            m.author = $1 as "is_own!",
            case when m.author = $1 then m.body end as body,
            m.reply_to::text,
            m.posted_at,
            m.edited_at,
            m.mentions as "mentions: Json<Vec<String>>",
            m.mentions_all,
            array(
                select emoji.key from jsonb_each(m.reactions) as emoji where emoji.value ? $1 order by emoji.key
            ) as "own_reactions!"
        from messages m
        where m.box_id = $2 and m.room_id = $3 and m.message_id > $4
        order by m.message_id
        limit $5
        "#,
        user.as_str(),
        box_id.as_str(),
        room_id.to_string(),
        after,
        MESSAGES,
    );
    let rows = rows.fetch_all(connection).await?;
    let is_last = i64::try_from(rows.len()).unwrap_or(i64::MAX) < MESSAGES;
    let next = match rows.last() {
        Some(last) if !is_last => Place::MessagesAfter(room_id.clone(), last.message_id),
        _ => Place::RoomAfter(Some(room_id.clone())),
    };
    let mut lines = Vec::new();
    for row in rows {
        let (room_id, message_id) = (room_id.to_string(), row.message_id.to_string());
        let reaction = |emoji| ExportLine::Reaction { room_id: room_id.clone(), message_id: message_id.clone(), emoji };
        let reactions: Vec<_> = row.own_reactions.into_iter().map(reaction).collect();
        if row.is_own {
            let Row { body, reply_to, posted_at, edited_at, mentions, mentions_all, .. } = row;
            lines.push(ExportLine::Message(ExportedMessage {
                room_id,
                message_id,
                body,
                reply_to,
                posted_at,
                edited_at,
                mentions,
                mentions_all,
            }));
        }
        lines.extend(reactions);
    }
    Ok(Page { lines, next: Some(next) })
}

async fn alarms(
    connection: &mut PgConnection,
    user: &UserId,
    (stream, position, kind): (&str, i64, &str),
) -> Result<Page, sqlx::Error> {
    let alarms = query_as!(
        ExportedAlarm,
        r#"
        select
            stream || '-' || position || '-' || kind as "id!",
            kind as "kind: AlarmKind",
            at,
            room_id,
            message_id::text,
            by,
            count,
            withdrawn,
            stream,
            position
        from alarms
        where user_id = $1 and (stream, position, kind) > ($2, $3, $4)
        order by stream, position, kind
        limit $5
        "#,
        user.as_str(),
        stream,
        position,
        kind,
        ALARMS,
    );
    let alarms = alarms.fetch_all(connection).await?;
    let is_last = i64::try_from(alarms.len()).unwrap_or(i64::MAX) < ALARMS;
    let last = alarms.last().filter(|_| !is_last);
    let next = match last {
        Some(last) => {
            let kind = last.id.rsplit('-').next().unwrap_or_default().to_owned();
            Place::AlarmsAfter(last.stream.clone(), last.position, kind)
        }
        None => Place::ReportsAfter(String::new()),
    };
    Ok(Page { lines: alarms.into_iter().map(ExportLine::Alarm).collect(), next: Some(next) })
}

/// The reports that the user has filed, and the user's messages that filters hold back. Reports about the user belong
/// to others.
async fn reports(connection: &mut PgConnection, user: &UserId, after: &str) -> Result<Page, sqlx::Error> {
    let reports = query_as!(
        ExportedReport,
        r#"
        select
            report_id,
            user_id,
            room_id,
            message_id::text,
            case when reporter is null then text end as text,
            category,
            note,
            filed_at,
            state
        from reports
        where (reporter = $1 or user_id = $1 and reporter is null) and report_id > $2
        order by report_id
        limit $3
        "#,
        user.as_str(),
        after,
        REPORTS,
    );
    let reports = reports.fetch_all(connection).await?;
    let is_last = i64::try_from(reports.len()).unwrap_or(i64::MAX) < REPORTS;
    let next = reports.last().filter(|_| !is_last).map(|last| Place::ReportsAfter(last.report_id.clone()));
    Ok(Page { lines: reports.into_iter().map(ExportLine::Report).collect(), next })
}
