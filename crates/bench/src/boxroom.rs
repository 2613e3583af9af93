//! Boxroom as a target of the load client.

use std::net::SocketAddr;

use memchr::memmem;

use crate::{
    load::{Mark, Target, opening::Opening},
    world::{Rooms, World},
};

/// The first bytes of a frame, in which an event has its version.
const HEAD: usize = 120;

/// The rooms of one shape in a running Boxroom.
pub(crate) struct Boxroom {
    rooms: Rooms,
    command: SocketAddr,
    query: SocketAddr,
    /// Differs from run to run: idempotency keys are used once.
    run: u32,
}

impl Boxroom {
    /// Creates a target for one run.
    pub(crate) fn new(world: &World, rooms: &Rooms) -> anyhow::Result<Self> {
        Ok(Self {
            rooms: rooms.clone(),
            command: world.command_address()?,
            query: world.query_address()?,
            run: rand::random(),
        })
    }
}

impl Target for Boxroom {
    fn connect(&self, room: usize, member: usize) -> anyhow::Result<Opening> {
        let room = &self.rooms.0[room];
        let mut opening = Opening::connect(self.query, "/live", Some("boxroom.v1"))?;
        let (id, token) = (&room.id, &room.members[member].token);
        opening.send(&format!(r#"{{"type":"hello","token":"{token}","rooms":[{{"room_id":"{id}"}}]}}"#))?;
        opening.expect(r#""subscribed""#)?;
        Ok(opening)
    }

    fn post_address(&self) -> Option<SocketAddr> {
        Some(self.command)
    }

    fn post(&self, mark: Mark, member: usize) -> String {
        let room = &self.rooms.0[mark.room];
        let key = format!("{:08x}-{}-{}", self.run, mark.room, mark.number);
        post_message(self.command, &room.id, &room.members[member].token, &key, &mark.text())
    }

    fn respond(&self, frame: &[u8]) -> Option<&'static str> {
        memmem::find(frame, br#""type":"ping""#).map(|_| r#"{"type":"pong"}"#)
    }

    fn version(&self, frame: &[u8]) -> Option<u64> {
        let head = &frame[..frame.len().min(HEAD)];
        let digits = &head[memmem::find(head, br#","v":"#)? + 5..];
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    }
}

/// Builds the request of a post. The text needs no escaping.
pub(crate) fn post_message(to: SocketAddr, room: &str, token: &str, key: &str, text: &str) -> String {
    let size = text.len() + r#"{"body":""}"#.len();
    format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {size}\r\n\r\n\
         {{\"body\":\"{text}\"}}"
    )
}

/// Builds the request of a read.
pub(crate) fn get(from: SocketAddr, path: &str, token: &str) -> String {
    get_from(from, path, token, None)
}

/// Builds the request of a read that waits for a position, if there is one.
pub(crate) fn get_from(from: SocketAddr, path: &str, token: &str, position: Option<&str>) -> String {
    let position = position.map(|position| format!("Min-Position: {position}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: {from}\r\nAuthorization: Bearer {token}\r\n{position}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_length_that_it_names() {
        let request = post_message(([127, 0, 0, 1], 80).into(), "a.1", "token", "key", "hello");
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
    }
}
