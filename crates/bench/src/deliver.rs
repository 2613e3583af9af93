//! The delivery of messages to the members of rooms, beside a minimal broadcaster.

use std::{collections::HashMap, sync::Mutex};

use anyhow::Context;

use crate::{
    accounting::Watch,
    boxroom::Boxroom,
    load::{self, Load, Outcome, Pace, Target, histogram::float},
    peers::{broadcaster::Broadcaster, ejabberd::Ejabberd, socketio::SocketIo},
    plan::{self, Options, Subject},
    progress::Progress,
    results::{Results, Sample},
    world::{Rooms, World},
};

/// Rooms, and members of each.
type Shape = (usize, usize);

const SHAPES: [Shape; 3] = [(100, 20), (100, 2), (20, 100)];
const PACES: [Pace; 5] = [Pace::Window(1), Pace::Window(4), Pace::Rate(100), Pace::Rate(500), Pace::Rate(2_000)];

const QUICK_SHAPES: [Shape; 1] = [(5, 10)];
const QUICK_PACES: [Pace; 2] = [Pace::Window(4), Pace::Rate(100)];

const SOCKET_IO: &str = "socket.io";
const EJABBERD: &str = "ejabberd";

/// A measured system, with what a run needs.
struct System<'a> {
    name: &'static str,
    watch: Watch,
    /// Creates a target for one run.
    target: Box<dyn Fn() -> anyhow::Result<Box<dyn Target>> + 'a>,
    /// The ids of Boxroom's rooms, or none.
    rooms: Vec<String>,
}

impl Subject for System<'_> {
    fn name(&self) -> &'static str {
        self.name
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
    let bench = Bench {
        world: World::start(Vec::new()).await?,
        broadcaster: Broadcaster::start().await?,
        peers: Peers::start(options, &mut results, progress).await,
        posted: Mutex::default(),
    };
    for &(rooms, members) in shapes {
        let cases = paces.iter().map(|pace| (pace, format!("{rooms} rooms x {members}, {pace}")));
        let cases: Vec<_> = cases.filter(|(_, case)| options.wants(case)).collect();
        if cases.is_empty() {
            continue;
        }
        progress.stage(&format!("deliver: {rooms} rooms with {members} members each"));
        let opened = bench.world.open_rooms(&format!("deliver-{rooms}x{members}"), rooms, members).await?;
        let systems = bench.systems(&opened).await?;
        for (pace, case) in cases {
            let load = Load { rooms, members, pace: *pace, warm_up: options.warm_up(), time: options.time() };
            let measure = async |system: &System<'_>| bench.measure(system, load).await;
            plan::alternate(&mut results, options, (&case, &systems), progress, measure).await?;
        }
    }
    progress.stage("deliver: comparing rows");
    results.remarks.extend(bench.check().await?);
    Ok(results)
}

/// The running systems, and what was posted to them.
struct Bench {
    world: World,
    broadcaster: Broadcaster,
    peers: Peers,
    posted: Mutex<Posted>,
}

/// Numbers of posted messages.
#[derive(Debug, Clone, Default)]
struct Posted {
    /// By room of Boxroom.
    rooms: HashMap<String, u64>,
    /// By system.
    systems: HashMap<&'static str, u64>,
}

/// The systems that are measured on request.
#[derive(Default)]
struct Peers {
    socketio: Option<SocketIo>,
    ejabberd: Option<Ejabberd>,
}

impl Peers {
    /// Installs and starts what can be, and remarks on what cannot.
    async fn start(options: &Options, results: &mut Results, progress: &Progress) -> Self {
        if !options.peers {
            return Self::default();
        }
        progress.stage("deliver: installing socket.io");
        let socketio = SocketIo::start().await;
        if let Err(error) = &socketio {
            results.remarks.push(format!("socket.io is skipped: {error:#}"));
        }
        progress.stage("deliver: installing ejabberd");
        let ejabberd = Ejabberd::start().await;
        if let Err(error) = &ejabberd {
            results.remarks.push(format!("ejabberd is skipped: {error:#}"));
        }
        Self { socketio: socketio.ok(), ejabberd: ejabberd.ok() }
    }
}

impl Bench {
    async fn systems(&self, rooms: &Rooms) -> anyhow::Result<Vec<System<'_>>> {
        let opened = rooms.clone();
        let mut watch = Watch::default();
        watch.add("axum", self.broadcaster.pid());
        let mut systems = vec![
            System {
                name: "boxroom",
                watch: self.world.watch().await?,
                target: Box::new(move || Ok(Box::new(Boxroom::new(&self.world, &opened)?))),
                rooms: rooms.0.iter().map(|room| room.id.clone()).collect(),
            },
            System {
                name: "axum",
                watch,
                target: Box::new(|| Ok(Box::new(self.broadcaster.target()))),
                rooms: Vec::new(),
            },
        ];
        if let Some(socketio) = &self.peers.socketio {
            systems.push(System {
                name: SOCKET_IO,
                watch: socketio.watch().await?,
                target: Box::new(|| Ok(Box::new(socketio.target()))),
                rooms: Vec::new(),
            });
        }
        if let Some(ejabberd) = &self.peers.ejabberd {
            systems.push(System {
                name: EJABBERD,
                watch: ejabberd.watch().await?,
                target: Box::new(|| Ok(Box::new(ejabberd.target()))),
                rooms: Vec::new(),
            });
        }
        Ok(systems)
    }

    async fn measure(&self, system: &System<'_>, load: Load) -> anyhow::Result<Sample> {
        let (target, watch) = ((system.target)()?, system.watch.clone());
        let outcome = tokio::task::spawn_blocking(move || load::run(target.as_ref(), load, &watch)).await??;
        let mut posted = self.posted.lock().ok().context("a run has panicked")?;
        for (room, count) in system.rooms.iter().zip(&outcome.posted) {
            *posted.rooms.entry(room.clone()).or_default() += count;
        }
        *posted.systems.entry(system.name).or_default() += outcome.posted.iter().sum::<u64>();
        Ok(sample(load, &outcome))
    }

    /// Compares what is stored with what was posted.
    async fn check(&self) -> anyhow::Result<Vec<String>> {
        let posted = self.posted.lock().ok().context("a run has panicked")?.clone();
        self.world.check_rows(&posted.rooms).await?;
        let mut remarks = vec![format!(
            "All {} messages of all runs are in the feeds of their rooms, with dense versions.",
            posted.rooms.values().sum::<u64>()
        )];
        let posted_to = |system| posted.systems.get(system).copied().unwrap_or(0);
        if let Some(socketio) = &self.peers.socketio {
            remarks.push(stored_by(SOCKET_IO, socketio.stored().await?, posted_to(SOCKET_IO)));
        }
        if let Some(ejabberd) = &self.peers.ejabberd {
            let posted = posted_to(EJABBERD);
            remarks.push(stored_by(EJABBERD, ejabberd.stored(posted).await?, posted));
        }
        Ok(remarks)
    }
}

/// Remarks on what another system has stored. It is no fault of Boxroom if it has lost some.
fn stored_by(system: &str, stored: u64, posted: u64) -> String {
    if stored == posted {
        format!("{system} has stored all its {stored} messages.")
    } else {
        format!("{system} has stored {stored} of {posted} messages, so its figures are of less work than Boxroom's.")
    }
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
