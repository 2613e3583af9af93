//! A restored log, while the read models of the lost one still exist and are read.

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::Value;
use system_tests::{Person, World, listener::Listener};
use testing::wait::eventually;

const SERVICES: [ServiceId; 2] = [ServiceId::Command(0), ServiceId::Projector(0)];

/// Runs an operator's command. Returns the exit code and the output.
async fn operate(world: &World, words: &str) -> (i32, String) {
    let output = world.stack.operate(words).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

async fn refused(world: &World, words: &str, reason: &str) {
    let (code, said) = operate(world, words).await;
    assert!(code == 3 && said.contains(reason), "{words}: {code} {said}");
}

/// The texts of a room's messages, oldest first, as the query-service returns them.
async fn texts(reader: &Person, room: &str) -> Vec<Value> {
    let messages = reader.get_all(&format!("/rooms/{room}/messages")).await;
    messages.into_iter().rev().map(|mut message| message["body"].take()).collect()
}

/// Restores a backup into a server that has lost everything. Reads continue meanwhile.
async fn lose_and_restore(world: &World, folder: &str) {
    for service in SERVICES {
        world.stack.stop(service).await.unwrap();
    }
    world.restore_log(folder).await;
    world.stack.start_again(SERVICES[0]).await.unwrap();
    // The projector is not ready, because the tables were built from another log.
    world.stack.spawn(SERVICES[1]).await.unwrap();
    let page = format!("{}/readyz", world.stack.url(SERVICES[1]));
    eventually("the projector reports another log", async || {
        let answer = world.request(Method::GET, &page).send().await.ok()?.text().await.ok()?;
        answer.contains("is not the one that this read model was built from").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_switches_from_the_read_model_of_a_lost_log_to_that_of_the_restored_one() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    ana.say(&room, "kept").await.created();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    world.provision(&["backup", "--to", folder.to_str().unwrap()]).await;
    let mut listener = Listener::open(&world, 0, &ana, &[&room], None).await;
    listener.until("subscription", |frame| frame["type"] == "subscribed").await;
    for body in ["lost 1", "lost 2"] {
        ana.say(&room, body).await.created();
        listener.until("the message", |frame| frame["data"]["body"] == body).await;
    }
    let cursor = listener.last_id().to_owned();
    let before = texts(&ana, &room).await;
    assert_eq!(before, ["kept", "lost 1", "lost 2"]);
    drop(listener);

    lose_and_restore(&world, folder.to_str().unwrap()).await;
    // A restore ends all sessions.
    let ana = ana.with_token(world.person("ana").token());
    assert_eq!(texts(&ana, &room).await, before, "reads continue, and return the old state");
    // From here on, ana's positions belong to another log.
    let ana = world.bearer_of("ana", ana.token());
    refused(&world, "rebuild --yes", "generations 1 and 2 are built from different logs").await;
    refused(&world, "activate", "`boxroomctl activate 2 --unverified` switches to it").await;
    let (code, said) = operate(&world, "activate --unverified").await;
    assert_eq!(code, 0, "{said}");
    refused(&world, "rollback", "is not built from the log that generation 2 is built from").await;
    eventually("the restored log is read", async || (texts(&ana, &room).await == ["kept"]).then_some(())).await;

    // The versions exceed those of the lost log. A comparison of numbers alone would miss the earlier events.
    for number in 0..4 {
        let said = ana.say(&room, &format!("new {number}")).await;
        ana.remember_position(&said);
    }
    assert_eq!(texts(&ana, &room).await, ["kept", "new 0", "new 1", "new 2", "new 3"]);
    let mut listener = Listener::open(&world, 0, &ana, &[&room], Some(&cursor)).await;
    let answer = listener.until("answer", |frame| frame["room_id"] == room.as_str()).await;
    assert_eq!(answer["type"], "reset", "a cursor of the lost log cannot be resumed: {answer}");
    assert_eq!(answer["head_v"], 6);
    ana.say(&room, "goes on").await.created();
    let event = listener.until("the message", |frame| frame["data"]["body"] == "goes on").await;
    assert_eq!(event["v"], 7);
    assert!(listener.frames().iter().all(|frame| frame["data"]["body"] != "new 0"), "only new events arrive");
    let (code, said) = operate(&world, "retire 1 --yes").await;
    assert_eq!(code, 0, "{said}");
    let page = format!("{}/readyz", world.stack.url(SERVICES[1]));
    eventually("the projector is ready", async || {
        (world.request(Method::GET, &page).send().await.ok()?.status() == 200).then_some(())
    })
    .await;
}
