//! A connection of a guest, over either transport, to either node.

use serde_json::{Value, json};
use system_tests::{Listener, Live, Person, World};

/// A connection that follows rooms.
pub(super) enum Ear {
    Live(Box<Live>),
    Listener(Box<Listener>),
}

/// The types of frames about a room that go to its user, with or without a subscription.
const TO_THE_USER: [&str; 4] = ["alarm", "alarms", "membership", "unread"];

/// Returns the frames of a subscription to a room, after its confirmation. Signals are included only after a parting.
pub(super) fn of_room<'a>(frames: &'a [Value], room: &str) -> Vec<&'a Value> {
    let from = frames.iter().position(|frame| frame["type"] == "subscribed" && frame["room_id"] == room);
    let (parted, frames) = (std::cell::Cell::new(false), &frames[from.map_or(0, |from| from + 1)..]);
    let kept = frames.iter().filter(|frame| {
        parted.set(parted.get() || frame["type"] == "member_kicked" || frame["type"] == "member_left");
        let follows = frame["type"].as_str().is_some_and(|kind| !TO_THE_USER.contains(&kind));
        frame["room_id"] == room && follows && (frame["type"] != "signal" || parted.get())
    });
    kept.collect()
}

impl Ear {
    /// Opens four connections from now on: both transports, both nodes.
    pub(super) async fn everywhere(world: &World, guest: &Person, rooms: &[&str]) -> Vec<Self> {
        let mut ears = Vec::new();
        for index in 0..4 {
            ears.push(Self::open(world, index, guest, rooms, &Value::Null).await);
        }
        ears
    }

    /// Opens the connection with this number again, but to the other node, and resumes at a place.
    pub(super) async fn resume(world: &World, index: usize, guest: &Person, rooms: &[&str], place: &Value) -> Self {
        Self::open(world, index ^ 1, guest, rooms, place).await
    }

    async fn open(world: &World, index: usize, guest: &Person, rooms: &[&str], place: &Value) -> Self {
        let node = index % 2;
        let mut ear = if index < 2 {
            let mut live = world.live(node).await;
            let after = |room: &str| place[room].as_u64();
            let wanted: Vec<_> = rooms.iter().map(|room| (*room, after(room))).collect();
            live.hello(guest.token(), &wanted).await;
            Self::Live(Box::new(live))
        } else {
            Self::Listener(Box::new(Listener::open(world, node, guest, rooms, place.as_str()).await))
        };
        // Subscriptions are answered in this order.
        let last = rooms[rooms.len() - 1];
        ear.until("the last room's answer", |frame| frame["type"] == "subscribed" && frame["room_id"] == last).await;
        ear
    }

    /// The place at which it can be resumed: a version of the room, or an id.
    pub(super) fn place(&self, room: &str) -> Value {
        match self {
            Self::Live(live) => json!({ room: live.version(room) }),
            Self::Listener(listener) => listener.last_id().into(),
        }
    }

    pub(super) async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        match self {
            Self::Live(live) => live.until(what, fits).await,
            Self::Listener(listener) => listener.until(what, fits).await,
        }
    }

    pub(super) fn frames(&self) -> &[Value] {
        match self {
            Self::Live(live) => live.frames(),
            Self::Listener(listener) => listener.frames(),
        }
    }
}
