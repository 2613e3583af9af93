//! The users who may read a room, as far as a box knows them.

use domain::{DeliveryBox, RoomId, UserId};

use crate::{app::App, error::Error, problems::Code};

/// Requires that the room is the box's last one and has this member, or returns true for an earlier one. Reads the
/// latest state before a rejection.
pub(crate) async fn require_reader(app: &App, room_id: &RoomId, user_id: &UserId) -> Result<bool, Error> {
    let (known, _) = app.boxes.load(room_id.box_id()).await?;
    if let Ok(is_earlier) = check_reader(&known, room_id, user_id) {
        return Ok(is_earlier);
    }
    let (latest, _) = app.boxes.load_latest(room_id.box_id()).await?;
    Ok(check_reader(&latest, room_id, user_id)?)
}

fn check_reader(state: &DeliveryBox, room_id: &RoomId, user_id: &UserId) -> Result<bool, Code> {
    let last = state.room().ok_or(Code::RoomNotFound)?;
    match room_id.number().cmp(&last.room_id().number()) {
        std::cmp::Ordering::Greater => Err(Code::RoomNotFound),
        std::cmp::Ordering::Less => Ok(true),
        std::cmp::Ordering::Equal if last.has_member(user_id) => Ok(false),
        std::cmp::Ordering::Equal => Err(Code::NotAMember),
    }
}
