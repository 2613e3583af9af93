//! The tables of the read model and their rows. Comments on columns are in the DDL.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{AlarmKind, BoxId, DeviceId, FilterId, MessageId, ReportId, RoomId, StoreId, UserId};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sqlx::{
    Arguments, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArguments, PgBindIterExt},
};
use text::search::Words;

use super::{
    cell::{Cell, Cells, Element, ReadCell},
    copy::Rows,
    invitation::Invitation,
    message_alarms::MessageAlarms,
    table::{Column, Loaded, Record, Role, Table, table},
    words::{message_words, room_words, store_words},
};

/// The tables of the box streams.
pub(crate) static OF_BOXES: &[&Table] =
    &[&BOXES, &ROOMS, &MEMBERS, &USER_ROOMS, &MESSAGES, &ROOM_EVENTS, &ALARMS, &AUTHOR_ERASURES];

/// The tables of the users.
pub(crate) static OF_USERS: &[&Table] = &[&USERS, &DEVICES, &MUTED_ROOMS, &BLOCKS, &ALARMS_READ];

/// The tables of the stores, the filters and the reports.
pub(crate) static OF_STORES: &[&Table] = &[&STORES, &FILTERS, &REPORTS];

/// The tables of the read markers.
pub(crate) static OF_MARKERS: &[&Table] = &[&READ_MARKERS];

/// The tables of the quarantine.
static OF_QUARANTINE: &[&Table] = &[&QUARANTINED_BOXES, &PARKED_EVENTS];

/// Returns the tables with rows of events.
pub(crate) fn projected() -> impl Iterator<Item = &'static Table> {
    [OF_BOXES, OF_USERS, OF_STORES, OF_MARKERS].into_iter().flatten().copied()
}

fn all() -> impl Iterator<Item = &'static Table> {
    projected().chain(OF_QUARANTINE.iter().copied())
}

/// Returns true if reports may show the texts of a column.
pub(crate) fn is_shown(table: &str, column: &str) -> bool {
    all()
        .find(|one| one.name == table)
        .is_some_and(|table| table.columns.iter().any(|one| one.name == column && one.is_shown))
}

table! {
    /// A box.
    BOXES = "boxes" as (box_id, row): (&BoxId, &BoxRow), with row: BoxRow {
        key box_id: &BoxId = box_id;
        changing kind: String, shown;
        changing zip_code: String;
        changing address: String;
        changing detailed_address: String;
        changing latitude: f64;
        changing longitude: f64;
        changing service: String, shown;
        changing out_of_service_reason: Option<String>;
        changing room_id: Option<RoomId>;
        fixed installed_at: DateTime<Utc>;
        changing users: Vec<UserId>;
    }
}

table! {
    /// A room without its members.
    ROOMS = "rooms" as (room_id, row): (&RoomId, &RoomRow), with row: RoomRow {
        key box_id: &BoxId = room_id.box_id();
        key room_id: &RoomId = room_id;
        fixed number: i32 = room_id.number().cast_signed();
        changing store_id: String;
        fixed zip_code: String;
        changing title: String;
        changing title_erased: bool;
        changing status: String, shown;
        changing closed_reason: Option<String>, shown;
        changing host: String, shown;
        changing member_count: i32;
        changing max_members: i32;
        changing locked: bool;
        changing step: String, shown;
        fixed opened_at: DateTime<Utc>;
        changing closes_at: DateTime<Utc>;
        changing closed_at: Option<DateTime<Utc>>;
        changing v: i64;
        changing last_ordinal: i64;
        changing last_activity_at: DateTime<Utc>;
        changing words: Words = room_words(row);
        changing last_message_at: Option<DateTime<Utc>>;
        changing title_by: String;
        changing slow_mode_seconds: i32;
        changing pins: Vec<MessageId>;
        changing invitations: Vec<Invitation>;
    }
}

table! {
    /// A current or former member of a room.
    MEMBERS = "members" as (room_id, user_id, row): (&RoomId, &UserId, &Member), with row: Member {
        key box_id: &BoxId = room_id.box_id();
        key room_id: &RoomId = room_id;
        key user_id: &UserId = user_id;
        changing standing: Standing, shown;
        changing joined_at: DateTime<Utc>;
        changing seat: i64;
        changing posts: i64;
        changing co_host: bool;
        changing muted_until: Option<DateTime<Utc>>;
    }
}

