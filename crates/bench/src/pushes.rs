//! Posts and reads while the push provider works, and while it hangs.

mod provider;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::ensure;
use sqlx::{PgConnection, query_as, query_scalar};
use tokio::time::sleep;

use self::provider::Provider;
use crate::{
    accounting::Watch,
    load::{
        Pace,
        requests::{self, Loop, Outcome, Requests},
    },
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    traffic::{Posts, Reads},
    world::{Room, Rooms, World},
};

/// The highest rise of a 99th percentile that a hanging provider may cause.
const MAX_CHANGE: f64 = 0.1;

/// The shortest time of a run.
const MIN_TIME: Duration = Duration::from_secs(25);

/// The time limit for push messages that wait for another attempt.
const TOLD_TIMEOUT: Duration = Duration::from_mins(15);

const CASE: &str = "posts and reads";
const POST_P99: &str = "post p99 ms";
const READ_P99: &str = "read p99 ms";

/// The behaviour of the provider during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    Hangs,
}

impl Subject for State {
    fn name(&self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Hangs => "hangs",
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "pushes",
        "Posts with a mention each, and reads, at a fixed rate: while the push provider works, and while each of its \
         calls hangs for 10 seconds (in a quick run one) and then fails.",
        "post",
    );
    if !options.wants(CASE) {
        return Ok(results);
    }
    progress.stage("pushes: starting");
    let provider = Provider::start(options.quick).await?;
    let world = World::start(provider.settings()).await?;
    progress.stage("pushes: registering users and phones");
    let rooms = world.open_rooms("pushes", options.size(4, 50), options.size(3, 4)).await?;
    world.register_phones(&rooms).await?;
    let watch = world.watch().await?;
    let bench = Bench { world, rooms, watch, provider, posted: AtomicU64::new(0) };
    let subjects = [State::Works, State::Hangs];
    let measure = async |state: &State| bench.measure(*state, options).await;
    plan::alternate(&mut results, options, (CASE, &subjects), progress, measure).await?;
    results.remarks.push(bench.check_pushes().await?);
    if options.quick {
        // Too short for a far percentile.
        return Ok(results);
    }
    let changes: Vec<String> = [POST_P99, READ_P99].iter().filter_map(|figure| change(&results, figure)).collect();
    results.remarks.extend(changes);
    Ok(results)
}

/// A running Boxroom whose members have phones.
struct Bench {
    world: World,
    rooms: Rooms,
    watch: Watch,
    provider: Provider,
    /// The number of posted mentions.
    posted: AtomicU64,
}

impl Bench {
    async fn measure(&self, state: State, options: &Options) -> anyhow::Result<Sample> {
        self.provider.behave(state == State::Hangs);
        let mut database = self.world.database().await?;
        let most = AtomicU64::new(0);
        let traffic = async {
            let posts =
                self.run(options, self.world.command_address()?, Posts::new(&self.world, &self.rooms, mention)?);
            let reads = self.run(
                options,
                self.world.query_address()?,
                Reads::new(&self.world, &self.rooms, messages, "items")?,
            );
            tokio::try_join!(posts, reads)
        };
        let (posts, reads) = tokio::select! {
            outcomes = traffic => outcomes?,
            error = watch_connections(&mut database, &most) => return Err(error),
        };
        self.provider.behave(false);
        self.posted.fetch_add(posts.requests, Ordering::Relaxed);
        // The next run begins without push messages that wait.
        self.until_told(&mut database).await?;
        let sample = Sample::default()
            .figure("posts/s", posts.rate())
            .figure("post p50 ms", posts.latency.p50_ms())
            .figure(POST_P99, posts.latency.p99_ms())
            .figure("read p50 ms", reads.latency.p50_ms())
            .figure(READ_P99, reads.latency.p99_ms())
            .figure("notifier's connections", f64::from(u32::try_from(most.into_inner())?));
        Ok(Sample {
            cpu_micros: posts.micros_per_request(),
            curve: posts.latency.curve(),
            disturbances: posts.spent.disturbance().into_iter().collect(),
            faults: posts.faults.into_iter().chain(reads.faults).collect(),
            ..sample
        })
    }

