//! Tests of loading, keeping and dropping talk states.

use chrono::{DateTime, Utc};
use cqrs_es::Aggregate;
use domain::{BoxEvent, RoomClosedReason, RoomEvent, TalkEvent, UserId};

use super::*;
use crate::{
    CommandContext, MemoryLog, RequestHash,
    codec::actor::ActorRole,
    executor::store::{StateAfter, prepare},
    log::{Attempt, Recorded},
};

/// A log with one box.
struct World {
    log: Arc<dyn Log>,
    state: DeliveryBox,
    version: u64,
}

fn box_id() -> BoxId {
    "b1".parse().unwrap()
}

fn room_id(number: u32) -> RoomId {
    RoomId::new(box_id(), number)
}

fn ann() -> UserId {
    "ann".parse().unwrap()
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

fn closed(number: u32) -> BoxEvent {
    RoomEvent::RoomClosed { reason: RoomClosedReason::Host }.in_room(room_id(number))
}

fn opened(number: u32) -> BoxEvent {
    RoomEvent::RoomOpened {
        store_id: "s1".parse().unwrap(),
        title: "Lunch".into(),
        host: ann(),
        max_members: 2,
        password_hash: None,
        opened_at: now(),
        closes_at: now(),
    }
    .in_room(room_id(number))
}

fn posted(number: u32) -> BoxEvent {
    let mentions = Some(vec![]);
    TalkEvent::MessagePosted { author: ann(), body: "hi".into(), reply_to: None, mentions, mentions_all: false }
        .in_room(room_id(number))
}

fn reacted(number: u32, message: u64, emoji: &str) -> BoxEvent {
    let (message_id, emoji) = (MessageId::new(message), emoji.to_owned());
    TalkEvent::ReactionAdded { message_id, user_id: ann(), emoji }.in_room(room_id(number))
}

impl World {
    fn new() -> Self {
        Self { log: Arc::new(MemoryLog::default()), state: DeliveryBox::default(), version: 0 }
    }

    /// Appends a commit with this event and returns it.
    async fn happen(&mut self, event: BoxEvent) -> RecordedCommit {
        let lane = event.lane();
        self.state.apply(event.clone());
        let context = CommandContext {
            command_id: None,
            request_hash: RequestHash::keyed(b"secret", &[]),
            actor: ann(),
            role: ActorRole::User,
            at: now(),
            traceparent: None,
            reason: None,
        };
        let after = StateAfter { state: &self.state, version: self.version };
        let message = prepare(&box_id(), &[event], &after, context, 1).unwrap();
        let stored = self.log.attempt(&[message], Duration::from_secs(1)).await;
        let Attempt::Stored { sequence } = stored else { panic!("{stored:?}") };
        if lane == Lane::Room {
            self.version = sequence;
        }
        RecordedCommit::parse(&self.recorded(sequence).await).unwrap()
    }

    async fn recorded(&self, sequence: u64) -> Recorded {
        self.log.get(StreamName::Box(0), sequence, Freshness::Leader).await.unwrap().unwrap()
    }

    /// Opens the n-th room and returns the sequence of a message in it.
    async fn room_with_message(&mut self, number: u32) -> u64 {
        if number > 1 {
            self.happen(closed(number - 1)).await;
        }
        self.happen(opened(number)).await;
        self.happen(posted(number)).await.sequence
    }

    fn talk(&self) -> TalkStates {
        TalkStates::new(&self.log, 1)
    }
}

async fn emoji_of(talk: &TalkStates, room: u32, message: u64) -> Vec<String> {
    talk.message(&room_id(room), MessageId::new(message)).await.unwrap().reactions.into_keys().collect()
}

fn is_loaded(talk: &TalkStates) -> bool {
    locked(&talk.rooms).loaded.get(&box_id()).is_some()
}

#[tokio::test]
async fn a_load_begins_at_the_opening_of_the_room() {
    let mut world = World::new();
    for number in 1..=4 {
        let message = world.room_with_message(number).await;
        for reaction in 0..7 {
            world.happen(reacted(number, message, &format!("{reaction}"))).await;
        }
    }
    // A room has a closing and an opening commit, one message and seven reactions; the first one has no closing.
    let stream = StreamName::Box(0);
    for (number, opening) in [(1, 1), (2, 11), (3, 21), (4, 31)] {
        let first = world.talk().opening(stream, &room_id(number), 39).await.unwrap();
        assert!((opening - 1..=opening).contains(&first), "room {number}: {first}");
    }
    let talk = world.talk();
    assert_eq!(emoji_of(&talk, 4, 32).await.len(), 7);
    assert_eq!(emoji_of(&talk, 4, 33).await.len(), 0);
}

#[tokio::test]
async fn a_load_includes_what_the_tail_reads_meanwhile() {
    let mut world = World::new();
    let message = world.room_with_message(1).await;
    let early = world.happen(reacted(1, message, "1")).await;
    let talk = world.talk();
    let permits = talk.loads.clone().acquire_many_owned(MAX_LOADS.try_into().unwrap()).await.unwrap();
    let waiting = {
        let talk = talk.clone();
        tokio::spawn(async move { emoji_of(&talk, 1, message).await })
    };
    while !locked(&talk.rooms).loading.contains_key(&box_id()) {
        tokio::task::yield_now().await;
    }
    talk.observe(&early);
    // The replica that the load reads does not have this commit yet.
    let mut of_another_log = World::new();
    of_another_log.room_with_message(1).await;
    talk.observe(&of_another_log.happen(reacted(1, message, "2")).await);
    drop(permits);
    assert_eq!(waiting.await.unwrap(), ["1", "2"]);
    talk.observe(&world.happen(reacted(1, message, "3")).await);
    assert_eq!(emoji_of(&talk, 1, message).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_command_waits_two_seconds_and_the_load_goes_on() {
    let mut world = World::new();
    let message = world.room_with_message(1).await;
    world.happen(reacted(1, message, "1")).await;
    let talk = world.talk();
    let permits = talk.loads.clone().acquire_many_owned(MAX_LOADS.try_into().unwrap()).await.unwrap();
    let (one, other) = (talk.clone(), talk.clone());
    let room = room_id(1);
    let early = tokio::join!(one.message(&room, MessageId::new(2)), other.message(&room, MessageId::new(2)));
    for answer in [early.0, early.1] {
        assert!(matches!(answer, Err(EventStoreError::Unavailable { outcome_unknown: false, .. })), "{answer:?}");
    }
    let later = talk.clone();
    let later = tokio::spawn(async move { emoji_of(&later, 1, message).await });
    drop(permits);
    assert_eq!(later.await.unwrap(), ["1"]);
    assert!(is_loaded(&talk));
}

#[tokio::test]
async fn the_state_of_a_closed_room_is_dropped() {
    let mut world = World::new();
    let message = world.room_with_message(1).await;
    let talk = world.talk();
    assert!(emoji_of(&talk, 1, message).await.is_empty() && is_loaded(&talk));
    talk.observe(&world.happen(closed(1)).await);
    assert!(!is_loaded(&talk));
    world.happen(opened(2)).await;
    let message = world.happen(posted(2)).await.sequence;
    world.happen(reacted(2, message, "1")).await;
    assert_eq!(emoji_of(&talk, 2, message).await, ["1"]);
    talk.clear();
    assert!(!is_loaded(&talk));
}

#[tokio::test]
async fn the_memory_of_all_states_is_bounded() {
    let mut world = World::new();
    let message = world.room_with_message(1).await;
    let talk = TalkStates::with_capacity(&world.log, 1, 2_000);
    assert!(emoji_of(&talk, 1, message).await.is_empty());
    for reaction in 0..100 {
        talk.observe(&world.happen(reacted(1, message, &format!("{reaction:03}"))).await);
        assert_eq!(emoji_of(&talk, 1, message).await.len(), reaction + 1, "right, kept or not");
    }
    let loaded = locked(&talk.rooms).loaded.clone();
    loaded.run_pending_tasks();
    assert!(loaded.weighted_size() <= 2_000 && loaded.entry_count() == 0, "{}", loaded.weighted_size());
}
