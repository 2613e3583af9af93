//! TLS to servers and services, and an encrypted log. Everything works over TLS, and nothing without it.

mod https;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_nats::{ConnectOptions, ServerAddr, jetstream};
use harness::{Account, Nats, Role, ServiceId, Stack, StackOptions};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use system_tests::World;
use testing::wait::eventually;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};

const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_tls_and_nothing_without() {
    // At this level the logs contain every detail, but must contain no password.
    let services = [ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0)];
    let env = services.map(|service| (service, "BOXROOM_LOG", "trace".to_owned())).to_vec();
    let world = World::start(StackOptions { secured: true, env, ..StackOptions::default() }).await;
    let marker = format!("marker-{:016x}", rand::random::<u64>());
    let ana = world.user("ana").await;
    let room = world.open_room(&ana, &marker, 4).await;
    let mut live = world.follow(&ana, &room, 0).await;
    let locked = json!({
        "store_id": format!("store-of-{marker}"), "title": "Lunch", "max_members": 2, "password": "1 2 3 4 5"
    });
    world.install_box("locked").await;
    ana.post("/boxes/locked/rooms", locked).await.created();
    ana.say(&room, "Over TLS").await.created();
    live.message(&room, "Over TLS").await;
    requests_are_received_over_tls(&world).await;
    // After a restart the server can read its log.
    world.stack.nats().stop().await;
    world.stack.nats().start_again().await.unwrap();
    ana.say(&room, "Still there").await.created();
    live.message(&room, "Still there").await;

    https::answers_and_events_come_over_https(&world, &ana, &room).await;
    https::services_refuse_clients_without_tls(&world.stack).await;
    https::a_tail_requires_a_trusted_certificate(&world, &ana, &room).await;
    https::fetching_issuer_keys_requires_a_trusted_certificate(&world).await;
    every_session_is_encrypted_and_without_superuser_rights(&world.stack).await;
    nats_refuses_clients_without_tls(&world.stack).await;
    postgres_refuses_clients_without_tls_or_a_certificate(&world.stack).await;
    certificates_of_strangers_are_refused(&world.stack).await;

    assert!(!holds(&world.stack.nats().store(), &marker), "the log is encrypted");
    let plain = Nats::start(1).await.unwrap();
    store_in_clear(&plain, &marker).await;
    assert!(holds(&plain.store(), &marker), "an unencrypted log is detected");
}

/// Checks the connections for requests, which do not use the client library.
async fn requests_are_received_over_tls(world: &World) {
    let page = format!("{}/readyz", world.stack.command_url(0));
    eventually("commands are received", async || {
        let readiness: Value = world.request(Method::GET, &page).send().await.ok()?.json().await.ok()?;
        let checks = readiness["checks"].as_array()?;
        checks.iter().any(|check| check["name"] == "nats_commands" && check["ok"] == true).then_some(())
    })
    .await;
    let logs = world.stack.logs().unwrap();
    let received = |subject| logs.contains(&format!("receiving requests over NATS subject=\"{subject}\""));
    assert!(received("cmd.*") && received("ops.projector.*"));
}

