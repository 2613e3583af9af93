//! A continuous conversation, and the version that each node has delivered.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde_json::json;
use system_tests::{Live, Person, World};
use testing::wait::eventually;
use tokio::time::interval;

/// The interval of each writer's messages and typing signals. A connection may send 20 signals a second.
const EVERY: Duration = Duration::from_millis(55);

/// The events received by those who stay.
#[derive(Default)]
pub(super) struct Talk {
    /// The last version at each node.
    heard: [AtomicU64; 2],
    /// The version at which each guest went.
    parted: Mutex<BTreeMap<String, u64>>,
    over: AtomicBool,
}

impl Talk {
    /// Lets all writers post and type, with a listener at each node.
    pub(super) async fn go_on(&self, world: &World, writers: &[Person], room: &str) {
        tokio::join!(
            self.listen(world, &writers[0], room),
            join_all(writers.iter().enumerate().map(|(number, writer)| async move {
                let mut live = world.live(number % 2).await;
                live.hello(writer.token(), &[(room, None)]).await;
                let mut beat = interval(EVERY);
                loop {
                    tokio::select! {
                        _ = beat.tick() => {
                            writer.say(room, "and so on").await.created();
                            live.send(&json!({ "type": "typing", "room_id": room })).await;
                        }
                        frame = live.next() => answer(&mut live, &frame.unwrap()).await,
                    }
                    live.clear_frames();
                }
            })),
        );
    }

    /// Keeps a listener at each node.
    pub(super) async fn listen(&self, world: &World, who: &Person, room: &str) {
        join_all((0..2).map(|node| async move {
            let mut live = world.live(node).await;
            live.hello(who.token(), &[(room, Some(0))]).await;
            loop {
                let frame = live.next().await.unwrap();
                answer(&mut live, &frame).await;
                if frame["type"] == "member_kicked" || frame["type"] == "member_left" {
                    let guest = frame["data"]["user_id"].as_str().unwrap().to_owned();
                    self.parted.lock().unwrap().insert(guest, frame["v"].as_u64().unwrap());
                }
                self.heard[node].store(live.version(room), Ordering::Relaxed);
                live.clear_frames();
            }
        }))
        .await;
    }

    /// Lets all writers post until the room refuses it.
    pub(super) async fn until_closed(&self, writers: &[Person], room: &str) {
        join_all(writers.iter().map(|writer| async move {
            loop {
                let said = writer.say(room, "and so on").await;
                if said.status != 201 {
                    return said.refused(409, "room-closed");
                }
            }
        }))
        .await;
        self.over.store(true, Ordering::Relaxed);
    }

    /// Waits until all writers have stopped.
    pub(super) async fn until_over(&self) {
        eventually("the talk is over", async || self.over.load(Ordering::Relaxed).then_some(())).await;
    }

    /// The last version that any node has delivered.
    pub(super) fn head(&self) -> u64 {
        self.heard.iter().map(|v| v.load(Ordering::Relaxed)).max().unwrap_or_default()
    }

    /// Waits until both nodes have delivered this version.
    pub(super) async fn until_delivered(&self, v: u64) {
        let all = || self.heard.iter().all(|heard| heard.load(Ordering::Relaxed) >= v);
        eventually(&format!("version {v} is received"), async || all().then_some(())).await;
    }

    /// Waits until a listener has received the guest's parting, and returns its version.
    pub(super) async fn until_parted(&self, guest: &str) -> u64 {
        eventually(&format!("{guest} is gone"), async || self.parted.lock().unwrap().get(guest).copied()).await
    }
}

async fn answer(live: &mut Live, frame: &serde_json::Value) {
    if frame["type"] == "ping" {
        live.send(&json!({ "type": "pong" })).await;
    }
}
