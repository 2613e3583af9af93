//! The wait of a read for the own write before it, while others post at a fixed rate.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use memchr::memmem;
use tokio::task::spawn_blocking;

use crate::{
    accounting::Watch,
    boxroom::{get_from, post_message},
    load::{
        Pace,
        exchange::Exchange,
        histogram::Histogram,
        requests::{self, Loop, Outcome},
    },
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    traffic::Posts,
    world::{Room, Rooms, World},
};

/// The pause of a reader between two writes.
const PAUSE: Duration = Duration::from_millis(10);

/// The kind of a read after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Waits for the position of the write.
    OwnWrite,
    /// Does not wait.
    Any,
}

impl Subject for Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::OwnWrite => "Min-Position",
            Self::Any => "without",
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "lag",
        "Reads right after an own post, with its Min-Position, while others post at a fixed rate; beside reads without \
         Min-Position, which need not show the post.",
        "post",
    );
    let rate = if options.quick { 50 } else { 1_000 };
    let case = format!("{rate} posts/s");
    if !options.wants(&case) {
        return Ok(results);
    }
    progress.stage("lag: starting");
    let world = World::start(Vec::new()).await?;
    let rooms = world.open_rooms("lag", options.size(10, 100), 5).await?;
    let own = world.open_rooms("lag-own", 1, 2).await?;
    let watch = world.watch().await?;
    let measure = async |kind: &Kind| measure(&world, (&rooms, &own), &watch, (*kind, rate), options).await;
    plan::alternate(&mut results, options, (&case, &[Kind::OwnWrite, Kind::Any]), progress, measure).await?;
    results.remarks.push("Each read with Min-Position showed the post before it.".to_owned());
    Ok(results)
}

async fn measure(
    world: &World,
    (rooms, own): (&Rooms, &Rooms),
    watch: &Watch,
    (kind, rate): (Kind, u32),
    options: &Options,
) -> anyhow::Result<Sample> {
    let text = |_: &Room, _, number| format!("Message {number} of the others, as long as messages usually are.");
    let (address, pace) = (world.command_address()?, Pace::Rate(rate));
    let settings = Loop { address, pace, warm_up: options.warm_up(), time: options.time() };
    let ends = Arc::new(AtomicBool::new(false));
    let reader = Reader {
        kind,
        room: own.0[0].clone(),
        command: world.command_address()?,
        query: world.query_address()?,
        begin: Instant::now() + options.warm_up(),
        ends: Arc::clone(&ends),
    };
    let reads = spawn_blocking(move || reader.run());
    let others = requests::run(settings, watch, Posts::new(world, rooms, text)?).await;
    ends.store(true, Ordering::Relaxed);
    let (reads, (others, _)) = (reads.await??, others?);
    Ok(sample(&reads, &others))
}

fn sample(reads: &Histogram, others: &Outcome) -> Sample {
    let sample = Sample::default()
        .figure("read p50 ms", reads.p50_ms())
        .figure("read p99 ms", reads.p99_ms())
        .figure("posts/s", others.rate());
    Sample {
        cpu_micros: others.micros_per_request(),
        curve: reads.curve(),
        disturbances: others.spent.disturbance().into_iter().collect(),
        faults: others.faults.clone(),
        ..sample
    }
}

/// A client that posts and reads in turn.
struct Reader {
    kind: Kind,
    room: Room,
    command: SocketAddr,
    query: SocketAddr,
    begin: Instant,
    ends: Arc<AtomicBool>,
}

impl Reader {
    /// Returns the latencies of reads.
    fn run(&self) -> anyhow::Result<Histogram> {
        let (mut commands, mut queries) = (Exchange::connect(self.command)?, Exchange::connect(self.query)?);
        let Room { id, members } = &self.room;
        let (token, run) = (&members[0].token, rand::random::<u32>());
        let (mut latency, mut number) = (Histogram::default(), 0_u64);
        while !self.ends.load(Ordering::Relaxed) {
            let text = format!("own-{run:08x}-{number}");
            let posted = commands.send(&post_message(self.command, id, token, &text, &text))?;
            ensure!(posted.status == 201, "a post failed: {:?}", posted.unless(201));
            let position = match self.kind {
                Kind::OwnWrite => Some(posted.header("event-position").context("no Event-Position")?),
                Kind::Any => None,
            };
            let begun = Instant::now();
            let path = format!("/rooms/{id}/messages?limit=1");
            let read = queries.send(&get_from(self.query, &path, token, position))?;
            if begun >= self.begin {
                latency.add(begun.elapsed());
            }
            ensure!(read.status == 200, "a read failed: {:?}", read.unless(200));
            let shows = memmem::find(read.body(), text.as_bytes()).is_some();
            ensure!(shows || self.kind == Kind::Any, "a read does not show the post before it");
            number += 1;
            std::thread::sleep(PAUSE);
        }
        Ok(latency)
    }
}
