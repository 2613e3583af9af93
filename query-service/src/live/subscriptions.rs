//! The rooms that one connection follows: each version is sent once and in order, even if events are lost or late.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domain::{RoomId, UserId};

use super::{
    close_reason::{CloseReason, Closed},
    cursor,
    frames::{FrameId, RoomFrom, ServerFrame, UnsubscribeReason},
    hub::Hub,
    limits::MAX_ROOMS,
    live_event::LiveEvent,
    lobby::{Lobby, LobbySubscription},
    lobby_area::LobbyArea,
    replay::{Feeds, PAGE, Replay},
    send_queue::{Delivery, SendQueue},
    sent_alarms::Positions,
    transport::Transport,
};
use crate::{error::Error, metrics::METRICS};

/// Reason of a reset that leaves out what a user who left or was kicked may not read any more.
const NO_LONGER_INSIDE: &str = "no-longer-inside";

/// The outcome of a request to follow a room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The request was answered: the room is followed, or was refused.
    Answered,
    /// The request was refused because feeds cannot be read at the moment.
    Unavailable,
}

/// The rooms that one connection follows. Leaves all of them when dropped.
pub(super) struct Subscriptions {
    user: UserId,
    hub: Arc<Hub>,
    feeds: Feeds,
    send_queue: Arc<SendQueue>,
    rooms: HashMap<RoomId, Following>,
    /// The versions of rooms that are not followed yet, so that the cursor keeps them.
    unfollowed: BTreeMap<RoomId, i64>,
    /// The positions up to which the client has its alarms; none if not known yet.
    alarms: Option<Positions>,
    lobby: Option<LobbySubscription>,
    /// The incarnations of the log, as one hash.
    incarnation: Arc<str>,
}

/// The state of one followed room.
struct Following {
    /// The last version that was sent.
    sent_v: i64,
    /// The greatest version that is known to exist.
    known_v: i64,
    /// True if the last read of the feed failed.
    read_failed: bool,
}

impl Following {
    fn is_behind(&self) -> bool {
        self.read_failed || self.sent_v < self.known_v
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for room in self.rooms.keys() {
            self.hub.signals().leave(room, &self.send_queue);
            self.hub.leave(room, &self.send_queue);
        }
    }
}

impl Subscriptions {
    pub(super) fn new(
        user: UserId,
        hub: Arc<Hub>,
        feeds: Feeds,
        send_queue: Arc<SendQueue>,
        incarnation: Arc<str>,
    ) -> Self {
        Self {
            user,
            hub,
            feeds,
            send_queue,
            rooms: HashMap::new(),
            unfollowed: BTreeMap::new(),
            alarms: None,
            lobby: None,
            incarnation,
        }
    }

    /// Sets the starting point of the client, before it follows any room.
    pub(super) fn set_start(&mut self, rooms: &[RoomFrom], alarms: Option<Positions>) {
        let known = rooms
            .iter()
            .filter_map(|RoomFrom { room_id, v }| Some((room_id.clone(), v.filter(|v| *v < cursor::UNKNOWN_VERSION)?)));
        self.unfollowed = known.collect();
        self.alarms = alarms;
    }

    /// Returns true if the feeds are of another log by now, whose versions are not comparable.
    pub(super) fn is_log_replaced(&self) -> bool {
        self.feeds.incarnation().is_ok_and(|incarnation| incarnation != self.incarnation)
    }

    /// Returns the cursor after the last frame that was sent.
    pub(super) fn cursor(&self) -> String {
        self.cursor_with(None)
    }

    /// Returns the cursor after a further version of a room.
    fn cursor_with(&self, next: Option<(&RoomId, i64)>) -> String {
        let unfollowed = self.unfollowed.iter().map(|(room, v)| (room, *v));
        let followed = self.rooms.iter().map(|(room, following)| (room, following.sent_v));
        let rooms = unfollowed.chain(followed).chain(next).collect();
        cursor::encode(&self.user, &rooms, self.alarms.as_ref(), &self.incarnation)
    }

