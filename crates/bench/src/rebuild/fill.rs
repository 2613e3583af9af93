//! Fills the log with generated commits, in order, with many appends in flight.

use std::{sync::Arc, time::Duration};

use anyhow::bail;
use domain::{Store, StoreEvent, User, UserEvent, UserId};
use event_store::{
    Log, StoredAggregate,
    executor::store::{StateAfter, prepare},
    log::{Attempt, NewMessage},
};
use futures::{TryStreamExt, stream::FuturesOrdered};
use tokio::task::{JoinSet, unconstrained};

use super::event_generator::{self, EventGenerator};

/// The limit of unacknowledged appends per stream.
const IN_FLIGHT: usize = 500;

const APPEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of events per registered user.
const EVENTS_PER_USER: usize = 100;

const STORES: usize = 50;

/// Fills a fresh log with about this many events; returns the exact number.
pub(crate) async fn fill(log: &Arc<dyn Log>, partitions: u16, events: usize) -> anyhow::Result<usize> {
    let users = (events / EVENTS_PER_USER).max(event_generator::MIN_USERS);
    let each = (events - users) / usize::from(partitions);
    let mut jobs = JoinSet::new();
    for partition in 0..partitions {
        let (log, mut generator) = (Arc::clone(log), EventGenerator::new(partition, partitions, each, users));
        jobs.spawn(async move { append_all(log, (0..each).map(move |_| generator.next_commit())).await });
    }
    let (people, shops) = (Arc::clone(log), Arc::clone(log));
    jobs.spawn(async move { append_all(people, (0..users).map(registration)).await });
    jobs.spawn(async move { append_all(shops, (0..STORES).map(opening)).await });
    let mut filled = 0;
    while let Some(appended) = jobs.join_next().await {
        filled += appended??;
    }
    Ok(filled)
}

/// Appends a stream's messages in order. Each carries its expected sequence, so that a mistake is refused.
async fn append_all(
    log: Arc<dyn Log>,
    messages: impl Iterator<Item = anyhow::Result<NewMessage>> + Send,
) -> anyhow::Result<usize> {
    // A future that yields while it sends would be overtaken by the next one.
    unconstrained(append_in_order(log.as_ref(), messages)).await
}

async fn append_in_order(
    log: &dyn Log,
    messages: impl Iterator<Item = anyhow::Result<NewMessage>> + Send,
) -> anyhow::Result<usize> {
    let (mut waiting, mut count) = (FuturesOrdered::new(), 0);
    for message in messages {
        let message = message?;
        // Encrypts before sending, as decided appends do: it may have to wait for a key.
        let encrypted = log.encrypt(std::slice::from_ref(&message)).await?.first().cloned();
        waiting.push_back(append(log, encrypted.unwrap_or(message)));
        if waiting.len() == IN_FLIGHT {
            waiting.try_next().await?;
        }
        count += 1;
    }
    waiting.try_collect::<()>().await?;
    Ok(count)
}

async fn append(log: &dyn Log, message: NewMessage) -> anyhow::Result<()> {
    match log.attempt(&[message], APPEND_TIMEOUT).await {
        Attempt::Stored { .. } => Ok(()),
        other => bail!("the log was not filled: {other:?}"),
    }
}

fn registration(number: usize) -> anyhow::Result<NewMessage> {
    let user_id = event_generator::user(number);
    let event = UserEvent::UserRegistered { user_id: user_id.clone(), nickname: format!("Nickname {number}") };
    first::<User>(&user_id, event, &user_id, number)
}

fn opening(number: usize) -> anyhow::Result<NewMessage> {
    let store_id = event_generator::store(number);
    let event = StoreEvent::StoreRegistered {
        store_id: store_id.clone(),
        name: format!("Store {number}"),
        zip_code: "10115".to_owned(),
        category: None,
    };
    first::<Store>(&store_id, event, &event_generator::user(0), number)
}

/// Prepares the first commit of an aggregate.
fn first<A: StoredAggregate>(id: &A::Id, event: A::Event, actor: &UserId, number: usize) -> anyhow::Result<NewMessage> {
    let mut state = A::default();
    state.apply(event.clone());
    let context = event_generator::context(actor.clone(), event_generator::time(number), format!("{id}-{number}"));
    Ok(prepare::<A>(id, &[event], &StateAfter { state: &state, version: 0 }, context, 1)?)
}
