//! The followed rooms: the requests to send, and the next expected event of each room.

use std::collections::BTreeMap;

use domain::RoomId;

use crate::{
    frames::{ClientFrame, Frame, RoomFrom, ServerFrame},
    incoming::{Ending, Event, Incoming, Loss},
    options::Since,
};

/// Codes of temporary refusals.
const TEMPORARY: [&str; 3] = ["database-unavailable", "read-model-unavailable", "internal"];

/// The bytes of a hello that rooms may take. Further rooms are subscribed one by one.
const HELLO_BYTES: usize = 12 * 1024;

/// The followed rooms. Outlives connections.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    followed: BTreeMap<RoomId, Room>,
    /// True if there may be a request to send.
    changed: bool,
    last_id: u64,
}

#[derive(Debug)]
struct Room {
    /// The last delivered version, or the version to begin after; none until a room followed from now on is subscribed.
    last_v: Option<u64>,
    state: State,
    /// The version after which the last gap was found.
    gap_after: Option<u64>,
    /// The head version in the last ping. All events up to it must arrive before the next ping.
    pinged_head: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// To be requested.
    Wanted,
    /// Requested: in the hello, or with this id.
    Requested(Option<u64>),
    /// Subscribed.
    Following,
    /// Refused temporarily.
    Postponed,
    /// To be unsubscribed.
    Unwanted,
}

/// A request to send, or a room to end.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Subscribe(ClientFrame),
    End(RoomId),
}

impl Rooms {
    /// Follows a room. A room that is followed already starts again from `since`.
    pub(crate) fn request(&mut self, room: RoomId, since: Since) {
        let last_v = match since {
            Since::Now => None,
            Since::After(v) => Some(v),
        };
        self.followed.insert(room, Room { last_v, state: State::Wanted, gap_after: None, pinged_head: 0 });
        self.changed = true;
    }

    /// Stops following a room.
    pub(crate) fn leave(&mut self, room: &RoomId) {
        if let Some(room) = self.followed.get_mut(room) {
            room.state = State::Unwanted;
            self.changed = true;
        }
    }

    /// Returns the rooms to request in the hello of a new connection.
    pub(crate) fn hello(&mut self) -> Vec<RoomFrom> {
        let mut left = HELLO_BYTES;
        self.changed = true;
        let mut asked = Vec::new();
        for (id, room) in &mut self.followed {
            if room.state == State::Unwanted {
                continue;
            }
            room.gap_after = None;
            room.pinged_head = 0;
            // Upper bound of the field names and a version.
            let bytes = id.to_string().len() + 40;
            room.state = State::Wanted;
            if bytes <= left {
                left -= bytes;
                room.state = State::Requested(None);
                asked.push(RoomFrom { room_id: id.clone(), v: room.last_v });
            }
        }
        asked
    }

    /// Returns true if [`Rooms::next_change`] may return a change.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// Returns the next change to send to the server.
    pub(crate) fn next_change(&mut self) -> Option<Change> {
        let found = self.followed.iter_mut().find(|(_, room)| matches!(room.state, State::Wanted | State::Unwanted));
        let Some((id, room)) = found else {
            self.changed = false;
            return None;
        };
        let id = id.clone();
        if room.state == State::Unwanted {
            self.followed.remove(&id);
            return Some(Change::End(id));
        }
        self.last_id += 1;
        room.state = State::Requested(Some(self.last_id));
        Some(Change::Subscribe(ClientFrame::Subscribe { id: self.last_id, room_id: id, v: room.last_v }))
    }

    /// Returns true if a room was refused temporarily.
    pub(crate) fn any_postponed(&self) -> bool {
        self.followed.values().any(|room| room.state == State::Postponed)
    }

    /// Requests temporarily refused rooms again.
    pub(crate) fn retry(&mut self) {
        for room in self.followed.values_mut().filter(|room| room.state == State::Postponed) {
            room.state = State::Wanted;
            self.changed = true;
        }
    }