table! {
    USER_ROOMS = "user_rooms" as (room_id, user_id, room, member): (&RoomId, &UserId, &RoomRow, &Member) {
        key user_id: &UserId = user_id;
        fixed opened_at: DateTime<Utc> = room.opened_at;
        key room_id: &RoomId = room_id;
        fixed box_id: &BoxId = room_id.box_id();
        changing inside: bool = member.standing == Standing::Inside;
        changing closed_at: Option<DateTime<Utc>> = room.closed_at.filter(|_| member.standing == Standing::Inside);
    }
}

table! {
    /// A message.
    MESSAGES = "messages" as (message_id, row): (&MessageId, &Message), with row: Message {
        key box_id: &BoxId = row.room_id.box_id();
        key room_id: RoomId;
        key message_id: &MessageId = message_id;
        fixed ordinal: i64;
        fixed author: UserId, shown;
        fixed author_ordinal: i64;
        /// `None` if deleted.
        changing body: Option<String>;
        changing erased: bool;
        fixed reply_to: Option<MessageId>;
        fixed posted_at: DateTime<Utc>;
        changing edited_at: Option<DateTime<Utc>>;
        changing reactions: Reactions;
        changing mentions: Vec<UserId>;
        changing mentions_all: bool;
        changing alarms: Option<MessageAlarms>;
        changing words: Words = message_words(row);
    }
}

table! {
    ROOM_EVENTS = "room_events" as row: &FeedRow {
        key box_id: &BoxId = row.room_id.box_id();
        key room_id: &RoomId = &row.room_id;
        suffix v: i64 = row.v;
        fixed type: &str = row.kind, shown;
        fixed at: DateTime<Utc> = row.at, shown;
        fixed by: &Option<UserId> = &row.by, shown;
        fixed data: &RawValue = &row.data;
        fixed command_id: &Option<String> = &row.command_id;
        lookup message_id: Option<MessageId> = row.message_id;
        fixed position: u64 = row.position, shown;
    }
}

table! {
    ALARMS = "alarms" as (stream, row): (&str, &Alarm) {
        key user_id: &UserId = &row.user_id;
        fixed at: DateTime<Utc> = row.at, shown;
        fixed box_id: &BoxId = row.room_id.box_id();
        suffix position: u64 = row.position, shown;
        suffix kind: AlarmKind = row.kind, shown;
        fixed room_id: &RoomId = &row.room_id;
        fixed message_id: Option<MessageId> = row.message_id;
        changing by: &Option<UserId> = &row.by, shown;
        suffix stream: &str = stream, shown;
        changing count: i32 = row.count, shown;
        changing latest: u64 = row.latest, shown;
        changing changed: u64 = row.changed, shown;
        changing withdrawn: Option<WithdrawalReason> = row.withdrawn, shown;
        changing reactors: &Option<Value> = &row.reactors, shown;
    }
}

table! {
    AUTHOR_ERASURES = "author_erasures" as (stream, row): (&str, &AuthorErasure) {
        key stream: &str = stream, shown;
        key position: u64 = row.position, shown;
        fixed box_id: &BoxId = &row.box_id;
        key user_id: &UserId = &row.user_id;
    }
}

table! {
    /// A user.
    USERS = "users" as (user_id, row): (&UserId, &UserRow), with row: UserRow {
        key user_id: &UserId = user_id;
        /// `None` if the user is erased.
        changing nickname: Option<String>;
        fixed registered_at: DateTime<Utc>;
        changing notification_preferences: Value;
        changing share_read_markers: bool;
        changing quiet_hours: Option<Value>;
        changing suspended_at: Option<DateTime<Utc>>;
        changing suspended_until: Option<DateTime<Utc>>;
        changing suspension_reason: Option<String>;
    }
}

table! {
    MUTED_ROOMS = "muted_rooms" as (user_id, room_id): (&UserId, &RoomId) {
        key user_id: &UserId = user_id;
        key room_id: &RoomId = room_id;
    }
}

table! {
    BLOCKS = "blocks" as (user_id, blocked, at): (&UserId, &UserId, DateTime<Utc>) {
        key user_id: &UserId = user_id;
        key blocked: &UserId = blocked;
        fixed blocked_at: DateTime<Utc> = at;
    }
}

table! {
    /// A device of a user.
    DEVICES = "devices" as (user_id, device_id, row): (&UserId, &DeviceId, &Device), with row: Device {
        key user_id: &UserId = user_id;
        key device_id: &DeviceId = device_id;
        changing provider: String, shown;
        changing target: String;
        changing locale: String, shown;
        changing registered_at: DateTime<Utc>;
    }
}

