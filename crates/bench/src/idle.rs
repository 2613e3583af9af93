//! The cost of connections that do nothing, and of an installation without clients.

mod connections;
mod statements;

use std::time::Duration;

use tokio::{sync::Mutex, time::sleep};

use self::statements::Statements;
use crate::{
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    world::World,
};

const WITHOUT_CLIENTS: &str = "no clients";

/// The time after a start in which everything becomes idle.
const SETTLING: Duration = Duration::from_secs(5);

struct Installation;

impl Subject for Installation {
    fn name(&self) -> &'static str {
        "boxroom"
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "idle",
        "Memory of the query-service for each live connection that follows a room, beside the broadcaster; and the \
         processor time of an installation without clients. pg_stat_statements is loaded if it is installed.",
        "second",
    );
    connections::run(&mut results, options, progress).await?;
    without_clients(&mut results, options, progress).await?;
    Ok(results)
}

async fn without_clients(results: &mut Results, options: &Options, progress: &Progress) -> anyhow::Result<()> {
    if !options.wants(WITHOUT_CLIENTS) {
        return Ok(());
    }
    progress.stage("idle: starting");
    let world = World::start(Vec::new()).await?;
    let statements = Statements::load(&world).await?;
    let watch = world.watch().await?;
    let (settling, time) =
        if options.quick { (Duration::from_secs(1), options.time()) } else { (SETTLING, Duration::from_mins(1)) };
    sleep(settling).await;
    let top = Mutex::new(Vec::new());
    let measure = async |_: &Installation| {
        statements.reset(&world).await?;
        let transactions = statements::transactions(&world).await?;
        let before = watch.read();
        sleep(time).await;
        let spent = watch.read().since(&before);
        let transactions = statements::transactions(&world).await? - transactions;
        let sample = Sample::default().figure("transactions/s", transactions / spent.seconds);
        let sample = match statements.count(&world).await? {
            Some(count) => sample.figure("statements/s", count / spent.seconds),
            None => sample,
        };
        *top.lock().await = statements.most_frequent(&world, spent.seconds).await?;
        let disturbances = spent.disturbance().into_iter().collect();
        Ok(Sample { cpu_micros: spent.micros_per_second(), disturbances, ..sample })
    };
    plan::alternate(results, options, (WITHOUT_CLIENTS, &[Installation]), progress, measure).await?;
    results.remarks.extend(top.into_inner());
    Ok(())
}
