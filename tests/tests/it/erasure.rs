//! Erasure of a user: none of the user's texts is left, in any file of any server or in any log.

use std::path::{Path, PathBuf};

use harness::{Role, ServiceId, StackOptions};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use system_tests::{World, person::Person, world::PASSWORD};
use testing::{
    requests::{box_details, room_details},
    wait::{eventually, new_key},
};

/// Returns the files below a folder that contain this text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        // The servers remove files during the search.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path).is_ok_and(|bytes| holds(&bytes, text.as_bytes())) {
                found.push(path);
            }
        }
    }
    found
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else { return true };
    let starts = bytes.iter().enumerate().filter(|(_, byte)| *byte == first).map(|(at, _)| at);
    starts.into_iter().any(|at| bytes.get(at..at + text.len()) == Some(text))
}

/// Registers ana, who opens a room, writes, edits a message and mentions ben, each time with this word. Ben replies.
async fn life_of_ana(world: &World, marker: &str) -> (Person, Person, String) {
    let ben = world.user("ben").await;
    let registered = world.register("ana", PASSWORD, marker).await;
    let session = world.sign_in("ana", PASSWORD).await.ok();
    let ana = world.bearer_of("ana", session["access_token"].as_str().unwrap());
    ana.remember_position(&registered);
    ana.put("/users/me/devices/phone", json!({ "push_token": marker })).await.done();
    world.register_store("noodles").await;
    let mut details = room_details("noodles", 4);
    details["title"] = format!("{marker} for lunch").into();
    let room = ana.post("/boxes/box-1/rooms", details).await.created();
    world.join(&ben, &room).await;
    let message = ana.say(&room, &format!("{marker} and @ben")).await.created();
    ben.say(&room, "what?").await.created();
    let correction = json!({ "body": format!("no {marker} for @ben") });
    ana.patch(format!("/rooms/{room}/messages/{message}"), correction).await.done();
    let last = ana.say(&room, &format!("{marker}, {marker}")).await;
    ben.remember_position(&last);
    let found = ben.get(&format!("/search/messages?q={marker}")).await.items();
    assert_eq!(found.len(), 2, "{found:?}");
    (ana, ben, room)
}

/// Checks that ben sees none of the erased texts.
async fn must_be_erased_for(ben: &Person, room: &str, marker: &str) {
    let messages = ben.get(&format!("/rooms/{room}/messages")).await.items();
    let told: Vec<_> = messages.iter().map(|message| (&message["author"], &message["body"])).collect();
    let (ana, gone) = (&json!("ana"), &json!("[erased]"));
    assert_eq!(told, [(ana, gone), (&json!("ben"), &json!("what?")), (ana, gone)]);
    assert!(messages[2]["edited_at"].is_string(), "{messages:?}");
    let erased: Vec<_> = messages.iter().map(|message| &message["erased"]).collect();
    assert_eq!(erased, [true, false, true]);
    let shown = ben.get(&format!("/rooms/{room}")).await.ok();
    assert_eq!((&shown["title"], &shown["host"]), (gone, &json!("ben")), "{shown}");
    assert_eq!(shown["title_erased"], true, "{shown}");
    let feed = ben.get(&format!("/rooms/{room}/events")).await.items();
    assert!(!json!(feed).to_string().contains(marker), "{feed:?}");
    let left = feed.iter().any(|event| event["type"] == "member_left" && event["data"]["user_id"] == "ana");
    assert!(left && feed.iter().all(|event| event["type"] != "author_erased"), "{feed:?}");
    assert!(ben.get(&format!("/search/messages?q={marker}")).await.items().is_empty());
    let alarms = ben.get("/me/alarms").await.items();
    assert!(alarms.iter().all(|alarm| alarm["kind"] != "mention"), "{alarms:?}");
}

async fn status(world: &World) -> Option<Value> {
    let output = world.stack.operate("status --json").await.unwrap();
    serde_json::from_slice(&output.stdout).ok()
}

