//! Posts and reads by the members of rooms, in turn.

use std::{collections::HashMap, net::SocketAddr};

use memchr::memmem;

use crate::{
    boxroom::{get, post_message},
    load::{commands::Answer, requests::Requests},
    world::{Room, Rooms, World},
};

/// Builds the text of a message from its room, the index of its author, and its number.
type Text = fn(&Room, usize, u64) -> String;

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

/// Returns the room of the n-th request, and how often all rooms have had their turn.
fn place(rooms: &Rooms, number: u64) -> (&Room, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (&rooms.0[number % rooms.0.len()], number / rooms.0.len())
}
