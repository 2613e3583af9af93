//! Test stories: commits of one stream, each a second later than the one before.

use std::{sync::Arc, time::Duration};

use async_nats::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::DomainEvent;
use domain::{
    BoxEvent, BoxId, EventSequence, FilterEvent, MessageId, OwnEvent, ReportEvent, RoomEvent, RoomId, StoreEvent,
    TalkEvent, UserEvent, UserId,
    values::{BoxKind, ERASED},
};
use event_store::{
    Log, MemoryLog, RecordedCommit,
    codec::envelope::header,
    log::{Attempt, NewMessage, Range},
};
use projector::{Commit, Content};
use serde_json::json;

use crate::world::BOXES;

/// The commits of one stream so far.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) commits: Vec<Commit>,
    next: u64,
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().expect("a user id")
}

pub(crate) fn room(id: &str) -> RoomId {
    id.parse().expect("a room id")
}

/// The time of the commit at this sequence.
pub(crate) fn time(sequence: u64) -> DateTime<Utc> {
    let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().expect("a time");
    noon + TimeDelta::seconds(sequence.cast_signed())
}

pub(crate) fn installed(box_id: &str) -> BoxEvent {
    BoxEvent::Box(OwnEvent::BoxInstalled {
        box_id: box_id.parse().expect("a box id"),
        kind: BoxKind::Shared,
        zip_code: "04109".to_owned(),
        address: "Market 1".to_owned(),
        detailed_address: "left of the door".to_owned(),
        latitude: 51.34,
        longitude: 12.37,
    })
}

pub(crate) fn opened(room_id: &str, host: &str) -> BoxEvent {
    RoomEvent::RoomOpened {
        store_id: "s1".parse().expect("a store id"),
        title: "Noodles".to_owned(),
        host: user(host),
        max_members: 4,
        password_hash: Some("$argon2id$secret".to_owned()),
        opened_at: time(0),
        closes_at: time(0) + TimeDelta::hours(3),
    }
    .in_room(room(room_id))
}

pub(crate) fn joined(room_id: &str, who: &str) -> BoxEvent {
    RoomEvent::MemberJoined { user_id: user(who) }.in_room(room(room_id))
}

pub(crate) fn left(room_id: &str, who: &str) -> BoxEvent {
    RoomEvent::MemberLeft { user_id: user(who) }.in_room(room(room_id))
}

pub(crate) fn posted(room_id: &str, author: &str, body: &str, reply_to: Option<u64>) -> BoxEvent {
    let (author, body, reply_to) = (user(author), body.to_owned(), reply_to.map(MessageId::new));
    TalkEvent::MessagePosted { author, body, reply_to, mentions: None, mentions_all: false }.in_room(room(room_id))
}

pub(crate) fn edited(room_id: &str, message: u64, body: &str) -> BoxEvent {
    let (message_id, body) = (MessageId::new(message), body.to_owned());
    TalkEvent::MessageEdited { message_id, body, mentions: None, mentions_all: false }.in_room(room(room_id))
}

/// The same text with stored mentions. `all` among them stands for all members.
pub(crate) fn mentioning(mut event: BoxEvent, users: &[&str]) -> BoxEvent {
    if let BoxEvent::Talk {
        event:
            TalkEvent::MessagePosted { mentions, mentions_all, .. }
            | TalkEvent::MessageEdited { mentions, mentions_all, .. },
        ..
    } = &mut event
    {
        *mentions = Some(users.iter().filter(|name| **name != "all").map(|name| user(name)).collect());
        *mentions_all = users.contains(&"all");
    }
    event
}

pub(crate) fn deleted(room_id: &str, message: u64, by: &str) -> BoxEvent {
    TalkEvent::MessageDeleted { message_id: MessageId::new(message), by: user(by) }.in_room(room(room_id))
}

pub(crate) fn reacted(room_id: &str, message: u64, who: &str, emoji: &str) -> BoxEvent {
    TalkEvent::ReactionAdded { message_id: MessageId::new(message), user_id: user(who), emoji: emoji.to_owned() }
        .in_room(room(room_id))
}

pub(crate) fn unreacted(room_id: &str, message: u64, who: &str, emoji: &str) -> BoxEvent {
    TalkEvent::ReactionRemoved { message_id: MessageId::new(message), user_id: user(who), emoji: emoji.to_owned() }
        .in_room(room(room_id))
}

pub(crate) fn dropped(sequence: u64) -> BoxEvent {
    BoxEvent::Box(OwnEvent::EventDropped { sequence: EventSequence::new(sequence), reason: "a test".to_owned() })
}

pub(crate) fn erased(who: &str) -> BoxEvent {
    BoxEvent::Box(OwnEvent::AuthorErased { user_id: user(who) })
}

