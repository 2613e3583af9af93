//! Decisions about a box, its rooms and their members.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, HostChange, MAX_EXTENSIONS, MAX_KICKED, OwnCommand, OwnEvent,
    PasswordProof, Room, RoomClosedReason, RoomCommand, RoomEvent, Service,
};
use crate::{
    ids::{RoomId, UserId},
    values::{ExtensionHours, Step},
};

type Decision<E = BoxEvent> = Result<Vec<E>, BoxRefusal>;

fn in_room(room_id: &RoomId, events: Vec<RoomEvent>) -> Vec<BoxEvent> {
    events.into_iter().map(|event| event.in_room(room_id.clone())).collect()
}

impl DeliveryBox {
    /// Decides which events a command causes. Returns none if the requested state already holds.
    pub fn decide(&self, command: BoxCommand) -> Decision {
        // A box whose installation cannot be projected needs `DropEvent` as well.
        let needs_no_box = matches!(
            command,
            BoxCommand::Box(OwnCommand::InstallBox { .. } | OwnCommand::DropEvent { commit: Some(_), .. })
        );
        if !self.is_installed() && !needs_no_box {
            return Err(BoxRefusal::BoxNotFound);
        }
        match command {
            BoxCommand::Box(command) => self.decide_own(command),
            BoxCommand::Room { room_id, command } => Ok(in_room(&room_id, self.decide_room(&room_id, command)?)),
            BoxCommand::Talk { room_id, command } => {
                let events = self.decide_talk(&room_id, command)?.into_iter();
                Ok(events.map(|event| event.in_room(room_id.clone())).collect())
            }
        }
    }

    fn decide_own(&self, command: OwnCommand) -> Decision {
        match command {
            OwnCommand::InstallBox { .. } => self.install(command),
            OwnCommand::ChangeBoxDetails { .. } => self.change_details(command),
            OwnCommand::TakeOutOfService { reason } => self.set_service(
                Service::OutOfService,
                OwnEvent::BoxTakenOutOfService { reason: reason.map(String::from) },
            ),
            OwnCommand::ReturnToService => self.set_service(Service::InService, OwnEvent::BoxReturnedToService {}),
            OwnCommand::RetireBox { closes_room, at } => self.retire(closes_room, at),
            OwnCommand::RecordArrival { at } => {
                self.not_retired()?;
                let room_id = self.current_room(at).map(|room| room.id.clone());
                Ok(vec![BoxEvent::Box(OwnEvent::OrderArrived { room_id })])
            }
            OwnCommand::RecordDoorOpening { at } => {
                self.not_retired()?;
                let room_id = self.current_room(at).map(|room| room.id.clone());
                Ok(vec![BoxEvent::Box(OwnEvent::DoorOpened { room_id })])
            }
            OwnCommand::DropEvent { commit, reason } => {
                let sequence = commit.ok_or(BoxRefusal::EventNotFound)?;
                Ok(vec![BoxEvent::Box(OwnEvent::EventDropped { sequence, reason: reason.into() })])
            }
            OwnCommand::EraseAuthor { user_id, at } => self.erase_author(user_id, at),
            OwnCommand::RemoveSuspended { user_id, at } => self.remove_from_room(&user_id, at),
            OwnCommand::OpenRoom { .. } => self.open(command),
        }
    }

    fn decide_room(&self, room_id: &RoomId, command: RoomCommand) -> Decision<RoomEvent> {
        match command {
            RoomCommand::JoinRoom { user_id, password, at } => self.join(room_id, user_id, &password, at),
            RoomCommand::LeaveRoom { user_id, at } => self.leave(room_id, user_id, at),
            RoomCommand::KickMember { by, user_id, at } => self.kick(room_id, by, user_id, at),
            RoomCommand::LiftKick { user_id, at } => self.lift_kick(room_id, user_id, at),
            RoomCommand::TransferHost { by, to, at } => self.transfer(room_id, by, to, at),
            RoomCommand::AdvanceStep { by, step, at } => self.advance(room_id, &by, step, at),
            RoomCommand::ExtendRoom { by, hours, at } => self.extend(room_id, &by, hours, at),
            RoomCommand::CloseRoom { by, at } => {
                self.hosts_room(room_id, &by, at)?;
                Ok(vec![RoomEvent::RoomClosed { reason: RoomClosedReason::Host }])
            }
            RoomCommand::CloseByModerator { at } => {
                self.open_room(room_id, at)?;
                Ok(vec![RoomEvent::RoomClosed { reason: RoomClosedReason::Moderator }])
            }
            RoomCommand::WarnOfClosing { closes_at, at } => Ok(self.warn_of_closing(room_id, closes_at, at)),
            RoomCommand::ExpireRoom { closes_at } => Ok(self.expire(room_id, closes_at)),
        }
    }

