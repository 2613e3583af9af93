//! Tests that the largest valid commits fit the log: with the largest states and texts, encrypted as stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::{
    AlarmKind, BoxCommand, BoxEvent, BoxId, BoxRefusal, DeliveryBox, EventSequence, MessageId, MessageState,
    OriginalMessage, OwnCommand, OwnEvent, Position, PositionVector, RoomCommand, RoomEvent, RoomId, Store,
    StoreCommand, TalkCommand, User, UserCommand, UserId,
    delivery_box::{MAX_CO_HOSTS, MAX_INVITATIONS, MAX_KICKED, MAX_MUTED, MAX_PINS, MAX_USERS, PasswordProof},
    position_vector::MAX_STREAMS,
    user::{MAX_BLOCKED_USERS, MAX_DEVICES, MAX_MUTED_ROOMS},
    values::{BoxKind, Coordinates, InvalidValue, PushTarget, QuietHours},
};
use event_store::{
    ActorRole, CommandContext, CommandError, Log, RequestHash, StoredAggregate,
    executor::store::{StateAfter, prepare},
    log::{Attempt, Freshness, NewMessage},
};
use harness::Nats;
use sealing::EncryptedLog;
use testing::{
    commands::{executor, noon},
    server,
};

use crate::sealing::command_service;

/// The maximum message size of the streams, headers included.
const MAX_MESSAGE_BYTES: usize = 192 * 1024;

/// The last possible room of a box.
const LAST_ROOM: u32 = 999_999_999;

/// The longest password hash: argon2id with the largest parameters in use.
const HASH: &str =
    "$argon2id$v=19$m=1048576,t=10,p=16$c2FsdHNhbHRzYWx0c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: usize) -> T {
    format!("{number:_>40}").replacen('_', "x", 1).parse().unwrap()
}

fn user(number: usize) -> UserId {
    id(number)
}

/// Returns a text of this many grapheme clusters, each with the longest JSON encoding.
fn widest<T: TryFrom<String, Error = InvalidValue>>(characters: usize) -> T {
    T::try_from("\"\u{1AB0}".repeat(characters)).unwrap()
}

/// Returns a context with the longest headers.
fn context(actor: &UserId, key: &str) -> CommandContext {
    CommandContext {
        command_id: Some(format!("{key:k>64}")),
        request_hash: RequestHash::keyed(b"secret", &[]),
        actor: actor.clone(),
        role: ActorRole::Operator,
        at: noon(),
        traceparent: Some(format!("00-{}-{}-01", "f".repeat(32), "f".repeat(16))),
        reason: None,
    }
}

/// Returns the size of a message that counts for the stream's limit: its headers as sent, and its payload.
fn wire_bytes(message: &NewMessage) -> usize {
    let guard = message.guard.as_ref().unwrap();
    let mut headers = message.headers.clone();
    headers.insert("Nats-Msg-Id", message.message_id.as_deref().unwrap());
    headers.insert("Nats-Expected-Last-Subject-Sequence", guard.sequence.to_string().as_str());
    if let Some(subject) = &guard.subject {
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", subject.as_str());
    }
    let lines = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let lines: usize = lines.map(|(name, value)| AsRef::<str>::as_ref(name).len() + 2 + value.as_str().len() + 2).sum();
    "NATS/1.0\r\n".len() + lines + "\r\n".len() + message.payload.len()
}

/// Stores these events and the state after them like a command-service, and returns the size of the message.
async fn store<A: StoredAggregate>(
    log: &Arc<EncryptedLog>,
    id: &A::Id,
    (state, events): (&mut A, Vec<A::Event>),
    version: u64,
) -> usize {
    let names: Vec<String> = events.iter().map(cqrs_es::DomainEvent::event_type).collect();
    events.iter().cloned().for_each(|event| state.apply(event));
    let after = StateAfter { state, version };
    let message = prepare::<A>(id, &events, &after, context(&user(0), "0"), server::PARTITIONS).unwrap();
    let encrypted = log.encrypt(std::slice::from_ref(&message)).await.unwrap();
    let bytes = wire_bytes(&encrypted[0]);
    let attempt = log.attempt(&encrypted, std::time::Duration::from_secs(10)).await;
    let Attempt::Stored { sequence } = attempt else { panic!("{names:?} of {bytes} bytes: {attempt:?}") };
    let read = log.get(message.stream, sequence, Freshness::Leader).await.unwrap().unwrap();
    assert_eq!(read.payload, message.payload, "what is stored reads the same");
    bytes
}

