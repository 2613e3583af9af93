//! The aggregate of a delivery box and its rooms: at most one of them is open at any time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink};
use serde::{Deserialize, Serialize};

pub use command::{BoxCommand, OriginalMessage, PasswordProof};
pub use event::{BoxEvent, HostChange, Lane, RoomClosedReason};
pub use refusal::BoxRefusal;

use crate::{
    ids::{BoxId, RoomId, UserId},
    values::Step,
};

mod command;
mod decide;
mod event;
mod refusal;
mod talk;
#[cfg(test)]
mod tests;

/// How long a room stays open by itself, unless the installation says otherwise.
pub const ROOM_LIFETIME: TimeDelta = TimeDelta::hours(3);

/// How often its host may extend it.
pub const MAX_EXTENSIONS: u32 = 3;

/// The most users that can be kicked out of one room. Every commit of an open room carries their ids: with ids of 40
/// characters these are 21.5 KB of the 192 KiB that a commit may have.
pub const MAX_KICKED: usize = 500;

/// Whether rooms can be opened on a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Nobody has set it up yet.
    #[default]
    NotInstalled,
    /// It works.
    InService,
    /// It is being repaired.
    OutOfService,
    /// It is gone for good.
    Retired,
}

/// A box: what its next decision needs to know, no more. Serialized into every commit of its room lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DeliveryBox {
    #[serde(rename = "box_id")]
    id: Option<BoxId>,
    service: Service,
    /// The last room, open or closed; the earlier ones are closed.
    room: Option<Room>,
}

/// A room as its box remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    #[serde(rename = "room_id")]
    id: RoomId,
    host: UserId,
    max_members: u32,
    password_hash: Option<String>,
    step: Step,
    closes_at: DateTime<Utc>,
    extensions: u32,
    /// In the order in which they came; the next host is the first.
    members: Vec<UserId>,
    /// Empty once the room is closed: nobody can come back then anyway.
    kicked: BTreeSet<UserId>,
    closed: bool,
}

impl Room {
    /// Its id.
    pub fn room_id(&self) -> &RoomId {
        &self.id
    }

    /// Whose room it is.
    pub fn host(&self) -> &UserId {
        &self.host
    }

    /// Who is inside (was, at the moment of closing), in the order in which they came.
    pub fn members(&self) -> &[UserId] {
        &self.members
    }

    /// How many may be inside.
    pub fn max_members(&self) -> u32 {
        self.max_members
    }

    /// Who does not come back.
    pub fn kicked(&self) -> &BTreeSet<UserId> {
        &self.kicked
    }

    /// What a joiner's password must fit (argon2id, PHC form); none for an unlocked room.
    pub fn password_hash(&self) -> Option<&str> {
        self.password_hash.as_deref()
    }

    /// When it closes by itself.
    pub fn closes_at(&self) -> DateTime<Utc> {
        self.closes_at
    }

    /// Whether `RoomClosed` has happened.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether this user is inside.
    pub fn has_member(&self, user_id: &UserId) -> bool {
        self.members.contains(user_id)
    }
}

impl DeliveryBox {
    /// The last room, open or closed.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Whether there is such a box.
    pub fn is_installed(&self) -> bool {
        self.service != Service::NotInstalled
    }

    /// Whether it is gone for good.
    pub fn is_retired(&self) -> bool {
        self.service == Service::Retired
    }

    /// The room with this id, if it is the box's last one.
    pub fn last_room(&self, room_id: &RoomId) -> Option<&Room> {
        self.room.as_ref().filter(|room| room.id == *room_id)
    }

    /// The room if it accepts commands at this time.
    fn open_room(&self, room_id: &RoomId, at: DateTime<Utc>) -> Result<&Room, BoxRefusal> {
        let last = self.room.as_ref().ok_or(BoxRefusal::RoomNotFound)?;
        if room_id.box_id() != last.id.box_id() || room_id.number() > last.id.number() {
            return Err(BoxRefusal::RoomNotFound);
        }
        if *room_id == last.id && !last.closed && at < last.closes_at { Ok(last) } else { Err(BoxRefusal::RoomClosed) }
    }

