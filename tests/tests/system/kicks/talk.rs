//! A conversation that does not stop, and how far it has been heard at each node.

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
use system_tests::{Live, Person, World, wait::eventually};
use tokio::time::interval;

/// How often each writer says something and is seen to type, which a connection may say 20 times a second.
const EVERY: Duration = Duration::from_millis(55);

/// What those who stay hear.
#[derive(Default)]
pub(super) struct Talk {
    /// The last version at each node.
    heard: [AtomicU64; 2],
    /// At which version each guest went.
    parted: Mutex<BTreeMap<String, u64>>,
    over: AtomicBool,
}

impl Talk {
    /// Everybody writes and types, and somebody listens at each node.
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
                            live.send(&json!({ "type": "typing", "room": room })).await;
                        }
                        frame = live.next() => answer(&mut live, &frame.unwrap()).await,
                    }
                    live.forget();
                }
            })),
        );
    }

    /// Somebody listens at each node.
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
                live.forget();
            }
        }))
        .await;
    }

    /// Everybody writes until the room does not take it any more.
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

    /// Waits until nobody writes any more.
    pub(super) async fn until_over(&self) {
        eventually("the talk is over", async || self.over.load(Ordering::Relaxed).then_some(())).await;
    }

    /// The last version that somebody has heard.
    pub(super) fn head(&self) -> u64 {
        self.heard.iter().map(|v| v.load(Ordering::Relaxed)).max().unwrap_or_default()
    }

    /// Waits until those who stay have heard this version at each node.
    pub(super) async fn until_all_heard(&self, v: u64) {
        let all = || self.heard.iter().all(|heard| heard.load(Ordering::Relaxed) >= v);
        eventually(&format!("version {v} is heard"), async || all().then_some(())).await;
    }

    /// Waits until those who stay have heard that a guest went, and says at which version.
    pub(super) async fn until_parted(&self, guest: &str) -> u64 {
        eventually(&format!("{guest} is gone"), async || self.parted.lock().unwrap().get(guest).copied()).await
    }
}

async fn answer(live: &mut Live, frame: &serde_json::Value) {
    if frame["type"] == "ping" {
        live.send(&json!({ "type": "pong" })).await;
    }
}
