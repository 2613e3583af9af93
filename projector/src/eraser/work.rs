//! The boxes and the reports that still contain data of a user, as the active generation shows them.

use chrono::TimeDelta;
use domain::{BoxId, UserId, values::ERASED};
use sqlx::{PgConnection, query, query_scalar};

/// A box whose rooms contain data of a user.
pub(super) struct AffectedBox {
    pub(super) box_id: BoxId,
    /// The position of the user's last event there.
    pub(super) position: i64,
}

/// Returns the boxes with a readable text of the user, with alarms that the user has caused, with an open room that the
/// user is inside, or that the user is allowed to use.
pub(super) async fn affected_boxes(
    connection: &mut PgConnection,
    user_id: &UserId,
) -> Result<Vec<AffectedBox>, sqlx::Error> {
    let rows = query!(
        r#"select box_id as "box_id!", max(position) as "position!"
           from (
               select room_events.box_id, max(room_events.position) as position
               from user_rooms
               join rooms using (box_id, room_id)
               join members using (box_id, room_id, user_id)
               join room_events using (box_id, room_id)
               where user_rooms.user_id = $1
                 and room_events.by = $1
               group by room_events.box_id
               having bool_or(rooms.status = 'open' and members.standing = 'inside')
                   or bool_or(coalesce(data ->> 'body', data ->> 'title') <> $2)
                   or exists (
                       select
                       from user_rooms mine
                       join messages using (box_id, room_id)
                       where mine.user_id = $1
                         and mine.box_id = room_events.box_id
                         and (
                             messages.author = $1 and messages.alarms ? 'posted'
                             or messages.alarms @>
                                 jsonb_build_object('reactions', jsonb_build_array(
                                     jsonb_build_object('by', jsonb_build_array(jsonb_build_object('user', $1::text)))
                                 ))
                         )
                   )
               union all
               -- a position that grows, because nothing tells when the user was allowed
               select box_id, (select max(position) from checkpoints)
               from boxes
               where users <> '[]' and users ? $1
           ) as affected
           group by box_id"#,
        user_id.as_str(),
        ERASED
    )
    .fetch_all(connection)
    .await?;
    let affected = |box_id: &str, position| Ok(AffectedBox { box_id: parse_id(box_id)?, position });
    rows.iter().map(|row| affected(&row.box_id, row.position)).collect()
}

/// The number of reports whose texts are removed in one round.
const REPORTS: i64 = 100;

/// Returns reports with texts that must be removed: of erased users, and those that were closed long ago.
pub(super) async fn reports_to_forget(
    connection: &mut PgConnection,
    retention: TimeDelta,
) -> Result<Vec<String>, sqlx::Error> {
    let reports = query_scalar!(
        r#"select report_id as "report_id!"
           from (
             select report_id
             from reports
             where not forgotten and closed_at < now() - $1::bigint * interval '1 ms'
             union
             select report_id
             from users
             join reports using (user_id)
             where nickname is null and not forgotten
             union
             select report_id
             from users
             join reports on reports.reporter = users.user_id
             where nickname is null and not forgotten
           ) as due
           limit $2"#,
        retention.num_milliseconds(),
        REPORTS
    );
    reports.fetch_all(connection).await
}

/// Returns true if there are reports of or about a user that still have texts.
pub(super) async fn has_reports(connection: &mut PgConnection, user_id: &UserId) -> Result<bool, sqlx::Error> {
    let found = query_scalar!(
        r#"select exists (select from reports where user_id = $1 and not forgotten)
             or exists (select from reports where reporter = $1 and not forgotten) as "found!""#,
        user_id.as_str()
    );
    found.fetch_one(connection).await
}

/// Parses a text of the database that must be an id.
pub(super) fn parse_id<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
