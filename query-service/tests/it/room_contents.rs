//! Data for members only: members, messages, feed and search.

use serde_json::json;

use super::world::{World, fields};

#[tokio::test]
async fn only_members_read_members_messages_and_events() {
    let world = World::start().await;
    for part in ["members", "messages", "events"] {
        let path = format!("/rooms/north.2/{part}");
        for (user, status, code) in [
            ("ana", 200, json!(null)),
            ("ben", 200, json!(null)),
            ("cem", 403, json!("not-a-member")),
            ("dan", 403, json!("kicked")),
            ("eve", 403, json!("not-a-member")),
        ] {
            let (got, body) = world.get(user, &path).await;
            assert_eq!((got, &body["code"]), (status, &code), "{user} {path}");
        }
        assert_eq!(world.get("ana", &format!("/rooms/north.9/{part}")).await.1["code"], "room-not-found");
        // Members at the time of closing may still read.
        assert_eq!(world.get("eve", &format!("/rooms/north.1/{part}")).await.0, 200);
    }
}

#[tokio::test]
async fn members_are_listed_in_the_order_of_joining() {
    let world = World::start().await;
    let (_, page) = world.get("ben", "/rooms/north.2/members").await;
    assert_eq!(
        page["items"],
        json!([
            {
                "user_id": "ana", "nickname": "Ana", "host": true, "co_host": false,
                "joined_at": "2026-01-03T12:00:00Z", "read_up_to": "22",
            },
            {
                "user_id": "ben", "nickname": "Ben", "host": false, "co_host": false,
                "joined_at": "2026-01-03T12:01:00Z",
            },
        ])
    );
    let (_, page) = world.get("ben", "/rooms/north.2/members?limit=1").await;
    let next = format!("/rooms/north.2/members?cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.list("ben", &next, "user_id").await, ["ben"]);
}

#[tokio::test]
async fn a_muting_is_shown_until_its_end_and_invitations_while_they_are_valid() {
    let world = World::start().await;
    world
        .sql(
            r#"update members set muted_until = now() - interval '1 second' where user_id = 'ana';
               update members set muted_until = '9999-01-01T00:00:00Z', co_host = true where user_id = 'ben';
               update rooms set slow_mode_seconds = 30, pins = '["24", "21"]', invitations = '[
                   {"number": 1, "by": "ana", "max_uses": 2, "uses": 2,
                    "created_at": "2026-01-03T12:00:00Z", "expires_at": "9999-01-01T00:00:00Z"},
                   {"number": 2, "by": "ana", "max_uses": 2, "uses": 0,
                    "created_at": "2026-01-03T12:00:00Z", "expires_at": "2026-01-03T12:00:01Z"},
                   {"number": 3, "by": "ben", "max_uses": 2, "uses": 1,
                    "created_at": "2026-01-03T12:00:00Z", "expires_at": "9999-01-01T00:00:00Z"}
               ]' where room_id = 'north.2'"#,
        )
        .await;
    let muted = world.list("ana", "/rooms/north.2/members", "muted_until").await;
    assert_eq!(muted, [json!(null), json!("9999-01-01T00:00:00Z")]);
    let (_, invitations) = world.get("ben", "/rooms/north.2/invitations").await;
    let expected = json!([{
        "invitation": "3", "by": "ben", "max_uses": 2, "uses": 1, "created_at": "2026-01-03T12:00:00Z",
        "expires_at": "9999-01-01T00:00:00Z",
    }]);
    assert_eq!(invitations, expected);
    assert_eq!(world.get("dan", "/rooms/north.2/invitations").await.1["code"], "kicked");
    let (_, room) = world.get("ben", "/rooms/north.2").await;
    assert_eq!((&room["pinned"], &room["slow_mode_seconds"]), (&json!(["24", "21"]), &json!(30)));
}