/// Checks that the log contains the personal word nowhere, but the other word, which is not personal. Returns ana's key
/// as it is stored, wrapped, if there is one.
async fn must_be_sealed(world: &World, files: &Path, [personal, open]: [&String; 2]) -> Option<String> {
    let stored = world.log().await.all_messages().await;
    let hold = |text: &str| stored.iter().any(|message| message.contains(text));
    assert!(!hold(personal), "the personal word is in the log");
    assert!(hold(open) && hold(r#""of":"ana""#), "the scan does not find what the log holds");
    assert_eq!(files_with(files, personal), Vec::<PathBuf>::new(), "the personal word is in the files of the log");
    let of_ana = stored.iter().filter(|message| message.starts_with("$KV.user-keys.ana "));
    let mut keys = of_ana.filter_map(|message| message.split_once(r#""key":""#)?.1.split('"').next());
    keys.next().map(str::to_owned)
}

/// Checks that an erased user's command is refused even if it holds no personal data, and before the token is revoked.
async fn assert_commands_are_refused(ana: &Person, room: &str) {
    let late = ana.delete(format!("/rooms/{room}/members/me")).await;
    assert!(["user-not-found", "revoked-token"].contains(&late.problem_code().as_str()), "{late}");
}

/// Makes PostgreSQL remove what it has deleted: from tables, statistics and the write-ahead log.
async fn vacuum(world: &World) {
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let steps = [
        "vacuum (full, analyze)",
        "vacuum (full)",
        "alter system set wal_recycle = off",
        "select pg_reload_conf()",
        "select pg_switch_wal()",
        "checkpoint",
        "select pg_switch_wal()",
        "checkpoint",
    ];
    for step in steps {
        raw_sql(AssertSqlSafe(step)).execute(&mut database).await.expect(step);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_leaves_no_data_in_any_file() {
    let world = World::start(StackOptions::default()).await;
    let secret = || format!("w{}", new_key().replace('-', ""));
    let (marker, witness) = (secret(), secret());
    let mut details = box_details("box-1");
    details["address"] = witness.clone().into();
    world.operator().post("/boxes", details).await.created();
    let (ana, ben, room) = life_of_ana(&world, &marker).await;

    let files = world.stack.files().unwrap();
    let [log, tables, output] = ["nats", "postgres", "logs"].map(|folder| files.join(folder));
    vacuum(&world).await;
    assert!(!files_with(&tables, &marker).is_empty(), "the scan does not find what the tables hold");
    let key = must_be_sealed(&world, &log, [&marker, &witness]).await.expect("ana has a key");
    for open in [&witness, &key] {
        assert!(!files_with(&log, open).is_empty(), "the scan does not find what the log holds");
    }
    assert!(!files_with(&output, "started").is_empty(), "the scan does not find what the services log");

    ana.delete("/users/me").await.done();
    assert_commands_are_refused(&ana, &room).await;
    world.stack.kill(ServiceId::Projector(0)).await;
    world.stack.start_again(ServiceId::Projector(0)).await.unwrap();
    eventually("ana's texts are redacted", async || {
        let messages = ben.get(&format!("/rooms/{room}/messages")).await.items();
        (!json!(messages).to_string().contains(&marker)).then_some(())
    })
    .await;
    let database = world.stack.database_url(Role::Admin);
    eventually("ana is erased", async || {
        let mut database = PgConnection::connect(&database).await.ok()?;
        let sql = "select finished_at is not null from control.erasures where user_id = 'ana'";
        sqlx::query_scalar(sql).fetch_optional(&mut database).await.ok()?.filter(|finished: &bool| *finished)
    })
    .await;
    must_be_erased_for(&ben, &room, &marker).await;
    assert_eq!(status(&world).await.unwrap()["erasures"], json!([]));

    // Verification compares the rebuilt generation with the erased one.
    let rebuilt = world.stack.operate("rebuild --yes --json").await.unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    let generations = status(&world).await.unwrap()["generations"].clone();
    assert_eq!(
        (&generations[1]["state"], &generations[1]["verification"]["outcome"]),
        (&json!("active"), &json!("equal"))
    );
    must_be_erased_for(&ben, &room, &marker).await;

    assert_eq!(must_be_sealed(&world, &log, [&marker, &witness]).await, None, "the key still exists");
    eventually("the key is overwritten", async || files_with(&log, &key).is_empty().then_some(())).await;
    vacuum(&world).await;
    eventually("the word is not in the tables", async || files_with(&tables, &marker).is_empty().then_some(())).await;
    assert!(!files_with(&tables, &witness).is_empty(), "the scan does not find what is left");
    assert_eq!(files_with(&output, &marker), Vec::<PathBuf>::new(), "the word is in the logs");
}
