//! The delivery of messages to the members of rooms, beside a minimal broadcaster.

use std::{collections::HashMap, sync::Mutex};

use anyhow::Context;

use crate::{
    accounting::Watch,
    boxroom::Boxroom,
    load::{self, Load, Outcome, Pace, Target, histogram::float},
    peers::broadcaster::Broadcaster,
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    world::{Rooms, World},
};

/// Rooms, and members of each.
type Shape = (usize, usize);

const SHAPES: [Shape; 3] = [(100, 20), (100, 2), (20, 100)];
const PACES: [Pace; 5] = [Pace::Window(1), Pace::Window(4), Pace::Rate(100), Pace::Rate(500), Pace::Rate(2_000)];

const QUICK_SHAPES: [Shape; 1] = [(10, 10)];
const QUICK_PACES: [Pace; 2] = [Pace::Window(4), Pace::Rate(100)];

/// A measured system, with what a run needs.
enum System<'a> {
    Boxroom { world: &'a World, rooms: Rooms, watch: Watch },
    Broadcaster { server: &'a Broadcaster, watch: Watch },
}

impl Subject for System<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Boxroom { .. } => "boxroom",
            Self::Broadcaster { .. } => "axum",
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "deliver",
        "Messages posted to rooms, until every member has the frame; beside a broadcaster that stores nothing.",
        "delivery",
    );
    let (shapes, paces) = if options.quick { (&QUICK_SHAPES[..], &QUICK_PACES[..]) } else { (&SHAPES[..], &PACES[..]) };
    progress.stage("deliver: starting");
    let (world, broadcaster) = (World::start(Vec::new()).await?, Broadcaster::start().await?);
    let posted = Mutex::default();
    for &(rooms, members) in shapes {
        let cases = paces.iter().map(|pace| (pace, format!("{rooms} rooms x {members}, {pace}")));
        let cases: Vec<_> = cases.filter(|(_, case)| options.wants(case)).collect();
        if cases.is_empty() {
            continue;
        }
        progress.stage(&format!("deliver: {rooms} rooms with {members} members each"));
        let name = format!("deliver-{rooms}x{members}");
        let opened = world.open_rooms(&name, rooms, members).await?;
        let mut watch = Watch::default();
        watch.add("axum", broadcaster.pid());
        let systems = [
            System::Boxroom { world: &world, rooms: opened, watch: world.watch().await? },
            System::Broadcaster { server: &broadcaster, watch },
        ];
        for (pace, case) in cases {
            let load = Load { rooms, members, pace: *pace, warm_up: options.warm_up(), time: options.time() };
            let measure = async |system: &System<'_>| measure(system, load, &posted).await;
            plan::alternate(&mut results, options, (&case, &systems), progress, measure).await?;
        }
    }
    let posted = posted.into_inner().context("a run has panicked")?;
    progress.stage("deliver: comparing rows");
    world.check_rows(&posted).await?;
    results.remarks.push(format!(
        "All {} messages of all runs are in the feeds of their rooms, with dense versions.",
        posted.values().sum::<u64>()
    ));
    Ok(results)
}

async fn measure(system: &System<'_>, load: Load, posted: &Mutex<HashMap<String, u64>>) -> anyhow::Result<Sample> {
    let (target, watch, rooms): (Box<dyn Target>, &Watch, Option<&Rooms>) = match system {
        System::Boxroom { world, rooms, watch } => (Box::new(Boxroom::new(world, rooms)?), watch, Some(rooms)),
        System::Broadcaster { server, watch } => (Box::new(server.target()), watch, None),
    };
    let watch = watch.clone();
    let outcome = tokio::task::spawn_blocking(move || load::run(target.as_ref(), load, &watch)).await??;
    if let Some(rooms) = rooms {
        let mut posted = posted.lock().ok().context("a run has panicked")?;
        for (room, count) in rooms.0.iter().zip(&outcome.posted) {
            *posted.entry(room.id.clone()).or_default() += count;
        }
    }
    Ok(sample(load, &outcome))
}

fn sample(load: Load, outcome: &Outcome) -> Sample {
    let seconds = outcome.spent.seconds;
    let sample = match load.pace {
        Pace::Window(_) => Sample::default()
            .figure("deliveries/s", float(outcome.deliveries) / seconds)
            .figure("messages/s", float(outcome.messages) / seconds),
        Pace::Rate(_) => Sample::default().figure("messages/s", float(outcome.messages) / seconds),
    };
    let sample = sample
        .figure("last frame p50 ms", outcome.last_frame.p50_ms())
        .figure("last frame p99 ms", outcome.last_frame.p99_ms())
        .figure("last frame max ms", outcome.last_frame.max_ms());
    let sample = match outcome.response.count() {
        0 => sample,
        _ => sample
            .figure("response p50 ms", outcome.response.p50_ms())
            .figure("response p99 ms", outcome.response.p99_ms()),
    };
    Sample {
        cpu_micros: outcome.micros_per_delivery(),
        curve: outcome.last_frame.curve(),
        disturbances: outcome.disturbances(),
        faults: outcome.faults.clone(),
        ..sample
    }
}
