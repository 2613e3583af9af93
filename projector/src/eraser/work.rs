//! The boxes that still contain data of a user, as the active generation shows them.

use domain::{BoxId, UserId, values::ERASED};
use sqlx::{PgConnection, query};

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
               select box_id, 0 from boxes where users ? $1
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

/// Parses a text of the database that must be an id.
pub(super) fn parse_id<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