fn install(box_id: &BoxId) -> BoxCommand {
    BoxCommand::Box(OwnCommand::InstallBox {
        box_id: box_id.clone(),
        kind: BoxKind::Private,
        zip_code: widest(16),
        address: widest(200),
        detailed_address: widest(200),
        coordinates: Coordinates::new(-12.345_678_901_234_567, -123.456_789_012_345_67).unwrap(),
    })
}

fn open(host: &UserId, at: DateTime<Utc>) -> BoxCommand {
    BoxCommand::Box(OwnCommand::OpenRoom {
        host: host.clone(),
        store_id: id(0),
        store_open: true,
        title: widest(100),
        max_members: 100.try_into().unwrap(),
        password_hash: Some(HASH.to_owned()),
        lifetime: domain::delivery_box::ROOM_LIFETIME,
        at,
    })
}

/// Returns a box in its last possible room, with this many kicked users, and a host and 99 members with the longest
/// ids.
fn full_room(box_id: &BoxId, kicks: usize) -> (DeliveryBox, RoomId) {
    let mut state = DeliveryBox::default();
    let room_id = RoomId::new(box_id.clone(), LAST_ROOM);
    for event in state.decide(install(box_id)).unwrap() {
        state.apply(event);
    }
    state.apply(BoxEvent::Box(OwnEvent::UserAllowed { user_id: user(0) }));
    for mut event in state.decide(open(&user(0), noon())).unwrap() {
        if let BoxEvent::Room { room_id: decrypted, event: RoomEvent::RoomOpened { .. } } = &mut event {
            *decrypted = room_id.clone();
        }
        state.apply(event);
    }
    let joins = |number| RoomEvent::MemberJoined { user_id: user(number) }.in_room(room_id.clone());
    for number in 1_000..1_000 + kicks {
        state.apply(joins(number));
        state.apply(kicked(&room_id, user(number)));
    }
    (1..100).for_each(|number| state.apply(joins(number)));
    (state, room_id)
}

/// Adds the most users of the box, co-hosts, muted users, pins and invitations.
fn moderate(state: &mut DeliveryBox, room_id: &RoomId) {
    let in_room = |event: RoomEvent| event.in_room(room_id.clone());
    (0..MAX_USERS).for_each(|number| state.apply(BoxEvent::Box(OwnEvent::UserAllowed { user_id: user(number) })));
    (1..=MAX_CO_HOSTS).for_each(|number| state.apply(in_room(RoomEvent::CoHostAppointed { user_id: user(number) })));
    let until = noon() + chrono::TimeDelta::nanoseconds(123_456_789);
    for number in 0..MAX_MUTED {
        state.apply(in_room(RoomEvent::MemberMuted { user_id: user(2_000 + number), muted_at: noon(), until }));
    }
    for number in 0..MAX_PINS as u64 {
        let message_id = MessageId::new(999_999_999_999_999_999 - number);
        state.apply(in_room(RoomEvent::MessagePinned { message_id, replaced: None }));
    }
    for number in 0..u32::try_from(MAX_INVITATIONS).unwrap() {
        state.apply(in_room(RoomEvent::InvitationCreated {
            invitation: u32::MAX - number,
            token_hash: "f".repeat(64),
            max_uses: 100,
            created_at: noon(),
            expires_at: until,
        }));
    }
}

fn kicked(room_id: &RoomId, user_id: UserId) -> BoxEvent {
    RoomEvent::MemberKicked { user_id, by: user(0) }.in_room(room_id.clone())
}

fn kick(room_id: &RoomId, number: usize) -> BoxCommand {
    RoomCommand::KickMember { by: user(0), user_id: user(number), at: noon() }.in_room(room_id.clone())
}