#[tokio::test]
async fn messages_are_read_from_any_point_in_both_directions() {
    let world = World::start().await;
    let ids = async |query: &str| world.list("ben", &format!("/rooms/north.2/messages{query}"), "message_id").await;
    assert_eq!(ids("").await, ["24", "23", "22", "21"]);
    assert_eq!(ids("?before=23").await, ["22", "21"]);
    assert_eq!(ids("?after=22").await, ["24", "23"]);
    assert_eq!(ids("?after=21&limit=1").await, ["22"]);
    assert_eq!(ids("?around=22&limit=3").await, ["23", "22", "21"]);
    assert!(ids("?after=24").await.is_empty());
    assert!(ids("?before=21").await.is_empty());

    for (start, rest) in
        [("?limit=3", vec!["21"]), ("?after=20&limit=3", vec!["24"]), ("?around=23&limit=2", vec!["22", "21"])]
    {
        let (_, page) = world.get("ben", &format!("/rooms/north.2/messages{start}")).await;
        assert_eq!(ids(&format!("?cursor={}", page["next"].as_str().unwrap())).await, rest, "{start}");
    }
    for bad in ["?before=1&after=2", "?around=x", "?before=0", "?after=99999999999999999999"] {
        assert_eq!(
            world.get("ben", &format!("/rooms/north.2/messages{bad}")).await.1["code"],
            "invalid-query",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_message_shows_its_edit_its_reactions_and_its_deletion() {
    let world = World::start().await;
    let (_, page) = world.get("ben", "/rooms/north.2/messages").await;
    assert_eq!(
        page["items"].as_array().unwrap()[1..],
        [
            json!({
                "message_id": "23", "room_id": "north.2", "author": "ben", "body": null, "reply_to": null,
                "posted_at": "2026-01-03T12:08:00Z", "deleted": true, "erased": false, "reactions": {}, "mentions": [],
                "mentions_all": false,
            }),
            json!({
                "message_id": "22", "room_id": "north.2", "author": "ben", "body": "me, with spring rolls",
                "reply_to": "21", "posted_at": "2026-01-03T12:06:00Z", "edited_at": "2026-01-03T12:07:00Z",
                "deleted": false, "erased": false, "reactions": {}, "mentions": [], "mentions_all": false,
            }),
            json!({
                "message_id": "21", "room_id": "north.2", "author": "ana", "body": "who wants noodles?",
                "reply_to": null, "posted_at": "2026-01-03T12:05:00Z", "deleted": false,
                "erased": false,
                "reactions": { "👍": ["ben", "ana"] }, "mentions": ["ben"], "mentions_all": true,
            }),
        ]
    );
}

#[tokio::test]
async fn the_feed_is_read_in_order_from_any_version() {
    let world = World::start().await;
    let (_, page) = world.get("ben", "/rooms/north.2/events?after_v=7&limit=1").await;
    assert_eq!(fields(&page, "v"), [8]);
    assert_eq!(page["head_v"], 9);
    let (_, page) = world.get("ben", &format!("/rooms/north.2/events?cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!(
        page,
        json!({
            "items": [{
                "v": 9, "type": "room_extended", "at": "2026-01-03T12:07:00Z", "by": null,
                "data": { "extension": 1, "hours": 1, "closes_at": "2026-01-03T15:00:00Z" },
            }],
            "next": null,
            "head_v": 9,
        })
    );
    let (_, page) = world.get("ben", "/rooms/north.2/events?after_v=9").await;
    assert_eq!(page, json!({ "items": [], "next": null, "head_v": 9 }));
    assert_eq!(world.list("ben", "/rooms/north.2/events", "v").await.len(), 9);
    for bad in ["?after_v=-1", "?after_v=x", "?cursor=x"] {
        assert_eq!(world.get("ben", &format!("/rooms/north.2/events{bad}")).await.0, 400);
    }
}

#[tokio::test]
async fn search_finds_words_only_in_readable_rooms() {
    let world = World::start().await;
    let found = async |user: &str, q: &str| world.list(user, &format!("/search/messages?q={q}"), "message_id").await;
    assert_eq!(found("ana", "spring").await, ["22", "5"]);
    assert_eq!(found("ben", "spring").await, ["22"]);
    assert_eq!(found("eve", "%22spring%20rolls%22").await, ["5"]);
    assert_eq!(found("ana", "spring%20-me").await, Vec::<String>::new());
    assert!(found("cem", "spring").await.is_empty());
    assert!(found("dan", "spring").await.is_empty());
    assert!(found("ana", "%F0%9F%8D%9C").await.is_empty());
    for odd in ["%27", "%22", "%26!()", "%20", "-", "-spring", "spring%20or%20-me"] {
        let (status, problem) = world.get("ana", &format!("/search/messages?q={odd}")).await;
        assert_eq!((status, &problem["code"]), (400, &"invalid-query".into()), "{odd}");
    }
    let (_, page) = world.get("ana", "/search/messages?q=spring&limit=1").await;
    let next = format!("/search/messages?q=spring&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(world.list("ana", &next, "message_id").await, ["5"]);
}

#[tokio::test]
async fn a_message_is_shown_with_the_one_that_it_replies_to() {
    let world = World::start().await;
    let (status, reply) = world.get("ben", "/rooms/north.2/messages/22").await;
    assert_eq!((status, &reply["message_id"], &reply["body"]), (200, &json!("22"), &json!("me, with spring rolls")));
    assert_eq!((&reply["parent"]["message_id"], &reply["parent"]["author"]), (&json!("21"), &json!("ana")));
    let (_, first) = world.get("ben", "/rooms/north.2/messages/21").await;
    assert_eq!(first["parent"], json!(null));
    world.sql("update messages set body = null where message_id = 21").await;
    let (_, reply) = world.get("ben", "/rooms/north.2/messages/22").await;
    assert_eq!((&reply["parent"]["deleted"], &reply["parent"]["body"]), (&json!(true), &json!(null)));

    for (user, path, code) in [
        ("ben", "/rooms/north.2/messages/5", "message-not-found"),
        ("ben", "/rooms/north.2/messages/x", "not-found"),
        ("dan", "/rooms/north.2/messages/22", "kicked"),
        ("eve", "/rooms/north.2/messages/22", "not-a-member"),
        ("eve", "/rooms/north.9/messages/22", "room-not-found"),
    ] {
        assert_eq!(world.get(user, path).await.1["code"], code, "{user} {path}");
    }
}

#[tokio::test]
async fn a_joining_has_the_nickname_in_the_feed_and_live() {
    let world = World::start().await;
    let (_, page) = world.get("ana", "/rooms/north.2/events?after_v=1&limit=1").await;
    assert_eq!(page["items"][0]["data"], json!({ "user_id": "ben", "nickname": "Ben" }));

    let mut watcher = world.watch("ana", Some(8)).await;
    assert_eq!(watcher.next().await["type"], "subscribed");
    assert_eq!(watcher.next().await["v"], 9);
    world.happen(10, "member_joined", "eve", json!({ "user_id": "eve" })).await;
    let joined = watcher.next().await;
    assert_eq!((&joined["v"], &joined["data"]), (&json!(10), &json!({ "user_id": "eve", "nickname": "Eve" })));
    world.happen(11, "member_joined", "gone", json!({ "user_id": "gone" })).await;
    world.happen(12, "message_posted", "ana", json!({ "body": "hi" })).await;
    let joined = watcher.next().await;
    assert_eq!((&joined["v"], &joined["data"]), (&json!(11), &json!({ "user_id": "gone", "nickname": null })));
    assert_eq!(watcher.next().await["v"], 12);
}
