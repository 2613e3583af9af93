//! Many connections that follow rooms in which nothing happens.

use anyhow::Context;
use harness::ServiceId;
use tokio::task::spawn_blocking;

use crate::{
    accounting::{self, Watch},
    boxroom::Boxroom,
    load::{self, Load, Pace, Target},
    peers::broadcaster::Broadcaster,
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    world::{Rooms, World},
};

/// The members of each room.
const MEMBERS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Boxroom,
    Broadcaster,
}

impl Subject for System {
    fn name(&self) -> &'static str {
        match self {
            Self::Boxroom => "boxroom",
            Self::Broadcaster => "axum",
        }
    }
}

/// Runs the case.
pub(super) async fn run(results: &mut Results, options: &Options, progress: &Progress) -> anyhow::Result<()> {
    let rooms = options.size(25, 500);
    let case = format!("{} connections", rooms * MEMBERS);
    if !options.wants(&case) {
        return Ok(());
    }
    plan::allow_files(rooms * MEMBERS)?;
    progress.stage("idle: starting");
    let world = World::start(Vec::new()).await?;
    progress.stage("idle: opening rooms");
    let opened = world.open_rooms("idle", rooms, MEMBERS).await?;
    let systems = [System::Boxroom, System::Broadcaster];
    let measure = async |system: &System| match system {
        System::Boxroom => of_boxroom(&world, &opened, options).await,
        System::Broadcaster => of_broadcaster(rooms, options).await,
    };
    plan::alternate(results, options, (&case, &systems), progress, measure).await
}

/// Measures a fresh query-service: memory that was used before would be used again.
async fn of_boxroom(world: &World, rooms: &Rooms, options: &Options) -> anyhow::Result<Sample> {
    world.stack.stop(ServiceId::Query(0)).await;
    world.stack.start_again(ServiceId::Query(0)).await?;
    let pid = world.stack.pid(ServiceId::Query(0)).await.context("the query-service does not run")?;
    hold(Box::new(Boxroom::new(world, rooms)?), rooms.0.len(), ("query", pid), world.watch().await?, options).await
}

async fn of_broadcaster(rooms: usize, options: &Options) -> anyhow::Result<Sample> {
    let server = Broadcaster::start().await?;
    let mut watch = Watch::default();
    watch.add("axum", server.pid());
    hold(Box::new(server.target()), rooms, ("axum", server.pid()), watch, options).await
}

async fn hold(
    target: Box<dyn Target>,
    rooms: usize,
    (name, pid): (&'static str, i32),
    watch: Watch,
    options: &Options,
) -> anyhow::Result<Sample> {
    let before = accounting::resident_kb(pid);
    let (warm_up, time) = (options.warm_up(), options.time());
    let load = Load { rooms, members: MEMBERS, pace: Pace::Window(0), warm_up, time };
    let outcome = spawn_blocking(move || load::run(target.as_ref(), load, &watch)).await??;
    let after = outcome.spent.memory_kb.iter().find(|(process, _)| *process == name).map(|(_, memory)| *memory);
    let connections = f64::from(u32::try_from(rooms * MEMBERS)?);
    let each = (after.context("no memory is known")? - before) / connections;
    let sample = Sample::default().figure("KB for each connection", each);
    let disturbances = outcome.disturbances();
    Ok(Sample { cpu_micros: outcome.spent.micros_per_second(), disturbances, faults: outcome.faults, ..sample })
}
