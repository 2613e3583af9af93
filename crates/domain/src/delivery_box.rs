//! The aggregate of a delivery box and its rooms. At most one room is open at any time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink};
use serde::{Deserialize, Serialize};

pub use command::{
    BoxCommand, MessageLookUp, MessageState, OriginalMessage, OwnCommand, PasswordProof, Reactions, RoomCommand,
    TalkCommand,
};
pub use event::{BoxEvent, HostChange, Lane, OwnEvent, RoomClosedReason, RoomEvent, TalkEvent};
pub use refusal::BoxRefusal;

use crate::{
    ids::{BoxId, RoomId, UserId},
    values::Step,
};

mod command;
mod decide;
mod event;
mod event_table;
mod refusal;
mod talk;
#[cfg(test)]
mod tests;

/// The time until a room closes by itself, unless the installation sets another.
pub const ROOM_LIFETIME: TimeDelta = TimeDelta::hours(3);

/// The time before the end of a room at which its members are warned.
pub const CLOSING_WARNING: TimeDelta = TimeDelta::minutes(10);

/// The time after the opening of a room before which there is no warning: its deadline is armed before the opening is
/// stored, and must not fire before.
const EARLIEST_WARNING: TimeDelta = TimeDelta::minutes(2);

/// The maximum number of extensions of a room.
pub const MAX_EXTENSIONS: u32 = 3;

/// The maximum number of users kicked from one room. Every commit of an open room carries their ids: with ids of 40
/// characters these take 21.5 KB of the 192 KiB of a commit.
pub const MAX_KICKED: usize = 500;

/// The maximum number of mentions in a message, besides that of all members.
pub const MAX_MENTIONS: usize = 20;

/// The maximum number of different reactions to a message.
pub const MAX_REACTIONS: usize = 20;

/// The maximum number of reactions of one user to a message.
pub const MAX_OWN_REACTIONS: usize = 10;

/// The service state of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// The box has not been set up.
    #[default]
    NotInstalled,
    /// Rooms can be opened.
    InService,
    /// The box is under repair.
    OutOfService,
    /// The box was removed permanently.
    Retired,
}

/// The state of a box: only what its decisions need. Serialized into every commit of the room lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct DeliveryBox {
    #[serde(rename = "box_id")]
    id: Option<BoxId>,
    service: Service,
    /// The last room, open or closed. The earlier ones are closed.
    room: Option<Room>,
}

/// The state of a room within its box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    #[serde(rename = "room_id")]
    id: RoomId,
    host: UserId,
    max_members: u32,
    password_hash: Option<String>,
    step: Step,
    closes_at: DateTime<Utc>,
    /// The time of the next warning that the room closes soon. None if there is none: its members have been warned, or
    /// it is too short, or closed. A release without warnings stores the state without it, and the room closes without
    /// a warning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warns_at: Option<DateTime<Utc>>,
    extensions: u32,
    /// The members in the order of joining. The next host is the first.
    members: Vec<UserId>,
    /// The kicked users; empty once the room is closed, because a closed room admits no users.
    kicked: BTreeSet<UserId>,
    closed: bool,
}

impl Room {
    /// The id of the room.
    pub fn room_id(&self) -> &RoomId {
        &self.id
    }

    /// The current host.
    pub fn host(&self) -> &UserId {
        &self.host
    }

    /// The members in the order of joining. For a closed room, those at the time of closing.
    pub fn members(&self) -> &[UserId] {
        &self.members
    }

    /// The maximum number of members.
    pub fn max_members(&self) -> u32 {
        self.max_members
    }

    /// The users who were kicked and cannot join again.
    pub fn kicked(&self) -> &BTreeSet<UserId> {
        &self.kicked
    }

    /// The hash (argon2id, PHC form) that a password must match to join. None for an unlocked room.
    pub fn password_hash(&self) -> Option<&str> {
        self.password_hash.as_deref()
    }

    /// The time at which the room closes by itself.
    pub fn closes_at(&self) -> DateTime<Utc> {
        self.closes_at
    }

    /// The next time at which something is due: the warning that the room closes soon, or its end.
    pub fn next_deadline(&self) -> DateTime<Utc> {
        self.warns_at.unwrap_or(self.closes_at)
    }

    /// The first deadline of a room that opens and closes at these times.
    pub fn first_deadline(opened_at: DateTime<Utc>, closes_at: DateTime<Utc>) -> DateTime<Utc> {
        Self::warning(opened_at, closes_at).unwrap_or(closes_at)
    }

    /// The time of the warning, unless the room is too short for it.
    fn warning(opened_at: DateTime<Utc>, closes_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(closes_at - CLOSING_WARNING).filter(|at| *at >= opened_at + EARLIEST_WARNING)
    }

    /// True after `RoomClosed`.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// True if this user is a member.
    pub fn has_member(&self, user_id: &UserId) -> bool {
        self.members.contains(user_id)
    }
}