table! {
    ALARMS_READ = "alarms_read" as (user_id, stream, position): (&UserId, &str, u64) {
        key user_id: &UserId = user_id;
        key stream: &str = stream, shown;
        changing up_to: u64 = position, shown;
    }
}

table! {
    /// A store.
    STORES = "stores" as (store_id, row): (&StoreId, &StoreRow), with row: StoreRow {
        key store_id: &StoreId = store_id;
        changing name: String;
        changing zip_code: String;
        changing category: Option<String>;
        changing open: bool;
        changing retired: bool;
        fixed registered_at: DateTime<Utc>;
        changing words: Words = store_words(row);
    }
}

table! {
    /// A filter.
    FILTERS = "filters" as (filter_id, row): (&FilterId, &FilterRow), with row: FilterRow {
        key filter_id: &FilterId = filter_id;
        changing kind: String, shown;
        changing pattern: String;
        changing action: String, shown;
        changing changed_at: DateTime<Utc>;
    }
}

table! {
    /// A report.
    REPORTS = "reports" as (report_id, row): (&ReportId, &ReportRow), with row: ReportRow {
        key report_id: &ReportId = report_id;
        fixed reporter: Option<UserId>;
        fixed user_id: UserId;
        fixed room_id: Option<RoomId>;
        fixed message_id: Option<MessageId>;
        changing text: Option<String>;
        fixed category: String, shown;
        changing note: Option<String>;
        fixed filed_at: DateTime<Utc>;
        changing state: String, shown;
        changing moderator: Option<UserId>, shown;
        changing claimed_at: Option<DateTime<Utc>>;
        changing closed_at: Option<DateTime<Utc>>;
        changing action: Option<String>, shown;
        changing resolution_note: Option<String>;
        changing forgotten: bool;
    }
}

table! {
    READ_MARKERS = "read_markers" as (room_id, user_id, message_id): (&RoomId, &UserId, MessageId) {
        key box_id: &BoxId = room_id.box_id();
        key room_id: &RoomId = room_id;
        key user_id: &UserId = user_id;
        changing message_id: MessageId = message_id;
    }
}

table! {
    QUARANTINED_BOXES = "quarantined_boxes" as
        (box_id, stream, position, reason, at): (&BoxId, &str, u64, &str, DateTime<Utc>)
    {
        key box_id: &BoxId = box_id;
        fixed stream: &str = stream, shown;
        fixed position: u64 = position, shown;
        fixed reason: &str = reason, shown;
        fixed quarantined_at: DateTime<Utc> = at;
    }
}

table! {
    PARKED_EVENTS = "parked_events" as (box_id, position): (&BoxId, u64) {
        key box_id: &BoxId = box_id;
        key position: u64 = position, shown;
    }
}

/// The users of each emoji, in the order of their reactions.
pub(super) type Reactions = BTreeMap<String, Vec<UserId>>;

/// One row of a room's feed, also sent in notifications.
#[derive(Debug, Clone, Serialize)]
pub struct FeedRow {
    /// The room.
    #[serde(skip)]
    pub room_id: RoomId,
    /// The feed version: 1, 2, 3 … in the room.
    pub v: i64,
    /// The event's stored name.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The time of the event.
    pub at: DateTime<Utc>,
    /// The acting user; `None` for the system.
    pub by: Option<UserId>,
    /// The public data of the event, as sent to clients.
    pub data: Box<RawValue>,
    /// The id of the command, by which the user who sent it recognizes it; `None` for other senders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
    /// The message, if the event is about one.
    #[serde(skip)]
    pub message_id: Option<MessageId>,
    /// Its sequence in the log.
    #[serde(skip)]
    pub position: u64,
}

/// One row of a user's alarms. Its key contains the position of its event, so that no two streams write the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The alarmed user.
    pub user_id: UserId,
    /// The kind of alarm.
    pub kind: AlarmKind,
    /// The time of the event.
    pub at: DateTime<Utc>,
    /// The room.
    pub room_id: RoomId,
    /// The message, if the alarm is about one.
    pub message_id: Option<MessageId>,
    /// The acting user; `None` for the system.
    pub by: Option<UserId>,
    /// The event's sequence in the log. Of reactions, that of the first.
    pub position: u64,
    /// The number of users who reacted; 1 for other kinds.
    pub count: i32,
    /// The sequence of the latest event that it counts.
    pub latest: u64,
    /// The sequence of the last event that changed it.
    pub changed: u64,
    /// The reason, if it was withdrawn.
    pub withdrawn: Option<WithdrawalReason>,
    /// The users who reacted, each with the position of the latest reaction; `None` for other kinds.
    pub reactors: Option<Value>,
}

