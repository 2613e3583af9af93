//! The rate of appends by posts over HTTP, beside appends to the same server without any service.

mod raw;
mod restart;

use std::collections::HashMap;

use self::raw::Raw;
use crate::{
    accounting::Watch,
    load::{
        Pace,
        requests::{self, Loop, Outcome},
    },
    peers::postgres_es::PostgresEs,
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    traffic::{self, Posts},
    world::{Room, Rooms, World},
};

const IN_FLIGHT: [u32; 3] = [1, 16, 64];
const QUICK_IN_FLIGHT: [u32; 1] = [16];

/// The members of a hot box's room, who post in turn.
const HOT_MEMBERS: usize = 10;

/// The number of events between two snapshots of an aggregate of cqrs-es.
const SNAPSHOT_EVERY: u32 = 100;

/// The text of a message, as long as an ordinary one.
const TEXT: &str = "Hello there, this is an ordinary chat message of about one hundred and twenty characters, like \
                    those that people write.";

const RATE: &str = "appends/s";

fn text(_: &Room, _: usize, _: u64) -> String {
    TEXT.to_owned()
}

/// The destination of appends.
enum Target<'a> {
    /// Rooms of boxes, by posts over HTTP with a token.
    Rooms { name: &'static str, rooms: &'a Rooms },
    /// As before, in a room of each run's own, so that its history is short.
    NewRoom,
    /// Subjects of streams of the same nats-server.
    Raw { raw: &'a Raw, subjects: usize },
    /// Aggregates of cqrs-es.
    PostgresEs { system: &'a PostgresEs, aggregates: usize, snapshot_every: u32 },
}

impl Subject for Target<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Rooms { name, .. } => name,
            Self::NewRoom => "boxroom",
            Self::Raw { .. } => "raw nats",
            Self::PostgresEs { snapshot_every: 0, .. } => "postgres-es",
            Self::PostgresEs { .. } => "es + snapshots",
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "append",
        "Posts over HTTP with a token, each answered when it is stored durably; beside appends of the same size to the \
         same nats-server without any service, with the same durability.",
        "append",
    );
    progress.stage("append: starting");
    let world = World::start(Vec::new()).await?;
    progress.stage("append: opening rooms");
    let boxes = options.size(20, 500);
    let many = world.open_rooms("append-many", boxes, 2).await?;
    let short = world.open_rooms("append-short", 1, HOT_MEMBERS).await?;
    let long = world.open_rooms("append-long", 1, HOT_MEMBERS).await?;
    let mut bench = Bench { watch: world.watch().await?, world, posted: HashMap::new() };
    let raw = Raw::start(&bench.world.stack).await?;
    let postgres_es = start_postgres_es(options, &mut results, progress).await;
    let history = options.size(200, 100_000) as u64;
    if ["hot box", "reply"].iter().any(|case| options.wants(case)) {
        progress.stage("append: writing a long history");
        let is_enough = |posted: &HashMap<_, u64>| posted.values().sum::<u64>() >= history;
        bench.posted = traffic::fill(&bench.world, &long, text, is_enough).await?;
    }

    for in_flight in if options.quick { &QUICK_IN_FLIGHT[..] } else { &IN_FLIGHT[..] } {
        let mut many =
            vec![Target::Rooms { name: "boxroom", rooms: &many }, Target::Raw { raw: &raw, subjects: boxes }];
        let mut hot = vec![
            Target::NewRoom,
            Target::Rooms { name: "long history", rooms: &long },
            Target::Raw { raw: &raw, subjects: 1 },
        ];
        if let Some(system) = &postgres_es {
            many.push(Target::PostgresEs { system, aggregates: boxes, snapshot_every: 0 });
            for snapshot_every in [0, SNAPSHOT_EVERY] {
                hot.push(Target::PostgresEs { system, aggregates: 1, snapshot_every });
            }
        }
        for (case, targets) in [(format!("{boxes} boxes"), &many[..]), ("one hot box".to_owned(), &hot[..])] {
            let case = format!("{case}, {in_flight} in flight");
            let bench = tokio::sync::Mutex::new(&mut bench);
            let measure = async |target: &Target<'_>| bench.lock().await.measure(target, *in_flight, options).await;
            plan::alternate(&mut results, options, (&case, targets), progress, measure).await?;
        }
    }
    restart::run(&mut results, &mut bench, options, (&many, &short, &long), progress).await?;
    progress.stage("append: comparing rows");
    bench.world.check_rows(&bench.posted).await?;
    results.remarks.push(format!(
        "All {} messages of all runs are in the feeds of their rooms, with dense versions. The long history has \
         {history} messages before the first run.",
        bench.posted.values().sum::<u64>()
    ));
    Ok(results)
}

/// Starts cqrs-es if it is wanted, and remarks if it cannot be.
async fn start_postgres_es(options: &Options, results: &mut Results, progress: &Progress) -> Option<PostgresEs> {
    if !options.peers {
        return None;
    }
    progress.stage("append: building postgres-es");
    let started = PostgresEs::start().await;
    results.remarks.extend(started.as_ref().err().map(|error| format!("postgres-es is skipped: {error:#}")));
    started.ok()
}

/// A running Boxroom, and what was posted to it.
struct Bench {
    world: World,
    watch: Watch,
    /// The number of messages by room.
    posted: HashMap<String, u64>,
}

impl Bench {
    async fn measure(&mut self, target: &Target<'_>, in_flight: u32, options: &Options) -> anyhow::Result<Sample> {
        let (pace, address) = (Pace::Window(in_flight), self.world.command_address()?);
        let settings = Loop { address, pace, warm_up: options.warm_up(), time: options.time() };
        let outcome = match target {
            Target::Rooms { rooms, .. } => self.post(rooms, settings).await?,
            Target::NewRoom => {
                let name = format!("append-hot-{:08x}", rand::random::<u32>());
                let room = self.world.open_rooms(&name, 1, HOT_MEMBERS).await?;
                self.post(&room, settings).await?
            }
            Target::PostgresEs { system, aggregates, snapshot_every } => {
                let (outcome, conflicts) = system.append(*aggregates, in_flight, *snapshot_every, options).await?;
                return Ok(outcome.sample(RATE).figure("conflicts/append", conflicts));
            }
            Target::Raw { raw, subjects } => raw.append(*subjects, in_flight, options, &self.watch).await?,
        };
        Ok(outcome.sample(RATE))
    }

    async fn post(&mut self, rooms: &Rooms, settings: Loop) -> anyhow::Result<Outcome> {
        let posts = Posts::new(&self.world, rooms, text)?;
        let (outcome, posts) = requests::run(settings, &self.watch, posts).await?;
        for (room, count) in posts.posted {
            *self.posted.entry(room).or_default() += count;
        }
        // The next run begins with an idle projector.
        self.world.until_projected(self.posted.values().sum()).await?;
        Ok(outcome)
    }
}
