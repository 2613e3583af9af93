//! A page of a room's feed on request. The connection need not follow the room.

use domain::{RoomId, UserId};

use super::{
    close_reason::Closed,
    frames::{FrameId, ServerFrame, UnsubscribeReason},
    replay::{Feeds, Replay},
    transport::Transport,
};
use crate::error::Error;

/// The maximum number of events on a page.
const PAGE: i64 = 200;

/// Writes the events after a version and then `fetched`. Only for members of the room.
pub(super) async fn fetch(
    feeds: &Feeds,
    user: &UserId,
    socket: &mut impl Transport,
    (id, room, after_v): (Option<&FrameId>, &RoomId, i64),
) -> Result<(), Closed> {
    match feeds.read(room, user, after_v, PAGE).await.and_then(require_member) {
        Ok(replay) => {
            let to_v = replay.events.last().map_or(after_v.min(replay.head_v), |(v, _)| *v);
            for (_, frame) in replay.events {
                socket.feed(frame).await?;
            }
            socket.feed(ServerFrame::Fetched { id, room_id: room, to_v, head_v: replay.head_v }.encode()).await
        }
        Err(error) => {
            let problem = error.into_problem();
            let (code, detail) = (problem.code(), problem.detail_text());
            socket.feed(ServerFrame::Error { id, room_id: Some(room), code, detail }.encode()).await
        }
    }
}

/// Rejects former members: they may resume up to their departure, but not fetch pages.
fn require_member(replay: Replay) -> Result<Replay, Error> {
    match replay.end_reason {
        None | Some(UnsubscribeReason::Closed) => Ok(replay),
        Some(UnsubscribeReason::Kicked) => Err(Error::Kicked),
        Some(UnsubscribeReason::Left | UnsubscribeReason::Requested) => Err(Error::NotAMember),
    }
}
