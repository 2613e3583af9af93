//! Backup and restore: acknowledged commands survive the loss of everything, and read models catch up with their log.

use std::{
    ffi::OsStr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use harness::{Role, ServiceId, StackOptions};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use system_tests::{Person, World, world::PASSWORD};
use testing::{requests::room_details, wait::eventually};

const COMMAND: ServiceId = ServiceId::Command(0);
const PROJECTOR: ServiceId = ServiceId::Projector(0);
const QUERY: ServiceId = ServiceId::Query(0);

/// Exceeds the time of a backup: the backup holds the deadline, but not the closing.
const LIFETIME: &str = "20s";

/// Runs a subcommand of `provision` on the log's server. Returns whether it succeeded, and its standard error.
async fn provision(world: &World, part: &str, flag: &str, folder: &Path) -> (bool, String) {
    let arguments = [OsStr::new(part), OsStr::new(flag), folder.as_os_str()];
    let output = world.stack.provision(&arguments).await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn succeed(world: &World, part: &str, flag: &str, folder: &Path) {
    let (done, said) = provision(world, part, flag, folder).await;
    assert!(done, "{part}: {said}");
    eprintln!("{said}");
}

/// Returns the reader's view of a quiet room and of everything around it.
async fn everything(world: &World, reader: &Person, room: &str) -> Vec<Value> {
    let paths = [
        format!("/rooms/{room}"),
        format!("/rooms/{room}/members"),
        format!("/rooms/{room}/messages?limit=200"),
        "/me".to_owned(),
        "/me/rooms".to_owned(),
        "/me/alarms".to_owned(),
        "/boxes/box-1".to_owned(),
        "/stores/store-of-box-1".to_owned(),
    ];
    let mut all = world.feed(reader, room).await;
    for path in paths {
        let mut page = reader.get(&path).await.ok();
        // Tokens belong to one incarnation of the log.
        for token in ["next", "up_to"] {
            page.as_object_mut().unwrap().remove(token);
        }
        all.push(page);
    }
    all
}

/// Posts messages one after the other until it is stopped. Returns the acknowledged ids.
async fn write(writer: &Person, room: &str, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        acknowledged.push(writer.say(room, &format!("number {}", acknowledged.len())).await.created());
    }
    acknowledged
}

/// The ids of a room's messages, oldest first.
async fn messages(reader: &Person, room: &str) -> Vec<String> {
    let messages = reader.get_all(&format!("/rooms/{room}/messages?limit=200")).await;
    let ids = messages.iter().rev().filter_map(|message| message["message_id"].as_str());
    ids.map(str::to_owned).collect()
}

/// Waits until the read model has reached the end of the log.
async fn until_projected(world: &World) {
    let log = world.log().await;
    let database = PgPool::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let positions = "select coalesce(sum(position), 0)::bigint from read_g1.checkpoints";
    eventually("everything is projected", async || {
        let projected: i64 = sqlx::query_scalar(positions).fetch_one(&database).await.ok()?;
        (projected.cast_unsigned() == log.length().await).then_some(())
    })
    .await;
}

async fn stop_services(world: &World) {
    for service in [COMMAND, PROJECTOR, QUERY] {
        world.stack.stop(service).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_acknowledged_before_a_backup_survives_a_total_loss() {
    let env = vec![(COMMAND, "BOXROOM_ROOM_LIFETIME", LIFETIME.to_owned())];
    let world = World::start(StackOptions { env, ..StackOptions::default() }).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let quiet = world.open_room(&ana, "box-1", 4).await;
    ana.post(format!("/rooms/{quiet}/extensions"), json!({ "hours": 1 })).await.created();
    world.join(&ben, &quiet).await;
    let first = ana.say(&quiet, "first").key("the-key").await.created();
    let second = ana.say(&quiet, "second").await;
    let marker = json!({ "message_id": second.created() });
    ben.put(format!("/rooms/{quiet}/read-marker"), marker).await.done();
    ana.say(&quiet, "unread").await.created();
    ben.put(format!("/rooms/{quiet}/messages/{first}/reactions/%F0%9F%91%8D"), json!({})).await.done();
    let writer = world.person("writer");
    let busy = world.open_room(&writer, "box-2", 2).await;
    writer.post(format!("/rooms/{busy}/extensions"), json!({ "hours": 1 })).await.created();
    let before = writer.say(&busy, "before the backup").await.created();
    let ending = world.open_room(&writer, "box-3", 2).await;
    until_projected(&world).await;
    let (of_ana, of_ben) = (everything(&world, &ana, &quiet).await, everything(&world, &ben, &quiet).await);

    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let backup = async {
        succeed(&world, "backup", "--to", folder.path()).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(write(&writer, &busy, &stop), backup);
    assert!(!acknowledged.is_empty(), "messages were posted during the backup");
    let (refused, said) = provision(&world, "restore", "--from", folder.path()).await;
    assert!(!refused && said.contains("is there already"), "{said}");

    stop_services(&world).await;
    world.stack.nats().start_empty_for_restore().await.unwrap();
    spoil(folder.path(), "USER.snapshot", |content| content.truncate(content.len() - 1), &world).await;
    spoil(folder.path(), "BOX_0.snapshot", |content| content[0] ^= 1, &world).await;
    assert_eq!(world.log().await.names().await, Vec::<String>::new(), "nothing was written");
    succeed(&world, "restore", "--from", folder.path()).await;
    world.stack.nats().stop().await;
    world.stack.nats().start_again().await.unwrap();

    old_tables_are_refused(&world).await;
    world.stack.postgres().start_empty().await.unwrap();
    for service in [COMMAND, PROJECTOR, QUERY] {
        world.stack.start_again(service).await.unwrap();
    }
    eventually("tokens from before are refused", async || {
        let answer = ana.get("/boxes").await;
        (answer.status == 401).then(|| answer.refused(401, "revoked-token"))
    })
    .await;
    let [of_ana_now, of_ben_now] = ["ana", "ben"].map(|user| world.person(user).token().to_owned());
    let ana = ana.with_token(&of_ana_now);
    ana.get("/boxes").await.refused(400, "invalid-position");
    let (ana, ben) = (world.bearer_of("ana", &of_ana_now), world.bearer_of("ben", &of_ben_now));
    let writer = world.person("writer");
    until_projected(&world).await;
    let again = ana.say(&quiet, "first").key("the-key").await;
    assert!(again.is_replay(), "{again}");
    assert_eq!(again.created(), first);
    assert_eq!(everything(&world, &ana, &quiet).await, of_ana);
    assert_eq!(everything(&world, &ben, &quiet).await, of_ben);
    let kept = messages(&writer, &busy).await;
    assert_eq!(kept[0], before);
    assert!(acknowledged.starts_with(&kept[1..]), "a prefix of the later messages is kept: {kept:?}");

    world.sign_in("ben", PASSWORD).await.ok();
    world.register("ben", "another password", "Benny").await.refused(409, "user-exists");
    eventually("the deadline closes its room", async || {
        (writer.get(&format!("/rooms/{ending}")).await.ok()["status"] == "closed").then_some(())
    })
    .await;
    ana.post("/boxes/box-3/rooms", room_details("store-of-box-3", 2)).await.created();
    let said = ben.say(&quiet, "all goes on").await;
    ana.remember_position(&said);
    assert_eq!(messages(&ana, &quiet).await.last(), Some(&said.created()));
    world.user("cleo").await;
}

/// Damages a file of a backup, checks that a restore refuses it, and repairs the file.
async fn spoil(folder: &Path, name: &str, damage: impl FnOnce(&mut Vec<u8>), world: &World) {
    let path = folder.join(name);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damage(&mut damaged);
    std::fs::write(&path, damaged).unwrap();
    let (done, said) = provision(world, "restore", "--from", folder).await;
    assert!(!done && said.contains(name) && said.contains("is damaged"), "{said}");
    std::fs::write(&path, whole).unwrap();
}

/// Checks that a projector does not continue with tables that were built from another incarnation of the log.
async fn old_tables_are_refused(world: &World) {
    world.stack.spawn(PROJECTOR).await.unwrap();
    let page = format!("{}/readyz", world.stack.url(PROJECTOR));
    eventually("the projector reports another log", async || {
        let answer = world.request(Method::GET, &page).send().await.ok()?;
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        (status == 503 && text.contains("is not the one that this read model was built from")).then_some(())
    })
    .await;
    world.stack.stop(PROJECTOR).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restored_to_an_older_state_catches_up() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    ana.say(&room, "before").await.created();
    until_projected(&world).await;
    swap_database(&world, "create database older template boxroom").await;
    let newest = ana.say(&room, "after").await;
    assert_eq!(messages(&ana, &room).await.last(), Some(&newest.created()));
    swap_database(&world, "drop database boxroom").await;
    assert_eq!(messages(&ana, &room).await.last(), Some(&newest.created()));
    assert_eq!(world.feed(&ana, &room).await.len(), 3, "and nothing twice");
}

/// Runs a statement that needs the database without connections. A dropped database is replaced by the older one.
async fn swap_database(world: &World, statement: &'static str) {
    for service in [PROJECTOR, QUERY] {
        world.stack.stop(service).await.unwrap();
    }
    let url = world.stack.database_url(Role::Admin).replace("/boxroom", "/postgres");
    let server = PgPool::connect(&url).await.unwrap();
    // A recently closed connection may still count.
    let sessions = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'boxroom'";
    eventually("the database has no connections", async || {
        sqlx::query(sessions).execute(&server).await.unwrap();
        sqlx::query(statement).execute(&server).await.ok().map(drop)
    })
    .await;
    if statement.starts_with("drop") {
        sqlx::query("alter database older rename to boxroom").execute(&server).await.unwrap();
    }
    for service in [PROJECTOR, QUERY] {
        world.stack.start_again(service).await.unwrap();
    }
}