    async fn run(
        &self,
        options: &Options,
        address: std::net::SocketAddr,
        requests: impl Requests + Send + 'static,
    ) -> anyhow::Result<Outcome> {
        let pace = Pace::Rate(if options.quick { 40 } else { 200 });
        // Longer than a call that hangs.
        let time = if options.quick { options.time() } else { options.time().max(MIN_TIME) };
        let settings = Loop { address, pace, warm_up: options.warm_up(), time };
        Ok(requests::run(settings, &self.watch, requests).await?.0)
    }

    /// Waits until all mentions are planned and told.
    async fn until_told(&self, database: &mut PgConnection) -> anyhow::Result<()> {
        let (deadline, posted) = (Instant::now() + TOLD_TIMEOUT, self.posted.load(Ordering::Relaxed));
        loop {
            let (planned, waiting): (i64, i64) = query_as(
                "select (select count(*) from delivery.planned_alarms where kind = 'mention' and state <> 'planned'),
                     (select count(*) from delivery.planned_alarms where state = 'planned')
                     + (select count(*) from delivery.pushes where state in ('waiting', 'sending'))",
            )
            .fetch_one(&mut *database)
            .await?;
            if planned.cast_unsigned() == posted && waiting == 0 {
                return Ok(());
            }
            let late = Instant::now() > deadline;
            ensure!(!late, "of {posted} mentions {planned} are planned, and {waiting} alarms and push messages wait");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Compares what the provider has accepted with the alarms.
    async fn check_pushes(&self) -> anyhow::Result<String> {
        let (told, skipped): (i64, i64) = query_as(
            "select count(*) filter (where state = 'told'), count(*) filter (where state <> 'told')
             from delivery.planned_alarms",
        )
        .fetch_one(&mut self.world.database().await?)
        .await?;
        let accepted = self.provider.accepted_alarms();
        ensure!(skipped == 0, "{skipped} alarms are not told");
        ensure!(accepted == told.cast_unsigned(), "the provider has accepted {accepted} of {told} alarms");
        Ok(format!("All {told} alarms of all runs have arrived at the provider, each once."))
    }
}

/// The text of a message that mentions the member after its author.
fn mention(room: &Room, author: usize, _: u64) -> String {
    format!("@{} The food is on its way.", room.members[(author + 1) % room.members.len()].user_id)
}

/// The newest messages of a room.
fn messages(room: &Room) -> String {
    format!("/rooms/{}/messages", room.id)
}

/// Keeps the highest number of the notifier's connections. Returns only an error.
async fn watch_connections(database: &mut PgConnection, most: &AtomicU64) -> anyhow::Error {
    loop {
        let count = query_scalar::<_, i64>("select count(*) from pg_stat_activity where usename = 'notifier'");
        match count.fetch_one(&mut *database).await {
            Ok(count) => most.fetch_max(count.cast_unsigned(), Ordering::Relaxed),
            Err(error) => return error.into(),
        };
        sleep(Duration::from_millis(250)).await;
    }
}

/// Compares a figure with and without a provider that hangs.
fn change(results: &Results, figure: &str) -> Option<String> {
    let median = |subject: &str| {
        let row = results.rows.iter().find(|row| row.subject == subject)?;
        row.figures().into_iter().find(|(name, _)| *name == figure).map(|(_, spread)| spread.median)
    };
    let change = median(State::Hangs.name())? / median(State::Works.name())? - 1.0;
    let verdict = if change < MAX_CHANGE { "below" } else { "NOT below" };
    Some(format!(
        "A provider that hangs changes {figure} by {:+.0} %, {verdict} {:+.0} %.",
        change * 100.0,
        MAX_CHANGE * 100.0
    ))
}