async fn every_session_is_encrypted_and_without_superuser_rights(stack: &Stack) {
    let mut admin = PgConnection::connect(&stack.database_url(Role::Admin)).await.unwrap();
    let sessions: Vec<(String, bool, bool)> = sqlx::query_as(
        "select distinct usename::text, ssl, rolsuper or rolcreaterole or rolcreatedb
         from pg_stat_activity join pg_stat_ssl using (pid) join pg_roles on rolname = usename
         where pid <> pg_backend_pid()
         order by usename::text",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(sessions, [("projector".to_owned(), true, false), ("query".to_owned(), true, false)]);
}

async fn nats_refuses_clients_without_tls(stack: &Stack) {
    let address: ServerAddr = stack.nats_url(Account::Query).parse().unwrap();
    let hello = json!({ "user": address.username(), "pass": address.password(), "verbose": false, "pedantic": false });
    let mut server = TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
    server.write_all(format!("CONNECT {hello}\r\nPING\r\n").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    // The connection may also be reset.
    let _ = timeout(TIMEOUT, server.read_to_end(&mut heard)).await.unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains(r#""tls_required":true"#) && !heard.contains("PONG"), "{heard}");
}

async fn postgres_refuses_clients_without_tls_or_a_certificate(stack: &Stack) {
    let plain = stack.database_url(Role::Query).replace("verify-full", "disable");
    let refused = PgConnection::connect(&plain).await.unwrap_err();
    let refused = refused.into_database_error().unwrap();
    assert_eq!(refused.code().as_deref(), Some("28000"), "{refused}");
    assert!(refused.message().contains("no encryption"), "{refused}");
    let own = stack.database_url(Role::Query);
    let (unnamed, _) = own.split_once("&sslcert").unwrap();
    let refused = PgConnection::connect(unnamed).await.unwrap_err();
    let refused = refused.into_database_error().unwrap();
    assert!(refused.message().contains("requires a valid client certificate"), "{refused}");
}

/// Checks that each program reports the untrusted certificate. A service keeps waiting.
async fn certificates_of_strangers_are_refused(stack: &Stack) {
    let strange = |url: String| url.replace("authority.pem", "stranger.pem");
    let administrator = strange(stack.nats_url(Account::Admin));
    let refused = stack.provision(&["streams".as_ref(), "--nats-url".as_ref(), administrator.as_ref()]).await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("invalid peer certificate"), "{said}");
    let unnamed = stack.nats_url(Account::Admin);
    let (unnamed, _) = unnamed.split_once("&cert_file").unwrap();
    let refused = stack.provision(&["streams".as_ref(), "--nats-url".as_ref(), unnamed.as_ref()]).await.unwrap();
    assert!(!refused.status.success(), "the server requires a client certificate");

    let (nats, database) = (stack.nats_url(Account::Projector), stack.database_url(Role::Projector));
    for (nats, database) in [(strange(nats.clone()), database.clone()), (nats, strange(database))] {
        let mut projector = Command::new(program("projector"))
            .env("BOXROOM_NATS_URL", nats)
            .env("BOXROOM_DATABASE_URL", database)
            .env("BOXROOM_MASTER_KEY_FILE", stack.master_key_file())
            .env("BOXROOM_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until_printed(projector.stderr.take().unwrap(), "invalid peer certificate").await;
        projector.kill().await.unwrap();
    }
}

fn program(name: &str) -> PathBuf {
    let programs = std::env::current_exe().unwrap();
    programs.parent().and_then(Path::parent).unwrap().join(name)
}

/// Reads a program's output until a line contains this text. The rest is discarded.
async fn until_printed(output: impl AsyncRead + Unpin + Send + 'static, what: &str) {
    let mut lines = BufReader::new(output).lines();
    let reading = async { while !lines.next_line().await.unwrap().expect("the program still runs").contains(what) {} };
    timeout(TIMEOUT, reading).await.unwrap_or_else(|_| panic!("it does not print {what}"));
    // Later output is read, so that the program does not block.
    tokio::spawn(async move { while lines.next_line().await.is_ok_and(|line| line.is_some()) {} });
}

async fn store_in_clear(nats: &Nats, marker: &str) {
    let address: ServerAddr = nats.url(Account::Admin).parse().unwrap();
    let (user, password) = (address.username().unwrap().to_owned(), address.password().unwrap().to_owned());
    let owner = jetstream::new(ConnectOptions::with_user_and_password(user, password).connect(address).await.unwrap());
    owner.publish(format!("box.0.{marker}.room"), "{}".into()).await.unwrap().await.unwrap();
}

/// Returns true if any file in a folder or below contains this text. The server's list of scheduled messages is left
/// out: it is in clear text, and contains the ids of boxes and nothing else.
fn holds(folder: &Path, marker: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, marker);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        !path.ends_with("TIMER/msgs/sched.db")
            && content.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
}