    /// The room if it accepts commands at this time and this user is inside.
    fn members_room(&self, room_id: &RoomId, user_id: &UserId, at: DateTime<Utc>) -> Result<&Room, BoxRefusal> {
        let room = self.open_room(room_id, at)?;
        if room.has_member(user_id) { Ok(room) } else { Err(BoxRefusal::NotAMember) }
    }

    /// The room if it accepts commands at this time and this user is its host.
    fn hosts_room(&self, room_id: &RoomId, user_id: &UserId, at: DateTime<Utc>) -> Result<&Room, BoxRefusal> {
        let room = self.members_room(room_id, user_id, at)?;
        if room.host == *user_id { Ok(room) } else { Err(BoxRefusal::NotTheHost) }
    }

    /// The room that is open now and not past its deadline.
    fn current_room(&self, at: DateTime<Utc>) -> Option<&Room> {
        self.room.as_ref().filter(|room| !room.closed && at < room.closes_at)
    }

    fn update_room(&mut self, change: impl FnOnce(&mut Room)) {
        if let Some(room) = &mut self.room {
            change(room);
        }
    }
}

impl Aggregate for DeliveryBox {
    const TYPE: &'static str = "box";
    type Command = BoxCommand;
    type Event = BoxEvent;
    type Error = BoxRefusal;
    type Services = ();

    async fn handle(&mut self, command: BoxCommand, (): &(), sink: &EventSink<Self>) -> Result<(), BoxRefusal> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: BoxEvent) {
        match event {
            BoxEvent::BoxInstalled { box_id, .. } => {
                self.id = Some(box_id);
                self.service = Service::InService;
            }
            BoxEvent::BoxTakenOutOfService { .. } => self.service = Service::OutOfService,
            BoxEvent::BoxReturnedToService {} => self.service = Service::InService,
            BoxEvent::BoxRetired {} => self.service = Service::Retired,
            BoxEvent::RoomOpened { room_id, host, max_members, password_hash, closes_at, .. } => {
                self.room = Some(Room {
                    id: room_id,
                    members: vec![host.clone()],
                    host,
                    max_members,
                    password_hash,
                    step: Step::Gathering,
                    closes_at,
                    extensions: 0,
                    kicked: BTreeSet::new(),
                    closed: false,
                });
            }
            BoxEvent::MemberJoined { user_id, .. } => self.update_room(|room| room.members.push(user_id)),
            BoxEvent::MemberLeft { user_id, .. } => {
                self.update_room(|room| room.members.retain(|member| *member != user_id));
            }
            BoxEvent::MemberKicked { user_id, .. } => self.update_room(|room| {
                room.members.retain(|member| *member != user_id);
                room.kicked.insert(user_id);
            }),
            BoxEvent::HostTransferred { to, .. } => self.update_room(|room| room.host = to),
            BoxEvent::StepAdvanced { step, .. } => self.update_room(|room| room.step = step),
            BoxEvent::RoomExtended { extension, closes_at, .. } => self.update_room(|room| {
                room.extensions = extension;
                room.closes_at = closes_at;
            }),
            BoxEvent::RoomClosed { .. } => self.update_room(|room| {
                room.closed = true;
                // Rooms of earlier releases have any number of them: the commit that closes a room fits all the same.
                room.kicked.clear();
            }),
            BoxEvent::BoxDetailsChanged { .. }
            | BoxEvent::OrderArrived { .. }
            | BoxEvent::DoorOpened { .. }
            | BoxEvent::EventDropped { .. }
            | BoxEvent::AuthorErased { .. }
            | BoxEvent::MessagePosted { .. }
            | BoxEvent::MessageEdited { .. }
            | BoxEvent::MessageDeleted { .. }
            | BoxEvent::ReactionAdded { .. }
            | BoxEvent::ReactionRemoved { .. } => {}
        }
    }
}
