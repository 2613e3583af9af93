//! Decisions about a box, its rooms and their members.

use chrono::{DateTime, Utc};

use super::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, HostChange, MAX_EXTENSIONS, MAX_USERS, OwnCommand, OwnEvent,
    PasswordProof, Room, RoomChange, RoomClosedReason, RoomCommand, RoomEvent, Service,
};
use crate::{
    ids::{RoomId, UserId},
    values::{ExtensionHours, MaxMembers, Step},
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
            OwnCommand::AllowUser { user_id } => self.allow(user_id),
            OwnCommand::DisallowUser { user_id } => Ok(self.disallow(user_id)),
            OwnCommand::EraseAuthor { user_id, at } => self.erase_author(user_id, at),
            OwnCommand::RemoveSuspended { user_id, at } => self.remove_from_room(&user_id, at),
            OwnCommand::OpenRoom { .. } => self.open(command),
        }
    }

    fn decide_room(&self, room_id: &RoomId, command: RoomCommand) -> Decision<RoomEvent> {
        match command {
            RoomCommand::JoinRoom { user_id, password, invitation, at } => {
                self.join(room_id, user_id, (&password, invitation.as_deref()), at)
            }
            RoomCommand::LeaveRoom { user_id, at } => self.leave(room_id, user_id, at),
            RoomCommand::ChangeRoom { by, change, at } => self.change(room_id, &by, change, at),
            RoomCommand::AppointCoHost { by, user_id, at } => self.appoint_co_host(room_id, &by, user_id, at),
            RoomCommand::DismissCoHost { by, user_id, at } => self.dismiss_co_host(room_id, &by, user_id, at),
            RoomCommand::MuteMember { by, user_id, minutes, at } => self.mute(room_id, &by, (user_id, minutes), at),
            RoomCommand::UnmuteMember { by, user_id, at } => self.unmute(room_id, &by, user_id, at),
            RoomCommand::SetSlowMode { by, seconds, at } => self.set_slow_mode(room_id, &by, seconds, at),
            RoomCommand::PinMessage { by, original, at } => self.pin(room_id, &by, original, at),
            RoomCommand::UnpinMessage { by, message_id, at } => self.unpin(room_id, &by, message_id, at),
            RoomCommand::UnpinDeleted { message_id, at } => Ok(self.unpin_deleted(room_id, message_id, at)),
            RoomCommand::CreateInvitation { by, token_hash, limits, at } => {
                self.create_invitation(room_id, &by, (token_hash, limits), at)
            }
            RoomCommand::RevokeInvitation { by, invitation, at } => {
                self.revoke_invitation(room_id, &by, invitation, at)
            }
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
        if !self.may_be_used_by(&host) {
            return Err(BoxRefusal::PrivateBox);
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
        (password, invitation): (&PasswordProof, Option<&str>),
        at: DateTime<Utc>,
    ) -> Decision<RoomEvent> {
        let room = self.open_room(room_id, at)?;
        if room.has_member(&user_id) {
            return Err(BoxRefusal::AlreadyMember);
        }
        if room.kicked.contains(&user_id) {
            return Err(BoxRefusal::Kicked);
        }
        let invitation = invitation.map(|hash| room.valid_invitation(hash, at)).transpose()?;
        if invitation.is_none() {
            if !self.may_be_used_by(&user_id) {
                return Err(BoxRefusal::PrivateBox);
            }
            room.accepts(password)?;
        }
        if room.members.len() >= room.max_members as usize {
            return Err(BoxRefusal::RoomFull);
        }
        let used = invitation.map(|invitation| RoomEvent::InvitationUsed { invitation, user_id: user_id.clone() });
        Ok(used.into_iter().chain([RoomEvent::MemberJoined { user_id }]).collect())
    }

    fn change(&self, room_id: &RoomId, by: &UserId, change: RoomChange, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.hosts_room(room_id, by, at)?;
        if room.step >= Step::Ordered {
            return Err(BoxRefusal::OrderPlaced);
        }
        let RoomChange { store, title, max_members, password_hash } = change;
        if store.as_ref().is_some_and(|(_, is_open)| !is_open) {
            return Err(BoxRefusal::StoreClosed);
        }
        let max_members = max_members.map(MaxMembers::get).filter(|number| *number != room.max_members);
        let present = u32::try_from(room.members.len()).unwrap_or(u32::MAX);
        if max_members.is_some_and(|number| number < present) {
            return Err(BoxRefusal::TooManyMembers(present));
        }
        let password_removed = password_hash == Some(None) && room.password_hash.is_some();
        let password_hash = password_hash.flatten();
        let (store_id, title) = (store.map(|(store_id, _)| store_id), title.map(String::from));
        let changes_text = store_id.is_some() || title.is_some();
        if !changes_text && max_members.is_none() && password_hash.is_none() && !password_removed {
            return Ok(vec![]);
        }
        Ok(vec![RoomEvent::RoomChanged { store_id, title, max_members, password_hash, password_removed }])
    }

    fn leave(&self, room_id: &RoomId, user_id: UserId, at: DateTime<Utc>) -> Decision<RoomEvent> {
        let room = self.members_room(room_id, &user_id, at)?;
        let next = room.successor(&user_id).cloned();
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

    fn allow(&self, user_id: UserId) -> Decision {
        self.not_retired()?;
        if self.users.contains(&user_id) {
            return Ok(vec![]);
        }
        if self.users.len() >= MAX_USERS {
            return Err(BoxRefusal::TooManyUsers);
        }
        Ok(vec![BoxEvent::Box(OwnEvent::UserAllowed { user_id })])
    }

    /// Members of the open room stay, also without the permission.
    fn disallow(&self, user_id: UserId) -> Vec<BoxEvent> {
        let is_allowed = self.users.contains(&user_id);
        if is_allowed { vec![BoxEvent::Box(OwnEvent::UserDisallowed { user_id })] } else { vec![] }
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
        let room = self.moderators_room(room_id, by, at)?;
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
    /// Requires the password of a locked room.
    fn accepts(&self, password: &PasswordProof) -> Result<(), BoxRefusal> {
        let Some(hash) = &self.password_hash else { return Ok(()) };
        let is_correct = matches!(password, PasswordProof::Matches(proved) if proved == hash);
        if is_correct { Ok(()) } else { Err(BoxRefusal::WrongPassword) }
    }
}
