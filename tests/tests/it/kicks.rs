//! A user who is kicked or leaves during a conversation receives no more of it, over any transport.

mod ear;
mod talk;

use futures::future::join_all;
use serde_json::{Value, json};
use system_tests::{Live, Person, World};
use testing::requests::room_details;

use self::{
    ear::{Ear, of_room},
    talk::Talk,
};

/// The number of concurrent lanes, and of guests in each.
const LANES: usize = 4;
const ROUNDS: usize = 8;

/// The number of further events that others must receive before an absence counts.
const MORE: u64 = 10;

/// A way in which a guest goes.
#[derive(Clone, Copy)]
struct Parting {
    event: &'static str,
    reason: &'static str,
    code: &'static str,
}

const KICKED: Parting = Parting { event: "member_kicked", reason: "kicked", code: "kicked" };
const LEFT: Parting = Parting { event: "member_left", reason: "left", code: "not-a-member" };

/// A conversation, and a quiet room that shows that a connection still works.
struct Scene<'a> {
    world: &'a World,
    host: &'a Person,
    room: String,
    quiet: String,
    talk: &'a Talk,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_member_receives_nothing_on_any_transport_or_node_and_cannot_resume() {
    let world = World::start_doubled().await;
    let host = world.person("host");
    let (writers, guests) = (world.people("writer", 4), world.people("guest", LANES * ROUNDS));
    let room = world.open_room(&host, "box-1", 100).await;
    world.install_box("box-2").await;
    let quiet = host.post("/boxes/box-2/rooms", room_details("store-of-box-1", 100)).await.created();
    for writer in &writers {
        world.join(writer, &room).await;
        world.sees_room(writer, &room).await;
    }
    for guest in &guests {
        world.join(guest, &quiet).await;
    }
    let talk = Talk::default();
    let scene = Scene { world: &world, host: &host, room: room.clone(), quiet, talk: &talk };
    let lanes = join_all(guests.chunks(ROUNDS).map(|guests| async {
        for (number, guest) in guests.iter().enumerate() {
            let parting = if number % 4 == 3 { LEFT } else { KICKED };
            scene.comes_and_goes(guest, parting).await;
        }
    }));
    tokio::select! {
        _ = lanes => {}
        () = talk.go_on(&world, &writers, &room) => {}
    }
    eprintln!("{} guests went in the middle of {} events", guests.len(), talk.head());
}

