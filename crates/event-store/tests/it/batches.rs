//! Tests of concurrent atomic batches of many processes, more than a server allows at a time.

use std::time::Duration;

use async_nats::{HeaderMap, header};
use domain::{User, UserCommand};
use event_store::{JetStreamLog, Log};
use futures::future::join_all;
use harness::Nats;
use testing::{
    commands::{by, executor, user},
    server,
};
use tokio::time::sleep;
use wire::StreamName;

/// The number of batches that a server allows on a stream, of all processes together.
const UNDER_WAY: usize = 50;

/// Sends one message of a batch.
async fn send(log: &JetStreamLog, number: usize, sequence: &str, commit: bool) {
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_BATCH_ID, format!("other-{number}").as_str());
    headers.insert(header::NATS_BATCH_SEQUENCE, sequence);
    if commit {
        headers.insert(header::NATS_BATCH_COMMIT, "1");
    }
    let subject = format!("claim.nickname.other{number}-{sequence}");
    log.server().client().publish_with_headers(subject, headers, "{}".into()).await.unwrap();
}

#[tokio::test]
async fn a_registration_waits_for_the_batches_of_others() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, others) = (server::log(&nats).await, server::log(&nats).await);
    let users = executor::<User>(&log);
    for number in 0..UNDER_WAY {
        send(&others, number, "1", false).await;
    }
    others.server().client().flush().await.unwrap();
    let registrations = (0..20).map(|number| {
        let user_id = user(&format!("user{number}"));
        let nickname = format!("Sunny{number}").try_into().unwrap();
        let (users, context) = (users.clone(), by(user_id.as_str()));
        async move {
            let command = UserCommand::RegisterUser { user_id: user_id.clone(), nickname };
            users.execute(&user_id, command, context).await
        }
    });
    let free = async {
        sleep(Duration::from_millis(500)).await;
        for number in 0..UNDER_WAY {
            send(&others, number, "2", true).await;
        }
    };
    let (registered, ()) = tokio::join!(join_all(registrations), free);
    for registered in registered {
        registered.unwrap();
    }
    let last = log.state(StreamName::User).await.unwrap().last_sequence;
    assert_eq!(last, 3 * 20 + 2 * UNDER_WAY as u64);
}
