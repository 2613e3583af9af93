//! Posts and reads by the members of rooms, in turn.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use anyhow::ensure;
use memchr::memmem;

use crate::{
    accounting::Watch,
    boxroom::{get, post_message},
    load::{
        Pace,
        commands::Answer,
        requests::{self, Loop, Requests},
    },
    world::{Room, Rooms, World},
};

/// The number of concurrent posts that fill rooms.
const FILL_IN_FLIGHT: u32 = 64;

/// The time between two looks at how much there is.
const FILL_STEP: Duration = Duration::from_millis(200);

/// Builds the text of a message from its room, the index of its author, and its number.
pub(crate) type Text = fn(&Room, usize, u64) -> String;

/// Builds the address of a read from its room.
type Path = fn(&Room) -> String;

/// Posts of messages.
pub(crate) struct Posts {
    rooms: Rooms,
    address: SocketAddr,
    text: Text,
    /// Differs from run to run: idempotency keys are used once.
    run: u32,
    /// The number of messages by room.
    pub(crate) posted: HashMap<String, u64>,
}

/// Reads by members.
pub(crate) struct Reads {
    rooms: Rooms,
    address: SocketAddr,
    path: Path,
    /// The words that every response has.
    expected: &'static [u8],
}

impl Posts {
    pub(crate) fn new(world: &World, rooms: &Rooms, text: Text) -> anyhow::Result<Self> {
        let (rooms, address) = (rooms.clone(), world.command_address()?);
        Ok(Self { rooms, address, text, run: rand::random(), posted: HashMap::new() })
    }
}

impl Reads {
    pub(crate) fn new(world: &World, rooms: &Rooms, path: Path, expected: &'static str) -> anyhow::Result<Self> {
        Ok(Self { rooms: rooms.clone(), address: world.query_address()?, path, expected: expected.as_bytes() })
    }
}

impl Requests for Posts {
    fn request(&mut self, number: u64) -> String {
        let (room, turn) = place(&self.rooms, number);
        let author = turn % room.members.len();
        let (key, text) = (format!("{:08x}-{number}", self.run), (self.text)(room, author, number));
        *self.posted.entry(room.id.clone()).or_default() += 1;
        post_message(self.address, &room.id, &room.members[author].token, &key, &text)
    }

    fn check(&mut self, answer: &Answer) -> Option<String> {
        answer.unless(201)
    }
}

impl Requests for Reads {
    fn request(&mut self, number: u64) -> String {
        let (room, turn) = place(&self.rooms, number);
        get(self.address, &(self.path)(room), &room.members[turn % room.members.len()].token)
    }

    fn check(&mut self, answer: &Answer) -> Option<String> {
        let is_empty =
            || memmem::find(answer.body(), self.expected).is_none().then(|| "a read found nothing".to_owned());
        answer.unless(200).or_else(is_empty)
    }
}

/// Posts until there is enough in the rooms. Returns the number of messages by room.
pub(crate) async fn fill(
    world: &World,
    rooms: &Rooms,
    text: Text,
    is_enough: impl Fn(&HashMap<String, u64>) -> bool,
) -> anyhow::Result<HashMap<String, u64>> {
    let (pace, address) = (Pace::Window(FILL_IN_FLIGHT), world.command_address()?);
    let settings = Loop { address, pace, warm_up: Duration::ZERO, time: FILL_STEP };
    let mut posted = HashMap::new();
    while !is_enough(&posted) {
        let posts = Posts::new(world, rooms, text)?;
        let (outcome, posts) = requests::run(settings, &Watch::default(), posts).await?;
        ensure!(outcome.faults.is_empty(), "the rooms are not filled: {:?}", outcome.faults);
        for (room, count) in posts.posted {
            *posted.entry(room).or_default() += count;
        }
    }
    Ok(posted)
}

/// Returns the room of the n-th request, and how often all rooms have had their turn.
fn place(rooms: &Rooms, number: u64) -> (&Room, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (&rooms.0[number % rooms.0.len()], number / rooms.0.len())
}