/// The commit as it is decoded after an author's key was destroyed.
pub(crate) fn unreadable(mut commit: Commit, author: &UserId) -> Commit {
    let acts = commit.actor == *author;
    let Content::Box { events, .. } = &mut commit.content else { return commit };
    for event in events {
        match event {
            BoxEvent::Talk { event: TalkEvent::MessagePosted { author: of, body: text, .. }, .. }
            | BoxEvent::Room { event: RoomEvent::RoomOpened { host: of, title: text, .. }, .. }
                if of == author =>
            {
                ERASED.clone_into(text);
            }
            BoxEvent::Talk { event: TalkEvent::MessageEdited { body: text, .. }, .. }
            | BoxEvent::Room { event: RoomEvent::RoomChanged { title: Some(text), .. }, .. }
                if acts =>
            {
                ERASED.clone_into(text);
            }
            _ => {}
        }
    }
    commit
}

/// Appends the box commits of a story to a log.
pub(crate) async fn append(log: &MemoryLog, commits: &[Commit]) {
    for commit in commits {
        let (box_id, events) = match &commit.content {
            Content::Box { box_id, events } => {
                let events = events.iter().map(|event| {
                    let version: u32 = event.event_version().parse().expect("a version");
                    let mut event = json!(event);
                    event["version"] = version.into();
                    event
                });
                (box_id, events.collect())
            }
            Content::Unreadable { box_id: Some(box_id), .. } => {
                (box_id, vec![json!({ "type": "message_posted", "version": 99, "data": {} })])
            }
            other => panic!("not of a box: {other:?}"),
        };
        let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::COMMIT_ID, commit.commit_id.as_str());
        headers.insert(header::EVENT_TYPES, types.join(",").as_str());
        headers.insert(header::SCHEMA, "1");
        headers.insert(header::ACTOR, commit.actor.as_str());
        headers.insert(header::OCCURRED_AT, commit.at.to_rfc3339().as_str());
        headers.insert(header::COMMAND_ID, commit.command_id.as_deref().unwrap_or_default());
        let subject = format!("box.0.{box_id}.room");
        let payload = json!({ "events": events }).to_string().into();
        let message = NewMessage { stream: BOXES, subject, message_id: None, guard: None, headers, payload };
        let stored = log.attempt(&[message], Duration::from_secs(10)).await;
        assert!(matches!(stored, Attempt::Stored { sequence } if sequence == commit.sequence), "{stored:?}");
    }
}

/// Reads and decodes all box commits of a log.
pub(crate) async fn commits_of(log: &MemoryLog) -> Vec<Commit> {
    let range = Range { stream: BOXES, from: 1, subject: None, max_messages: usize::MAX, max_bytes: usize::MAX };
    let recorded = log.read(range).await.expect("messages");
    recorded.iter().map(|recorded| RecordedCommit::parse(recorded).expect("a commit").into()).collect()
}

impl Story {
    /// Creates a log with the commits of this story.
    pub(crate) async fn on_log(&self) -> Arc<MemoryLog> {
        let log = Arc::new(MemoryLog::default());
        append(&log, &self.commits).await;
        log
    }

    pub(crate) fn new() -> Self {
        Self::from(1)
    }

    /// Begins at this sequence.
    pub(crate) fn from(next: u64) -> Self {
        Self { commits: Vec::new(), next }
    }

    /// A box with an open room `<box>.1` of ann, bob and cleo: sequences 1 to 4.
    pub(crate) fn of_three(box_id: &str) -> Self {
        let mut story = Self::new();
        let room_id = format!("{box_id}.1");
        story.happens(box_id, "ops", [installed(box_id)]);
        story.happens(box_id, "ann", [opened(&room_id, "ann")]);
        story.happens(box_id, "bob", [joined(&room_id, "bob")]);
        story.happens(box_id, "cleo", [joined(&room_id, "cleo")]);
        story
    }

    /// Adds a commit on a box; returns its sequence.
    pub(crate) fn happens<const N: usize>(&mut self, box_id: &str, actor: &str, events: [BoxEvent; N]) -> u64 {
        let box_id: BoxId = box_id.parse().expect("a box id");
        self.add(actor, Content::Box { box_id, events: events.into() })
    }

    pub(crate) fn user<const N: usize>(&mut self, user_id: &str, events: [UserEvent; N]) -> u64 {
        self.add(user_id, Content::User { user_id: user(user_id), events: events.into() })
    }

    pub(crate) fn store<const N: usize>(&mut self, store_id: &str, events: [StoreEvent; N]) -> u64 {
        self.add("ops", Content::Store { store_id: store_id.parse().expect("a store id"), events: events.into() })
    }

    pub(crate) fn filters<const N: usize>(&mut self, events: [FilterEvent; N]) -> u64 {
        self.add("ops", Content::Filters { events: events.into() })
    }

    pub(crate) fn report<const N: usize>(&mut self, report_id: &str, events: [ReportEvent; N]) -> u64 {
        self.add("ops", Content::Report { report_id: report_id.parse().expect("a report id"), events: events.into() })
    }

    pub(crate) fn add(&mut self, actor: &str, content: Content) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.commits.push(Commit {
            role: None,
            sequence,
            commit_id: format!("commit-{sequence}"),
            command_id: Some(format!("command-{sequence}")),
            actor: user(actor),
            at: time(sequence),
            traceparent: None,
            reason: None,
            content,
        });
        sequence
    }
}