    fn not_retired(&self) -> Result<(), BoxRefusal> {
        if self.is_retired() { Err(BoxRefusal::BoxRetired) } else { Ok(()) }
    }

    fn install(&self, command: OwnCommand) -> Decision {
        let OwnCommand::InstallBox { box_id, kind, zip_code, address, detailed_address, coordinates } = command else {
            return Ok(vec![]);
        };
        if self.is_installed() {
            return Err(BoxRefusal::BoxExists);
        }
        Ok(vec![BoxEvent::Box(OwnEvent::BoxInstalled {
            box_id,
            kind,
            zip_code: zip_code.into(),
            address: address.into(),
            detailed_address: detailed_address.into(),
            latitude: coordinates.latitude(),
            longitude: coordinates.longitude(),
        })])
    }

    fn change_details(&self, command: OwnCommand) -> Decision {
        self.not_retired()?;
        let OwnCommand::ChangeBoxDetails { kind, zip_code, address, detailed_address, coordinates } = command else {
            return Ok(vec![]);
        };
        if kind.is_none()
            && zip_code.is_none()
            && address.is_none()
            && detailed_address.is_none()
            && coordinates.is_none()
        {
            return Ok(vec![]);
        }
        Ok(vec![BoxEvent::Box(OwnEvent::BoxDetailsChanged {
            kind,
            zip_code: zip_code.map(String::from),
            address: address.map(String::from),
            detailed_address: detailed_address.map(String::from),
            coordinates: coordinates.map(|place| (place.latitude(), place.longitude())),
        })])
    }

    fn set_service(&self, wanted: Service, event: OwnEvent) -> Decision {
        self.not_retired()?;
        Ok(if self.service == wanted { vec![] } else { vec![BoxEvent::Box(event)] })
    }

    fn retire(&self, closes_room: bool, at: DateTime<Utc>) -> Decision {
        self.not_retired()?;
        let mut events = match self.current_room(at) {
            Some(_) if !closes_room => return Err(BoxRefusal::BoxInUse),
            Some(room) => {
                vec![RoomEvent::RoomClosed { reason: RoomClosedReason::BoxRetired }.in_room(room.id.clone())]
            }
            None => self.close_overdue(),
        };
        events.push(BoxEvent::Box(OwnEvent::BoxRetired {}));
        Ok(events)
    }

    /// Closes a room whose deadline has passed before its timer fired.
    fn close_overdue(&self) -> Vec<BoxEvent> {
        let overdue = self.room.iter().filter(|room| !room.closed);
        overdue
            .map(|room| RoomEvent::RoomClosed { reason: RoomClosedReason::Expired }.in_room(room.id.clone()))
            .collect()
    }

    fn open(&self, command: OwnCommand) -> Decision {
        let OwnCommand::OpenRoom { host, store_id, store_open, title, max_members, password_hash, lifetime, at } =
            command
        else {
            return Ok(vec![]);
        };
        match self.service {
            Service::Retired => return Err(BoxRefusal::BoxRetired),
            Service::OutOfService => return Err(BoxRefusal::BoxOutOfService),
            Service::NotInstalled => return Err(BoxRefusal::BoxNotFound),
            Service::InService => {}
        }
        if self.current_room(at).is_some() {
            return Err(BoxRefusal::BoxInUse);
        }
        if !store_open {
            return Err(BoxRefusal::StoreClosed);
        }
        let box_id = self.id.clone().ok_or(BoxRefusal::BoxNotFound)?;
        let number = self.room.as_ref().map_or(1, |last| last.id.number() + 1);
        let mut events = self.close_overdue();
        let opened = RoomEvent::RoomOpened {
            store_id,
            title: title.into(),
            host,
            max_members: max_members.get(),
            password_hash,
            opened_at: at,
            closes_at: at + lifetime,
        };
        events.push(opened.in_room(RoomId::new(box_id, number)));
        Ok(events)
    }

    fn join(
        &self,
        room_id: &RoomId,
        user_id: UserId,
        password: &PasswordProof,
        at: DateTime<Utc>,
    ) -> Decision<RoomEvent> {
        let room = self.open_room(room_id, at)?;
        if room.has_member(&user_id) {
            return Err(BoxRefusal::AlreadyMember);
        }
        if room.kicked.contains(&user_id) {
            return Err(BoxRefusal::Kicked);
        }
        if let Some(hash) = &room.password_hash {
            let is_correct = matches!(password, PasswordProof::Matches(proved) if proved == hash);
            if !is_correct {
                return Err(BoxRefusal::WrongPassword);
            }
        }
        if room.members.len() >= room.max_members as usize {
            return Err(BoxRefusal::RoomFull);
        }
        Ok(vec![RoomEvent::MemberJoined { user_id }])
    }