/// The reason why an alarm was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithdrawalReason {
    /// Its message was deleted.
    MessageDeleted,
    /// The last reaction was removed.
    ReactionRemoved,
    /// The last user who had reacted was erased.
    AuthorErased,
}

impl Cell for WithdrawalReason {
    type Stored = String;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        let name = match self {
            Self::MessageDeleted => "message_deleted",
            Self::ReactionRemoved => "reaction_removed",
            Self::AuthorErased => "author_erased",
        };
        name.encode(into)
    }
}

/// The erasure of an author on one box.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AuthorErasure {
    pub(super) position: u64,
    pub(super) box_id: BoxId,
    pub(super) user_id: UserId,
}

/// The standing of a user in a room that they once entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Inside,
    Left,
    Kicked,
}

impl Standing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Left => "left",
            Self::Kicked => "kicked",
        }
    }
}

impl Cell for Standing {
    type Stored = String;

    fn encode(&self, into: &mut Vec<u8>) -> IsNull {
        self.as_str().encode(into)
    }
}

impl ReadCell for Standing {
    fn from_stored(stored: String) -> Result<Self, sqlx::Error> {
        let all = [Self::Inside, Self::Left, Self::Kicked];
        let found = all.into_iter().find(|standing| standing.as_str() == stored);
        found.ok_or_else(|| sqlx::Error::Decode(format!("no standing: {stored}").into()))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection, query_as, query_scalar, raw_sql};

    use super::{super::table::analyze_lookups, *};

    /// The name, the type and the nullability of a column.
    type Described = (String, String, bool);

    async fn columns(connection: &mut PgConnection, table: &str) -> Vec<Described> {
        let columns = query_as(
            "select column_name::text, udt_name::text, is_nullable = 'YES'
             from information_schema.columns
             where table_schema = current_schema() and table_name = $1
             order by ordinal_position",
        );
        columns.bind(table).fetch_all(connection).await.expect("the columns")
    }

    async fn key(connection: &mut PgConnection, table: &str) -> Vec<String> {
        let key = query_scalar(
            "select attname::text
             from pg_index
             join pg_attribute on attrelid = indrelid and attnum = any(indkey)
             where indrelid = $1::text::regclass and indisprimary
             order by attname",
        );
        key.bind(table).fetch_all(connection).await.expect("the key")
    }

    #[test]
    fn statistics_are_renewed_of_columns_that_rows_are_looked_up_by() {
        assert_eq!(
            analyze_lookups(OF_BOXES).0,
            "analyze boxes (box_id), rooms (box_id, room_id), members (box_id, room_id, user_id), \
             user_rooms (user_id, room_id), messages (box_id, room_id, message_id), \
             room_events (box_id, room_id, message_id), alarms (user_id), \
             author_erasures (stream, position, user_id)"
        );
    }

    #[tokio::test]
    async fn the_tables_are_those_of_the_ddl() {
        let postgres = harness::Postgres::start().await.expect("PostgreSQL starts");
        let mut connection = PgConnection::connect(&postgres.url(harness::Role::Admin)).await.expect("a connection");
        let ddl = format!("create schema described; set search_path = described; {}", read_model::TABLES);
        raw_sql(AssertSqlSafe(ddl)).execute(&mut connection).await.expect("the tables are created");

        let mut described: Vec<&str> = vec!["checkpoints"];
        for table in all() {
            let expected: Vec<Described> =
                table.columns.iter().map(|one| (one.name.to_owned(), one.kind(), one.is_nullable)).collect();
            assert_eq!(columns(&mut connection, table.name).await, expected, "{}", table.name);
            let keys = table.columns.iter().filter(|one| matches!(one.role, Role::Key | Role::Suffix));
            let mut expected: Vec<&str> = keys.map(|one| one.name).collect();
            expected.sort_unstable();
            assert_eq!(key(&mut connection, table.name).await, expected, "{}", table.name);
            described.push(table.name);
        }
        let tables = "select table_name::text from information_schema.tables
                      where table_schema = current_schema() and table_type = 'BASE TABLE'";
        let mut all: Vec<String> = query_scalar(tables).fetch_all(&mut connection).await.expect("the tables");
        all.sort_unstable();
        described.sort_unstable();
        assert_eq!(all, described);
    }
}
