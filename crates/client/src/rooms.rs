//! The rooms that a client follows: what to ask for, and which event is the next one.

use std::collections::BTreeMap;

use domain::RoomId;

use crate::{
    frames::{ClientFrame, Frame, RoomFrom, ServerFrame},
    incoming::{Ending, Event, Incoming, Loss},
    options::Since,
};

/// Refusals that pass by themselves.
const PASSING: [&str; 3] = ["database-unavailable", "read-model-unavailable", "internal"];

/// How many bytes of rooms fit into a hello; the others are asked for afterwards.
const HELLO_BYTES: usize = 12 * 1024;

/// What is followed. Outlives connections.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    followed: BTreeMap<RoomId, Room>,
    /// Something may have to be asked for.
    changed: bool,
    last_id: u64,
}

#[derive(Debug)]
struct Room {
    /// The last version that was handed out, or after which to begin; not known yet by who begins now.
    last_v: Option<u64>,
    state: State,
    /// The version after which a gap was found before.
    stuck_at: Option<u64>,
    /// The head in the ping before: all of that must have come when the next ping comes.
    pinged_head: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Is to be asked for.
    Wanted,
    /// Was asked for, in the hello or with this id.
    Asked(Option<u64>),
    /// Is being followed.
    Following,
    /// Could not be followed for the moment.
    Postponed,
    /// Is to be ended.
    Unwanted,
}

/// What is to be told to the server, and to whom it concerns.
#[derive(Debug, PartialEq)]
pub(crate) enum Change {
    Subscribe(ClientFrame),
    End(RoomId),
}

impl Rooms {
    /// Follows a room. Following it already, begins anew.
    pub(crate) fn want(&mut self, room: RoomId, since: Since) {
        let last_v = match since {
            Since::Now => None,
            Since::After(v) => Some(v),
        };
        self.followed.insert(room, Room { last_v, state: State::Wanted, stuck_at: None, pinged_head: 0 });
        self.changed = true;
    }

    /// Follows a room no longer.
    pub(crate) fn leave(&mut self, room: &RoomId) {
        if let Some(room) = self.followed.get_mut(room) {
            room.state = State::Unwanted;
            self.changed = true;
        }
    }

    /// What a new connection is asked for at once.
    pub(crate) fn hello(&mut self) -> Vec<RoomFrom> {
        let mut left = HELLO_BYTES;
        self.changed = true;
        let mut asked = Vec::new();
        for (id, room) in &mut self.followed {
            if room.state == State::Unwanted {
                continue;
            }
            room.stuck_at = None;
            room.pinged_head = 0;
            // the names of its fields and a version take no more than this
            let bytes = id.to_string().len() + 40;
            room.state = State::Wanted;
            if bytes <= left {
                left -= bytes;
                room.state = State::Asked(None);
                asked.push(RoomFrom { id: id.clone(), v: room.last_v });
            }
        }
        asked
    }

    /// Whether [`Rooms::next_change`] should be asked.
    pub(crate) fn is_changed(&self) -> bool {
        self.changed
    }

    /// What to tell the server next.
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
        room.state = State::Asked(Some(self.last_id));
        Some(Change::Subscribe(ClientFrame::Subscribe { id: self.last_id, room: id, v: room.last_v }))
    }

    /// Whether something was refused that may succeed later.
    pub(crate) fn any_postponed(&self) -> bool {
        self.followed.values().any(|room| room.state == State::Postponed)
    }

    /// Later has come.
    pub(crate) fn retry(&mut self) {
        for room in self.followed.values_mut().filter(|room| room.state == State::Postponed) {
            room.state = State::Wanted;
            self.changed = true;
        }
    }

    /// Takes what the server says of rooms; there may be something in it to hand out.
    pub(crate) fn hear(&mut self, frame: Frame) -> Result<Option<Incoming>, Loss> {
        match frame {
            Frame::Event(event) => self.event(event),
            Frame::Other(ServerFrame::Subscribed { id, room, head_v, recovered }) => {
                Ok(self.subscribed(id, room, head_v, recovered))
            }
            Frame::Other(ServerFrame::Unsubscribed { room, reason }) => Ok(self.parted(room, reason)),
            Frame::Other(ServerFrame::Reset { room: Some(room), reason, head_v }) => {
                Ok(self.reset(room, reason, head_v.unwrap_or_default()))
            }
            Frame::Other(ServerFrame::Error { id, room: Some(room), code, detail }) => {
                Ok(self.refused(id, room, code, detail))
            }
            Frame::Other(ServerFrame::Ping { heads, .. }) => self.compare(&heads).map(|()| None),
            Frame::Other(_) => Ok(None),
        }
    }

    /// Whether this event is the next one of a room that is followed.
    pub(crate) fn expects(&self, event: &Event) -> bool {
        self.followed.get(&event.room).is_some_and(|room| room.last_v == Some(event.v.saturating_sub(1)))
    }

    fn event(&mut self, event: Event) -> Result<Option<Incoming>, Loss> {
        let Some(room) = self.followed.get_mut(&event.room) else { return Ok(None) };
        // What comes before the answer to a wish to begin now is the past.
        let Some(last_v) = room.last_v.filter(|_| room.state != State::Unwanted) else { return Ok(None) };
        if event.v == last_v + 1 {
            room.last_v = Some(event.v);
            return Ok(Some(Incoming::Event(event)));
        }
        // Before the answer to a request comes what was under way already.
        if event.v > last_v && room.state == State::Following {
            self.changed = true;
            room.mend(&event.room)?;
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
        if PASSING.contains(&code.as_str()) {
            room.state = State::Postponed;
            return None;
        }
        self.followed.remove(&name);
        Some(Incoming::Ended { room: name, reason: Ending::Refused { code, detail } })
    }

    /// The room that this answers for; an answer to an older request is none.
    fn asked(&mut self, id: Option<u64>, name: &RoomId) -> Option<&mut Room> {
        self.followed.get_mut(name).filter(|room| room.state == State::Asked(id))
    }

    fn parted(&mut self, name: RoomId, reason: String) -> Option<Incoming> {
        // Otherwise it is about a subscription that has been asked for anew since.
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
        room.stuck_at = None;
        Some(Incoming::Reset { room: name, reason, head_v })
    }

    /// Looks for lost tails.
    fn compare(&mut self, heads: &BTreeMap<RoomId, u64>) -> Result<(), Loss> {
        for (name, head_v) in heads {
            let Some(room) = self.followed.get_mut(name).filter(|room| room.state == State::Following) else {
                continue;
            };
            if room.last_v < Some(room.pinged_head) {
                self.changed = true;
                room.mend(name)?;
            }
            room.pinged_head = *head_v;
        }
        Ok(())
    }
}

impl Room {
    /// Asks for what is missing. A connection that leaves the same gap again is no good.
    fn mend(&mut self, name: &RoomId) -> Result<(), Loss> {
        if self.stuck_at == self.last_v {
            let after = self.last_v.unwrap_or_default();
            return Err(Loss::Nonsense(format!("nothing comes of {name} after version {after}")));
        }
        tracing::debug!(room.id = %name, after = self.last_v, "something is missing");
        self.stuck_at = self.last_v;
        self.state = State::Wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
