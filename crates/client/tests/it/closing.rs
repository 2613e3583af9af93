//! Ends of connections, and the client's reaction to each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use client::{Client, Error, Inbox, Incoming, Loss, Options, Since};
use serde_json::{Value, json};

use crate::peer::{ROOM, Server, expect, heard, options, until};

/// Returns the reason of the next disconnection, and the delay before the next attempt.
async fn lost(inbox: &mut Inbox) -> (Loss, Duration) {
    until(inbox, |incoming| match incoming {
        Incoming::Disconnected { reason, retry_in } => Some((reason, retry_in)),
        _ => None,
    })
    .await
}

/// A client whose tokens are numbered.
fn with_numbered_tokens(server: &Server) -> (Client, Inbox) {
    let number = Arc::new(AtomicU32::new(0));
    let tokens = move || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        async move { Ok(format!("token {number}")) }
    };
    Client::connect(Options::new([server.url()], tokens).longest_delay(Duration::from_millis(200))).unwrap()
}

#[tokio::test]
async fn a_broken_connection_is_resumed_at_the_other_service() {
    let servers = [Server::start().await, Server::start().await];
    let (client, mut inbox) = Client::connect(options(servers.iter().map(Server::url))).unwrap();
    client.subscribe(ROOM.parse().unwrap(), Since::After(0));
    let (first, mut peer) = tokio::select! {
        peer = servers[0].greet(0, 2) => (0, peer),
        peer = servers[1].greet(0, 2) => (1, peer),
    };
    peer.events([1, 2]).await;
    expect(&mut inbox, [1, 2]).await;
    drop(peer);
    let mut peer = servers[1 - first].greet(2, 4).await;
    peer.events([3, 4]).await;
    expect(&mut inbox, [3, 4]).await;
    drop(peer);
    servers[first].greet(4, 5).await.events([5]).await;
    expect(&mut inbox, [5]).await;
}

#[tokio::test]
async fn an_unavailable_service_is_retried() {
    let server = Server::start().await;
    let gone = {
        let gone = Server::start().await;
        gone.url()
    };
    let (_client, mut inbox) = Client::connect(options([gone.clone()])).unwrap();
    for _ in 0..3 {
        let (reason, retry_in) = lost(&mut inbox).await;
        assert!(matches!(reason, Loss::Unreachable(_)), "{reason}");
        assert!(retry_in <= Duration::from_millis(200));
    }
    let (_client, mut inbox) = Client::connect(options([gone, server.url()])).unwrap();
    server.call().await.welcome(60_000).await;
    until(&mut inbox, |incoming| matches!(incoming, Incoming::Connected { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_bye_sets_the_reconnect_delay() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 1).await;
    peer.events([1]).await;
    let asked = Instant::now();
    peer.close(4000, "stopping", 400).await;
    let (reason, retry_in) = lost(&mut inbox).await;
    assert_eq!(reason, Loss::Closed { code: 4000, reason: "stopping".to_owned() });
    assert!(retry_in >= Duration::from_millis(400));
    server.greet(1, 2).await.events([2]).await;
    assert!(asked.elapsed() >= Duration::from_millis(400), "{:?}", asked.elapsed());
    expect(&mut inbox, [2]).await;
}

#[tokio::test]
async fn a_close_without_a_bye_is_handled_too() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    server.greet(0, 0).await.close_without_bye(4001, "too-slow").await;
    assert_eq!(lost(&mut inbox).await.0, Loss::Closed { code: 4001, reason: "too-slow".to_owned() });
    server.greet(0, 1).await.events([1]).await;
    expect(&mut inbox, [1]).await;
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_a_good_one_is_kept() {
    let server = Server::start().await;
    let (_client, mut inbox) = with_numbered_tokens(&server);
    for (token, code) in [(0, 4200), (1, 4201), (2, 4000), (2, 4100), (3, 4002)] {
        let mut peer = server.call().await;
        assert_eq!(peer.next().await["token"], format!("token {token}"));
        peer.welcome(60_000).await;
        peer.close(code, "why", 0).await;
        lost(&mut inbox).await;
    }
}

#[tokio::test]
async fn a_refused_token_is_not_sent_again() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    server.greet(0, 0).await.close(4200, "expired-token", 0).await;
    lost(&mut inbox).await;
    let refused = Error::TokenRefused { code: 4200, reason: "expired-token".to_owned() };
    assert_eq!(heard(&mut inbox).await, Err(refused));
    assert_eq!(inbox.next().await, None);
}

#[tokio::test]
async fn a_source_of_bad_tokens_is_not_asked_forever() {
    let server = Server::start().await;
    let (_client, mut inbox) = with_numbered_tokens(&server);
    for _ in 0..4 {
        let mut peer = server.call().await;
        peer.next().await;
        peer.close(4201, "invalid-token", 0).await;
    }
    let error = loop {
        if let Err(error) = heard(&mut inbox).await {
            break error;
        }
    };
    assert_eq!(error, Error::TokenRefused { code: 4201, reason: "invalid-token".to_owned() });
}

#[tokio::test]
async fn a_failed_token_request_is_repeated() {
    let server = Server::start().await;
    let tries = Arc::new(AtomicU32::new(0));
    let tokens = move || {
        let first = tries.fetch_add(1, Ordering::Relaxed) == 0;
        async move { if first { Err("no entropy".into()) } else { Ok("second".to_owned()) } }
    };
    let (_client, mut inbox) = Client::connect(Options::new([server.url()], tokens)).unwrap();
    assert_eq!(lost(&mut inbox).await.0, Loss::NoToken("no entropy".to_owned()));
    assert_eq!(server.call().await.next().await["token"], "second");
}

#[tokio::test]
async fn a_client_does_not_reconnect_after_a_permanent_close() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.greet(0, 1).await;
    peer.events([1]).await;
    peer.close(4301, "frame-too-large", 0).await;
    expect(&mut inbox, [1]).await;
    let refused = Error::Refused { code: 4301, reason: "frame-too-large".to_owned() };
    assert_eq!(heard(&mut inbox).await, Err(refused));
    assert_eq!(inbox.next().await, None);
}

#[tokio::test]
async fn a_silent_service_is_abandoned() {
    let server = Server::start().await;
    let (_client, mut inbox) = server.client(0);
    let mut peer = server.call().await;
    peer.next().await;
    peer.welcome(100).await;
    peer.subscribed(&Value::Null, 0).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        peer.say(json!({ "type": "ping", "heads": { ROOM: 0 } })).await;
        assert_eq!(peer.next().await, json!({ "type": "pong" }));
    }
    assert_eq!(lost(&mut inbox).await.0, Loss::Silent);
    server.greet(0, 1).await.events([1]).await;
    expect(&mut inbox, [1]).await;
}

#[tokio::test]
async fn a_service_without_a_welcome_is_abandoned() {
    let server = Server::start().await;
    let quick = options([server.url()]).time_limit(Duration::from_millis(100));
    let (_client, mut inbox) = Client::connect(quick).unwrap();
    let _mute = server.call().await;
    assert_eq!(lost(&mut inbox).await.0, Loss::Silent);
    server.call().await.welcome(60_000).await;
    until(&mut inbox, |incoming| matches!(incoming, Incoming::Connected { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_connection_ends_with_its_reader() {
    let server = Server::start().await;
    let (client, inbox) = server.client(0);
    let mut peer = server.greet(0, 0).await;
    drop(inbox);
    peer.until_gone().await;
    client.subscribe(ROOM.parse().unwrap(), Since::Now);
}
