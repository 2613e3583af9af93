//! Tests of the rules about a box, its rooms and their conversations.
//!
//! Every test begins with ann opening room 1 of box `b` at minute 0, for at most three members.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, HostChange, InvitationLimits, MessageState, OriginalMessage,
    OwnCommand, OwnEvent, PasswordProof, RoomChange, RoomClosedReason, RoomCommand, RoomEvent, TalkCommand, TalkEvent,
};
use crate::{
    ids::{EventSequence, MessageId, RoomId, UserId},
    scenario::Given,
    values::{BoxKind, Coordinates, ExtensionHours, InvalidValue, MaxMembers, MuteMinutes, SlowModeSeconds, Step},
};

mod changes;
mod deadline;
mod installation;
mod invitations;
mod members;
mod moderation;
mod private;
mod rooms;
mod sequences;
mod stored;
mod talk;

/// The deadline of the first room, in minutes.
const DEADLINE: i64 = 180;

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";

fn given(past: impl IntoIterator<Item = BoxEvent>) -> Given<DeliveryBox> {
    Given::past(past)
}

fn minute(number: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_000, 0).unwrap() + TimeDelta::minutes(number)
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

/// The n-th room of the box.
fn room(number: u32) -> RoomId {
    RoomId::new("b".parse().unwrap(), number)
}

fn text<T: TryFrom<String, Error = InvalidValue>>(text: &str) -> T {
    T::try_from(text.to_owned()).unwrap()
}

// Events.

fn installed() -> BoxEvent {
    BoxEvent::Box(OwnEvent::BoxInstalled {
        box_id: "b".parse().unwrap(),
        kind: BoxKind::Shared,
        zip_code: "04109".into(),
        address: "Markt 1".into(),
        detailed_address: "by the gate".into(),
        latitude: 51.34,
        longitude: 12.37,
    })
}

fn taken_out() -> BoxEvent {
    BoxEvent::Box(OwnEvent::BoxTakenOutOfService { reason: Some("broken lock".into()) })
}

/// The opening of the n-th room, for three members.
fn opened(number: u32, host: &str, at: i64) -> BoxEvent {
    RoomEvent::RoomOpened {
        store_id: "pizzeria".parse().unwrap(),
        title: "Pizza at noon".into(),
        host: user(host),
        max_members: 3,
        password_hash: None,
        opened_at: minute(at),
        closes_at: minute(at + DEADLINE),
    }
    .in_room(room(number))
}

fn opened_locked() -> BoxEvent {
    let mut event = opened(1, "ann", 0);
    if let BoxEvent::Room { event: RoomEvent::RoomOpened { password_hash, .. }, .. } = &mut event {
        *password_hash = Some(HASH.into());
    }
    event
}

fn joined(name: &str) -> BoxEvent {
    RoomEvent::MemberJoined { user_id: user(name) }.in_room(room(1))
}

fn left(name: &str) -> BoxEvent {
    RoomEvent::MemberLeft { user_id: user(name) }.in_room(room(1))
}

fn kicked(name: &str) -> BoxEvent {
    RoomEvent::MemberKicked { user_id: user(name), by: user("ann") }.in_room(room(1))
}

fn host_changed(from: &str, to: &str, change: HostChange) -> BoxEvent {
    RoomEvent::HostTransferred { from: user(from), to: user(to), change }.in_room(room(1))
}

fn co_host(name: &str) -> BoxEvent {
    RoomEvent::CoHostAppointed { user_id: user(name) }.in_room(room(1))
}

fn muted(name: &str, from: i64, until: i64) -> BoxEvent {
    RoomEvent::MemberMuted { user_id: user(name), muted_at: minute(from), until: minute(until) }.in_room(room(1))
}

fn unmuted(name: &str) -> BoxEvent {
    RoomEvent::MemberUnmuted { user_id: user(name) }.in_room(room(1))
}

fn slow_mode_set(seconds: u32) -> BoxEvent {
    RoomEvent::SlowModeSet { seconds }.in_room(room(1))
}

