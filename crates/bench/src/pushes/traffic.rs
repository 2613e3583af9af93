//! The requests of users: posts that mention another member, and reads of the newest messages.

use std::net::SocketAddr;

use crate::{
    boxroom::{get, post_message},
    load::{commands::Answer, requests::Requests},
    world::{Room, Rooms, World},
};

/// Posts with a mention each.
pub(super) struct Posts {
    rooms: Rooms,
    address: SocketAddr,
    /// Differs from run to run: idempotency keys are used once.
    run: u32,
}

/// Reads of the newest 50 messages.
pub(super) struct Reads {
    rooms: Rooms,
    address: SocketAddr,
}

impl Posts {
    pub(super) fn new(world: &World, rooms: &Rooms) -> anyhow::Result<Self> {
        Ok(Self { rooms: rooms.clone(), address: world.command_address()?, run: rand::random() })
    }
}

impl Reads {
    pub(super) fn new(world: &World, rooms: &Rooms) -> anyhow::Result<Self> {
        Ok(Self { rooms: rooms.clone(), address: world.query_address()? })
    }
}

impl Requests for Posts {
    fn request(&mut self, number: u64) -> String {
        let (room, turn) = place(&self.rooms, number);
        let author = &room.members[turn % room.members.len()];
        let mentioned = &room.members[(turn + 1) % room.members.len()].user_id;
        let (key, text) = (format!("{:08x}-{number}", self.run), format!("@{mentioned} The food is on its way."));
        post_message(self.address, &room.id, &author.token, &key, &text)
    }

    fn check(&mut self, answer: &Answer) -> Option<String> {
        answer.unless(201)
    }
}

impl Requests for Reads {
    fn request(&mut self, number: u64) -> String {
        let (room, turn) = place(&self.rooms, number);
        let token = &room.members[turn % room.members.len()].token;
        get(self.address, &format!("/rooms/{}/messages", room.id), token)
    }

    fn check(&mut self, answer: &Answer) -> Option<String> {
        answer.unless(200)
    }
}

/// Returns the room of the n-th request, and how often all rooms have had their turn.
fn place(rooms: &Rooms, number: u64) -> (&Room, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (&rooms.0[number % rooms.0.len()], number / rooms.0.len())
}
