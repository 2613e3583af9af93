//! HTTPS of the services: requests, live connections, event streams and the keys of an issuer.

use std::{path::Path, process::Stdio};

use harness::{Account, Role, ServiceId, Stack, port::Port};
use reqwest::Method;
use system_tests::{Listener, Person, World};
use testing::wait::eventually;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use super::{TIMEOUT, program, until_printed};

/// The certificate of the authority that signed those of the services, and that of another authority of the same name.
fn authorities(stack: &Stack) -> (&Path, &Path) {
    let certificates = stack.certificates().expect("the stack uses TLS");
    (&certificates.authority, &certificates.untrusted)
}

/// The address of a service itself, which only accepts TLS.
fn itself(stack: &Stack, name: &str) -> String {
    format!("https://127.0.0.1:{}", stack.ports()[name])
}

/// Requests of the test clients reach the services over HTTPS through tunnels.
pub(super) async fn answers_and_events_come_over_https(world: &World, ana: &Person, room: &str) {
    for service in [ServiceId::Command(0), ServiceId::Query(0), ServiceId::Projector(0)] {
        let page = world.request(Method::GET, &format!("{}/healthz", world.stack.url(service)));
        let answer = page.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{service}");
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000", "{service}");
    }
    let mut stream = Listener::open(world, 0, ana, &[room], None).await;
    stream.until("subscription", |frame| frame["type"] == "subscribed").await;
    ana.say(room, "To a stream").await.created();
    stream.until("message", |frame| frame["data"]["body"] == "To a stream").await;
}

pub(super) async fn services_refuse_clients_without_tls(stack: &Stack) {
    for name in ["command-0", "projector-0", "query-0"] {
        let mut service = TcpStream::connect(("127.0.0.1", stack.ports()[name])).await.unwrap();
        service.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut heard = Vec::new();
        // The connection may also be reset.
        let _ = timeout(TIMEOUT, service.read_to_end(&mut heard)).await.expect("the connection ends");
        assert!(!String::from_utf8_lossy(&heard).contains("HTTP"), "{name} answers in clear: {heard:?}");
    }
}

pub(super) async fn a_tail_requires_a_trusted_certificate(world: &World, ana: &Person, room: &str) {
    let tail = |authority: &Path| {
        Command::new(program("boxroom-tail"))
            .args(["--url", &itself(&world.stack, "query-0"), "--from", "0", room])
            .env("BOXROOM_TOKEN", ana.token())
            .env("SSL_CERT_FILE", authority)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let (authority, stranger) = authorities(&world.stack);
    let mut trusting = tail(authority);
    until_printed(trusting.stderr.take().unwrap(), "following, at version").await;
    ana.say(room, "To a tail").await.created();
    until_printed(trusting.stdout.take().unwrap(), "To a tail").await;
    until_printed(tail(stranger).stderr.take().unwrap(), "invalid peer certificate").await;
}

/// Checks an issuer's keys over HTTPS. The command-service publishes its keys as an external issuer does.
pub(super) async fn fetching_issuer_keys_requires_a_trusted_certificate(world: &World) {
    let stack = &world.stack;
    let port = Port::reserve(None).unwrap();
    let query_service = |authority: &Path, log: Stdio| {
        Command::new(program("query-service"))
            .env("BOXROOM_LISTEN", format!("127.0.0.1:{}", port.number()))
            .env("BOXROOM_NATS_URL", stack.nats_url(Account::Query))
            .env("BOXROOM_DATABASE_URL", stack.database_url(Role::Query))
            .env("BOXROOM_ISSUER", "https://login.example")
            .env("BOXROOM_ISSUER_AUDIENCE", "boxroom")
            .env("BOXROOM_ISSUER_KEYS", format!("{}/.well-known/jwks.json", itself(stack, "command-0")))
            .env("SSL_CERT_FILE", authority)
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let (authority, stranger) = authorities(stack);
    let mut deceived = query_service(stranger, Stdio::piped());
    until_printed(deceived.stderr.take().unwrap(), "invalid peer certificate").await;
    deceived.kill().await.unwrap();
    let _trusting = query_service(authority, Stdio::null());
    eventually("the service knows the keys, so it is ready", async || {
        let page = world.request(Method::GET, &format!("http://127.0.0.1:{}/readyz", port.number()));
        page.send().await.is_ok_and(|answer| answer.status() == 200).then_some(())
    })
    .await;
}
