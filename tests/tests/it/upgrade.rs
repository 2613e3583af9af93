//! An upgrade: a release with another read model starts beside the running one and takes over, under a continuous load.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use harness::{ServiceId, StackOptions};
use serde_json::Value;
use system_tests::{Live, Person, World};
use tempfile::TempDir;
use testing::wait::eventually;
use tokio::process::Command;

const OLD: [ServiceId; 2] = [ServiceId::Projector(0), ServiceId::Query(0)];
const NEW: [ServiceId; 2] = [ServiceId::Projector(1), ServiceId::Query(1)];

/// The first line of the index definitions that each program embeds, and its replacement in the next release.
const LINE: &str = "-- The secondary indexes of one generation: added when it has caught up";
const CHANGED: &str = "create index if not exists rooms_by_title on rooms (title); --";

/// Copies of the services' programs, which can be replaced.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let built = std::env::current_exe().unwrap();
    let built = built.parent().and_then(Path::parent).unwrap();
    for name in ["command-service", "projector", "query-service"] {
        fs::copy(built.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Replaces a program by that of the next release: its read model has one more index, and therefore another version.
async fn exchange(folder: &Path, name: &str) {
    let (path, next) = (folder.join(name), folder.join("next"));
    fs::copy(&path, &next).unwrap();
    let changed = format!("{CHANGED:<width$}", width = LINE.len());
    // The compiler may have stored the same text in several places.
    let sed = Command::new("sed")
        .env("LC_ALL", "C")
        .arg(format!("s/{LINE}/{changed}/g"))
        .arg(&path)
        .stdout(File::create(&next).unwrap())
        .status()
        .await;
    assert!(sed.unwrap().success(), "cannot patch {name}");
    // Running processes keep the former file.
    fs::rename(next, path).unwrap();
}

/// Posts and reads until stopped. Every request succeeds, and every message can be read at once.
async fn talk(person: &Person, room: &str, reads_at: usize, stop: &AtomicBool) -> usize {
    let mut said = 0;
    while !stop.load(Ordering::Relaxed) {
        let message = person.say(room, &format!("number {said}")).await.created();
        said += 1;
        let read = person.try_get(Some(reads_at), &format!("/rooms/{room}/messages?limit=1")).await.unwrap();
        assert_eq!(read.items()[0]["message_id"], *message);
    }
    said
}

async fn generations(world: &World) -> Option<Vec<Value>> {
    let output = world.stack.operate("status --json").await.unwrap();
    serde_json::from_slice::<Value>(&output.stdout).ok()?["generations"].as_array().cloned()
}

async fn active(world: &World, number: i32) -> Value {
    eventually(&format!("generation {number} is active"), async || {
        generations(world).await?.into_iter().find(|it| it["generation"] == number && it["state"] == "active")
    })
    .await
}

/// Posts a message, which this connection must receive.
async fn hears(person: &Person, room: &str, live: &mut Live, body: &str) {
    person.say(room, body).await.created();
    live.message(room, body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_another_read_model_takes_over_from_the_running_one() {
    let folder = programs();
    let options = StackOptions { projectors: 2, query_services: 2, ..StackOptions::default() };
    let world = World::start(StackOptions { bin_dir: Some(folder.path().to_owned()), ..options }).await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    for service in NEW {
        world.stack.stop(service).await.unwrap();
    }
    let mut at_old = world.follow(&ben, &room, 0).await;

    let stop = AtomicBool::new(false);
    let upgrade = async {
        exchange(folder.path(), "projector").await;
        exchange(folder.path(), "query-service").await;
        let began = Instant::now();
        for service in NEW {
            // A query-service is ready when it serves a generation of its version.
            world.stack.start_again(service).await.unwrap();
        }
        eprintln!("the new release serves after {:?}", began.elapsed());
        let mut at_new = world.live(1).await;
        at_new.hello(ben.token(), &[(&room, Some(0))]).await;
        at_new.subscribed(&room).await;
        let (former, taken_over) = (active(&world, 1).await, active(&world, 2).await);
        assert_ne!(former["model_version"], taken_over["model_version"]);
        stop.store(true, Ordering::Relaxed);
        at_new
    };
    let (said, mut at_new) = tokio::join!(talk(&ana, &room, 0, &stop), upgrade);

    // Both releases run side by side with the same results.
    hears(&ana, &room, &mut at_old, "side").await;
    hears(&ana, &room, &mut at_new, "by side").await;
    let (path, last) = (format!("/rooms/{room}/messages?limit=200"), at_new.version(&room));
    at_old.until_version(&room, last).await;
    assert_eq!(ben.get_from(Some(0), &path).await.items(), ben.get_from(Some(1), &path).await.items());
    assert_eq!(at_old.events(&room), at_new.events(&room));

    // From here on only the new release runs. A client of the old one resumes there.
    for service in OLD {
        world.stack.stop(service).await.unwrap();
    }
    let mut moved = world.live(1).await;
    moved.hello(ben.token(), &[(&room, Some(last - 1))]).await;
    moved.until_version(&room, last).await;
    hears(&ana, &room, &mut moved, "on we go").await;
    eprintln!("{said} messages while it came up");
    let output = world.stack.operate("retire 1 --yes").await.unwrap();
    assert!(output.status.success(), "{output:?}");
    eventually("the former tables are dropped", async || {
        generations(&world).await?.iter().all(|it| it["generation"] != 1).then_some(())
    })
    .await;
}
