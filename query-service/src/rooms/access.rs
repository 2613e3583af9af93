//! The membership check for empty results: no such room, no member, or truly empty.

use domain::{RoomId, UserId};
use sqlx::{PgConnection, query, query_scalar};

use crate::{error::Error, views::Standing};

/// The data of a room that a member's read needs even if its result is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inside {
    /// The version of the feed's last event.
    pub(crate) head_v: i64,
}

/// Rejects callers who are not members. Reads check membership in their own statement, so that only a read without
/// rows needs this.
pub(crate) async fn require_inside(
    connection: &mut PgConnection,
    room_id: &RoomId,
    user_id: &UserId,
) -> Result<Inside, Error> {
    let room = query!(
        r#"
        select r.v, m.standing as "standing?: Standing"
        from rooms r
        left join members m on m.box_id = r.box_id and m.room_id = r.room_id and m.user_id = $3
        where r.box_id = $1 and r.room_id = $2
        "#,
        room_id.box_id().as_str(),
        room_id.to_string(),
        user_id.as_str(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::RoomNotFound)?;
    match room.standing {
        Some(Standing::Inside) => Ok(Inside { head_v: room.v }),
        Some(Standing::Kicked) => Err(Error::Kicked),
        Some(Standing::Left) | None => Err(Error::NotAMember),
    }
}

/// Rejects callers who are neither the host nor a co-host.
pub(crate) async fn require_moderator(
    connection: &mut PgConnection,
    room_id: &RoomId,
    user_id: &UserId,
) -> Result<(), Error> {
    require_inside(&mut *connection, room_id, user_id).await?;
    let is_moderator = query_scalar!(
        r#"
        select (m.co_host or r.host = m.user_id) as "is_moderator!"
        from members m
        join rooms r on r.box_id = m.box_id and r.room_id = m.room_id
        where m.box_id = $1 and m.room_id = $2 and m.user_id = $3
        "#,
        room_id.box_id().as_str(),
        room_id.to_string(),
        user_id.as_str(),
    );
    if is_moderator.fetch_one(connection).await? { Ok(()) } else { Err(Error::NotTheHost) }
}
