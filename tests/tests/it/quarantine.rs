//! A box with an event of a newer release: other boxes are not affected, and it continues once an operator drops the
//! event.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::World;
use testing::wait::eventually;

/// Runs the operators' command line to its end. Returns the exit code and the output.
async fn boxroomctl(world: &World, words: &[&str]) -> (i32, String) {
    let output = world.stack.boxroomctl(words).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_box_continues_when_the_event_is_dropped() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.user("ana").await;
    let rooms = [world.open_room(&ana, "box-1", 4).await, world.open_room(&ana, "box-2", 4).await];
    ana.say(&rooms[0], "before").await.created();
    let sequence = world.log().await.append_from_the_future("box-1").await;

    // Commands of the box are still accepted, but only the other box is projected.
    let waits = ana.say(&rooms[0], "waits").await;
    let flows = ana.say(&rooms[1], "flows").await;
    ana.remember_position(&flows);
    let shown = ana.get(&format!("/rooms/{}/messages", rooms[1])).await.items();
    assert_eq!(shown[0]["body"], "flows");
    ana.remember_position(&waits);
    ana.get(&format!("/rooms/{}/messages", rooms[0])).await.refused(503, "box-quarantined");

    let (code, said) = boxroomctl(&world, &["quarantine", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &listed["box_id"], &listed["sequence"]), (0, &json!("box-1"), &json!(sequence)), "{said}");
    let (code, said) =
        boxroomctl(&world, &["quarantine", "drop", "box-1", "999999", "--reason", "a test", "--yes"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("event-not-found"), "{said}");
    let drop = ["quarantine", "drop", "box-1", &sequence.to_string(), "--reason", "a test", "--yes", "--json"];
    let (code, first) = boxroomctl(&world, &drop).await;
    assert_eq!(code, 0, "{first}");
    assert_eq!(boxroomctl(&world, &drop).await, (0, first), "a repetition has no further effect");

    eventually("the box is projected again", async || {
        let answer = ana.get(&format!("/rooms/{}/messages", rooms[0])).await;
        (answer.status.is_success() && answer.items().len() == 2).then_some(())
    })
    .await;
    let feed = world.feed(&ana, &rooms[0]).await;
    let versions: Vec<u64> = feed.iter().filter_map(|event| event["v"].as_u64()).collect();
    assert_eq!(versions, (1..=feed.len() as u64).collect::<Vec<_>>());
    assert!(feed.iter().all(|event| event["type"] != "event_dropped"));
    let (code, said) = boxroomctl(&world, &["verify", "--fresh"]).await;
    assert_eq!(code, 0, "a rebuild is the same: {said}");
}