impl DeliveryBox {
    /// The last room, open or closed.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// True after `BoxInstalled`.
    pub fn is_installed(&self) -> bool {
        self.service != Service::NotInstalled
    }

    /// True if the box was removed permanently.
    pub fn is_retired(&self) -> bool {
        self.service == Service::Retired
    }

    /// The room with this id, if it is the box's last one.
    pub fn last_room(&self, room_id: &RoomId) -> Option<&Room> {
        self.room.as_ref().filter(|room| room.id == *room_id)
    }

    /// Returns the message whose state a command of a member or of a moderator needs, if its room is open.
    pub fn look_up<'a>(&self, command: &'a mut BoxCommand) -> Option<MessageLookUp<'a>> {
        let BoxCommand::Talk { room_id, command } = command else { return None };
        let room = self.last_room(room_id).filter(|room| {
            let may_act = command.member().is_none_or(|member| room.has_member(member));
            !room.closed && may_act
        })?;
        command.look_up().filter(|look_up| look_up.message.room_id == room.id)
    }

    /// The last room, if the box has or had a room with this id.
    fn room_since(&self, room_id: &RoomId) -> Result<&Room, BoxRefusal> {
        let last = self.room.as_ref().ok_or(BoxRefusal::RoomNotFound)?;
        let is_known = room_id.box_id() == last.id.box_id() && room_id.number() <= last.id.number();
        if is_known { Ok(last) } else { Err(BoxRefusal::RoomNotFound) }
    }

    /// The room if it accepts commands at this time.
    fn open_room(&self, room_id: &RoomId, at: DateTime<Utc>) -> Result<&Room, BoxRefusal> {
        let last = self.room_since(room_id)?;
        if *room_id == last.id && !last.closed && at < last.closes_at { Ok(last) } else { Err(BoxRefusal::RoomClosed) }
    }

    /// The room if it accepts commands at this time and this user is a member.
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
            BoxEvent::Box(event) => self.apply_own(event),
            BoxEvent::Room { room_id, event } => self.apply_room(room_id, event),
            BoxEvent::Talk { .. } => {}
        }
    }
}

impl DeliveryBox {
    fn apply_own(&mut self, event: OwnEvent) {
        match event {
            OwnEvent::BoxInstalled { box_id, .. } => {
                self.id = Some(box_id);
                self.service = Service::InService;
            }
            OwnEvent::BoxTakenOutOfService { .. } => self.service = Service::OutOfService,
            OwnEvent::BoxReturnedToService {} => self.service = Service::InService,
            OwnEvent::BoxRetired {} => self.service = Service::Retired,
            OwnEvent::BoxDetailsChanged { .. }
            | OwnEvent::OrderArrived { .. }
            | OwnEvent::DoorOpened { .. }
            | OwnEvent::EventDropped { .. }
            | OwnEvent::AuthorErased { .. } => {}
        }
    }

    fn apply_room(&mut self, room_id: RoomId, event: RoomEvent) {
        match event {
            RoomEvent::RoomOpened { host, max_members, password_hash, opened_at, closes_at, .. } => {
                self.room = Some(Room {
                    id: room_id,
                    members: vec![host.clone()],
                    host,
                    max_members,
                    password_hash,
                    step: Step::Gathering,
                    closes_at,
                    warns_at: Room::warning(opened_at, closes_at),
                    extensions: 0,
                    kicked: BTreeSet::new(),
                    closed: false,
                });
            }
            RoomEvent::MemberJoined { user_id } => self.update_room(|room| room.members.push(user_id)),
            RoomEvent::MemberLeft { user_id } => {
                self.update_room(|room| room.members.retain(|member| *member != user_id));
            }
            RoomEvent::MemberKicked { user_id, .. } => self.update_room(|room| {
                room.members.retain(|member| *member != user_id);
                room.kicked.insert(user_id);
            }),
            RoomEvent::KickLifted { user_id } => self.update_room(|room| {
                room.kicked.remove(&user_id);
            }),
            RoomEvent::HostTransferred { to, .. } => self.update_room(|room| room.host = to),
            RoomEvent::StepAdvanced { step } => self.update_room(|room| room.step = step),
            RoomEvent::RoomExtended { extension, closes_at, .. } => self.update_room(|room| {
                room.extensions = extension;
                room.closes_at = closes_at;
                // An extension is longer than the warning.
                room.warns_at = Some(closes_at - CLOSING_WARNING);
            }),
            RoomEvent::RoomClosingSoon { .. } => self.update_room(|room| room.warns_at = None),
            RoomEvent::RoomClosed { .. } => self.update_room(|room| {
                room.closed = true;
                room.warns_at = None;
                // Rooms of earlier releases may have more of them: without them the closing commit has a valid size.
                room.kicked.clear();
            }),
        }
    }
}
