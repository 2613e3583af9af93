//! `boxroom-tail` over an encrypted connection.

use std::{process::Stdio, sync::Arc, time::Duration};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::peer::{Peer, ROOM, Server};

/// Returns a TLS acceptor with a self-signed certificate, and the path of the file that makes a client trust it.
fn encryption(folder: &tempfile::TempDir) -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), trusted.to_str().unwrap().to_owned())
}

fn tail(server: &Server, trusted: &str, arguments: &[&str]) -> Child {
    let url = server.url().replace("http://127.0.0.1", "https://localhost");
    Command::new(env!("CARGO_BIN_EXE_boxroom-tail"))
        .args(["--url", &url, "--token", "a token", "--from", "0", ROOM])
        .args(arguments)
        .env("SSL_CERT_FILE", trusted)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Plays a service that sends an event, an alarm and a membership, and then ends the room.
async fn play(server: &Server, acceptor: &TlsAcceptor) {
    let stream = acceptor.accept(server.accept().await).await.unwrap();
    let mut peer = Peer::shake_hands(stream).await;
    assert_eq!(peer.next().await["token"], "a token");
    peer.welcome(60_000).await;
    peer.subscribed(&Value::Null, 1).await;
    peer.events([1]).await;
    let at = "2026-01-02T03:04:05.678Z";
    let alarm = json!({ "type": "alarm", "id": "1", "kind": "mention", "at": at, "room_id": "b.7", "by": "ben" });
    peer.say(alarm).await;
    peer.say(json!({ "type": "membership", "room_id": "b.7", "standing": "inside", "at": at })).await;
    peer.say(json!({ "type": "unsubscribed", "room_id": ROOM, "reason": "left" })).await;
    peer.until_gone().await;
}

/// Returns the output of a tail: events, and everything else.
async fn printed(tail: Child) -> (String, String) {
    let output = timeout(Duration::from_secs(10), tail.wait_with_output()).await.expect("it does not end").unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn the_tail_prints_events_and_notes_separately() {
    let folder = tempfile::tempdir().unwrap();
    let (server, (acceptor, trusted)) = (Server::start().await, encryption(&folder));
    let started = tail(&server, &trusted, &[]);
    play(&server, &acceptor).await;
    let (events, notes) = printed(started).await;
    assert_eq!(events, "2026-01-02 03:04:05Z b.1    1 ana x\n");
    for note in ["b.7  ! ben mentions you\n", "b.7: you are a member\n", "b.1: left\n"] {
        assert!(notes.contains(note), "{notes}");
    }
    let started = tail(&server, &trusted, &["--quiet"]);
    play(&server, &acceptor).await;
    assert_eq!(printed(started).await, (events, String::new()));
}

#[tokio::test]
async fn the_tail_sends_nothing_to_an_unauthenticated_service() {
    let folder = tempfile::tempdir().unwrap();
    let (server, (acceptor, _)) = (Server::start().await, encryption(&folder));
    let other = tempfile::tempdir().unwrap();
    let (_, trusted) = encryption(&other);
    let _tail = tail(&server, &trusted, &[]);
    for _ in 0..2 {
        assert!(acceptor.accept(server.accept().await).await.is_err());
    }
}