    /// Follows a room, after a version or from now on. A room that is followed already starts again.
    pub(super) async fn subscribe(
        &mut self,
        socket: &mut impl Transport,
        id: Option<&FrameId>,
        room: &RoomId,
        v: Option<i64>,
    ) -> Result<Outcome, Closed> {
        self.remove_room(room);
        if self.rooms.len() >= MAX_ROOMS {
            let (code, detail) = ("too-many-rooms", "at most 200 rooms per connection");
            socket.feed(ServerFrame::Error { id, room_id: Some(room), code, detail }.encode()).await?;
            return Ok(Outcome::Answered);
        }
        // Joins first: events during the read wait in the queue, and those that the feed had are dropped there.
        self.hub.join(room, &self.send_queue);
        let found = self.feeds.read(room, &self.user, v.unwrap_or(i64::MAX), PAGE).await;
        match found.and_then(|replay| require_access(replay, v)) {
            Ok(replay) => {
                self.start_room(socket, id, room, v, replay).await?;
                Ok(Outcome::Answered)
            }
            Err(error) => {
                self.hub.leave(room, &self.send_queue);
                let outcome = send_refusal(socket, id, room, error).await?;
                if outcome == Outcome::Answered {
                    self.unfollowed.remove(room);
                }
                Ok(outcome)
            }
        }
    }

    async fn start_room(
        &mut self,
        socket: &mut impl Transport,
        id: Option<&FrameId>,
        room: &RoomId,
        v: Option<i64>,
        replay: Replay,
    ) -> Result<(), Closed> {
        let head_v = replay.head_v;
        let sent_v = v.filter(|v| *v <= head_v).unwrap_or(head_v);
        self.unfollowed.remove(room);
        self.rooms.insert(room.clone(), Following { sent_v, known_v: head_v, read_failed: false });
        self.hub.record_head(room, head_v);
        if v.is_some_and(|v| v > head_v) {
            METRICS.resets.inc();
            let reset = ServerFrame::Reset { room_id: Some(room), reason: "unknown-version", head_v: Some(head_v) };
            socket.feed(reset.encode()).await?;
        }
        let withheld = self.skip_withheld(socket, room, &replay).await?;
        let recovered = v.is_some_and(|v| v <= head_v) && !withheld;
        socket.mark(|| self.cursor()).await?;
        socket.feed(ServerFrame::Subscribed { id, room_id: room, head_v, recovered }.encode()).await?;
        if self.write(socket, room, replay).await? {
            self.catch_up(socket, room).await?;
        }
        if self.rooms.contains_key(room) {
            self.hub.signals().enter(room, &self.user, &self.send_queue);
        }
        Ok(())
    }

    /// Stops following a room at the client's request.
    pub(super) async fn unsubscribe(
        &mut self,
        socket: &mut impl Transport,
        id: Option<&FrameId>,
        room: &RoomId,
    ) -> Result<(), Closed> {
        let frame = if self.remove_room(room) {
            ServerFrame::Unsubscribed { id, room_id: room, reason: UnsubscribeReason::Requested }
        } else {
            not_followed(id, room)
        };
        socket.feed(frame.encode()).await
    }

    /// Follows an area of the lobby in place of the former one.
    pub(super) async fn subscribe_lobby(
        &mut self,
        socket: &mut impl Transport,
        id: Option<&FrameId>,
        area: LobbyArea,
        lobby: &Arc<Lobby>,
    ) -> Result<(), Closed> {
        self.lobby = None;
        self.lobby = lobby.subscribe(&Arc::new(area), &self.send_queue);
        let answer = if self.lobby.is_some() {
            ServerFrame::LobbySubscribed { id }
        } else {
            let (code, detail) = ("too-many-areas", "this instance follows as many areas as it can: try another one");
            ServerFrame::Error { id, room_id: None, code, detail }
        };
        socket.feed(answer.encode()).await
    }

    /// Stops following the lobby.
    pub(super) async fn unsubscribe_lobby(
        &mut self,
        socket: &mut impl Transport,
        id: Option<&FrameId>,
    ) -> Result<(), Closed> {
        self.lobby = None;
        socket.feed(ServerFrame::LobbyUnsubscribed { id }.encode()).await
    }