#[tokio::test]
async fn the_largest_state_of_a_box_and_the_largest_commits_on_top_fit_the_log() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, _) = command_service(&nats).await;
    let box_id: BoxId = id(1);
    let (mut state, room_id) = full_room(&box_id, MAX_KICKED - 1);
    moderate(&mut state, &room_id);
    let last_kick = state.decide(kick(&room_id, 99)).unwrap();
    let bytes = store(&log, &box_id, (&mut state, last_kick), 0).await;
    assert!((60_000..MAX_MESSAGE_BYTES / 2).contains(&bytes), "{bytes} bytes of state, and space for more");
    let full = state.room().unwrap();
    assert_eq!((full.kicked().len(), full.members().len()), (MAX_KICKED, 99));
    assert_eq!(state.decide(kick(&room_id, 98)), Err(BoxRefusal::TooManyKicks));

    let join = RoomCommand::JoinRoom {
        user_id: user(100),
        password: PasswordProof::Matches(HASH.to_owned()),
        invitation: None,
        at: noon(),
    }
    .in_room(room_id.clone());
    let original = || {
        let (message_id, room_id) = (MessageId::new(u64::MAX), room_id.clone());
        Some(OriginalMessage { message_id, room_id, author: user(0), state: MessageState::default() })
    };
    let later = state.room().unwrap().closes_at();
    let (room_id, by, at) = (|| room_id.clone(), || user(0), noon());
    let commands = [
        join,
        BoxCommand::Box(OwnCommand::EraseAuthor { user_id: by(), at }),
        BoxCommand::Box(OwnCommand::ChangeBoxDetails {
            kind: Some(BoxKind::Private),
            zip_code: Some(widest(16)),
            address: Some(widest(200)),
            detailed_address: Some(widest(200)),
            coordinates: Some(Coordinates::new(-12.345_678_901_234_567, -123.456_789_012_345_67).unwrap()),
        }),
        BoxCommand::Box(OwnCommand::TakeOutOfService { reason: Some(widest(200)) }),
        BoxCommand::Box(OwnCommand::DropEvent { commit: Some(EventSequence::new(u64::MAX)), reason: widest(200) }),
        TalkCommand::PostMessage { author: by(), body: widest(4000), reply_to: Some(original()), at }
            .in_room(room_id()),
        TalkCommand::EditMessage { by: by(), original: original(), body: widest(4000), at }.in_room(room_id()),
        TalkCommand::AddReaction {
            user_id: by(),
            original: original(),
            emoji: "\u{1}".repeat(16).try_into().unwrap(),
            at,
        }
        .in_room(room_id()),
        RoomCommand::CloseRoom { by: by(), at }.in_room(room_id()),
        RoomCommand::ExpireRoom { closes_at: later }.in_room(room_id()),
        open(&by(), later),
        install(&id(2)),
    ];
    for (number, command) in commands.into_iter().enumerate() {
        let mut state = if matches!(command, BoxCommand::Box(OwnCommand::InstallBox { .. })) {
            DeliveryBox::default()
        } else {
            state.clone()
        };
        let events = state.decide(command).unwrap();
        // Each is stored on another box, because only the size matters.
        let bytes = store(&log, &id(number + 10), (&mut state, events), 0).await;
        assert!(bytes < MAX_MESSAGE_BYTES / 2, "{bytes} bytes");
    }
}

#[tokio::test]
async fn the_largest_states_of_a_user_and_a_store_fit_the_log() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, _) = command_service(&nats).await;
    let mut state = User::default();
    let device = |number| UserCommand::RegisterDevice {
        device_id: id(number),
        target: PushTarget::Fcm("\\".repeat(4096).try_into().unwrap()),
        locale: format!("en{}", "-abcdefgh".repeat(3)).try_into().unwrap(),
    };
    let zone = "America/Argentina/ComodRivadavia".to_owned().try_into().unwrap();
    let time = |text: &str| text.to_owned().try_into().unwrap();
    let quiet_hours = QuietHours::new(zone, time("22:00"), time("07:00")).unwrap();
    let mute = |number| UserCommand::MuteRoom { room_id: RoomId::new(id(number), LAST_ROOM) };
    let preferences = AlarmKind::ALL.into_iter().map(|kind| (kind, false)).collect();
    let streams = (0..MAX_STREAMS).map(|number| Position {
        stream: format!("{number:0>40}"),
        incarnation: "i".repeat(40),
        sequence: 999_999_999_999_999_999,
    });
    let commands = [UserCommand::RegisterUser { user_id: user(0), nickname: widest(40) }]
        .into_iter()
        .chain((0..MAX_DEVICES).map(device))
        .chain([
            UserCommand::ChangeNickname { nickname: "\\\u{1AB0}".repeat(40).try_into().unwrap() },
            UserCommand::SetNotificationPreferences { preferences },
            UserCommand::SetQuietHours { quiet_hours },
            UserCommand::ReadAlarms { up_to: PositionVector::new(streams).unwrap() },
        ])
        .chain((0..=MAX_MUTED_ROOMS).map(mute))
        .chain((0..MAX_BLOCKED_USERS).map(|number| UserCommand::BlockUser { user_id: user(number) }));
    for (number, command) in commands.enumerate() {
        let events = state.decide(command).unwrap();
        let bytes = store(&log, &id(number), (&mut state, events), 0).await;
        assert!(bytes < MAX_MESSAGE_BYTES / 4, "{bytes} bytes");
    }
    assert!(state.decide(device(MAX_DEVICES)).is_err());

    let mut state = Store::default();
    let register = StoreCommand::RegisterStore {
        store_id: id(0),
        name: widest(100),
        zip_code: widest(16),
        category: Some(widest(40)),
    };
    let events = state.decide(register).unwrap();
    store(&log, &id(0), (&mut state, events), 0).await;
}

