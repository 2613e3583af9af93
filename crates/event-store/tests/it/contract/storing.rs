//! Tests of the interface of `cqrs-es`.

use std::{collections::HashMap, sync::Arc};

use cqrs_es::{Aggregate, AggregateContext, AggregateError, CqrsFramework, EventStore, event_sink::EventSink};
use domain::{BoxCommand, BoxRefusal, DeliveryBox, User, UserCommand, UserRefusal};
use event_store::{Log, LogEventStore, RequestHash, executor::store::metadata};
use testing::commands::{box_id, install, noon, open, say, user};

fn by(actor: &str) -> HashMap<String, String> {
    HashMap::from([
        (metadata::ACTOR.to_owned(), actor.to_owned()),
        (metadata::OCCURRED_AT.to_owned(), noon().to_rfc3339()),
        (metadata::REQUEST_HASH.to_owned(), RequestHash::keyed(b"secret", &[b"body"]).to_string()),
    ])
}

async fn decide(store: &LogEventStore<DeliveryBox>, command: BoxCommand) -> Result<usize, AggregateError<BoxRefusal>> {
    let mut context = store.load_aggregate("b1").await?;
    let sink = EventSink::default();
    context.aggregate().handle(command, &(), &sink).await.map_err(AggregateError::UserError)?;
    let envelopes = store.commit(sink.collect().await, context, by("ann")).await?;
    Ok(envelopes.last().unwrap().sequence)
}

pub(crate) async fn the_store_implements_the_interface_of_cqrs_es(log: Arc<impl Log>) {
    let store = LogEventStore::<DeliveryBox>::new(log, 4);
    assert_eq!(decide(&store, install()).await.unwrap(), 1);
    assert_eq!(decide(&store, open("ann")).await.unwrap(), 2);
    assert_eq!(decide(&store, say("ann", "hello")).await.unwrap(), 3);
    let history = store.load_events("b1").await.unwrap();
    assert_eq!(history.len(), 2, "what led to the state");
    let mut folded = DeliveryBox::default();
    for envelope in history {
        folded.apply(envelope.payload);
    }
    assert_eq!(folded, *store.load_aggregate(box_id().as_str()).await.unwrap().aggregate());
}

pub(crate) async fn the_slower_of_two_writers_conflicts(log: Arc<impl Log>) {
    let store = LogEventStore::<DeliveryBox>::new(log, 4);
    decide(&store, install()).await.unwrap();
    let (mut one, mut other) = (store.load_aggregate("b1").await.unwrap(), store.load_aggregate("b1").await.unwrap());
    let (first, second) = (EventSink::default(), EventSink::default());
    one.aggregate().handle(open("ann"), &(), &first).await.unwrap();
    other.aggregate().handle(open("bob"), &(), &second).await.unwrap();
    store.commit(first.collect().await, one, by("ann")).await.unwrap();
    let late = store.commit(second.collect().await, other, by("bob")).await;
    assert!(matches!(late, Err(AggregateError::AggregateConflict)));
}

pub(crate) async fn the_cqrs_framework_runs_on_the_store(log: Arc<impl Log>) {
    let users = CqrsFramework::new(LogEventStore::<User>::new(log, 4), vec![], ());
    let register =
        |id: &str| UserCommand::RegisterUser { user_id: user(id), nickname: "Sunny".to_owned().try_into().unwrap() };
    users.execute_with_metadata("ann", register("ann"), by("ann")).await.unwrap();
    let taken = users.execute_with_metadata("bob", register("bob"), by("bob")).await;
    assert!(matches!(taken, Err(AggregateError::UserError(UserRefusal::NicknameTaken))));
}
