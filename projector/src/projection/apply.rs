//! The dispatch of box events to the rules that project them. A new event fails the build here.

use domain::{BoxEvent, Lane, MessageId, OwnEvent, RoomEvent, RoomId, TalkEvent};
use read_model::feed;

use super::{
    error::InvalidEvent,
    messages::Text,
    workspace::{EventContext, Keys, Workspace},
};
use crate::commit::{Commit, Content};

impl Workspace {
    /// Applies one event of a box to the rows in memory, and adds it to the feed of its room.
    pub(super) fn apply(&mut self, context: &EventContext<'_>, event: &BoxEvent) -> Result<(), InvalidEvent> {
        match event {
            BoxEvent::Box(event) => self.apply_own(context, event),
            BoxEvent::Room { room_id, event } => {
                if !self.apply_room(context, room_id, event)? {
                    return Ok(());
                }
                self.add_to_feed(context, room_id, event.name(), &event.clone().into(), None)
            }
            BoxEvent::Talk { room_id, event } => {
                if !self.apply_talk(context, room_id, event)? {
                    return Ok(());
                }
                let posted = context.message_id();
                let message_id = event.message_id().unwrap_or(posted);
                let mentions = match event {
                    TalkEvent::MessagePosted { .. } | TalkEvent::MessageEdited { .. } => {
                        self.message(room_id, message_id)?.mentions.clone()
                    }
                    TalkEvent::MessageDeleted { .. }
                    | TalkEvent::ReactionAdded { .. }
                    | TalkEvent::ReactionRemoved { .. } => Vec::new(),
                };
                let seen = feed::RoomEvent::of_talk(event.clone(), posted, mentions);
                self.add_to_feed(context, room_id, event.name(), &seen, Some(message_id))
            }
        }
    }

    fn apply_own(&mut self, context: &EventContext<'_>, event: &OwnEvent) -> Result<(), InvalidEvent> {
        match event {
            OwnEvent::BoxInstalled { .. } => self.install_box(context, event),
            OwnEvent::BoxDetailsChanged { .. } => self.change_details(context, event),
            OwnEvent::BoxTakenOutOfService { reason } => self.set_service(context, "out_of_service", reason.clone()),
            OwnEvent::BoxReturnedToService {} => self.set_service(context, "in_service", None),
            OwnEvent::BoxRetired {} => self.set_service(context, "retired", None),
            OwnEvent::OrderArrived { room_id: Some(room_id) } => {
                self.deliver_order(context, room_id)?;
                self.add_to_feed(context, room_id, event.name(), &feed::RoomEvent::OrderArrived {}, None)
            }
            OwnEvent::DoorOpened { room_id: Some(room_id) } => {
                self.open_door(context, room_id)?;
                self.add_to_feed(context, room_id, event.name(), &feed::RoomEvent::DoorOpened {}, None)
            }
            OwnEvent::OrderArrived { room_id: None }
            | OwnEvent::DoorOpened { room_id: None }
            | OwnEvent::EventDropped { .. } => Ok(()),
            OwnEvent::UserAllowed { user_id } => self.allow(context, user_id),
            OwnEvent::UserDisallowed { user_id } => self.disallow(context, user_id),
            OwnEvent::AuthorErased { user_id } => self.erase_author(context, user_id),
        }
    }

