//! Commits of users as an earlier release writes them: it claims nicknames only without regard to case.

use std::{sync::Arc, time::Duration};

use async_nats::HeaderMap;
use cqrs_es::Aggregate;
use domain::{User, UserEvent};
use event_store::{
    Log, RecordedCommit,
    codec::envelope::header,
    executor::{
        aggregate::StoredAggregate,
        store::{StateAfter, prepare},
    },
    log::{Attempt, Freshness, Guard, NewMessage},
};
use serde_json::Value;
use wire::{StreamName, subject};

use crate::commands::{by, user};

/// A writer of such commits.
pub struct EarlierRelease<'a> {
    /// The log, which encrypts nothing.
    pub log: &'a Arc<dyn Log>,
}

impl EarlierRelease<'_> {
    /// Registers a user.
    pub async fn register(&self, user_id: &str, nickname: &str) {
        self.claim(nickname, "nickname_claimed", user_id).await;
        let nickname = nickname.to_owned();
        self.append(user_id, UserEvent::UserRegistered { user_id: user(user_id), nickname }).await;
    }

    /// Changes the nickname of a user.
    pub async fn rename(&self, user_id: &str, from: &str, to: &str) {
        self.claim(from, "nickname_released", user_id).await;
        self.claim(to, "nickname_claimed", user_id).await;
        self.append(user_id, UserEvent::NicknameChanged { nickname: to.to_owned() }).await;
    }

    /// Erases a user.
    pub async fn erase(&self, user_id: &str, nickname: &str) {
        self.claim(nickname, "nickname_released", user_id).await;
        self.append(user_id, UserEvent::UserErased {}).await;
    }

    async fn claim(&self, nickname: &str, event: &str, user_id: &str) {
        let subject = subject::nickname_claim_v1(nickname);
        let last = self.log.last(StreamName::User, &subject, Freshness::Leader).await.unwrap();
        let guard = Some(Guard { subject: None, sequence: last.map_or(0, |last| last.sequence) });
        let mut headers = HeaderMap::new();
        headers.insert(header::COMMIT_ID, format!("{event}-{user_id}-{subject}").as_str());
        headers.insert(header::EVENT_TYPES, event);
        headers.insert(header::SCHEMA, "1");
        headers.insert(header::ACTOR, user_id);
        headers.insert(header::OCCURRED_AT, "2026-11-21T12:00:00.000Z");
        let payload = format!(r#"{{"events":[{{"version":1,"type":"{event}","data":{{"user_id":"{user_id}"}}}}]}}"#);
        let (stream, payload) = (StreamName::User, payload.into());
        self.store(NewMessage { stream, subject, message_id: None, guard, headers, payload }).await;
    }

    async fn append(&self, user_id: &str, event: UserEvent) {
        let user_id = user(user_id);
        let last = self.log.last(StreamName::User, &subject::user(&user_id), Freshness::Leader).await.unwrap();
        let (version, mut state) = match last {
            Some(last) => (last.sequence, User::stored_state(&RecordedCommit::parse(&last).unwrap()).unwrap()),
            None => (0, User::default()),
        };
        state.apply(event.clone());
        let after = StateAfter { state: &state, version };
        let message = prepare::<User>(&user_id, &[event], &after, by(user_id.as_str()), 4).unwrap();
        self.store(with_state_of_version_1(message)).await;
    }

    async fn store(&self, message: NewMessage) {
        let attempt = self.log.attempt(&[message], Duration::from_secs(10)).await;
        assert!(matches!(attempt, Attempt::Stored { .. }), "{attempt:?}");
    }
}

/// Returns a commit with its state as that release stores it.
fn with_state_of_version_1(message: NewMessage) -> NewMessage {
    let mut payload: Value = serde_json::from_slice(&message.payload).unwrap();
    payload["state"]["version"] = 1.into();
    let state = payload["state"]["data"].as_object_mut().unwrap();
    for later in ["hides_read_markers", "muted_rooms", "blocked_users", "alarms_read"] {
        assert!(state.remove(later).is_some(), "{later}");
    }
    NewMessage { payload: payload.to_string().into(), ..message }
}
