//! Each version is sent once and in order, even if notifications are lost, late or repeated.

use serde_json::{Value, json};

use super::world::World;

fn post(v: i64) -> Value {
    json!({ "body": format!("message {v}") })
}

#[tokio::test]
async fn lost_late_and_repeated_notifications_cause_no_gap_and_no_repeat() {
    let world = World::start().await;
    let mut ben = world.watch("ben", Some(7)).await;
    ben.next().await;
    ben.events(8..=9).await;
    // The notifications of 10 and 11 are lost, and that of 12 reveals it.
    for v in 10..=11 {
        world.append(v, "message_posted", "ana", post(v)).await;
    }
    world.happen(12, "message_posted", "ana", post(12)).await;
    ben.events(10..=12).await;
    // Late and repeated notifications.
    world.publish_event(11, "message_posted", "ana", post(11)).await;
    world.publish_event(12, "message_posted", "ana", post(12)).await;
    world.happen(13, "message_posted", "ana", post(13)).await;
    ben.events([13]).await;
    // Lost events at the end are found without a further notification.
    world.append(14, "message_posted", "ana", post(14)).await;
    world.append(15, "message_posted", "ana", post(15)).await;
    for v in 14..=15 {
        let missed = ben.next().await;
        let said = (&missed["room_id"], &missed["v"], &missed["type"], &missed["by"], &missed["data"]["body"]);
        let body = &post(v)["body"];
        assert_eq!(said, (&"north.2".into(), &v.into(), &"message_posted".into(), &"ana".into(), body));
    }
}

#[tokio::test]
async fn more_events_than_one_read_returns_are_delivered_up_to_a_kick() {
    let world = World::start().await;
    let mut ana = world.watch("ana", None).await;
    let mut ben = world.watch("ben", None).await;
    ana.next().await;
    ben.next().await;
    world.append_messages(10..=130).await;
    for watcher in [&mut ana, &mut ben] {
        watcher.events(10..=130).await;
    }
    world.sql("update members set standing = 'kicked' where user_id = 'ben'").await;
    world.append(131, "member_kicked", "ana", json!({ "user_id": "ben" })).await;
    world.append(132, "message_posted", "ana", post(132)).await;
    ana.events(131..=132).await;
    ben.events([131]).await;
    assert_eq!(ben.next().await["reason"], "kicked");
}

#[tokio::test]
async fn a_long_absence_is_replayed_in_order() {
    let world = World::start().await;
    world.append_messages(10..=1234).await;
    let mut ben = world.watch("ben", Some(0)).await;
    assert_eq!(ben.next().await["head_v"], 1234);
    ben.events(1..=1234).await;
    world.happen(1235, "message_posted", "ana", post(1235)).await;
    ben.events([1235]).await;
    // A repeated subscription starts again, and each later event is sent once.
    ben.say(json!({ "type": "subscribe", "room_id": "north.2", "v": 1233 })).await;
    assert_eq!(ben.next().await["type"], "subscribed");
    ben.events(1234..=1235).await;
    world.happen(1236, "message_posted", "ana", post(1236)).await;
    world.happen(1237, "message_posted", "ana", post(1237)).await;
    ben.events(1236..=1237).await;
}

#[tokio::test]
async fn an_unknown_version_causes_a_reset() {
    let world = World::start().await;
    let mut ben = world.watch("ben", Some(1000)).await;
    assert_eq!(
        ben.next().await,
        json!({ "type": "reset", "room_id": "north.2", "reason": "unknown-version", "head_v": 9 })
    );
    assert_eq!(ben.next().await["recovered"], false);
    world.happen(10, "message_posted", "ana", post(10)).await;
    ben.events([10]).await;
}

#[tokio::test]
async fn a_switch_of_generations_repeats_no_event() {
    let world = World::start().await;
    let mut ben = world.watch("ben", Some(8)).await;
    ben.next().await;
    ben.events([9]).await;
    world.switch_generation(2).await;
    let served = async || world.get("ana", "/rooms/north.2").await.1["title"] == "Second";
    world.sql("update read_g2.rooms set title = 'Second'").await;
    world.until("the second generation is served", served).await;
    // Notifications of the first generation are ignored, and events of the second are sent once.
    world.publish_event(10, "message_posted", "ana", post(10)).await;
    world
        .sql(
            "set search_path to read_g2;
             insert into room_events values
                 ('north', 'north.2', 10, 'door_opened', now(), 'ana', '{}', null, null, 1010);
             update rooms set v = 10 where room_id = 'north.2'",
        )
        .await;
    assert_eq!(ben.event().await, (10, "door_opened".to_owned()));
    world.publish_event_of_generation(2, 11, "message_posted", "ana", post(11)).await;
    ben.events([11]).await;
}

#[tokio::test]
async fn a_slow_reader_lags_and_misses_nothing() {
    let world = World::start().await;
    let mut slow = world.watch("ben", None).await;
    let mut quick = world.watch("ana", None).await;
    slow.next().await;
    quick.next().await;
    // More than the sockets of both sides and the send queue hold.
    let body = json!({ "body": "🍜".repeat(4_000) });
    for first in (10..1_000).step_by(10) {
        let several = first..first + 10;
        world.append_several(several.clone(), "message_posted", "ana", &body).await;
        for v in several {
            world.publish_event(v, "message_posted", "ana", body.clone()).await;
            quick.events([v]).await;
        }
    }
    let mut lagging = 0;
    let mut next_v = 10;
    while next_v < 1_000 {
        let frame = slow.next().await;
        if frame["type"] == "lagging" {
            assert_eq!(frame["from_v"], next_v - 1);
            lagging += 1;
        } else if frame["type"] != "ping" {
            assert_eq!(frame["v"], next_v, "{frame}");
            next_v += 1;
        }
    }
    assert!(lagging > 0);
}
