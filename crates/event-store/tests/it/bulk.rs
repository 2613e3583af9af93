//! Tests that whole streams read the same over bulk connections, and without one if it fails.

use std::time::Duration;

use async_nats::jetstream;
use domain::DeliveryBox;
use event_store::{BulkAddress, BulkReader, JetStreamLog, Log, follow, log::Range};
use harness::{Account, Nats};
use provision::topology::{self, ProvisionOptions};
use testing::{
    Proxy,
    commands::{box_id, by, executor, open_room, say},
    server::{self, seen},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};
use wire::{StreamName, partition_of};

const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the projector's log with bulk connections over this port.
async fn log(nats: &Nats, port: u16, password: &str) -> JetStreamLog {
    let address =
        BulkAddress { host: "127.0.0.1".to_owned(), port, user: "projector".to_owned(), password: password.to_owned() };
    assert_eq!(format!("{address:?}"), format!("projector@127.0.0.1:{port}"), "a password is never shown");
    JetStreamLog::new(server::connect(&nats.url(Account::Projector)).await).with_bulk(Some(address))
}

fn password(nats: &Nats) -> String {
    let url: async_nats::ServerAddr = nats.url(Account::Projector).parse().unwrap();
    url.password().unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_reads_the_same_over_a_connection_of_its_own() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let proxy = Proxy::to(nats.port()).await;
    let boxes = executor::<DeliveryBox>(&server::log(&nats).await);
    open_room(&boxes).await;
    for number in 0..80 {
        // More than one receive buffer, cut anywhere.
        let body = format!("{number} {}", "x".repeat(number * 49));
        boxes.execute(&box_id(), say("ann", &body), by("ann")).await.unwrap();
    }
    let stream = StreamName::Box(partition_of(&box_id(), server::PARTITIONS));
    let all = Range { stream, from: 1, subject: None, max_messages: 1000, max_bytes: 1 << 24 };

    let usual = log(&nats, proxy.port, &password(&nats)).await;
    let mut bulk = usual.bulk().unwrap();
    let subject = format!("box.{}.b1.room", partition_of(&box_id(), server::PARTITIONS));
    let ranges = [
        (all, 82),
        (Range { from: 40, max_messages: 7, ..all }, 7),
        (Range { from: 47, max_messages: 7, ..all }, 7),
        (Range { subject: Some(&subject), ..all }, 2),
        (Range { from: 83, ..all }, 0),
    ];
    for (range, count) in ranges {
        let page = bulk.read(range).await.unwrap();
        assert_eq!(seen(&page), seen(&usual.read(range).await.unwrap()), "{range:?}");
        assert_eq!(page.len(), count, "{range:?}");
        // The connection is cut between two reads.
        proxy.cut();
    }

    // A page limited in bytes begins at the same place, and the next read continues after it.
    let bounded = Range { from: 20, max_bytes: 50_000, ..all };
    let page = bulk.read(bounded).await.unwrap();
    assert!((10..50).contains(&page.len()), "{} messages in 50,000 bytes", page.len());
    let next = bulk.read(Range { from: page.last().unwrap().sequence + 1, ..all }).await.unwrap();
    let rest = usual.read(Range { from: 20, ..all }).await.unwrap();
    assert_eq!(seen(&[page, next].concat()), seen(&rest));

    // A server that rejects the credentials is read without a bulk connection.
    let refused = std::sync::Arc::new(log(&nats, proxy.port, "wrong").await);
    let error = refused.bulk().unwrap().read(all).await.unwrap_err();
    assert!(error.to_string().contains("Authorization Violation"), "{error}");
    let mut follower = follow(refused, stream, 1).await.unwrap().in_bulk();
    let read = timeout(PATIENCE, follower.next_batch(1000, 1 << 24)).await.unwrap().unwrap();
    assert_eq!((read.commits.len(), read.caught_up), (82, true));

    // The password is not sent to a server that requires TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wary = log(&nats, listener.local_addr().unwrap().port(), "secret").await;
    let heard = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"INFO {\"server_id\":\"x\",\"tls_required\":true}\r\n").await.unwrap();
        let mut heard = Vec::new();
        socket.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let mut bulk = wary.bulk().unwrap();
    let (read, heard) = tokio::join!(bulk.read(all), heard);
    assert!(read.unwrap_err().to_string().contains("TLS") && heard.is_empty(), "{heard:?}");
}

