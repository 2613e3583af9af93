//! Whole streams are read over connections of their own, or the usual way where that does not work: the same either way.

use std::{collections::BTreeSet, time::Duration};

use domain::DeliveryBox;
use event_store::{
    BulkAddress, JetStreamLog, Log, StreamName, follow,
    log::{Range, Recorded},
    partition_of,
};
use harness::{Account, Nats};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::{
    proxy::Proxy,
    server,
    town::{box_id, by, executor, open_room, say},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// The projector's log, read over this port by who reads all of it.
async fn log(nats: &Nats, port: u16, password: &str) -> JetStreamLog {
    let address =
        BulkAddress { host: "127.0.0.1".to_owned(), port, user: "projector".to_owned(), password: password.to_owned() };
    assert_eq!(format!("{address:?}"), format!("projector@127.0.0.1:{port}"), "a password is never shown");
    JetStreamLog::new(server::connect(&nats.url(Account::Projector)).await).bulk_from(Some(address))
}

fn password(nats: &Nats) -> String {
    let url: async_nats::ServerAddr = nats.url(Account::Projector).parse().unwrap();
    url.password().unwrap().to_owned()
}

/// All that can be seen of messages.
pub(crate) fn seen(page: &[Recorded]) -> Vec<String> {
    let one = |message: &Recorded| {
        let mut headers = BTreeSet::new();
        message.headers.each(|name, value| {
            headers.insert(format!("{name}: {value}"));
        });
        let Recorded { stream, sequence, subject, payload, stored_at, .. } = message;
        format!("{stream} {sequence} {subject} {stored_at} {payload:?} {headers:?}")
    };
    page.iter().map(one).collect()
}

#[tokio::test]
async fn a_stream_reads_the_same_over_a_connection_of_its_own() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let proxy = Proxy::to(nats.port()).await;
    let boxes = executor::<DeliveryBox>(&server::log(&nats).await);
    open_room(&boxes).await;
    for number in 0..80 {
        // More than what is received at a time, and cut anywhere.
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
        (Range { from: 83, ..all }, 0),
        (Range { subject: Some(&subject), ..all }, 2),
    ];
    for (range, count) in ranges {
        let page = bulk.read(range).await.unwrap();
        assert_eq!(seen(&page), seen(&usual.read(range).await.unwrap()), "{range:?}");
        assert_eq!(page.len(), count, "{range:?}");
        // The server, or somebody between, has ended the connection meanwhile.
        proxy.cut();
    }

    // A server that lets nobody in this way is read the usual way.
    let refused = std::sync::Arc::new(log(&nats, proxy.port, "wrong").await);
    let error = refused.bulk().unwrap().read(all).await.unwrap_err();
    assert!(error.to_string().contains("Authorization Violation"), "{error}");
    let mut follower = follow(refused, stream, 1).await.unwrap().in_bulk();
    let read = timeout(PATIENCE, follower.next_batch(1000, 1 << 24)).await.unwrap().unwrap();
    assert_eq!((read.commits.len(), read.caught_up), (82, true));

    // One that wants TLS is not told the password.
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