/// Adds kicked users to the state until the commit of this event has the maximum size.
fn fill(state: &mut DeliveryBox, (box_id, room_id): (&BoxId, &RoomId), event: &BoxEvent) {
    let free = |state: &DeliveryBox| {
        let after = StateAfter { state, version: 0 };
        let events = std::slice::from_ref(event);
        let message = prepare::<DeliveryBox>(box_id, events, &after, context(&user(0), "0"), server::PARTITIONS);
        MAX_MESSAGE_BYTES.checked_sub(wire_bytes(&message.unwrap())).expect("the commit fits")
    };
    // An id takes three bytes more than its characters.
    for number in 0.. {
        let chars = match free(state) {
            0 => return,
            bytes @ 4..=43 => bytes - 3,
            bytes @ 44..=46 => bytes - 7,
            bytes => (bytes - 3).min(40),
        };
        let user_id = format!("y{number:0>width$}", width = chars - 1).parse().unwrap();
        state.apply(kicked(room_id, user_id));
    }
}

#[tokio::test]
async fn a_room_filled_with_kicks_by_an_earlier_release_can_be_left_and_closes() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, _) = command_service(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    for (number, ending) in ["leave", "close", "expire", "leave as the last", "erase as the last"].iter().enumerate() {
        let box_id: BoxId = id(number);
        let (mut state, room_id) = full_room(&box_id, 4_300);
        if ending.ends_with("as the last") {
            let others = state.room().unwrap().members()[1..].to_vec();
            for member in others {
                state.apply(kicked(&room_id, member));
            }
        }
        let last = match *ending {
            "leave" => kicked(&room_id, user(99)),
            _ => BoxEvent::Box(OwnEvent::DoorOpened { room_id: Some(room_id.clone()) }),
        };
        fill(&mut state, (&box_id, &room_id), &last);
        store(&log, &box_id, (&mut state, vec![last]), 0).await;

        let execute = async |command, key| boxes.execute(&box_id, command, context(&user(0), key)).await;
        let (by, at, closes_at) = (|| user(0), noon(), state.room().unwrap().closes_at());
        if state.room().unwrap().members().len() > 1 {
            let refused = execute(kick(&room_id, 98), "1").await;
            assert!(matches!(refused, Err(CommandError::Refused(BoxRefusal::TooManyKicks))), "{refused:?}");
        }
        let command = match *ending {
            "leave" => RoomCommand::LeaveRoom { user_id: user(98), at }.in_room(room_id),
            "close" => RoomCommand::CloseRoom { by: by(), at }.in_room(room_id),
            "expire" => RoomCommand::ExpireRoom { closes_at }.in_room(room_id),
            "leave as the last" => RoomCommand::LeaveRoom { user_id: by(), at }.in_room(room_id),
            _ => BoxCommand::Box(OwnCommand::EraseAuthor { user_id: by(), at }),
        };
        execute(command, "2").await.unwrap_or_else(|error| panic!("{ending}: {error}"));
        let (state, _) = boxes.load_latest(&box_id).await.unwrap();
        assert_eq!(state.room().unwrap().is_closed(), *ending != "leave");
    }
}
