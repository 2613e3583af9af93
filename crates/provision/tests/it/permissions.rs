//! Tests that every account has the permissions that its process needs. `denials` tests the rest.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, jetstream};
use domain::DeliveryBox;
use event_store::{Log, LogError, follow, log::Freshness};
use futures::StreamExt;
use harness::{Account, Nats};
use testing::{
    commands::{executor, open_room},
    server,
};
use tokio::time::timeout;
use wire::StreamName;

const SOON: Duration = Duration::from_millis(400);

async fn client(nats: &Nats, account: Account) -> Client {
    server::connect(&nats.url(account)).await
}

/// Returns after the server has processed everything sent over this connection. A flush would only send it.
async fn round_trip(client: &Client, account: Account) {
    match account {
        Account::Query => {
            let mut echo = client.subscribe("signal.echo").await.unwrap();
            client.publish("signal.echo", "".into()).await.unwrap();
            timeout(Duration::from_secs(5), echo.next()).await.unwrap().unwrap();
        }
        Account::Notifier => drop(client.request("devices.remove", "".into()).await),
        // There are no responders, and the server reports that.
        Account::Device | Account::Operator => drop(client.request("cmd.nobody", "".into()).await),
        Account::Admin | Account::Command | Account::Projector => {
            granted(client, "JS.core.API.STREAM.INFO.USER", "").await.unwrap();
        }
    }
}

/// Sends a request and returns the answer, unless it is an error.
async fn granted(client: &Client, subject: &str, payload: &str) -> Option<String> {
    let request = async_nats::Request::new().payload(payload.to_owned().into()).timeout(Some(SOON));
    let answer = client.send_request(subject.to_owned(), request).await.ok()?;
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    (answer.status.is_none() && !text.contains(r#""error""#)).then_some(text)
}

#[tokio::test]
async fn the_projector_reads_the_log() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log: Arc<dyn Log> = Arc::new(event_store::JetStreamLog::new(client(&nats, Account::Projector).await));
    open_room(&executor::<DeliveryBox>(&server::log(&nats).await)).await;
    let stream = StreamName::Box(wire::partition_of(&testing::commands::box_id(), server::PARTITIONS));
    let mut follower = follow(log.clone(), stream, 1).await.unwrap();
    assert!(!follower.next_batch(10, 1 << 20).await.unwrap().commits.is_empty());
    assert!(event_store::commit_id_at(log.as_ref(), stream, 1).await.unwrap().is_some());
    assert!(matches!(
        log.last(StreamName::Timer, "timer.0.b1.due", Freshness::Leader).await,
        Err(LogError::Unavailable(_))
    ));
}

#[tokio::test]
async fn notifications_go_only_from_the_projector_to_the_query_service() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (projector, query) = (client(&nats, Account::Projector).await, client(&nats, Account::Query).await);
    let mut heard = query.subscribe("live.g1.>").await.unwrap();
    let mut activations = query.subscribe("projected.>").await.unwrap();
    for subject in ["live.g1.box-0", "projected.activated"] {
        query.publish(subject, "forged".into()).await.unwrap();
    }
    round_trip(&query, Account::Query).await;
    for subject in ["live.g1.box-0", "projected.activated"] {
        projector.publish(subject, "true".into()).await.unwrap();
    }
    for listening in [&mut heard, &mut activations] {
        let notice = timeout(Duration::from_secs(5), listening.next()).await.unwrap().unwrap();
        assert_eq!(notice.payload, "true");
    }
}

#[tokio::test]
async fn query_services_redeem_a_ticket_once() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let query = client(&nats, Account::Query).await;
    let context = jetstream::with_prefix(query.clone(), wire::SERVICE_API_PREFIX);
    let tickets = context.get_key_value("tickets").await.unwrap();
    let revision = tickets.put("t-1", "ann".into()).await.unwrap();
    let elsewhere = jetstream::with_prefix(client(&nats, Account::Query).await, wire::SERVICE_API_PREFIX);
    let elsewhere = elsewhere.get_key_value("tickets").await.unwrap();
    assert_eq!(elsewhere.entry("t-1").await.unwrap().unwrap().value, "ann");
    elsewhere.delete_expect_revision("t-1", Some(revision)).await.unwrap();
    assert!(tickets.delete_expect_revision("t-1", Some(revision)).await.is_err(), "redeemed twice");
}

