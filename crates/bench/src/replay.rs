//! Clients that connect again at the same time after an hour, beside reads of others during that time.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    accounting::Watch,
    boxroom::{Boxroom, get},
    load::{
        exchange::Exchange,
        histogram::{Histogram, float},
        opening::Opening,
        replay::{self, Client, Outcome},
    },
    plan::{self, Options, Subject},
    progress::Progress,
    results::{LOAD_CLIENT, Results, Sample},
    traffic,
    world::{Room, Rooms, World},
};

/// The members of each room.
const MEMBERS: usize = 20;

/// The pause between two reads of another user.
const PAUSE: Duration = Duration::from_millis(10);

struct Reconnection;

impl Subject for Reconnection {
    fn name(&self) -> &'static str {
        "boxroom"
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "replay",
        "Clients that have missed an hour of events, and all say hello at the same moment; and the reads of another \
         user until each of them has everything.",
        "event",
    );
    let (rooms, missed) = (options.size(10, 250), options.size(20, 120));
    let case = format!("{} clients, {missed} events each", rooms * MEMBERS);
    if !options.wants(&case) {
        return Ok(results);
    }
    plan::allow_files(rooms * MEMBERS)?;
    progress.stage("replay: starting");
    let world = World::start(Vec::new()).await?;
    progress.stage("replay: opening rooms");
    let rooms = world.open_rooms("replay", rooms, MEMBERS).await?;
    let watch = world.watch().await?;
    progress.stage("replay: posting what is missed");
    let heads = post(&world, &rooms, missed as u64).await?;
    let measure = async |_: &Reconnection| measure(&world, &rooms, &heads, missed as u64, &watch).await;
    plan::alternate(&mut results, options, (&case, &[Reconnection]), progress, measure).await?;
    results.remarks.push("Each client received each event that it had missed once, in order.".to_owned());
    Ok(results)
}

/// Posts at least this number of messages to each room. Returns the last version of each feed.
async fn post(world: &World, rooms: &Rooms, each: u64) -> anyhow::Result<HashMap<String, u64>> {
    let text =
        |_: &Room, _, number| format!("Message {number}, which some have missed. It is as long as messages are.");
    let is_enough = |posted: &HashMap<String, u64>| {
        rooms.0.iter().all(|room| posted.get(&room.id).is_some_and(|count| *count >= each))
    };
    let mut posted = traffic::fill(world, rooms, text, is_enough).await?;
    let mut heads = HashMap::new();
    for room in rooms.0.iter() {
        let (_, position) = world.say(room, json!({ "body": "That is all." })).await?;
        *posted.entry(room.id.clone()).or_default() += 1;
        let path = format!("/rooms/{}", room.id);
        let shown = world.until_shown(&path, &room.members[0].token, &position).await?;
        heads.insert(room.id.clone(), shown["v"].as_u64().context("a room without a version")?);
    }
    world.check_rows(&posted).await?;
    Ok(heads)
}

async fn measure(
    world: &World,
    rooms: &Rooms,
    heads: &HashMap<String, u64>,
    missed: u64,
    watch: &Watch,
) -> anyhow::Result<Sample> {
    let clients = rooms.0.iter().flat_map(|room| {
        let to = heads.get(&room.id).copied().unwrap_or_default();
        let from = to.saturating_sub(missed);
        room.members.iter().map(move |member| {
            let rooms = json!([{ "room_id": room.id, "v": from }]);
            let hello = json!({ "type": "hello", "token": member.token, "rooms": rooms }).to_string();
            Client { hello, from, to }
        })
    });
    let (clients, watch): (Vec<Client>, Watch) = (clients.collect(), watch.clone());
    let (target, query) = (Boxroom::new(world, rooms)?, world.query_address()?);
    let ends = Arc::new(AtomicBool::new(false));
    let request = get(query, &format!("/rooms/{}/messages", rooms.0[0].id), &rooms.0[0].members[0].token);
    let (read_ends, mut exchange) = (Arc::clone(&ends), Exchange::connect(query)?);
    let reads = spawn_blocking(move || repeat(&mut exchange, &request, &read_ends));
    let connect = move || Opening::connect(query, "/live", Some("boxroom.v1"));
    let outcome = spawn_blocking(move || replay::run(&target, &clients, connect, &watch)).await?;
    ends.store(true, Ordering::Relaxed);
    let reads = reads.await??;
    Ok(sample(&outcome?, &reads))
}

/// Repeats a read. Returns its latencies.
fn repeat(exchange: &mut Exchange, request: &str, ends: &AtomicBool) -> anyhow::Result<Histogram> {
    let mut latency = Histogram::default();
    while !ends.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let read = exchange.send(request)?;
        ensure!(read.status == 200, "a read failed: {:?}", read.unless(200));
        latency.add(begun.elapsed());
        std::thread::sleep(PAUSE);
    }
    Ok(latency)
}

fn sample(outcome: &Outcome, reads: &Histogram) -> Sample {
    let Outcome { events, complete, spent, client, gaps } = outcome;
    let sample = Sample::default()
        .figure("events/s", float(*events) / spent.seconds)
        .figure("all events p50 ms", complete.p50_ms())
        .figure("all events p99 ms", complete.p99_ms())
        .figure("all events max ms", complete.max_ms())
        .figure("other reads p50 ms", reads.p50_ms())
        .figure("other reads p99 ms", reads.p99_ms());
    let processes = spent.by_process.iter().copied().chain([(LOAD_CLIENT, *client)]);
    Sample {
        cpu_micros: processes.map(|(name, seconds)| (name, seconds * 1e6 / float(*events))).collect(),
        curve: complete.curve(),
        disturbances: spent.disturbance().into_iter().collect(),
        faults: (*gaps > 0).then(|| format!("{gaps} versions not dense")).into_iter().collect(),
        ..sample
    }
}
