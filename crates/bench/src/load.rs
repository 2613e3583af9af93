//! The load client: one thread with one poll for all connections, so that it takes little of what it measures.

mod client;
pub(crate) mod commands;
pub(crate) mod exchange;
mod framing;
pub(crate) mod histogram;
mod member;
mod metronome;
pub(crate) mod opening;
mod pace;
pub(crate) mod replay;
pub(crate) mod requests;
mod rooms;
mod websocket;

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

pub(crate) use self::{client::run, framing::Framing, pace::Pace, rooms::Mark};
use self::{
    histogram::{Histogram, float},
    opening::Opening,
};
use crate::{accounting::Spent, results::LOAD_CLIENT};

/// A server that delivers messages of rooms to their members over live connections.
pub(crate) trait Target: Send + Sync {
    /// The form of messages on a live connection.
    fn framing(&self) -> Framing {
        Framing::WebSocket
    }

    /// Connects a member of a room, until it receives the messages of the room.
    fn connect(&self, room: usize, member: usize) -> anyhow::Result<Opening>;

    /// The address for posts over HTTP. None if members post over their own connections.
    fn post_address(&self) -> Option<SocketAddr>;

    /// Builds a request, or a text frame, that posts a message.
    fn post(&self, mark: Mark, member: usize) -> String;

    /// Returns the response to a frame without a message, if the server expects one.
    fn respond(&self, frame: &[u8]) -> Option<&'static str>;

    /// Returns the version of a frame, if this server counts the frames of a room.
    fn version(&self, frame: &[u8]) -> Option<u64>;
}

/// A load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) rooms: usize,
    /// Members of each room.
    pub(crate) members: usize,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// The result of a load.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Messages that reached their last member in the measured time.
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    /// From the post to the frame of the last member.
    pub(crate) last_frame: Histogram,
    /// From the post to its response, if posts have one.
    pub(crate) response: Histogram,
    /// Processor time by process in the measured time.
    pub(crate) spent: Spent,
    /// Seconds of processor time of the load client.
    pub(crate) client: f64,
    /// All messages that were posted to each room, also while warming up.
    pub(crate) posted: Vec<u64>,
    /// Errors, lost and repeated messages. Empty if all is well.
    pub(crate) faults: BTreeSet<String>,
}

impl Outcome {
    /// Describes what makes this run not comparable, beside faults: other load, or a load client at its limit.
    pub(crate) fn disturbances(&self) -> Vec<String> {
        self.spent.disturbance().into_iter().collect()
    }

    /// Microseconds of processor time for each delivery, by process.
    pub(crate) fn micros_per_delivery(&self) -> Vec<(&'static str, f64)> {
        let client = std::iter::once((LOAD_CLIENT, self.client));
        let all = self.spent.by_process.iter().copied().chain(client);
        all.map(|(name, seconds)| (name, seconds * 1e6 / float(self.deliveries.max(1)))).collect()
    }
}