fn pinned(message: u64, replaced: Option<u64>) -> BoxEvent {
    let (message_id, replaced) = (MessageId::new(message), replaced.map(MessageId::new));
    RoomEvent::MessagePinned { message_id, replaced }.in_room(room(1))
}

fn unpinned(message: u64) -> BoxEvent {
    RoomEvent::MessageUnpinned { message_id: MessageId::new(message) }.in_room(room(1))
}

/// The n-th invitation, made at minute 0 for this many uses and minutes. Its hash contains its number.
fn invitation_created(invitation: u32, max_uses: u32, minutes: i64) -> BoxEvent {
    RoomEvent::InvitationCreated {
        invitation,
        token_hash: format!("hash-{invitation}"),
        max_uses,
        created_at: minute(0),
        expires_at: minute(minutes),
    }
    .in_room(room(1))
}

fn invitation_used(invitation: u32, name: &str) -> BoxEvent {
    RoomEvent::InvitationUsed { invitation, user_id: user(name) }.in_room(room(1))
}

fn extended(extension: u32, hours: u32, closes_at: i64) -> BoxEvent {
    RoomEvent::RoomExtended { extension, hours, closes_at: minute(closes_at) }.in_room(room(1))
}

fn closing_soon(closes_at: i64) -> BoxEvent {
    RoomEvent::RoomClosingSoon { closes_at: minute(closes_at) }.in_room(room(1))
}

fn closed(number: u32, reason: RoomClosedReason) -> BoxEvent {
    RoomEvent::RoomClosed { reason }.in_room(room(number))
}

/// The events after which ann has opened a room and these users have joined.
fn room_with(others: &[&str]) -> Vec<BoxEvent> {
    [installed(), opened(1, "ann", 0)].into_iter().chain(others.iter().map(|name| joined(name))).collect()
}

/// The events of [`room_with`], followed by these.
fn room_with_and(others: &[&str], then: impl IntoIterator<Item = BoxEvent>) -> Vec<BoxEvent> {
    room_with(others).into_iter().chain(then).collect()
}

fn dropped(sequence: u64) -> BoxEvent {
    BoxEvent::Box(OwnEvent::EventDropped { sequence: EventSequence::new(sequence), reason: "unreadable".into() })
}

fn erased(name: &str) -> BoxEvent {
    BoxEvent::Box(OwnEvent::AuthorErased { user_id: user(name) })
}

/// A message without mentions.
fn posted(author: &str, body: &str, reply_to: Option<MessageId>) -> BoxEvent {
    let (author, body, mentions) = (user(author), body.to_owned(), Some(vec![]));
    TalkEvent::MessagePosted { author, body, reply_to, mentions, mentions_all: false }.in_room(room(1))
}

// Commands.

fn install() -> BoxCommand {
    BoxCommand::Box(OwnCommand::InstallBox {
        box_id: "b".parse().unwrap(),
        kind: BoxKind::Shared,
        zip_code: text("04109"),
        address: text("Markt 1"),
        detailed_address: text("by the gate"),
        coordinates: Coordinates::new(51.34, 12.37).unwrap(),
    })
}

fn open(host: &str, at: i64) -> BoxCommand {
    BoxCommand::Box(OwnCommand::OpenRoom {
        host: user(host),
        store_id: "pizzeria".parse().unwrap(),
        store_open: true,
        title: text("Pizza at noon"),
        max_members: MaxMembers::try_from(3).unwrap(),
        password_hash: None,
        lifetime: crate::delivery_box::ROOM_LIFETIME,
        at: minute(at),
    })
}

fn drop_event(commit: Option<u64>) -> BoxCommand {
    BoxCommand::Box(OwnCommand::DropEvent { commit: commit.map(EventSequence::new), reason: text("unreadable") })
}

fn erase_author(name: &str, at: i64) -> BoxCommand {
    BoxCommand::Box(OwnCommand::EraseAuthor { user_id: user(name), at: minute(at) })
}

