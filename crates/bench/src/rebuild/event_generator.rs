//! Random but reproducible events on the boxes of one partition: rooms open, members join, post and leave.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use domain::{
    BoxEvent, BoxId, DeliveryBox, Lane, MessageId, OwnEvent, RoomClosedReason, RoomEvent, RoomId, StoreId, TalkEvent,
    UserId,
    delivery_box::HostChange,
    values::{BoxKind, Step},
};
use event_store::{
    ActorRole, CommandContext, RequestHash,
    executor::store::{StateAfter, prepare},
    log::NewMessage,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use wire::partition_of;

/// The minimum number of users that rooms need.
pub(crate) const MIN_USERS: usize = 100;

/// The number of events per box, for about ten rooms each.
const EVENTS_PER_BOX: usize = 1000;

/// The number of recent messages of a room that are edited, replied to and reacted to.
const RECENT: usize = 30;

const WORDS: [&str; 20] = [
    "two", "with", "extra", "chili", "please", "the", "noodles", "are", "here", "who", "takes", "rice", "I", "am",
    "late", "door", "code", "thanks", "soup", "again",
];

/// The boxes of one partition.
pub(crate) struct EventGenerator {
    partitions: u16,
    rng: StdRng,
    users: usize,
    boxes: Vec<BoxState>,
    /// The sequence of the last commit.
    sequence: u64,
}

/// A box and the recent messages of its last room.
struct BoxState {
    id: BoxId,
    state: DeliveryBox,
    version: u64,
    rooms: u32,
    messages: VecDeque<(MessageId, UserId)>,
}

pub(crate) fn user(number: usize) -> UserId {
    format!("user-{number}").parse().unwrap_or_else(|_| UserId::system())
}

pub(crate) fn store(number: usize) -> StoreId {
    format!("store-{number}").parse().unwrap_or_else(|_| unreachable!("a store id"))
}

/// The time of an event: a hundred events per second.
pub(crate) fn time(number: usize) -> DateTime<Utc> {
    let millis = i64::try_from(number).unwrap_or_default() * 10;
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(millis)
}

impl EventGenerator {
    pub(crate) fn new(partition: u16, partitions: u16, events: usize, users: usize) -> Self {
        let ids = (0_u32..).filter_map(|number| format!("locker-{number}").parse().ok());
        let here = ids.filter(|id: &BoxId| partition_of(id, partitions) == partition);
        let boxes = here.take((events / EVENTS_PER_BOX).max(5)).map(BoxState::new).collect();
        Self { partitions, rng: StdRng::seed_from_u64(partition.into()), users, boxes, sequence: 0 }
    }

    /// Creates the next commit, with one event like almost all commits.
    pub(crate) fn next_commit(&mut self) -> anyhow::Result<NewMessage> {
        let Self { partitions, rng, users, boxes, sequence } = self;
        *sequence += 1;
        let which = rng.random_range(0..boxes.len());
        let box_state = &mut boxes[which];
        let at = time(usize::try_from(*sequence).unwrap_or_default() * usize::from(*partitions));
        let (actor, event) = box_state.next_event(rng, *users, at);
        let context = context(actor, at, format!("{:032x}", rng.random::<u128>()));
        let version = box_state.version;
        box_state.apply(&event, *sequence);
        let after = StateAfter { state: &box_state.state, version };
        Ok(prepare::<DeliveryBox>(&box_state.id, &[event], &after, context, *partitions)?)
    }
}

impl BoxState {
    fn new(id: BoxId) -> Self {
        Self { id, state: DeliveryBox::default(), version: 0, rooms: 0, messages: VecDeque::new() }
    }

    fn apply(&mut self, event: &BoxEvent, sequence: u64) {
        self.state.apply(event.clone());
        if event.lane() == Lane::Room {
            self.version = sequence;
        }
        match event {
            BoxEvent::Room { event: RoomEvent::RoomOpened { .. }, .. } => self.messages.clear(),
            BoxEvent::Talk { event: TalkEvent::MessagePosted { author, .. }, .. } => {
                self.messages.push_back((MessageId::new(sequence), author.clone()));
                if self.messages.len() > RECENT {
                    self.messages.pop_front();
                }
            }
            BoxEvent::Talk { event: TalkEvent::MessageDeleted { message_id, .. }, .. } => {
                self.messages.retain(|(id, _)| id != message_id);
            }
            _ => {}
        }
    }

    fn next_event(&mut self, rng: &mut StdRng, users: usize, at: DateTime<Utc>) -> (UserId, BoxEvent) {
        if !self.state.is_installed() {
            return (user(0), self.installed(rng));
        }
        let Some(room) = self.state.room().filter(|room| !room.is_closed()) else {
            self.rooms += 1;
            let host = user(rng.random_range(0..users));
            let event = opened(RoomId::new(self.id.clone(), self.rooms), &host, rng, at);
            return (host, event);
        };
        let room_id = room.room_id().clone();
        let actor = room.members()[rng.random_range(0..room.members().len())].clone();
        let guest = user(rng.random_range(0..users));
        let can_join = room.members().len() < 6 && !room.has_member(&guest) && !room.kicked().contains(&guest);
        let recent = self.messages.get(rng.random_range(0..RECENT)).cloned();
        let host = room.host().clone();
        let event = match (rng.random_range(0..1000), recent) {
            (0..60, _) if can_join => {
                return (guest.clone(), RoomEvent::MemberJoined { user_id: guest }.in_room(room_id));
            }
            (60..70, _) if actor != host => RoomEvent::MemberLeft { user_id: actor.clone() }.in_room(room_id),
            (70..75, _) if actor != host => {
                return (host.clone(), RoomEvent::MemberKicked { user_id: actor, by: host }.in_room(room_id));
            }
            (75..78, _) if actor != host => {
                let change = HostChange::Transferred;
                return (host.clone(), RoomEvent::HostTransferred { from: host, to: actor, change }.in_room(room_id));
            }
            (78..88, _) => return (host, RoomEvent::StepAdvanced { step: Step::Ordering }.in_room(room_id)),
            (88..98, _) => return (host, RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room_id)),
            (98..103, _) => BoxEvent::Box(OwnEvent::OrderArrived { room_id: Some(room_id) }),
            (103..143, Some((message_id, author))) => {
                let body = words(rng);
                return (
                    author,
                    TalkEvent::MessageEdited { message_id, body, mentions: Some(vec![]), mentions_all: false }
                        .in_room(room_id),
                );
            }
            (143..163, Some((message_id, author))) => {
                return (author.clone(), TalkEvent::MessageDeleted { message_id, by: author }.in_room(room_id));
            }
            (163..283, Some((message_id, _))) => {
                let emoji = ["👍", "🍜", "❤️"][rng.random_range(0..3)].to_owned();
                TalkEvent::ReactionAdded { message_id, user_id: actor.clone(), emoji }.in_room(room_id)
            }
            (283..383, Some((message_id, _))) => posted(&actor, words(rng), Some(message_id)).in_room(room_id),
            _ => posted(&actor, words(rng), None).in_room(room_id),
        };
        (actor, event)
    }

    fn installed(&self, rng: &mut StdRng) -> BoxEvent {
        BoxEvent::Box(OwnEvent::BoxInstalled {
            box_id: self.id.clone(),
            kind: BoxKind::Shared,
            zip_code: format!("{:05}", rng.random_range(10_000..10_100)),
            address: "Invalidenstr. 1".to_owned(),
            detailed_address: "courtyard".to_owned(),
            latitude: 52.5 + f64::from(rng.random_range(0..1000)) / 1e4,
            longitude: 13.4,
        })
    }
}

fn opened(room_id: RoomId, host: &UserId, rng: &mut StdRng, at: DateTime<Utc>) -> BoxEvent {
    RoomEvent::RoomOpened {
        store_id: store(rng.random_range(0..50)),
        title: words(rng),
        host: host.clone(),
        max_members: 6,
        password_hash: None,
        opened_at: at,
        closes_at: at + TimeDelta::hours(3),
    }
    .in_room(room_id)
}

fn posted(author: &UserId, body: String, reply_to: Option<MessageId>) -> TalkEvent {
    TalkEvent::MessagePosted { author: author.clone(), body, reply_to, mentions: Some(vec![]), mentions_all: false }
}

fn words(rng: &mut StdRng) -> String {
    let count = rng.random_range(3..16);
    let words: Vec<&str> = (0..count).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    words.join(" ")
}

/// The context of a client's command, with a key.
pub(crate) fn context(actor: UserId, at: DateTime<Utc>, key: String) -> CommandContext {
    CommandContext {
        request_hash: RequestHash::keyed(b"bench", &[key.as_bytes()]),
        command_id: Some(key),
        actor,
        role: ActorRole::User,
        at,
        traceparent: None,
        reason: None,
    }
}
