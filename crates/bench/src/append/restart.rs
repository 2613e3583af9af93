//! Commands after a restart of the command-service, which has the states of boxes in memory only.

use std::time::Instant;

use harness::ServiceId;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{Bench, TEXT};
use crate::{
    accounting::Watch,
    load::histogram::Histogram,
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    world::{Room, Rooms},
};

/// The state of the command-service before the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Warm,
    Cold,
}

impl Subject for Memory {
    fn name(&self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }
}

/// A room whose first reply is measured.
struct FirstReply<'a> {
    name: &'static str,
    room: &'a Room,
}

impl Subject for FirstReply<'_> {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// Runs the cases.
pub(super) async fn run(
    results: &mut Results,
    bench: &mut Bench,
    options: &Options,
    (many, short, long): (&Rooms, &Rooms, &Rooms),
    progress: &Progress,
) -> anyhow::Result<()> {
    let case = format!("a post to each of {} boxes, one after another", many.0.len());
    let bench = Mutex::new(bench);
    let measure = async |memory: &Memory| bench.lock().await.post_to_each(*memory, many).await;
    plan::alternate(results, options, (&case, &[Memory::Warm, Memory::Cold]), progress, measure).await?;
    let case = "the first reply in a room after a restart";
    let rooms = [
        FirstReply { name: "short history", room: &short.0[0] },
        FirstReply { name: "long history", room: &long.0[0] },
    ];
    let measure = async |first: &FirstReply<'_>| bench.lock().await.reply(first.room).await;
    plan::alternate(results, options, (case, &rooms), progress, measure).await
}

impl Bench {
    async fn restart(&self) -> anyhow::Result<()> {
        self.world.stack.stop(ServiceId::Command(0)).await;
        self.world.stack.start_again(ServiceId::Command(0)).await
    }

    async fn post_to_each(&mut self, memory: Memory, rooms: &Rooms) -> anyhow::Result<Sample> {
        match memory {
            Memory::Cold => self.restart().await?,
            Memory::Warm => {
                for room in rooms.0.iter() {
                    self.say(room, json!({ "body": TEXT })).await?;
                }
            }
        }
        let (watch, mut latency) = (Watch::default(), Histogram::default());
        let before = watch.read();
        for room in rooms.0.iter() {
            let begun = Instant::now();
            self.say(room, json!({ "body": TEXT })).await?;
            latency.add(begun.elapsed());
        }
        let sample = Sample::default().figure("p50 ms", latency.p50_ms()).figure("p99 ms", latency.p99_ms());
        let disturbances = watch.read().since(&before).disturbance().into_iter().collect();
        Ok(Sample { curve: latency.curve(), disturbances, ..sample })
    }

    async fn reply(&mut self, room: &Room) -> anyhow::Result<Sample> {
        let last = self.say(room, json!({ "body": TEXT })).await?;
        self.restart().await?;
        let (watch, begun) = (Watch::default(), Instant::now());
        let before = watch.read();
        self.say(room, json!({ "body": TEXT, "reply_to": last })).await?;
        let sample = Sample::default().figure("ms", begun.elapsed().as_secs_f64() * 1e3);
        Ok(Sample { disturbances: watch.read().since(&before).disturbance().into_iter().collect(), ..sample })
    }

    /// Posts a message. Returns its id.
    async fn say(&mut self, room: &Room, body: Value) -> anyhow::Result<String> {
        let (id, _) = self.world.say(room, body).await?;
        *self.posted.entry(room.id.clone()).or_default() += 1;
        Ok(id)
    }
}
