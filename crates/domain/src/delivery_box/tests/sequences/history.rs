//! A second model of a box, built from its events alone, without the aggregate.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// All rooms of the box so far.
#[derive(Default)]
pub(super) struct History {
    rooms: BTreeMap<u32, Chronicle>,
}

struct Chronicle {
    host: UserId,
    /// The members in the order of joining.
    inside: Vec<UserId>,
    kicked: BTreeSet<UserId>,
    co_hosts: BTreeSet<UserId>,
    /// The user who is about to join with an invitation.
    invited: Option<UserId>,
    seats: usize,
    hash: Option<String>,
    closes_at: DateTime<Utc>,
    extensions: u32,
    is_warned: bool,
    open: bool,
}

impl History {
    /// Records a commit. Fails if it contradicts the history.
    pub(super) fn commit(&mut self, command: &BoxCommand, events: &[BoxEvent], now: i64) -> Result<(), TestCaseError> {
        let lanes: Vec<_> = events.iter().map(BoxEvent::lane).collect();
        prop_assert!(lanes.windows(2).all(|pair| pair[0] == pair[1]), "one commit, one lane: {:?}", events);
        for event in events {
            if let BoxEvent::Room {
                room_id,
                event: RoomEvent::RoomOpened { host, max_members, password_hash, closes_at, .. },
            } = event
            {
                prop_assert!(self.rooms.values().all(|room| !room.open), "a second open room: {:?}", event);
                prop_assert_eq!(room_id, &room(u32::try_from(self.rooms.len()).unwrap() + 1));
                let chronicle = Chronicle {
                    host: host.clone(),
                    inside: vec![host.clone()],
                    kicked: BTreeSet::new(),
                    co_hosts: BTreeSet::new(),
                    invited: None,
                    seats: *max_members as usize,
                    hash: password_hash.clone(),
                    closes_at: *closes_at,
                    extensions: 0,
                    is_warned: false,
                    open: true,
                };
                self.rooms.insert(room_id.number(), chronicle);
            } else if let Some(room_id) = event.room_id() {
                let chronicle = self.rooms.get_mut(&room_id.number()).filter(|_| room_id.box_id().as_str() == "b");
                let chronicle = chronicle.ok_or_else(|| TestCaseError::fail(format!("in no room: {event:?}")))?;
                prop_assert!(chronicle.open, "in a closed room: {:?}", event);
                let closing = matches!(event, BoxEvent::Room { event: RoomEvent::RoomClosed { .. }, .. });
                prop_assert!(closing || minute(now) < chronicle.closes_at, "past the deadline: {:?}", event);
                chronicle.write_down(command, event, now)?;
            }
        }
        Ok(())
    }

    /// Checks the invariants that hold between any two commits, of the events and of the state alike.
    pub(super) fn must_hold(&self, state: &DeliveryBox) -> Result<(), TestCaseError> {
        prop_assert!(self.rooms.values().filter(|room| room.open).count() <= 1, "two open rooms");
        for room in self.rooms.values() {
            prop_assert!(room.inside.len() <= room.seats, "more members than seats");
            prop_assert!(room.inside.iter().all(|member| !room.kicked.contains(member)), "a kicked user is a member");
            prop_assert!(!room.open || room.inside.contains(&room.host), "an open room without its host");
            prop_assert!(room.extensions <= 3, "too many extensions");
        }
        let last = self.rooms.last_key_value().map(|(_, room)| room);
        prop_assert_eq!(last.is_some(), state.room().is_some());
        if let (Some(told), Some(room)) = (last, state.room()) {
            prop_assert_eq!(&told.host, room.host());
            prop_assert_eq!(&told.kicked, room.kicked());
            prop_assert_eq!(&told.co_hosts, room.co_hosts());
            prop_assert_eq!(&told.inside, room.members());
            prop_assert_eq!((told.open, told.closes_at), (!room.is_closed(), room.closes_at()));
            let is_warning_due = told.open && !told.is_warned;
            let warning = if is_warning_due { TimeDelta::minutes(10) } else { TimeDelta::zero() };
            prop_assert_eq!(room.next_deadline(), told.closes_at - warning);
        }
        Ok(())
    }
}

impl Chronicle {
    fn write_down(&mut self, command: &BoxCommand, event: &BoxEvent, now: i64) -> Result<(), TestCaseError> {
        match event {
            BoxEvent::Room { event, .. } => self.write_down_room(command, event, now),
            BoxEvent::Talk { event, .. } => {
                let by = match event {
                    TalkEvent::MessagePosted { author: by, .. }
                    | TalkEvent::MessageDeleted { by, .. }
                    | TalkEvent::ReactionAdded { user_id: by, .. }
                    | TalkEvent::ReactionRemoved { user_id: by, .. } => by,
                    TalkEvent::MessageEdited { .. } => return Ok(()),
                };
                prop_assert!(self.inside.contains(by), "spoken from outside: {:?}", event);
                Ok(())
            }
            BoxEvent::Box(_) => Ok(()),
        }
    }