    /// Announces that the client is typing in a room.
    pub(super) async fn typing(&mut self, socket: &mut impl Transport, room: &RoomId) -> Result<(), Closed> {
        if self.rooms.contains_key(room) {
            self.hub.signals().typing(room, &self.user);
            return Ok(());
        }
        socket.feed(not_followed(None, room).encode()).await
    }

    /// Writes an item of the send queue. Reads the feed if earlier events are missing.
    pub(super) async fn deliver(&mut self, socket: &mut impl Transport, delivery: Delivery) -> Result<(), Closed> {
        match delivery {
            Delivery::Event(event) => self.deliver_event(socket, &event).await,
            Delivery::Signal(signal) if self.rooms.contains_key(&signal.room) => {
                socket.feed(signal.frame.clone()).await
            }
            Delivery::UserFrame(frame) => socket.feed(frame).await,
            Delivery::Lobby(area, frame) if self.lobby.as_ref().is_some_and(|lobby| lobby.area == area) => {
                socket.feed(frame).await
            }
            // Checks are the connection's.
            Delivery::Signal(_) | Delivery::Lobby(..) | Delivery::Check => Ok(()),
            Delivery::AlarmsComplete(positions) => {
                if self.alarms.as_ref() == Some(&*positions) {
                    return Ok(());
                }
                self.alarms = Some((*positions).clone());
                socket.mark(|| self.cursor()).await
            }
            Delivery::Overflow => Err(Closed::ByServer(CloseReason::TooSlow)),
            Delivery::Head(room, v) => match self.rooms.get_mut(&room) {
                Some(following) if following.sent_v < v => {
                    following.known_v = following.known_v.max(v);
                    self.catch_up(socket, &room).await
                }
                Some(_) | None => Ok(()),
            },
            Delivery::Missed(room) => match self.rooms.get(&room) {
                Some(following) => {
                    let lagging = ServerFrame::Lagging { room_id: &room, from_v: following.sent_v };
                    socket.feed(lagging.encode()).await?;
                    self.catch_up(socket, &room).await
                }
                None => Ok(()),
            },
        }
    }

    async fn deliver_event(&mut self, socket: &mut impl Transport, event: &LiveEvent) -> Result<(), Closed> {
        let Some(following) = self.rooms.get_mut(&event.room) else { return Ok(()) };
        if event.v <= following.sent_v {
            return Ok(());
        }
        following.known_v = following.known_v.max(event.v);
        if event.v > following.sent_v + 1 {
            return self.catch_up(socket, &event.room).await;
        }
        let frame = event.frame_for(&self.user).clone();
        socket.feed_at(frame, || self.cursor_with(Some((&event.room, event.v)))).await?;
        if let Some(following) = self.rooms.get_mut(&event.room) {
            following.sent_v = event.v;
        }
        match event.ends.as_ref().and_then(|ends| ends.reason_for(&self.user)) {
            Some(reason) => self.end_subscription(socket, &event.room, reason).await,
            None => Ok(()),
        }
    }

    /// Reads the feed to its end. If the end is before the greatest known version, [`Self::retry`] reads it again.
    async fn catch_up(&mut self, socket: &mut impl Transport, room: &RoomId) -> Result<(), Closed> {
        loop {
            let Some(following) = self.rooms.get_mut(room) else { return Ok(()) };
            match self.feeds.read(room, &self.user, following.sent_v, PAGE).await {
                Ok(replay) => {
                    following.read_failed = false;
                    self.skip_withheld(socket, room, &replay).await?;
                    if !self.write(socket, room, replay).await? {
                        return Ok(());
                    }
                }
                Err(Error::RoomNotFound | Error::NotAMember) => {
                    return self.end_subscription(socket, room, UnsubscribeReason::Left).await;
                }
                Err(error) => {
                    tracing::debug!(room.id = %room, %error, "cannot read a feed");
                    following.read_failed = true;
                    return Ok(());
                }
            }
        }
    }

