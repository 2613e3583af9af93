//! Alarms that blocked users have caused, alone or with others.

use serde_json::json;

use super::world::{World, fields};

/// Inserts an alarm of ana about reactions of these users, in the order of their positions.
async fn reactions(world: &World, position: i64, users: &[(&str, i64)]) {
    let reactors: Vec<_> = users.iter().map(|(user, position)| json!({ "user": user, "position": position })).collect();
    let (by, latest) = users.last().unwrap();
    let count = users.len();
    world
        .sql(&format!(
            "insert into alarms values
                ('ana', '2026-01-03T13:00:00Z', 'north', {position}, 'reaction', 'north.2', 21, '{by}', 'box-1',
                {count}, {latest}, {latest}, null, '{}')",
            json!(reactors)
        ))
        .await;
}

#[tokio::test]
async fn reactions_are_counted_and_read_without_those_of_blocked_users() {
    let world = World::start().await;
    world.sql("delete from alarms").await;
    reactions(&world, 41, &[("cem", 41), ("ben", 44)]).await;
    reactions(&world, 42, &[("ben", 42)]).await;
    world.alarm(43).await;
    let shown = async |path: &str| {
        let (_, page) = world.get("ana", path).await;
        let items = page["items"].as_array().unwrap().iter();
        let items = items.map(|alarm| json!([alarm["id"], alarm["by"], alarm["count"], alarm["read"]]));
        (items.collect::<Vec<_>>(), page["unread"].clone())
    };
    let all = shown("/me/alarms").await;
    assert_eq!((all.0.len(), all.1), (3, json!(3)));
    world.sql("insert into blocks values ('ana', 'ben', now()), ('ben', 'cem', now())").await;
    let of_cem = |read: bool| json!(["box-1-41-reaction", "cem", 1, read]);
    for path in ["/me/alarms", "/me/alarms?unread=true"] {
        assert_eq!(shown(path).await, (vec![of_cem(false)], json!(1)), "{path}");
    }
    // What is unread of it is ben's reaction only.
    world.sql("insert into alarms_read values ('ana', 'box-1', 41)").await;
    for path in ["/me/alarms", "/me/alarms?unread=false"] {
        assert_eq!(shown(path).await, (vec![of_cem(true)], json!(0)), "{path}");
    }
    assert_eq!(shown("/me/alarms?unread=true").await, (vec![], json!(0)));
    world.sql("delete from blocks").await;
    assert_eq!(shown("/me/alarms").await.1, json!(3));
}

#[tokio::test]
async fn an_alarm_that_comes_before_the_block_is_read_is_not_sent() {
    let world = World::start().await;
    world.sql("insert into blocks values ('ana', 'ben', now())").await;
    let mut ana = world.connect().await;
    ana.say(json!({ "type": "hello", "token": world.token("ana") })).await;
    assert_eq!(ana.next().await["type"], "welcome");
    world.alarm(41).await;
    world.publish_alarm(41).await;
    assert_eq!(ana.next().await, json!({ "type": "blocks", "users": ["ben"] }));
    for position in 42..=43 {
        world.alarm(position).await;
        world.publish_alarm(position).await;
    }
    world.sql("update alarms set by = 'cem' where position = 43").await;
    world.publish_alarm_with(43, json!({ "by": "cem" })).await;
    let alarm = ana.next().await;
    assert_eq!((&alarm["message_id"], &alarm["by"]), (&json!("43"), &json!("cem")));
    world.sql("delete from blocks").await;
    world.publish_stale().await;
    assert_eq!(ana.next().await, json!({ "type": "blocks", "users": [] }));
}

#[tokio::test]
async fn blocks_are_listed_in_the_order_of_ids() {
    let world = World::start().await;
    world
        .sql("insert into blocks select 'ana', u, '2026-01-03T13:00:00Z' from unnest(array['ben', 'zed', 'cem']) u")
        .await;
    let (_, page) = world.get("ana", "/me/blocks?limit=2").await;
    let ben = json!({ "user_id": "ben", "nickname": "Ben", "blocked_at": "2026-01-03T13:00:00Z" });
    assert_eq!((&page["items"][0], fields(&page, "user_id")), (&ben, vec![json!("ben"), json!("cem")]));
    let next = format!("/me/blocks?cursor={}", page["next"].as_str().unwrap());
    let (_, page) = world.get("ana", &next).await;
    assert_eq!((&page["items"][0]["nickname"], &page["next"]), (&json!(null), &json!(null)));
    assert!(world.list("ben", "/me/blocks", "user_id").await.is_empty());
    for bad in ["?limit=0", "?cursor=x", "?more=1"] {
        assert_eq!(world.get("ana", &format!("/me/blocks{bad}")).await.0, 400, "{bad}");
    }
}
