//! The rate and latency of reads over HTTP, beside the same statements sent to PostgreSQL directly.

mod direct;

use std::collections::HashMap;

use anyhow::ensure;
use serde_json::json;

use self::direct::{Direct, Statement};
use crate::{
    load::{
        Pace,
        requests::{self, Loop},
    },
    plan::{self, Options, Subject},
    progress::Progress,
    results::Results,
    traffic::{self, Reads},
    world::{Room, Rooms, World},
};

/// Groups of users. The requests of users take turns, so as many searches run without two of the same user.
const GROUPS: usize = 20;

/// Users of each group, and members of each of its rooms.
const MEMBERS: usize = 5;

/// The size of a page.
const PAGE: usize = 50;

const RATE: &str = "reads/s";

const IN_FLIGHT: [u32; 2] = [1, 16];
const QUICK_IN_FLIGHT: [u32; 1] = [16];

/// A kind of read.
#[derive(Clone, Copy)]
struct Read {
    name: &'static str,
    path: fn(&Room) -> String,
    statement: Statement,
}

const READS: [Read; 4] = [
    Read {
        name: "newest 50 messages of a room",
        path: |room| format!("/rooms/{}/messages", room.id),
        statement: Statement::Messages,
    },
    Read { name: "my rooms", path: |_| "/me/rooms".to_owned(), statement: Statement::MyRooms },
    Read {
        name: "rooms within 2 km",
        path: |_| "/rooms?near=52.5,13.4&radius=2000".to_owned(),
        statement: Statement::RoomsNear,
    },
    Read { name: "search", path: |_| "/search/messages?q=saffron".to_owned(), statement: Statement::Search },
];

/// The way of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Http,
    Direct,
}

impl Subject for Way {
    fn name(&self) -> &'static str {
        match self {
            Self::Http => "boxroom",
            Self::Direct => "plain SQL",
        }
    }
}

/// Runs the scenario.
pub(crate) async fn run(options: &Options, progress: &Progress) -> anyhow::Result<Results> {
    let mut results = Results::new(
        "read",
        "Reads over HTTP with a token; beside the same statements over as many connections to PostgreSQL, whose rows \
         are received and dropped.",
        "read",
    );
    progress.stage("read: starting");
    let world = World::start(Vec::new()).await?;
    progress.stage("read: filling rooms");
    let each = options.size(2, 10);
    let groups = (0..GROUPS * each).map(|room| users(room % GROUPS)).collect();
    let rooms = world.open_rooms_of("read", groups).await?;
    let watch = world.watch().await?;
    let posted = fill(&world, &rooms, options.size(400, 20_000) as u64).await?;
    world.check_rows(&posted).await?;
    let direct = Direct::new(&world, &rooms)?;
    for read in READS {
        check(&world, &rooms, &direct, read).await?;
        for in_flight in if options.quick { &QUICK_IN_FLIGHT[..] } else { &IN_FLIGHT[..] } {
            let case = format!("{}, {in_flight} in flight", read.name);
            let measure = async |way: &Way| match way {
                Way::Http => {
                    let (pace, address) = (Pace::Window(*in_flight), world.query_address()?);
                    let settings = Loop { address, pace, warm_up: options.warm_up(), time: options.time() };
                    let reads = Reads::new(&world, &rooms, read.path, "_id")?;
                    Ok(requests::run(settings, &watch, reads).await?.0.sample(RATE))
                }
                Way::Direct => Ok(direct.run(read.statement, *in_flight, options, &watch).await?.sample(RATE)),
            };
            plan::alternate(&mut results, options, (&case, &[Way::Http, Way::Direct]), progress, measure).await?;
        }
    }
    results.remarks.push(format!(
        "Both ways returned as many rows. {} rooms with {} messages; each user is in {each} rooms.",
        rooms.0.len(),
        posted.values().sum::<u64>()
    ));
    Ok(results)
}

fn users(group: usize) -> Vec<String> {
    (0..MEMBERS).map(|member| format!("read-{group}-{member}")).collect()
}

/// Posts at least this number of messages.
async fn fill(world: &World, rooms: &Rooms, messages: u64) -> anyhow::Result<HashMap<String, u64>> {
    let text = |_: &Room, author: usize, number: u64| {
        let extra = if number.is_multiple_of(9) { "saffron" } else { "chili" };
        format!("Two bowls with extra {extra} for me, please. This is order number {number} of seat {author}.")
    };
    let is_enough = |posted: &HashMap<_, u64>| posted.values().sum::<u64>() >= messages;
    let mut posted = traffic::fill(world, rooms, text, is_enough).await?;
    for room in rooms.0.iter() {
        world.say(room, json!({ "body": "That is all, with saffron." })).await?;
        *posted.entry(room.id.clone()).or_default() += 1;
    }
    Ok(posted)
}

/// Compares the rows of both ways.
async fn check(world: &World, rooms: &Rooms, direct: &Direct, read: Read) -> anyhow::Result<()> {
    for room in rooms.0.iter().take(GROUPS) {
        let items = world.items(&(read.path)(room), &room.members[0].token).await?.len();
        let rows = direct.count(read.statement, room).await?;
        ensure!(items == rows.min(PAGE) && items > 0, "{}: {items} items of {rows} rows", read.name);
    }
    Ok(())
}