#[tokio::test]
async fn query_services_signal_to_each_other() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (one, other) = (client(&nats, Account::Query).await, client(&nats, Account::Query).await);
    let mut heard = other.subscribe("signal.room.>").await.unwrap();
    round_trip(&other, Account::Query).await;
    one.publish("signal.room.b1.1", "typing".into()).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), heard.next()).await.unwrap().unwrap().payload, "typing");
}

#[tokio::test]
async fn a_notifier_learns_of_alarms_asks_for_presence_and_keeps_its_position() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (projector, notifier) = (client(&nats, Account::Projector).await, client(&nats, Account::Notifier).await);
    let mut alarms = notifier.subscribe("projected.>").await.unwrap();
    round_trip(&notifier, Account::Notifier).await;
    projector.publish("projected.alarms.box-0", "true".into()).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), alarms.next()).await.unwrap().unwrap().payload, "true");

    let inbox = notifier.new_inbox();
    let mut answers = notifier.subscribe(inbox.clone()).await.unwrap();
    for _ in 0..2 {
        let query = client(&nats, Account::Query).await;
        let mut questions = query.subscribe("presence.ask").await.unwrap();
        round_trip(&query, Account::Query).await;
        tokio::spawn(async move {
            let question = questions.next().await.unwrap();
            query.publish(question.reply.unwrap(), "here".into()).await.unwrap();
            query.flush().await.unwrap();
            std::future::pending::<()>().await;
        });
    }
    notifier.publish_with_reply("presence.ask", inbox, "[]".into()).await.unwrap();
    for _ in 0..2 {
        let answer = timeout(Duration::from_secs(5), answers.next()).await.expect("every query-service answers");
        assert_eq!(answer.unwrap().payload, "here");
    }

    let context = jetstream::with_prefix(notifier, wire::SERVICE_API_PREFIX);
    let positions = context.get_key_value("notifier").await.unwrap();
    positions.put("planned.box-0", "7".into()).await.unwrap();
    assert_eq!(positions.get("planned.box-0").await.unwrap().unwrap(), "7");
}

#[tokio::test]
async fn a_device_sends_commands() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let command = client(&nats, Account::Command).await;
    let mut requests = command.queue_subscribe("cmd.>", "command".into()).await.unwrap();
    round_trip(&command, Account::Command).await;
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let answer = format!("{} done", request.subject);
            command.publish(request.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    let device = client(&nats, Account::Device).await;
    let answer = device.request("cmd.record-arrival", "{}".into()).await.unwrap();
    assert_eq!(answer.payload, "cmd.record-arrival done");
    answering.abort();
}

#[tokio::test]
async fn an_operator_sends_requests_to_projectors() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let projector = client(&nats, Account::Projector).await;
    let mut requests = projector.queue_subscribe("ops.projector.*", "projector".into()).await.unwrap();
    round_trip(&projector, Account::Projector).await;
    let answering = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let answer = format!("{} done", request.subject);
            projector.publish(request.reply.unwrap(), answer.into()).await.unwrap();
        }
    });
    let operator = client(&nats, Account::Operator).await;
    let answer = operator.request("ops.projector.status", "{}".into()).await.unwrap();
    assert_eq!(answer.payload, "ops.projector.status done");
    answering.abort();
}

#[tokio::test]
async fn a_connection_without_a_password_is_refused() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let address = format!("127.0.0.1:{}", nats.port());
    assert!(async_nats::connect(&address).await.is_err());
    for user in ["admin", "command", "sys"] {
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), user.into());
        assert!(options.connect(&address).await.is_err(), "{user}");
    }
}