/// Returns the number of messages that a stream's consumer has delivered since its last reset. None without a consumer.
async fn delivered(nats: &Nats, stream: StreamName) -> Option<u64> {
    let owner = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    let stream = owner.get_stream(stream.on_server()).await.unwrap();
    Some(stream.consumer_info("bulk").await.ok()?.delivered.consumer_sequence)
}

/// Stores many small commits of one box and returns its stream.
async fn talk(nats: &Nats, count: usize) -> StreamName {
    let boxes = executor::<DeliveryBox>(&server::log(nats).await);
    open_room(&boxes).await;
    for number in 0..count {
        boxes.execute(&box_id(), say("ann", &number.to_string()), by("ann")).await.unwrap();
    }
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

/// Reads all sequences of a stream, in pages of this size.
async fn all_sequences(bulk: &mut Box<dyn BulkReader>, stream: StreamName, max_messages: usize) -> Vec<u64> {
    let mut sequences = Vec::new();
    loop {
        let from = sequences.last().map_or(1, |last| last + 1);
        let range = Range { stream, from, subject: None, max_messages, max_bytes: 1 << 24 };
        let page = bulk.read(range).await.unwrap();
        sequences.extend(page.iter().map(|message| message.sequence));
        if page.len() < max_messages {
            return sequences;
        }
    }
}

#[tokio::test]
async fn a_stream_is_read_from_its_consumer_until_another_reader_moves_it() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log = log(&nats, nats.port(), &password(&nats)).await;
    let stream = talk(&nats, 58).await;
    let whole: Vec<u64> = (1..=60).collect();

    assert_eq!(all_sequences(&mut log.bulk().unwrap(), stream, 7).await, whole);
    assert_eq!(delivered(&nats, stream).await, Some(60), "page by page, without being moved again");
    nats.kill().await;
    nats.start_again().await.unwrap();
    assert_eq!(all_sequences(&mut log.bulk().unwrap(), stream, 25).await, whole);
    assert_eq!(delivered(&nats, stream).await, Some(60), "also after a restart");

    // Two readers take turns page by page, then read concurrently.
    let [mut one, mut other] = [log.bulk().unwrap(), log.bulk().unwrap()];
    for from in [1, 8, 15] {
        for bulk in [&mut one, &mut other] {
            let page = bulk.read(Range { stream, from, subject: None, max_messages: 7, max_bytes: 1 << 24 });
            let sequences: Vec<u64> = page.await.unwrap().iter().map(|message| message.sequence).collect();
            assert_eq!(sequences, (from..from + 7).collect::<Vec<_>>());
        }
    }
    for _ in 0..10 {
        let [mut one, mut other] = [log.bulk().unwrap(), log.bulk().unwrap()];
        let both = tokio::join!(all_sequences(&mut one, stream, 3), all_sequences(&mut other, stream, 4));
        assert_eq!(both, (whole.clone(), whole.clone()));
    }
}

#[tokio::test]
async fn a_stream_without_its_consumer_is_still_read() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let log = log(&nats, nats.port(), &password(&nats)).await;
    let stream = talk(&nats, 20).await;
    let owner = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    owner.get_stream(stream.on_server()).await.unwrap().delete_consumer("bulk").await.unwrap();

    let read = async { all_sequences(&mut log.bulk().unwrap(), stream, 7).await };
    assert_eq!(timeout(PATIENCE, read).await.unwrap(), (1..=22).collect::<Vec<_>>());
    assert_eq!(delivered(&nats, stream).await, None);

    // A log of an earlier version gets the consumer with the next provisioning.
    let options = ProvisionOptions { partitions: server::PARTITIONS, replicas: 1 };
    topology::provision(server::connect(&nats.url(Account::Admin)).await, options).await.unwrap();
    assert_eq!(all_sequences(&mut log.bulk().unwrap(), stream, 7).await.len(), 22);
    assert_eq!(delivered(&nats, stream).await, Some(22));
}
