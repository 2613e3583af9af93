//! Every process has an account that can do its job, and nothing else.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, jetstream};
use domain::DeliveryBox;
use event_store::{Log, LogError, StreamName, follow, log::Freshness, streams};
use futures::StreamExt;
use harness::{Account, Nats};
use tokio::time::timeout;

use crate::{
    server,
    town::{executor, open_room},
};

const SOON: Duration = Duration::from_millis(400);

async fn client(nats: &Nats, account: Account) -> Client {
    server::connect(&nats.url(account)).await
}

/// Returns once the server has dealt with everything that this connection has sent: a flush only sends it.
async fn round_trip(client: &Client, account: Account) {
    match account {
        Account::Query => {
            let mut echo = client.subscribe("signal.echo").await.unwrap();
            client.publish("signal.echo", "".into()).await.unwrap();
            timeout(Duration::from_secs(5), echo.next()).await.unwrap().unwrap();
        }
        // Nobody answers; that this is so, is an answer.
        Account::Device | Account::Operator => drop(client.request("cmd.nobody", "".into()).await),
        Account::Admin | Account::Command | Account::Projector => {
            granted(client, "JS.core.API.STREAM.INFO.USER", "").await.unwrap();
        }
    }
}

/// Sends a request; whatever is answered, unless it is an error.
async fn granted(client: &Client, subject: &str, payload: &str) -> Option<String> {
    let request = async_nats::Request::new().payload(payload.to_owned().into()).timeout(Some(SOON));
    let answer = client.send_request(subject.to_owned(), request).await.ok()?;
    let text = String::from_utf8_lossy(&answer.payload).into_owned();
    (answer.status.is_none() && !text.contains(r#""error""#)).then_some(text)
}

/// Sends the same request to all of them at once; none may be granted.
async fn denied(client: &Client, account: Account, subjects: impl IntoIterator<Item = String>) {
    let asked = subjects.into_iter().map(|subject| async move {
        let answer = granted(client, &subject, r#"{"seq":1,"name":"MORE"}"#).await;
        assert_eq!(answer, None, "{account:?} {subject}");
    });
    futures::future::join_all(asked).await;
}

async fn last_sequences(log: &Arc<dyn Log>) -> Vec<u64> {
    let mut sequences = Vec::new();
    for stream in streams(server::PARTITIONS) {
        sequences.push(log.state(stream).await.expect("a stream is gone").last_sequence);
    }
    sequences
}

fn under_both_prefixes(operation: &str) -> [String; 2] {
    [format!("$JS.API.{operation}"), format!("JS.core.API.{operation}")]
}

/// What an attacker would try who has taken over a process.
async fn cannot_change_the_log(nats: &Nats, account: Account) {
    let owner = server::owned_log(nats).await;
    let before = last_sequences(&owner).await;
    let admin = client(nats, Account::Admin).await;
    assert!(granted(&admin, "$JS.API.STREAM.NAMES", "").await.is_some(), "who may, can");
    let client = client(nats, account).await;
    let stream = StreamName::Box(0).on_server();
    let on_stream = ["DELETE", "PURGE", "UPDATE", "MSG.DELETE", "SNAPSHOT", "RESTORE"];
    let operations = on_stream.map(|operation| format!("STREAM.{operation}.{stream}")).into_iter();
    let others = ["STREAM.CREATE.MORE", "STREAM.NAMES", "CONSUMER.CREATE.BOX_0", "CONSUMER.CREATE.BOX_0.x"];
    let operations = operations.chain(others.map(str::to_owned));
    denied(&client, account, operations.flat_map(|operation| under_both_prefixes(&operation))).await;
    // The answer to an allowed request goes to a subject of one's own choice, but stays in one's own account.
    for forged in [format!("$JS.API.STREAM.DELETE.{stream}"), "box.0.forged.room".to_owned()] {
        let question = format!("JS.core.API.STREAM.INFO.{stream}");
        client.publish_with_reply(question, forged, "".into()).await.unwrap();
    }
    round_trip(&client, account).await;
    assert_eq!(last_sequences(&owner).await, before, "{account:?}");
}

async fn cannot_append(nats: &Nats, account: Account) {
    let client = client(nats, account).await;
    let events = ["box.0.b1.room", "box.0.b1.talk", "user.ann", "claim.nickname.x", "store.s1", "mark.0.b1.1.ann"];
    let others = ["timer.0.b1.due", "timer.0.b1.fire", "$KV.accounts.ann", "JS.core.API.$KV.accounts.ann"];
    denied(&client, account, events.into_iter().chain(others).map(str::to_owned)).await;
    let owner = server::owned_log(nats).await;
    assert_eq!(last_sequences(&owner).await, vec![0; streams(server::PARTITIONS).len()]);
}

async fn cannot_read(nats: &Nats, account: Account) {
    let boxes = executor::<DeliveryBox>(&server::log(nats).await);
    open_room(&boxes).await;
    let client = client(nats, account).await;
    let mut stored = client.subscribe("stored.>").await.unwrap();
    let mut boxes_subjects = client.subscribe("box.>").await.unwrap();
    let mut everything = client.subscribe(">").await.unwrap();
    let streams = ["BOX_0", "BOX_1", "BOX_2", "BOX_3", "USER", "KV_accounts"].into_iter();
    let operations = streams.flat_map(|stream| {
        ["STREAM.INFO", "STREAM.MSG.GET", "DIRECT.GET"].map(|operation| format!("{operation}.{stream}"))
    });
    denied(&client, account, operations.flat_map(|operation| under_both_prefixes(&operation))).await;
    boxes.execute(&crate::town::box_id(), crate::town::say("ann", "hi"), crate::town::by("ann")).await.unwrap();
    for listening in [&mut stored, &mut boxes_subjects, &mut everything] {
        assert!(!matches!(timeout(SOON, listening.next()).await, Ok(Some(_))), "{account:?} overhears");
    }
}

#[tokio::test]
async fn the_command_service_can_only_append() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    cannot_change_the_log(&nats, Account::Command).await;
    open_room(&executor::<DeliveryBox>(&server::log(&nats).await)).await;
}

#[tokio::test]
async fn the_projector_can_only_read() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    cannot_change_the_log(&nats, Account::Projector).await;
    cannot_append(&nats, Account::Projector).await;
    let log: Arc<dyn Log> = Arc::new(event_store::JetStreamLog::new(client(&nats, Account::Projector).await));
    open_room(&executor::<DeliveryBox>(&server::log(&nats).await)).await;
    let stream = StreamName::Box(event_store::partition_of(&crate::town::box_id(), server::PARTITIONS));
    let mut follower = follow(log.clone(), stream, 1).await.unwrap();
    assert!(!follower.next_batch(10, 1 << 20).await.unwrap().commits.is_empty());
    assert!(event_store::commit_id_at(log.as_ref(), stream, 1).await.unwrap().is_some());
    assert!(matches!(
        log.last(StreamName::Timer, "timer.0.b1.due", Freshness::Leader).await,
        Err(LogError::Unavailable(_))
    ));
}

#[tokio::test]
async fn notices_go_from_the_projector_to_the_query_service_only() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (projector, query) = (client(&nats, Account::Projector).await, client(&nats, Account::Query).await);
    let mut heard = query.subscribe("live.g1.>").await.unwrap();
    let mut checkpoints = query.subscribe("projected.g1.*").await.unwrap();
    for subject in ["live.g1.room.b1.1", "projected.g1.box-0"] {
        query.publish(subject, "forged".into()).await.unwrap();
    }
    round_trip(&query, Account::Query).await;
    for subject in ["live.g1.room.b1.1", "projected.g1.box-0"] {
        projector.publish(subject, "true".into()).await.unwrap();
    }
    for listening in [&mut heard, &mut checkpoints] {
        let notice = timeout(Duration::from_secs(5), listening.next()).await.unwrap().unwrap();
        assert_eq!(notice.payload, "true");
    }
}

