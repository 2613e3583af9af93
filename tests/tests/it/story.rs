//! A complete story: users register, share a box and talk, until the box is free again.

use serde_json::{Value, json};
use system_tests::{Live, Person, World};
use testing::requests::box_details;

/// A room with a password and two members, each with a live connection to another query-service.
struct Lunch {
    world: World,
    room: String,
    ana: Person,
    ben: Person,
    ana_sees: Live,
    ben_sees: Live,
}

#[tokio::test(flavor = "multi_thread")]
async fn users_share_a_box_from_registration_until_it_is_free_again() {
    let mut lunch = Lunch::begin().await;
    lunch.talk().await;
    lunch.extend().await;
    lunch.kick_a_member().await;
    lunch.hand_over_and_close().await;
    lunch.everything_can_be_read_afterwards().await;
}

impl Lunch {
    async fn begin() -> Self {
        let world = World::start_doubled().await;
        let (ana, ben) = (world.user("ana").await, world.user("ben").await);
        let operator = world.operator();
        let installed = operator.post("/boxes", box_details("box-1")).await;
        assert_eq!(installed.created(), "box-1");
        let store = json!({ "store_id": "noodles", "name": "Noodle Bar", "zip_code": "10115" });
        assert_eq!(operator.post("/stores", store).await.created(), "noodles");

        let found = operator.get("/boxes?zip_code=10115&free=true").await.items();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["box_id"], &found[0]["status"]), (&json!("box-1"), &json!("free")));

        let open = json!({ "store_id": "noodles", "title": "Lunch", "max_members": 4, "password": "open sesame" });
        let opened = ana.post("/boxes/box-1/rooms", open).await;
        let room = opened.created();
        assert_eq!(room, "box-1.1");
        ben.remember_position(&opened);
        let view = ben.get("/boxes/box-1").await.ok();
        assert_eq!((&view["status"], &view["room_id"]), (&json!("in_use"), &json!(room)));

        ben.post(format!("/rooms/{room}/members"), json!({})).await.refused(403, "wrong-password");
        let wrong = json!({ "password": "open barley" });
        ben.post(format!("/rooms/{room}/members"), wrong).await.refused(403, "wrong-password");
        ben.get(&format!("/rooms/{room}/messages")).await.refused(403, "not-a-member");
        let right = json!({ "password": "open sesame" });
        let joined = ben.post(format!("/rooms/{room}/members"), right).await;
        assert_eq!(joined.created(), "ben");

        ana.remember_position(&joined);
        assert_eq!(ana.get(&format!("/rooms/{room}")).await.ok()["member_count"], 2);
        let (mut ana_sees, mut ben_sees) = (world.live(0).await, world.live(1).await);
        ana_sees.hello(ana.token(), &[(&room, Some(0))]).await;
        ben_sees.hello(ben.token(), &[(&room, Some(0))]).await;
        Self { world, room, ana, ben, ana_sees, ben_sees }
    }

    /// Waits until both have received this event live. Returns it.
    async fn both_see(&mut self, name: &str) -> Value {
        let event = without_command_id(self.ana_sees.event(&self.room, name).await);
        assert_eq!(event, without_command_id(self.ben_sees.event(&self.room, name).await));
        event
    }

    async fn talk(&mut self) {
        let Self { room, ana, ben, .. } = &*self;
        let hello = ana.say(room, "  What shall we eat?  ").await;
        let question = hello.created();
        let reply = json!({ "body": "Noodles", "reply_to": question });
        let answer = ben.post(format!("/rooms/{room}/messages"), reply).await;
        let reply_id = answer.created();
        let thumb = format!("/rooms/{room}/messages/{reply_id}/reactions/%F0%9F%91%8D");
        ana.remember_position(&answer);
        let thumbs_up = ana.put(thumb, json!({})).await;
        thumbs_up.done();
        let better = json!({ "body": "Noodles, please" });
        ben.patch(format!("/rooms/{room}/messages/{reply_id}"), better).await.done();
        ana.patch(format!("/rooms/{room}/messages/{reply_id}"), json!({ "body": "Pizza" }))
            .await
            .refused(403, "not-the-author");
        ana.put(format!("/rooms/{room}/read-marker"), json!({ "message_id": reply_id })).await.done();

        for body in ["What shall we eat?", "Noodles", "Noodles, please"] {
            let seen = without_command_id(self.ana_sees.message(&self.room, body).await);
            assert_eq!(seen, without_command_id(self.ben_sees.message(&self.room, body).await));
        }
        let Self { room, ana, ben, .. } = &*self;
        ben.remember_position(&thumbs_up);
        for reader in [ana, ben] {
            let messages = reader.get(&format!("/rooms/{room}/messages")).await.items();
            let bodies: Vec<_> = messages.iter().map(|message| message["body"].as_str()).collect();
            assert_eq!(bodies.len(), 2, "{messages:#?}");
            assert_eq!(bodies[1], Some("What shall we eat?"));
            let reply = &messages[0];
            assert_eq!((&reply["reply_to"], &reply["author"]), (&json!(question), &json!("ben")));
        }
        let reply = &ben.get(&format!("/rooms/{room}/messages")).await.items()[0];
        assert_eq!(reply["body"], "Noodles, please");
        assert!(reply["edited_at"].is_string());
        assert!(reply["reactions"].to_string().contains("ana"), "{reply:#}");
    }

    async fn extend(&mut self) {
        let Self { room, ana, ben, .. } = &*self;
        let before = ana.get(&format!("/rooms/{room}")).await.ok();
        ben.post(format!("/rooms/{room}/extensions"), json!({ "hours": 1 })).await.refused(403, "not-the-host");
        let extended = ana.post(format!("/rooms/{room}/extensions"), json!({ "hours": 2 })).await;
        assert_eq!(extended.created(), "1");
        let after = ana.get(&format!("/rooms/{room}")).await.ok();
        let closes_at = |room: &Value| testing::wait::moment(&room["closes_at"]);
        assert_eq!((closes_at(&after) - closes_at(&before)).num_hours(), 2);
        ana.put(format!("/rooms/{room}/step"), json!({ "step": "ordered" })).await.done();
        ana.put(format!("/rooms/{room}/step"), json!({ "step": "gathering" })).await.refused(409, "step-not-forward");
        let seen = self.both_see("room_extended").await;
        assert_eq!(seen["data"]["closes_at"], after["closes_at"]);
        assert_eq!(self.both_see("step_advanced").await["data"]["step"], "ordered");
    }

    async fn kick_a_member(&mut self) {
        let cat = self.world.user("cat").await;
        let Self { room, ana, ben, .. } = &*self;
        let right = json!({ "password": "open sesame" });
        let join = || cat.post(format!("/rooms/{room}/members"), right.clone());
        assert_eq!(join().await.created(), "cat");
        ben.delete(format!("/rooms/{room}/members/cat")).await.refused(403, "not-the-host");
        let kick = ana.delete(format!("/rooms/{room}/members/cat")).await;
        kick.done();
        join().await.refused(403, "kicked");
        cat.say(room, "Why?").await.refused(403, "not-a-member");
        cat.remember_position(&kick);
        cat.get(&format!("/rooms/{room}/messages")).await.refused(403, "kicked");
        let seen = self.both_see("member_kicked").await;
        assert_eq!((&seen["data"]["user_id"], &seen["by"]), (&json!("cat"), &json!("ana")));
    }

    async fn hand_over_and_close(&mut self) {
        let Self { room, ana, ben, .. } = &*self;
        ana.put(format!("/rooms/{room}/host"), json!({ "user_id": "dora" })).await.refused(404, "member-not-found");
        ana.put(format!("/rooms/{room}/host"), json!({ "user_id": "ben" })).await.done();
        ana.delete(format!("/rooms/{room}")).await.refused(403, "not-the-host");
        ben.delete(format!("/rooms/{room}")).await.done();
        ana.say(room, "Too late").await.refused(409, "room-closed");
        assert_eq!(self.both_see("host_transferred").await["data"]["to"], "ben");
        let closed = self.both_see("room_closed").await;
        assert_eq!((&closed["data"]["reason"], &closed["by"]), (&json!("host"), &json!("ben")));
    }

    async fn everything_can_be_read_afterwards(&mut self) {
        let Self { world, room, ana, ben, .. } = &*self;
        let view = ben.get("/boxes/box-1").await.ok();
        assert_eq!((&view["status"], view.get("room_id").and_then(Value::as_str)), (&json!("free"), None));
        assert_eq!(ben.get(&format!("/rooms/{room}")).await.ok()["status"], "closed");
        let feed = world.feed(ana, room).await;
        let names: Vec<_> = feed.iter().filter_map(|event| event["type"].as_str()).collect();
        let expected = [
            "room_opened",
            "member_joined",
            "message_posted",
            "message_posted",
            "reaction_added",
            "message_edited",
            "room_extended",
            "step_advanced",
            "member_joined",
            "member_kicked",
            "host_transferred",
            "room_closed",
        ];
        assert_eq!(names, expected);
        let versions: Vec<_> = feed.iter().filter_map(|event| event["v"].as_u64()).collect();
        assert_eq!(versions, (1..=12).collect::<Vec<_>>());
        assert_eq!(self.ana_sees.events(room).len(), 12, "all events of the feed were pushed");
        let mine = ana.get("/me/rooms").await.items();
        assert_eq!((mine.len(), &mine[0]["room_id"]), (1, &json!(room)));

        let again = json!({ "store_id": "noodles", "title": "Dinner", "max_members": 2 });
        assert_eq!(ana.post("/boxes/box-1/rooms", again).await.created(), "box-1.2");
    }
}

/// Removes the id of the command, which only its sender receives.
fn without_command_id(mut event: Value) -> Value {
    event.as_object_mut().unwrap().remove("command_id");
    event
}