impl Scene<'_> {
    async fn comes_and_goes(&self, guest: &Person, parting: Parting) {
        self.world.join(guest, &self.room).await;
        self.world.sees_room(guest, &self.room).await;
        let rooms = [self.room.as_str(), self.quiet.as_str()];
        let mut ears = Ear::everywhere(self.world, guest, &rooms).await;
        for ear in &mut ears {
            for _ in 0..3 {
                ear.until("an event", |frame| frame["room_id"] == self.room && frame["v"].is_u64()).await;
            }
        }
        let old: Vec<Value> = ears.iter().map(|ear| ear.place(&self.room)).collect();
        let went = match parting.reason {
            "kicked" => self.host.delete(format!("/rooms/{}/members/{}", self.room, guest.id())).await,
            _ => guest.delete(format!("/rooms/{}/members/me", self.room)).await,
        };
        went.done();
        guest.remember_position(&went);
        let parted_v = self.talk.until_parted(guest.id()).await;
        self.all_is_quiet(&mut ears, guest, &format!("{} is gone", guest.id()), (parting, parted_v)).await;
        self.cannot_look_back(guest, parting).await;

        // Each connection is resumed at the other node.
        let mut again = Vec::new();
        for (index, place) in old.iter().enumerate() {
            again.push(Ear::resume(self.world, index, guest, &rooms, place).await);
        }
        self.all_is_quiet(&mut again, guest, &format!("{} is still gone", guest.id()), (parting, parted_v)).await;
        for ear in &again {
            let frames = of_room(ear.frames(), &self.room);
            assert_eq!(frames.len(), 2, "the parting, and nothing of what was before it: {frames:?}");
        }
        for (index, ear) in ears.iter().enumerate() {
            let late = Ear::resume(self.world, index, guest, &rooms, &ear.place(&self.room)).await;
            let refusal = late.frames().iter().find(|frame| frame["room_id"] == self.room).unwrap();
            assert_eq!(refusal["type"], "error", "{refusal}");
            assert_eq!(refusal["code"], parting.code, "a resume after the parting is refused");
        }
    }

    /// Checks that these connections receive the parting as the last event of the room, and then only the quiet room.
    async fn all_is_quiet(&self, ears: &mut [Ear], guest: &Person, word: &str, (parting, parted_v): (Parting, u64)) {
        self.talk.until_delivered(self.talk.head().max(parted_v) + MORE).await;
        self.host.say(&self.quiet, word).await.created();
        for ear in ears {
            ear.until(word, |frame| frame["data"]["body"] == word).await;
            let frames = of_room(ear.frames(), &self.room);
            let [.., parts, ends] = frames.as_slice() else { panic!("{} receives no parting", guest.id()) };
            assert_eq!((&parts["type"], &parts["v"]), (&json!(parting.event), &json!(parted_v)), "{ends}");
            assert_eq!(parts["data"]["user_id"], guest.id());
            assert_eq!((&ends["type"], &ends["reason"]), (&json!("unsubscribed"), &json!(parting.reason)));
        }
    }

    /// Checks that every request for the room is refused, at either node.
    async fn cannot_look_back(&self, guest: &Person, parting: Parting) {
        for node in 0..2 {
            for path in ["events", "events?after_v=3", "messages", "members"] {
                let path = format!("/rooms/{}/{path}", self.room);
                guest.get_from(Some(node), &path).await.refused(403, parting.code);
            }
            let mut live = self.world.live(node).await;
            live.hello(guest.token(), &[]).await;
            let asks = [
                json!({ "type": "subscribe", "id": "ask", "room_id": self.room }),
                json!({ "type": "fetch", "id": "ask", "room_id": self.room, "after_v": 0 }),
            ];
            for ask in asks {
                live.send(&ask).await;
                let refusal = live.until("answer", |frame| frame["id"] == "ask").await;
                assert_eq!((&refusal["type"], &refusal["code"]), (&json!("error"), &json!(parting.code)));
            }
            live.send(&json!({ "type": "typing", "room_id": self.room })).await;
            live.until("answer", |frame| frame["code"] == "not-subscribed").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_event_of_a_room_is_its_closing() {
    const ROOMS: usize = 6;
    let world = World::start_doubled().await;
    let host = world.person("host");
    let (writers, guest) = (world.people("writer", 4), world.person("guest"));
    let quiet = world.open_room(&host, "quiet", 100).await;
    world.join(&guest, &quiet).await;
    for number in 0..ROOMS {
        let room = world.open_room(&host, &format!("box-{number}"), 100).await;
        for writer in writers.iter().chain([&guest]) {
            world.join(writer, &room).await;
            world.sees_room(writer, &room).await;
        }
        let mut ears = Ear::everywhere(&world, &guest, &[&room, &quiet]).await;
        let talk = Talk::default();
        let closing = async {
            talk.until_delivered(6 + 2 * MORE).await;
            let closed = host.delete(format!("/rooms/{room}")).await;
            closed.done();
            guest.remember_position(&closed);
        };
        tokio::join!(closing, talk.until_closed(&writers, &room), async {
            tokio::select! {
                () = talk.listen(&world, &writers[0], &room) => {}
                () = talk.until_over() => {}
            }
        });
        let feed = world.feed(&guest, &room).await;
        for ear in &mut ears {
            ear.until("the end", |frame| frame["type"] == "unsubscribed").await;
        }
        let mut late = Live::connect(&world.stack.query_url(0)).await;
        late.hello(guest.token(), &[(&room, Some(0))]).await;
        let end = late.until("the end", |frame| frame["type"] == "unsubscribed").await;
        assert_eq!((&end["reason"], late.version(&room)), (&json!("closed"), feed.len() as u64));
        let ending = format!("{room} is closed");
        host.say(&quiet, &ending).await.created();
        for ear in &mut ears {
            ear.until(&ending, |frame| frame["data"]["body"] == ending).await;
            let frames = of_room(ear.frames(), &room);
            let last = frames.iter().rfind(|frame| frame["v"].is_u64()).unwrap();
            assert_eq!((&last["type"], &last["v"]), (&json!("room_closed"), &json!(feed.len())));
            let end = frames.last().unwrap();
            assert_eq!((&end["type"], &end["reason"]), (&json!("unsubscribed"), &json!("closed")));
        }
    }
}
