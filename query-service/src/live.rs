//! `GET /live`: WebSocket connections that carry what happens in rooms (subprotocol `boxroom.v1`).

use std::{io, sync::Arc, time::Duration};

use async_nats::Client;
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use service_kit::{auth::Verifier, extract::Query, http::Rates};
use tokio::sync::watch;

use crate::{
    app::App, error::Error, generation::Generations, metrics::LiveNumbers, page::NoParameters,
    problems::HandshakeProblems, settings::Settings,
};
use connection::Connection;
use frames::HARD_MAX_FRAME;
use hub::Hub;
use limits::Crowd;
use replay::Feeds;
use threads::Threads;
use users::Users;

pub(crate) mod asyncapi;
pub(crate) mod events;
pub(crate) mod tickets;

mod alarms;
mod connection;
pub(crate) mod cursor;
mod farewell;
mod fetch;
mod frames;
mod hub;
mod limits;
mod listening;
mod my_rooms;
mod outbox;
mod presence;
mod replay;
mod seen;
mod signals;
mod socket;
mod subscriptions;
mod threads;
mod transport;
mod users;

/// The subprotocol.
const PROTOCOL: &str = "boxroom.v1";

/// Read and write buffers of a socket: the default of 128 KiB would be most of an idle connection's memory.
const SOCKET_BUFFER: usize = 4 * 1024;

/// Everything that the live connections of this process share.
pub(crate) struct Live {
    hub: Arc<Hub>,
    feeds: Feeds,
    verifier: Verifier,
    heartbeat: Duration,
    users: Arc<Users>,
    /// How many connections each user has.
    crowd: Arc<Crowd>,
    /// How often each user and each address connects.
    rates: Arc<Rates>,
    threads: Threads,
    /// Becomes true when the process stops; every connection holds a receiver until it has closed.
    stopping: watch::Sender<bool>,
}

impl Live {
    /// Starts the hub.
    pub(crate) fn start(
        nats: Client,
        generations: Generations,
        verifier: Verifier,
        settings: &Settings,
    ) -> io::Result<Arc<Self>> {
        let feeds = Feeds::new(generations.clone(), settings.database_pool);
        let heartbeat = Duration::from_secs(settings.heartbeat);
        let users = Users::start(nats.clone(), generations.clone(), feeds.clone());
        let hub = Hub::start(nats, generations, feeds.clone());
        let crowd = Crowd::new(settings.connections_per_user);
        let of_user = ("live-user", settings.live_rate_per_user);
        let rates = Rates::new(of_user, ("live-address", settings.live_rate_per_address));
        let (threads, stopping) = (Threads::start()?, watch::Sender::new(false));
        Ok(Arc::new(Self { hub, feeds, verifier, heartbeat, users, crowd, rates, threads, stopping }))
    }

    /// How often each user and each address connects.
    pub(crate) fn rates(&self) -> &Arc<Rates> {
        &self.rates
    }

    /// How it stands with the connections, for metrics.
    pub(crate) fn numbers(&self) -> LiveNumbers {
        let (rooms, subscriptions) = self.hub.size();
        let queues = self.users.queues();
        LiveNumbers { rooms, subscriptions, users: queues.len(), queues: queues.concat() }
    }

    /// Tells every connection to say good-bye.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns once every connection has closed.
    pub(crate) async fn stopped(&self) {
        self.stopping.closed().await;
        self.hub.signals().settled().await;
    }
}

/// What happens in rooms, as it happens.
///
/// A WebSocket with the subprotocol `boxroom.v1`; every message is one JSON object with a `type`.
///
/// The client begins, within 10 seconds, with `hello {token, cursor?, rooms: [{id, v?}]}`. Later it may send
/// `subscribe {id?, room, v?}`, `unsubscribe {id?, room}`, `fetch {id?, room, after_v}`, `typing {room}`,
/// `auth {id?, token}` and, after each ping, `pong`: 20 frames a second at most.
///
/// The server answers `welcome {session, heartbeat_ms, expires_in_ms, cursor, resumed}`, then `subscribed {id?, room, head_v,
/// recovered}` or `error {id?, room?, code, detail}` for each room. With `v` everything after that version follows first,
/// without a gap and without a repetition. An event has the type of what happened (`message_posted`, `member_joined`, ...):
/// `{room, v, type, at, by, data, command_id?}`; every other frame has no `v`. `ping {cursor, heads}` carries the last version
/// of each room and the cursor for another hello, `lagging {room, from_v}` says that the connection reads too slowly and goes on from the feed,
/// `reset {room, reason, head_v}` that the given `v` is none of this room's, `unsubscribed {id?, room, reason}` that
/// nothing more comes from a room. `fetched {id?, room, to_v, head_v}` ends a page of at most 200 events that was asked
/// for with `fetch`, `authorized {id?, expires_at, expires_in_ms}` answers an `auth`. `signal {room, kind, ...}` may be lost: `presence`
/// with all `users` who are connected to the room, `typing` with the `user`.
///
/// Whichever rooms the connection follows, the user's open rooms come as `my_rooms {rooms}`, then what changes of them as
/// `membership {room, standing, at?}` and `unread {room, unread}`, and as `alarm {id, kind, at, room, message_id?, by?}` each
/// alarm since the beginning or since the cursor. `bye {code, retry_ms?, reason, cursor?}` says that the server closes with that code: 40xx reconnect and resume, 41xx begin a
/// new session, 42xx new token first, 43xx do not come back.
#[utoipa::path(
    get, path = "/live", tag = "live", operation_id = "open_live",
    security(()),
    responses((status = 101, description = "The connection speaks `boxroom.v1` now"), HandshakeProblems)
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
    let speaks_it = upgrade.selected_protocol().is_some() || upgrade.requested_protocols().next().is_none();
    if !speaks_it {
        return Err(Error::UpgradeRequired(format!("the subprotocol is {PROTOCOL}")));
    }
    let live = app.live().clone();
    Ok(upgrade.on_upgrade(async move |socket: WebSocket| live.threads.spawn(Connection::serve(live.clone(), socket))))
}