    fn leave(&self, room_id: &RoomId, user_id: UserId, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.members_room(room_id, &user_id, at)?;
        let next = room.members.iter().find(|member| **member != user_id).cloned();
        let was_host = room.host == user_id;
        let mut events = vec![RoomEvent::MemberLeft { user_id: user_id.clone() }];
        match next {
            None => events.push(RoomEvent::RoomClosed { reason: RoomClosedReason::Empty }),
            Some(to) if was_host => {
                events.push(RoomEvent::HostTransferred { from: user_id, to, change: HostChange::Succession });
            }
            Some(_) => {}
        }
        Ok(events)
    }

    /// Removes the user from the open room. Always emits `AuthorErased`: the box does not know which texts the user
    /// wrote.
    fn erase_author(&self, user_id: UserId, at: DateTime<Utc>) -> Decision {
        let mut events = self.remove_from_room(&user_id, at)?;
        events.push(BoxEvent::Box(OwnEvent::AuthorErased { user_id }));
        Ok(events)
    }

    /// Removes the user from the open room, as if the user had left it.
    fn remove_from_room(&self, user_id: &UserId, at: DateTime<Utc>) -> Decision {
        match self.current_room(at).filter(|room| room.has_member(user_id)) {
            Some(room) => Ok(in_room(&room.id, self.leave(&room.id, user_id.clone(), at)?)),
            None => Ok(vec![]),
        }
    }

    fn kick(&self, room_id: &RoomId, by: UserId, user_id: UserId, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.hosts_room(room_id, &by, at)?;
        if by == user_id {
            return Err(BoxRefusal::CannotKickYourself);
        }
        if !room.has_member(&user_id) {
            return Err(BoxRefusal::MemberNotFound);
        }
        if room.kicked.len() >= MAX_KICKED {
            return Err(BoxRefusal::TooManyKicks);
        }
        Ok(vec![RoomEvent::MemberKicked { user_id, by }])
    }

    fn lift_kick(&self, room_id: &RoomId, user_id: UserId, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let is_kicked = self.open_room(room_id, at)?.kicked.contains(&user_id);
        Ok(if is_kicked { vec![RoomEvent::KickLifted { user_id }] } else { vec![] })
    }

    fn transfer(&self, room_id: &RoomId, by: UserId, to: UserId, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.hosts_room(room_id, &by, at)?;
        if !room.has_member(&to) {
            return Err(BoxRefusal::MemberNotFound);
        }
        if by == to {
            return Ok(vec![]);
        }
        Ok(vec![RoomEvent::HostTransferred { from: by, to, change: HostChange::Transferred }])
    }

    fn advance(&self, room_id: &RoomId, by: &UserId, step: Step, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.hosts_room(room_id, by, at)?;
        match step.cmp(&room.step) {
            std::cmp::Ordering::Less => Err(BoxRefusal::StepNotForward(room.step)),
            std::cmp::Ordering::Equal => Ok(vec![]),
            std::cmp::Ordering::Greater => Ok(vec![RoomEvent::StepAdvanced { step }]),
        }
    }

    fn extend(&self, room_id: &RoomId, by: &UserId, hours: ExtensionHours, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.hosts_room(room_id, by, at)?;
        if room.extensions >= MAX_EXTENSIONS {
            return Err(BoxRefusal::TooManyExtensions);
        }
        let closes_at = Room::extended(room.closes_at, hours);
        Ok(vec![RoomEvent::RoomExtended { extension: room.extensions + 1, hours: hours.get(), closes_at }])
    }

    fn warn_of_closing(&self, room_id: &RoomId, closes_at: DateTime<Utc>, at: DateTime<Utc>) -> Vec<RoomEvent> {
        let open = self.current_room(at).filter(|room| room.id == *room_id);
        let due = open.is_some_and(|room| room.closes_at == closes_at && room.warns_at.is_some());
        if due { vec![RoomEvent::RoomClosingSoon { closes_at }] } else { vec![] }
    }

    fn expire(&self, room_id: &RoomId, closes_at: DateTime<Utc>) -> Vec<RoomEvent> {
        let due = self.last_room(room_id).is_some_and(|room| !room.closed && room.closes_at == closes_at);
        if due { vec![RoomEvent::RoomClosed { reason: RoomClosedReason::Expired }] } else { vec![] }
    }
}

impl Room {
    /// Returns the deadline after an extension. The service arms the timer for it before the decision.
    pub fn extended(closes_at: DateTime<Utc>, hours: ExtensionHours) -> DateTime<Utc> {
        closes_at + TimeDelta::hours(i64::from(hours.get()))
    }
}