    /// Returns true if the event has an effect.
    fn apply_room(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        event: &RoomEvent,
    ) -> Result<bool, InvalidEvent> {
        match event {
            RoomEvent::MessagePinned { message_id, replaced } => return self.pin(room_id, *message_id, *replaced),
            RoomEvent::MessageUnpinned { message_id } => self.unpin(room_id, *message_id),
            RoomEvent::RoomChanged { .. } => self.change_details_of_room(context, room_id, event),
            RoomEvent::CoHostAppointed { user_id } => self.set_co_host(room_id, user_id, true),
            RoomEvent::CoHostDismissed { user_id } => self.set_co_host(room_id, user_id, false),
            RoomEvent::MemberMuted { user_id, until, .. } => self.set_muted_until(room_id, user_id, Some(*until)),
            RoomEvent::MemberUnmuted { user_id } => self.set_muted_until(room_id, user_id, None),
            RoomEvent::SlowModeSet { seconds } => self.set_slow_mode(room_id, *seconds),
            RoomEvent::InvitationCreated { .. }
            | RoomEvent::InvitationRevoked { .. }
            | RoomEvent::InvitationUsed { .. } => self.change_invitations(context, room_id, event),
            RoomEvent::RoomOpened { .. } => self.open_room(context, room_id, event),
            RoomEvent::StepAdvanced { step } => {
                step.as_str().clone_into(&mut self.change_room(room_id)?.row.step);
                Ok(())
            }
            RoomEvent::RoomExtended { closes_at, .. } => self.extend_room(context, room_id, *closes_at),
            RoomEvent::HostTransferred { to, .. } => self.transfer_host(context, room_id, to),
            RoomEvent::RoomClosingSoon { .. } => self.warn_of_closing(context, room_id),
            RoomEvent::RoomClosed { reason } => self.close_room(context, room_id, *reason),
            RoomEvent::MemberJoined { user_id } => self.join(context, room_id, user_id),
            RoomEvent::MemberLeft { user_id } => self.leave(context, room_id, user_id),
            RoomEvent::MemberKicked { user_id, .. } => self.kick(context, room_id, user_id),
            RoomEvent::KickLifted { user_id } => self.lift_kick(room_id, user_id),
        }?;
        Ok(true)
    }

    /// Returns true if the event has an effect.
    fn apply_talk(
        &mut self,
        context: &EventContext<'_>,
        room_id: &RoomId,
        event: &TalkEvent,
    ) -> Result<bool, InvalidEvent> {
        match event {
            TalkEvent::MessagePosted { author, body, reply_to, mentions, mentions_all } => {
                let text = Text { body, mentions: mentions.as_deref(), mentions_all: *mentions_all };
                self.post(context, room_id, author, text, *reply_to)?;
                Ok(true)
            }
            TalkEvent::MessageEdited { message_id, body, mentions, mentions_all } => {
                let text = Text { body, mentions: mentions.as_deref(), mentions_all: *mentions_all };
                self.edit(context, room_id, *message_id, text)
            }
            TalkEvent::MessageDeleted { message_id, .. } => self.delete(context, room_id, *message_id),
            TalkEvent::ReactionAdded { message_id, user_id, emoji } => {
                self.add_reaction(context, room_id, *message_id, user_id, emoji)
            }
            TalkEvent::ReactionRemoved { message_id, user_id, emoji } => {
                self.remove_reaction(context, room_id, *message_id, user_id, emoji)
            }
        }
    }
}

impl<'a> Keys<'a> {
    /// Returns the keys that these commits touch and that are not in memory; almost none while a generation is built.
    pub(super) fn missing(commits: &'a [Commit], workspace: &Workspace) -> Self {
        let mut keys = Self::default();
        let first = commits.first().map_or(0, |commit| commit.sequence);
        for commit in commits {
            if let Content::Box { box_id, events } = &commit.content {
                for event in events {
                    if let BoxEvent::Box(OwnEvent::AuthorErased { user_id }) = event {
                        keys.erased.insert((box_id, user_id));
                    }
                    if event.lane() == Lane::Room && !workspace.boxes.contains_key(box_id) {
                        keys.boxes.insert(box_id);
                    }
                    keys.rooms.extend(event.room_id().filter(|room_id| !workspace.rooms.contains_key(*room_id)));
                    keys.messages
                        .extend(older_message(event, first).filter(|(_, id)| !workspace.messages.contains_key(id)));
                }
            }
        }
        keys
    }
}

/// Returns the message that an event refers to, if it was posted before this sequence; later ones will be in memory.
fn older_message(event: &BoxEvent, first: u64) -> Option<(&RoomId, MessageId)> {
    let (room_id, message_id) = match event {
        BoxEvent::Talk { room_id, event: TalkEvent::MessagePosted { reply_to, .. } } => (room_id, (*reply_to)?),
        BoxEvent::Talk { room_id, event } => (room_id, event.message_id()?),
        BoxEvent::Room { room_id, event } => (room_id, event.message_id()?),
        BoxEvent::Box(_) => return None,
    };
    (message_id.sequence() < first).then_some((room_id, message_id))
}
