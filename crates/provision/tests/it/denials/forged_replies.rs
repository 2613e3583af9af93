//! Tests that no account can have an answer sent to a subject of another account.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_nats::Subscriber;
use futures::{StreamExt, stream::SelectAll};
use harness::{Account, Nats};
use testing::server;

use super::{ALL, operations, provisioned, wire::Wire};

#[tokio::test]
async fn an_answer_reaches_only_the_requesting_account() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let before = provisioned(&nats).await;
    let all = operations(&before);
    let counted =
        [answer(&nats, Account::Command, "cmd.>").await, answer(&nats, Account::Projector, "ops.projector.*").await];
    // Forged answers could do harm at the log's owner, and at receivers of notifications.
    let subjects = before.iter().flat_map(|stream| stream.subjects.clone());
    let subjects = subjects.chain(["stored.>", "live.>", "cmd.>", "ops.>", "signal.>"].map(str::to_owned));
    let mut owner = Subscriptions::start(&nats, Account::Admin, subjects).await;
    let notifications = ["live.>", "projected.>", "signal.>"].map(str::to_owned);
    let mut query = Subscriptions::start(&nats, Account::Query, notifications.into_iter()).await;

    for may in &ALL {
        let mut wire = Wire::connect(&nats, may.account).await;
        let of_others = |subject: &str| subject.starts_with("cmd.") || subject.starts_with("ops.");
        let of_server = |subject: &str| ["INFO", "GET", "NEXT"].iter().any(|ask| subject.contains(&format!(".{ask}.")));
        let askable = || all.iter().filter(|subject| may.publish(subject));
        let asked = askable().filter(|subject| of_server(subject)).take(4);
        let asked = asked.chain(askable().filter(|subject| of_others(subject)).take(4));
        let asked: BTreeSet<String> = asked.cloned().collect();
        assert!(!asked.is_empty(), "{:?} has nothing to ask", may.account);
        for reply in all.iter().filter(|subject| !may.publish(subject)) {
            wire.refused_to_publish(&asked, Some(reply)).await;
        }
        assert_eq!(owner.received().await, Vec::<String>::new(), "{:?} has an answer sent to the log", may.account);
        // Within an account the reply subject is free: its connections have the same permissions.
        let received = query.received().await;
        assert!(may.account == Account::Query || received.is_empty(), "{:?} forges {received:?}", may.account);
    }
    assert_eq!(provisioned(&nats).await, before, "the streams are as they were");
    for (account, request) in [(Account::Device, "cmd.last"), (Account::Operator, "ops.projector.last")] {
        server::connect(&nats.url(account)).await.request(request, "".into()).await.unwrap();
    }
    for counts in counted {
        let [questions, answers] = counts.each_ref().map(|count| count.load(Ordering::SeqCst));
        assert!(questions > 100 && answers == 0, "{answers} answers are taken for questions, of {questions}");
    }
}

/// Subscribes to several subjects.
struct Subscriptions {
    client: async_nats::Client,
    messages: SelectAll<Subscriber>,
}

impl Subscriptions {
    async fn start(nats: &Nats, account: Account, subjects: impl Iterator<Item = String>) -> Self {
        let client = server::connect(&nats.url(account)).await;
        let mut subscriptions = Self { client, messages: SelectAll::new() };
        for subject in subjects {
            subscriptions.messages.push(subscriptions.client.subscribe(subject).await.unwrap());
        }
        assert_eq!(subscriptions.received().await, Vec::<String>::new());
        subscriptions
    }

    /// Returns the subjects of all messages received so far.
    async fn received(&mut self) -> Vec<String> {
        self.client.publish("signal.mark", "".into()).await.unwrap();
        let until_mark = self.messages.by_ref().map(|message| message.subject.to_string());
        until_mark.take_while(|subject| std::future::ready(subject != "signal.mark")).collect().await
    }
}

/// Answers all requests on a pattern. Returns the number of requests, and of answers received as requests.
async fn answer(nats: &Nats, account: Account, requests: &'static str) -> Arc<[AtomicUsize; 2]> {
    let client = server::connect(&nats.url(account)).await;
    let mut requests = client.subscribe(requests).await.unwrap();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            counted[usize::from(request.payload == "answer")].fetch_add(1, Ordering::SeqCst);
            if let Some(reply) = request.reply {
                client.publish(reply, "answer".into()).await.unwrap();
            }
        }
    });
    counts
}
