//! The operators' audit: who did what and when.

use harness::StackOptions;
use serde_json::Value;
use system_tests::World;
use testing::wait::now;

async fn audit(world: &World, words: &str) -> Vec<Value> {
    let output = world.stack.operate(&format!("audit --json {words}")).await.unwrap();
    assert!(output.status.success(), "{words}: {output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().flat_map(|entry| entry["events"].as_array().unwrap()).map(|event| event.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_shows_actor_command_and_time_but_no_content() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.user("ana").await;
    let (ben, device) = (world.person("ben"), world.device("box-1"));
    let room = world.open_room(&ana, "box-1", 4).await;
    world.open_room(&ben, "box-2", 4).await;
    let early = now();
    world.join(&ben, &room).await;
    let said = ben.say(&room, "a secret recipe").key("recipe-1").await.created();
    device.post("/boxes/box-1/arrivals", Value::Null).await.created();
    ana.delete(format!("/rooms/{room}/members/ben")).await.done();
    let late = now();
    for _ in 0..600 {
        ana.say(&room, "more").await.created();
    }

    let of_ben = audit(&world, "--user ben").await;
    assert_eq!(events(&of_ben), ["room_opened", "member_joined", "message_posted"]);
    let posted = &of_ben[2];
    assert_eq!((&posted["actor"], &posted["subject"]), (&"ben".into(), &"box box-1".into()), "{posted}");
    assert_eq!((&posted["command_id"], &posted["sequence"].to_string()), (&"recipe-1".into(), &said), "{posted}");
    assert!(
        !of_ben.iter().any(|entry| entry.to_string().contains("recipe\"") || entry.to_string().contains("a secret"))
    );
    let between = format!("--box box-1 --since {} --until {}", early.to_rfc3339(), late.to_rfc3339());
    let between = audit(&world, &between.replace("+00:00", "Z")).await;
    assert_eq!(events(&between), ["member_joined", "message_posted", "order_arrived", "member_kicked"]);
    let targets: Vec<&Value> = between.iter().map(|entry| &entry["targets"][0]).collect();
    assert_eq!(targets, [&"ben".into(), &Value::Null, &Value::Null, &"ben".into()], "who came, and who was kicked");
    let actors: Vec<&Value> = between.iter().map(|entry| &entry["actor"]).collect();
    assert_eq!(actors, ["ben", "ben", "box-1", "ana"]);
    let of_ana = audit(&world, "--user ana").await;
    assert_eq!((events(&of_ana)[0], of_ana.len()), ("user_registered", 603), "over more than one page");
    assert_eq!(audit(&world, "--user ops --limit 2").await.len(), 2);
    let (all, newest) = (audit(&world, "").await, audit(&world, "--limit 3").await);
    assert_eq!(newest, all[all.len() - 3..], "the oldest are left out");
    assert_eq!(audit(&world, "--user nobody").await, Vec::<Value>::new());
}