fn join(name: &str, password: PasswordProof) -> BoxCommand {
    RoomCommand::JoinRoom { user_id: user(name), password, invitation: None, at: minute(1) }.in_room(room(1))
}

/// A message of this author in room 1, as a command looks it up.
fn original(message: u64, author: &str) -> OriginalMessage {
    let (message_id, state) = (MessageId::new(message), MessageState::default());
    OriginalMessage { message_id, room_id: room(1), author: user(author), state }
}

/// The commands reserved to members, to co-hosts and to the host, issued by one user.
fn room_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    [talk_commands(room_id, by, at), host_commands(room_id, by, at), moderator_commands(room_id, by, at)].concat()
}

/// The commands of the host and the co-hosts.
fn moderator_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    let (room_id, by, at) = (|| room_id.clone(), || user(by), minute(at));
    let (minutes, message_id) = (MuteMinutes::try_from(10).unwrap(), MessageId::new(7));
    let limits = InvitationLimits { uses: 2.try_into().unwrap(), minutes: 60.try_into().unwrap() };
    let original = OriginalMessage { message_id, room_id: room_id(), author: by(), state: MessageState::default() };
    vec![
        RoomCommand::KickMember { by: by(), user_id: user("cho"), at }.in_room(room_id()),
        RoomCommand::MuteMember { by: by(), user_id: user("cho"), minutes, at }.in_room(room_id()),
        RoomCommand::UnmuteMember { by: by(), user_id: user("cho"), at }.in_room(room_id()),
        RoomCommand::PinMessage { by: by(), original: Some(original), at }.in_room(room_id()),
        RoomCommand::UnpinMessage { by: by(), message_id, at }.in_room(room_id()),
        RoomCommand::CreateInvitation { by: by(), token_hash: "hash".into(), limits, at }.in_room(room_id()),
        RoomCommand::RevokeInvitation { by: by(), invitation: 1, at }.in_room(room_id()),
        RoomCommand::ExtendRoom { by: by(), hours: ExtensionHours::try_from(1).unwrap(), at }.in_room(room_id()),
    ]
}

fn host_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    let (room_id, by, at) = (|| room_id.clone(), || user(by), minute(at));
    vec![
        RoomCommand::ChangeRoom { by: by(), change: RoomChange::default(), at }.in_room(room_id()),
        RoomCommand::AppointCoHost { by: by(), user_id: user("cho"), at }.in_room(room_id()),
        RoomCommand::DismissCoHost { by: by(), user_id: user("cho"), at }.in_room(room_id()),
        RoomCommand::SetSlowMode { by: by(), seconds: SlowModeSeconds::try_from(30).unwrap(), at }.in_room(room_id()),
        RoomCommand::TransferHost { by: by(), to: user("cho"), at }.in_room(room_id()),
        RoomCommand::AdvanceStep { by: by(), step: Step::Ordered, at }.in_room(room_id()),
        RoomCommand::CloseRoom { by: by(), at }.in_room(room_id()),
    ]
}

fn talk_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    let (message_id, state) = (MessageId::new(7), MessageState::default());
    let original = Some(OriginalMessage { message_id, room_id: room_id.clone(), author: user(by), state });
    let (original, room_id, by, at) = (|| original.clone(), || room_id.clone(), || user(by), minute(at));
    vec![
        RoomCommand::LeaveRoom { user_id: by(), at }.in_room(room_id()),
        TalkCommand::PostMessage { author: by(), body: text("hi"), reply_to: None, at }.in_room(room_id()),
        TalkCommand::EditMessage { by: by(), original: original(), body: text("hi"), at }.in_room(room_id()),
        TalkCommand::DeleteMessage { by: by(), original: original(), at }.in_room(room_id()),
        TalkCommand::AddReaction { user_id: by(), original: original(), emoji: text("👍"), at }.in_room(room_id()),
        TalkCommand::RemoveReaction { user_id: by(), original: original(), emoji: text("👍"), at }.in_room(room_id()),
    ]
}