    /// Announces with a reset that events before the next one are withheld from a user who is no longer inside; true if
    /// any are. The client continues without a gap at the event that ended the membership.
    async fn skip_withheld(
        &mut self,
        socket: &mut impl Transport,
        room: &RoomId,
        replay: &Replay,
    ) -> Result<bool, Closed> {
        let before_next = replay.events.first().map(|(v, _)| v - 1);
        let Some((following, before_next)) = self.rooms.get_mut(room).zip(before_next) else { return Ok(false) };
        if replay.is_member() || before_next <= following.sent_v {
            return Ok(false);
        }
        following.sent_v = before_next;
        let reset = ServerFrame::Reset { room_id: Some(room), reason: NO_LONGER_INSIDE, head_v: Some(before_next) };
        socket.feed(reset.encode()).await?;
        Ok(true)
    }

    /// Writes a part of the feed. Returns true if there is more.
    async fn write(&mut self, socket: &mut impl Transport, room: &RoomId, replay: Replay) -> Result<bool, Closed> {
        for (v, frame) in replay.events {
            socket.feed_at(frame, || self.cursor_with(Some((room, v)))).await?;
            if let Some(following) = self.rooms.get_mut(room) {
                following.sent_v = v;
            }
        }
        match replay.end_reason {
            Some(reason) if !replay.more => {
                self.end_subscription(socket, room, reason).await?;
                Ok(false)
            }
            Some(_) | None => Ok(replay.more),
        }
    }

    async fn end_subscription(
        &mut self,
        socket: &mut impl Transport,
        room: &RoomId,
        reason: UnsubscribeReason,
    ) -> Result<(), Closed> {
        self.remove_room(room);
        socket.feed(ServerFrame::Unsubscribed { id: None, room_id: room, reason }.encode()).await
    }

    fn remove_room(&mut self, room: &RoomId) -> bool {
        let followed = self.rooms.remove(room).is_some();
        if followed {
            self.hub.signals().leave(room, &self.send_queue);
            self.hub.leave(room, &self.send_queue);
        }
        followed
    }

    /// Returns true if a feed was not read to its known end.
    pub(super) fn any_behind(&self) -> bool {
        self.rooms.values().any(Following::is_behind)
    }

    /// Reads again the feeds that were not read to their known end.
    pub(super) async fn retry(&mut self, socket: &mut impl Transport) -> Result<(), Closed> {
        let behind = self.rooms.iter().filter(|(_, following)| following.is_behind()).map(|(room, _)| room.clone());
        for room in behind.collect::<Vec<_>>() {
            self.catch_up(socket, &room).await?;
        }
        Ok(())
    }

    /// Returns the head version of each followed room.
    pub(super) fn heads(&self) -> BTreeMap<&RoomId, i64> {
        let head = |room, sent_v: i64| self.hub.head(room).map_or(sent_v, |head| head.max(sent_v));
        self.rooms.iter().map(|(room, following)| (room, head(room, following.sent_v))).collect()
    }
}

fn not_followed<'a>(id: Option<&'a FrameId>, room: &'a RoomId) -> ServerFrame<'a> {
    let (code, detail) = ("not-subscribed", "the connection does not follow this room");
    ServerFrame::Error { id, room_id: Some(room), code, detail }
}

/// Rejects former members, unless their parting event is still to come.
fn require_access(replay: Replay, v: Option<i64>) -> Result<Replay, Error> {
    let resumes = v.is_some() && !replay.events.is_empty();
    match replay.end_reason {
        Some(UnsubscribeReason::Kicked) if !resumes => Err(Error::Kicked),
        Some(UnsubscribeReason::Left | UnsubscribeReason::Requested) if !resumes => Err(Error::NotAMember),
        Some(_) | None => Ok(replay),
    }
}

async fn send_refusal(
    socket: &mut impl Transport,
    id: Option<&FrameId>,
    room: &RoomId,
    error: Error,
) -> Result<Outcome, Closed> {
    let problem = error.into_problem();
    let (code, detail) = (problem.code(), problem.detail_text());
    socket.feed(ServerFrame::Error { id, room_id: Some(room), code, detail }.encode()).await?;
    Ok(if problem.status().is_server_error() { Outcome::Unavailable } else { Outcome::Answered })
}
