//! The aggregate of a delivery box and its rooms. At most one room is open at any time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::{Aggregate, event_sink::EventSink};
use serde::{Deserialize, Serialize};

pub use command::{BoxCommand, OwnCommand, RoomCommand, TalkCommand};
pub use event::{BoxEvent, HostChange, Lane, OwnEvent, RoomClosedReason, RoomEvent, TalkEvent};
pub use invitation::InvitationLimits;
pub use looked_up::{MessageLookUp, MessageState, OriginalMessage, PasswordProof, Reactions};
pub use refusal::BoxRefusal;
pub use room::{CLOSING_WARNING, Room, RoomChange};

use crate::{
    ids::{BoxId, RoomId, UserId},
    values::BoxKind,
};

mod command;
mod decide;
mod event;
mod event_subjects;
mod event_table;
mod invitation;
mod invitations;
mod looked_up;
mod moderation;
mod refusal;
mod room;
mod talk;
#[cfg(test)]
mod tests;

/// The time until a room closes by itself, unless the installation sets another.
pub const ROOM_LIFETIME: TimeDelta = TimeDelta::hours(3);

/// The maximum number of extensions of a room.
pub const MAX_EXTENSIONS: u32 = 3;

/// The maximum number of users kicked from one room. Every commit of an open room carries their ids: with ids of 40
/// characters these take 21.5 KB of the 192 KiB of a commit.
pub const MAX_KICKED: usize = 500;

/// The maximum number of users who are muted in a room at the same time.
pub const MAX_MUTED: usize = 200;

/// The maximum number of co-hosts of a room.
pub const MAX_CO_HOSTS: usize = 5;

/// The maximum number of pinned messages of a room.
pub const MAX_PINS: usize = 3;

/// The maximum number of valid invitations to a room.
pub const MAX_INVITATIONS: usize = 10;

/// The maximum number of users who are allowed to use a private box.
pub const MAX_USERS: usize = 500;

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
    /// The group of users that may use the box. None in states of releases that did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<BoxKind>,
    /// The users who may use the box while it is private.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    users: BTreeSet<UserId>,
    /// The last room, open or closed. The earlier ones are closed.
    room: Option<Room>,
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

    /// False for the state of a box as a release stored it that did not know the kinds of boxes.
    pub fn is_complete(&self) -> bool {
        self.kind.is_some() || !self.is_installed()
    }

    /// True if this user may open rooms on the box and join them.
    pub fn may_be_used_by(&self, user_id: &UserId) -> bool {
        self.kind != Some(BoxKind::Private) || self.users.contains(user_id)
    }

    /// The room with this id, if it is the box's last one.
    pub fn last_room(&self, room_id: &RoomId) -> Option<&Room> {
        self.room.as_ref().filter(|room| room.id == *room_id)
    }

    /// Returns the message whose state a command of a member or of a moderator needs, if its room is open.
    pub fn look_up<'a>(&self, command: &'a mut BoxCommand) -> Option<MessageLookUp<'a>> {
        let is_room_of = |room_id: &RoomId, member: Option<&UserId>| {
            let may_act = |room: &Room| member.is_none_or(|member| room.has_member(member));
            self.last_room(room_id).is_some_and(|room| !room.closed && may_act(room))
        };
        let (room_id, look_up) = match command {
            BoxCommand::Talk { room_id, command } if is_room_of(room_id, command.member()) => {
                (room_id, command.look_up()?)
            }
            BoxCommand::Room { room_id, command: RoomCommand::PinMessage { by, original: Some(message), .. } }
                if is_room_of(room_id, Some(by)) =>
            {
                (room_id, MessageLookUp { message, with_text: false })
            }
            BoxCommand::Box(_) | BoxCommand::Room { .. } | BoxCommand::Talk { .. } => return None,
        };
        Some(look_up).filter(|look_up| look_up.message.room_id == *room_id)
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

    /// The room if it accepts commands at this time and this user is its host or one of its co-hosts.
    fn moderators_room(&self, room_id: &RoomId, user_id: &UserId, at: DateTime<Utc>) -> Result<&Room, BoxRefusal> {
        let room = self.members_room(room_id, user_id, at)?;
        if room.is_moderator(user_id) { Ok(room) } else { Err(BoxRefusal::NotAModerator) }
    }

    /// The room that is open now and not past its deadline.
    fn current_room(&self, at: DateTime<Utc>) -> Option<&Room> {
        self.room.as_ref().filter(|room| !room.closed && at < room.closes_at)
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
            OwnEvent::BoxInstalled { box_id, kind, .. } => {
                self.id = Some(box_id);
                self.kind = Some(kind);
                self.service = Service::InService;
            }
            OwnEvent::BoxDetailsChanged { kind, .. } => self.kind = kind.or(self.kind),
            OwnEvent::UserAllowed { user_id } => {
                self.users.insert(user_id);
            }
            OwnEvent::UserDisallowed { user_id } | OwnEvent::AuthorErased { user_id } => {
                self.users.remove(&user_id);
            }
            OwnEvent::BoxTakenOutOfService { .. } => self.service = Service::OutOfService,
            OwnEvent::BoxReturnedToService {} => self.service = Service::InService,
            OwnEvent::BoxRetired {} => self.service = Service::Retired,
            OwnEvent::OrderArrived { .. } | OwnEvent::DoorOpened { .. } | OwnEvent::EventDropped { .. } => {}
        }
    }

    fn apply_room(&mut self, room_id: RoomId, event: RoomEvent) {
        if let RoomEvent::RoomOpened { .. } = event {
            self.room = Room::opened(room_id, event);
        } else if let Some(room) = &mut self.room {
            room.apply(event);
        }
    }
}
