//! Asks the query-services who is connected to a room: its messages are on the user's screen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use async_nats::{Client, connection::State};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};
use wire::transient::ASK_PRESENCE;

/// The time in which the query-services answer. Later answers are not awaited.
const ANSWER_TIME: Duration = Duration::from_millis(300);

/// The users who are connected to each room.
pub(crate) type Present = BTreeMap<String, BTreeSet<String>>;

/// Returns the users who are connected to these rooms. Without an answer there are none: a push message too many is
/// better than one that is missing.
pub(crate) async fn ask(client: &Client, rooms: &[&str]) -> Present {
    let mut present = Present::new();
    if client.connection_state() != State::Connected {
        return present;
    }
    let deadline = Instant::now() + ANSWER_TIME;
    let inbox = client.new_inbox();
    let Ok(mut answers) = client.subscribe(inbox.clone()).await else { return present };
    let question = serde_json::to_vec(rooms).unwrap_or_default();
    if client.publish_with_reply(ASK_PRESENCE, inbox, question.into()).await.is_err() {
        return present;
    }
    while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
        // No query-service runs.
        if answer.status.is_some() {
            break;
        }
        match serde_json::from_slice::<Present>(&answer.payload) {
            Ok(users) => users.into_iter().for_each(|(room, users)| present.entry(room).or_default().extend(users)),
            Err(error) => tracing::debug!(%error, "malformed answer about presence"),
        }
    }
    present
}