    fn write_down_room(&mut self, command: &BoxCommand, event: &RoomEvent, now: i64) -> Result<(), TestCaseError> {
        match event {
            RoomEvent::MemberJoined { user_id } => {
                prop_assert!(!self.inside.contains(user_id), "joined twice");
                let is_invited = self.invited.take().as_ref() == Some(user_id);
                let is_admitted = is_invited || self.hash.is_none() || self.opened_by(command);
                prop_assert!(is_admitted, "a wrong password opened the room");
                self.inside.push(user_id.clone());
            }
            RoomEvent::MemberLeft { user_id } => self.goes(user_id)?,
            RoomEvent::MemberKicked { user_id, by } => {
                prop_assert!(by == &self.host || self.co_hosts.contains(by), "kicked by a member");
                prop_assert!(user_id != &self.host, "the host was kicked");
                self.goes(user_id)?;
                self.kicked.insert(user_id.clone());
            }
            RoomEvent::KickLifted { user_id } => prop_assert!(self.kicked.remove(user_id), "not kicked"),
            RoomEvent::HostTransferred { from, to, change } => {
                prop_assert_eq!(from, &self.host);
                let successor = self.inside.iter().find(|member| self.co_hosts.contains(*member));
                let successor = successor.or(self.inside.first());
                prop_assert!(*change == HostChange::Transferred || Some(to) == successor, "a wrong successor");
                self.host = to.clone();
                self.co_hosts.remove(to);
            }
            RoomEvent::RoomExtended { extension, closes_at, .. } => {
                prop_assert_eq!(*extension, self.extensions + 1);
                prop_assert!(*closes_at > self.closes_at);
                (self.extensions, self.closes_at) = (*extension, *closes_at);
                self.is_warned = false;
            }
            RoomEvent::RoomClosingSoon { closes_at } => {
                prop_assert_eq!(*closes_at, self.closes_at);
                prop_assert!(!self.is_warned, "warned twice");
                self.is_warned = true;
            }
            RoomEvent::RoomClosed { reason } => {
                prop_assert!(self.may_close(command, *reason, now), "closed by {:?}: {:?}", command, event);
                self.open = false;
                // A closed room admits no users and forgets the kicked ones.
                self.kicked.clear();
                self.co_hosts.clear();
            }
            RoomEvent::CoHostAppointed { user_id } => {
                prop_assert!(self.inside.contains(user_id) && *user_id != self.host, "a wrong co-host");
                self.co_hosts.insert(user_id.clone());
            }
            RoomEvent::CoHostDismissed { user_id } => {
                prop_assert!(self.co_hosts.remove(user_id), "dismissed twice");
            }
            RoomEvent::RoomChanged { max_members, password_hash, password_removed, .. } => {
                self.seats = max_members.map_or(self.seats, |members| members as usize);
                if password_hash.is_some() || *password_removed {
                    self.hash.clone_from(password_hash);
                }
            }
            RoomEvent::MemberMuted { user_id, .. } => prop_assert!(*user_id != self.host, "the host was muted"),
            RoomEvent::RoomOpened { .. }
            | RoomEvent::StepAdvanced { .. }
            | RoomEvent::MemberUnmuted { .. }
            | RoomEvent::SlowModeSet { .. }
            | RoomEvent::MessagePinned { .. }
            | RoomEvent::MessageUnpinned { .. }
            | RoomEvent::InvitationCreated { .. }
            | RoomEvent::InvitationRevoked { .. } => {}
            RoomEvent::InvitationUsed { user_id, .. } => self.invited = Some(user_id.clone()),
        }
        Ok(())
    }

    fn goes(&mut self, user_id: &UserId) -> Result<(), TestCaseError> {
        prop_assert!(self.inside.contains(user_id), "went without having been inside");
        self.inside.retain(|member| member != user_id);
        self.co_hosts.remove(user_id);
        Ok(())
    }

    fn opened_by(&self, command: &BoxCommand) -> bool {
        let BoxCommand::Room { command: RoomCommand::JoinRoom { password: PasswordProof::Matches(hash), .. }, .. } =
            command
        else {
            return false;
        };
        Some(hash) == self.hash.as_ref()
    }

    /// A fired deadline must equal the room's own. For any other command, its own time must be past the deadline.
    fn may_close(&self, command: &BoxCommand, reason: RoomClosedReason, now: i64) -> bool {
        let of_box = if let BoxCommand::Box(command) = command { Some(command) } else { None };
        let command = if let BoxCommand::Room { command, .. } = command { Some(command) } else { None };
        match reason {
            RoomClosedReason::Host => matches!(command, Some(RoomCommand::CloseRoom { by, .. }) if *by == self.host),
            RoomClosedReason::Moderator => matches!(command, Some(RoomCommand::CloseByModerator { .. })),
            RoomClosedReason::BoxRetired => matches!(of_box, Some(OwnCommand::RetireBox { closes_room: true, .. })),
            RoomClosedReason::Empty => self.inside.is_empty(),
            RoomClosedReason::Expired => {
                let fired =
                    matches!(command, Some(RoomCommand::ExpireRoom { closes_at }) if *closes_at == self.closes_at);
                fired || self.closes_at <= minute(now)
            }
        }
    }
}
