//! `GET /live`: WebSocket connections that carry the events of rooms (subprotocol `boxroom.v1`).

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use service_kit::extract::Query;

use crate::{app::App, error::Error, page::NoParameters, problems::HandshakeProblems};
use connection::Connection;
use frames::HARD_MAX_FRAME;

pub(crate) mod asyncapi;
pub(crate) mod events;
pub(crate) mod issue_ticket;
pub(crate) mod shared;
pub(crate) mod threads;
pub(crate) mod tickets;

mod alarms;
mod close_reason;
mod connection;
pub(crate) mod cursor;
mod fetch;
mod frames;
mod hub;
mod limits;
mod listening;
mod live_event;
mod lobby;
mod lobby_area;
mod my_rooms;
mod notifications;
mod presence;
mod presence_answers;
mod replay;
mod seen_by;
mod send_queue;
mod sent_alarms;
mod signals;
mod socket;
mod subscriptions;
mod transport;
mod unread;
mod users;

/// The subprotocol.
const PROTOCOL: &str = "boxroom.v1";

/// The size of a socket's read and write buffers. The default of 128 KiB would dominate an idle connection's memory.
const SOCKET_BUFFER: usize = 4 * 1024;

/// Opens a WebSocket for live events.
///
/// The subprotocol is `boxroom.v1`. Every message is one JSON object with a `type`.
///
/// The client's first frame, within 10 seconds, is `hello {token, cursor?, rooms: [{room_id, v?}]}`. Later it may send
/// `subscribe {id?, room_id, v?}`, `unsubscribe {id?, room_id}`, `fetch {id?, room_id, after_v}`, `typing {room_id}`,
/// `auth {id?, token}`, `subscribe_lobby {id?, zip_code | near, radius?}`, `unsubscribe_lobby {id?}` and, after each
/// ping, `pong`. The limit is 20 frames per second.
///
/// The server answers `welcome {session, heartbeat_ms, expires_in_ms, cursor, resumed}`, then for each room
/// `subscribed {id?, room_id, head_v, recovered}` or `error {id?, room_id?, code, detail}`. With `v`, all events after
/// that version follow first, without gaps or repetitions. An event has its own type (`message_posted`,
/// `member_joined`, ...): `{room_id, v, type, at, by, data, command_id?}`. Only events have a `v`.
///
/// Other frames of the server: `ping {cursor, heads}` has the last version of each room and the cursor for the next
/// hello. `lagging {room_id, from_v}`: the client reads too slowly, and the room continues from the feed.
/// `reset {room_id, reason, head_v}`: the given `v` is unknown in this room. `unsubscribed {id?, room_id, reason}`: the
/// subscription of the room has ended. `fetched {id?, room_id, to_v, head_v}` ends a page of at most 200 events that a
/// `fetch` has requested. `authorized {id?, expires_at, expires_in_ms}` answers an `auth`.
/// `signal {room_id, kind, ...}` may be lost: `presence` has all `users` who are connected to the room, `typing` the
/// `user_id`.
///
/// Every connection also receives the user's own data: the open rooms as `my_rooms {rooms}`, their changes as
/// `membership {room_id, standing, at?}` and `unread {room_id, unread}`, and each alarm since the connection or the
/// cursor as `alarm {id, kind, at, room_id, message_id?, by?, count}`.
///
/// `bye {code, retry_ms?, reason, cursor?}`: the server closes with this code. 40xx: connect again and resume. 41xx:
/// begin a new session. 42xx: get a new token first. 43xx: do not connect again.
#[utoipa::path(
    get, path = "/live", tag = "live", operation_id = "open_live",
    security(()),
    responses((status = 101, description = "Switched to `boxroom.v1`"), HandshakeProblems)
)]
pub(crate) async fn open_live(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    let upgrade = upgrade.map_err(|rejection| Error::UpgradeRequired(rejection.body_text()))?;
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(SOCKET_BUFFER)
        .write_buffer_size(SOCKET_BUFFER)
        .max_message_size(HARD_MAX_FRAME)
        .max_frame_size(HARD_MAX_FRAME);
    let is_supported = upgrade.selected_protocol().is_some() || upgrade.requested_protocols().next().is_none();
    if !is_supported {
        return Err(Error::UpgradeRequired(format!("the subprotocol is {PROTOCOL}")));
    }
    let live = app.live.clone();
    Ok(upgrade.on_upgrade(async move |socket: WebSocket| live.threads.spawn(Connection::serve(live.clone(), socket))))
}