    /// Applies a frame of the server. Returns the item to deliver, if there is one.
    pub(crate) fn on_frame(&mut self, frame: Frame) -> Result<Option<Incoming>, Loss> {
        match frame {
            Frame::Event(event) => self.event(event),
            Frame::Other(ServerFrame::Subscribed { id, room_id, head_v, recovered }) => {
                Ok(self.subscribed(id, room_id, head_v, recovered))
            }
            Frame::Other(ServerFrame::Unsubscribed { room_id, reason }) => Ok(self.on_unsubscribed(room_id, reason)),
            Frame::Other(ServerFrame::Reset { room_id: Some(room), reason, head_v }) => {
                Ok(self.reset(room, reason, head_v.unwrap_or_default()))
            }
            Frame::Other(ServerFrame::Error { id, room_id: Some(room), code, detail }) => {
                Ok(self.refused(id, room, code, detail))
            }
            Frame::Other(ServerFrame::Ping { heads, .. }) => self.compare(&heads).map(|()| None),
            Frame::Other(_) => Ok(None),
        }
    }

    /// Returns true if this event is the next one of a followed room.
    pub(crate) fn is_next(&self, event: &Event) -> bool {
        self.followed.get(&event.room).is_some_and(|room| room.last_v == Some(event.v.saturating_sub(1)))
    }

    fn event(&mut self, event: Event) -> Result<Option<Incoming>, Loss> {
        let Some(room) = self.followed.get_mut(&event.room) else { return Ok(None) };
        // Events that arrive before the answer to a request for new events only are old.
        let Some(last_v) = room.last_v.filter(|_| room.state != State::Unwanted) else { return Ok(None) };
        if event.v == last_v + 1 {
            room.last_v = Some(event.v);
            return Ok(Some(Incoming::Event(event)));
        }
        // Events that arrive before the answer to a request were already on the way.
        if event.v > last_v && room.state == State::Following {
            self.changed = true;
            room.request_missing(&event.room)?;
        }
        Ok(None)
    }

    fn subscribed(&mut self, id: Option<u64>, name: RoomId, head_v: u64, recovered: bool) -> Option<Incoming> {
        let room = self.asked(id, &name)?;
        room.state = State::Following;
        room.last_v.get_or_insert(head_v);
        Some(Incoming::Subscribed { room: name, head_v, recovered })
    }

    fn refused(&mut self, id: Option<u64>, name: RoomId, code: String, detail: String) -> Option<Incoming> {
        let room = self.asked(id, &name)?;
        if TEMPORARY.contains(&code.as_str()) {
            room.state = State::Postponed;
            return None;
        }
        self.followed.remove(&name);
        Some(Incoming::Ended { room: name, reason: Ending::Refused { code, detail } })
    }

    /// Returns the room that this answer belongs to; none for an answer to an older request.
    fn asked(&mut self, id: Option<u64>, name: &RoomId) -> Option<&mut Room> {
        self.followed.get_mut(name).filter(|room| room.state == State::Requested(id))
    }

    fn on_unsubscribed(&mut self, name: RoomId, reason: String) -> Option<Incoming> {
        // Otherwise it ends an older subscription of a room that has been requested again.
        let follows = self.followed.get(&name).is_some_and(|room| room.state == State::Following);
        if !follows {
            return None;
        }
        self.followed.remove(&name);
        Some(Incoming::Ended { room: name, reason: Ending::Parted(reason) })
    }

    fn reset(&mut self, name: RoomId, reason: String, head_v: u64) -> Option<Incoming> {
        let room = self.followed.get_mut(&name).filter(|room| room.state != State::Unwanted)?;
        room.last_v = Some(head_v);
        room.gap_after = None;
        Some(Incoming::Reset { room: name, reason, head_v })
    }

    /// Compares head versions with delivered versions, to find lost events at the end of a feed.
    fn compare(&mut self, heads: &BTreeMap<RoomId, u64>) -> Result<(), Loss> {
        for (name, head_v) in heads {
            let Some(room) = self.followed.get_mut(name).filter(|room| room.state == State::Following) else {
                continue;
            };
            if room.last_v < Some(room.pinged_head) {
                self.changed = true;
                room.request_missing(name)?;
            }
            room.pinged_head = *head_v;
        }
        Ok(())
    }
}

impl Room {
    /// Requests the missing events. The same gap twice on one connection is an error.
    fn request_missing(&mut self, name: &RoomId) -> Result<(), Loss> {
        if self.gap_after == self.last_v {
            let after = self.last_v.unwrap_or_default();
            return Err(Loss::ProtocolViolation(format!("no event of {name} follows version {after}")));
        }
        tracing::debug!(room.id = %name, after = self.last_v, "events are missing");
        self.gap_after = self.last_v;
        self.state = State::Wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