#[tokio::test]
async fn the_query_service_sees_nothing_of_the_log() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    cannot_change_the_log(&nats, Account::Query).await;
    cannot_append(&nats, Account::Query).await;
    cannot_read(&nats, Account::Query).await;
}

#[tokio::test]
async fn query_services_redeem_a_ticket_once_and_cannot_touch_other_buckets() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let query = client(&nats, Account::Query).await;
    let context = jetstream::with_prefix(query.clone(), event_store::SERVICE_API_PREFIX);
    let tickets = context.get_key_value("tickets").await.unwrap();
    let revision = tickets.put("t-1", "ann".into()).await.unwrap();
    let elsewhere = jetstream::with_prefix(client(&nats, Account::Query).await, event_store::SERVICE_API_PREFIX);
    let elsewhere = elsewhere.get_key_value("tickets").await.unwrap();
    assert_eq!(elsewhere.entry("t-1").await.unwrap().unwrap().value, "ann");
    elsewhere.delete_expect_revision("t-1", Some(revision)).await.unwrap();
    assert!(tickets.delete_expect_revision("t-1", Some(revision)).await.is_err(), "redeemed twice");

    assert!(context.get_key_value("accounts").await.is_err());
    let on_bucket = ["DELETE", "PURGE", "UPDATE", "MSG.DELETE", "SNAPSHOT"];
    let operations = on_bucket.map(|operation| format!("STREAM.{operation}.KV_tickets")).into_iter();
    let others = ["CONSUMER.CREATE.KV_tickets", "STREAM.INFO.KV_accounts", "STREAM.MSG.GET.KV_accounts"];
    let operations = operations.chain(others.map(str::to_owned));
    denied(&query, Account::Query, operations.flat_map(|operation| under_both_prefixes(&operation))).await;
    denied(&query, Account::Query, ["$KV.accounts.ann", "JS.core.API.$KV.accounts.ann"].map(str::to_owned)).await;
    let device = client(&nats, Account::Device).await;
    denied(&device, Account::Device, ["$KV.tickets.t-2", "JS.core.API.$KV.tickets.t-2"].map(str::to_owned)).await;
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
async fn a_device_can_only_send_commands() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    cannot_change_the_log(&nats, Account::Device).await;
    cannot_append(&nats, Account::Device).await;
    cannot_read(&nats, Account::Device).await;
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
    assert_eq!(granted(&device, "live.g1.room.b1.1", "forged").await, None);
    answering.abort();
}

#[tokio::test]
async fn an_operator_can_only_ask_projectors_and_send_commands() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    cannot_change_the_log(&nats, Account::Operator).await;
    cannot_append(&nats, Account::Operator).await;
    cannot_read(&nats, Account::Operator).await;
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
    for account in [Account::Device, Account::Query, Account::Command] {
        assert_eq!(granted(&client(&nats, account).await, "ops.projector.status", "{}").await, None, "{account:?}");
    }
    for forged in ["live.g1.room.b1.1", "projected.g1.box-0", "signal.room.b1.1"] {
        assert_eq!(granted(&operator, forged, "forged").await, None);
    }
    answering.abort();
}

#[tokio::test]
async fn nobody_comes_in_without_a_password() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let address = format!("127.0.0.1:{}", nats.port());
    assert!(async_nats::connect(&address).await.is_err());
    for user in ["admin", "command", "sys"] {
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), user.into());
        assert!(options.connect(&address).await.is_err(), "{user}");
    }
}
