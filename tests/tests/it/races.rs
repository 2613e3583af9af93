//! Concurrent requests for the same thing: one succeeds, the others get the reason.

use futures::future::join_all;
use serde_json::json;
use system_tests::World;
use testing::{Answer, requests::room_details};

const CROWD: usize = 200;

/// Checks that exactly one request succeeded and that the others were refused with this code.
fn only_one(answers: &[Answer], code: &str) -> usize {
    let mut winners = answers.iter().enumerate().filter(|(_, answer)| answer.status == 201);
    let (winner, answer) = winners.next().expect("one request succeeds");
    answer.created();
    assert_eq!(winners.count(), 0, "more than one request succeeded");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        refused.refused(409, code);
    }
    winner
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_hundred_users_opens_a_room_on_a_free_box() {
    let world = World::start_doubled().await;
    world.install_box("box-1").await;
    world.register_store("noodles").await;
    let crowd = world.people("guest", CROWD);
    let open = |person| system_tests::Person::post(person, "/boxes/box-1/rooms", room_details("noodles", 2));
    let answers = join_all(crowd.iter().map(|person| open(person).into_future())).await;
    let winner = &crowd[only_one(&answers, "box-in-use")];

    let view = winner.get("/boxes/box-1").await.ok();
    assert_eq!((&view["status"], &view["room_id"]), (&json!("in_use"), &json!("box-1.1")));
    assert_eq!(winner.get("/rooms/box-1.1").await.ok()["host"], winner.id());
    assert_eq!(winner.get("/rooms?status=open").await.items().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_hundred_users_gets_the_last_seat() {
    let world = World::start_doubled().await;
    let host = world.person("host");
    let room = world.open_room(&host, "box-1", 2).await;
    let crowd = world.people("guest", CROWD);
    let join = |person| system_tests::Person::post(person, format!("/rooms/{room}/members"), json!({}));
    let answers = join_all(crowd.iter().map(|person| join(person).into_future())).await;
    let winner = &crowd[only_one(&answers, "room-full")];

    let members = winner.get(&format!("/rooms/{room}/members")).await.items();
    let mut ids: Vec<_> = members.iter().filter_map(|member| member["user_id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [winner.id(), "host"]);
    assert_eq!(world.feed(winner, &room).await.len(), 2);
}
