//! Tests of the rules about a box, its rooms and their conversations.
//!
//! Every test begins with ann opening room 1 of box `b` at minute 0, for at most three members.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    BoxCommand, BoxEvent, BoxRefusal, DeliveryBox, HostChange, MessageState, OriginalMessage, OwnCommand, OwnEvent,
    PasswordProof, RoomClosedReason, RoomCommand, RoomEvent, TalkCommand, TalkEvent,
};
use crate::{
    ids::{EventSequence, MessageId, RoomId, UserId},
    scenario::Given,
    values::{BoxKind, Coordinates, ExtensionHours, InvalidValue, MaxMembers, Step},
};

mod deadline;
mod installation;
mod members;
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
    RoomCommand::JoinRoom { user_id: user(name), password, at: minute(1) }.in_room(room(1))
}

/// The commands reserved to members and to the host, issued by one user.
fn room_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    talk_commands(room_id, by, at).into_iter().chain(host_commands(room_id, by, at)).collect()
}

fn host_commands(room_id: &RoomId, by: &str, at: i64) -> Vec<BoxCommand> {
    let (room_id, by, at) = (|| room_id.clone(), || user(by), minute(at));
    vec![
        RoomCommand::KickMember { by: by(), user_id: user("cho"), at }.in_room(room_id()),
        RoomCommand::TransferHost { by: by(), to: user("cho"), at }.in_room(room_id()),
        RoomCommand::AdvanceStep { by: by(), step: Step::Ordered, at }.in_room(room_id()),
        RoomCommand::ExtendRoom { by: by(), hours: ExtensionHours::try_from(1).unwrap(), at }.in_room(room_id()),
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
