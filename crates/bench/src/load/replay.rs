//! Clients that all connect again at the same time, and receive what they have missed.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, ensure};
use mio::{Events, Poll, Token};

use super::{
    Target,
    histogram::Histogram,
    member::{self, Member},
    opening::Opening,
    websocket,
};
use crate::{
    accounting::{Spent, Watch},
    cpu,
};

/// The time limit of a run.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The number of threads that connect.
const CONNECTORS: usize = 8;

/// A client that connects again.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The hello, with the version of the last event that it has.
    pub(crate) hello: String,
    /// The version of the last event that it has.
    pub(crate) from: u64,
    /// The version of the last event that it misses.
    pub(crate) to: u64,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The events that were missed.
    pub(crate) events: u64,
    /// From the beginning until each client has all events.
    pub(crate) complete: Histogram,
    pub(crate) spent: Spent,
    /// Seconds of processor time of this client.
    pub(crate) client: f64,
    /// The number of frames whose version does not follow the one before.
    pub(crate) gaps: u64,
}

/// Connects all clients with `connect`, then sends all hellos at once, and waits until each has all events.
pub(crate) fn run(
    target: &dyn Target,
    clients: &[Client],
    connect: impl Fn() -> anyhow::Result<Opening> + Sync,
    watch: &Watch,
) -> anyhow::Result<Outcome> {
    let mut poll = Poll::new()?;
    let (mut members, mut buffer) = (Vec::new(), vec![0; member::BUFFER]);
    for (index, (client, opening)) in clients.iter().zip(open(clients.len(), &connect)?).enumerate() {
        let mut member = Member::new(opening, Token(index), poll.registry())?;
        member.version = Some(client.from);
        websocket::write_text(&mut member.unsent, client.hello.as_bytes());
        members.push(member);
    }
    let (before, client_before, begun) = (watch.read(), cpu::of_this_thread(), Instant::now());
    for member in &mut members {
        ensure!(member.flush()?, "a hello does not fit into an empty send buffer");
    }
    let (mut events, mut complete) = (Events::with_capacity(1024), Histogram::default());
    let mut missing = clients.len();
    while missing > 0 {
        ensure!(begun.elapsed() < TIMEOUT, "{missing} clients still miss events");
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let index = event.token().0;
            let (member, to) = (&mut members[index], clients[index].to);
            let was_complete = member.version >= Some(to);
            member.read(target, &mut buffer, |_, _| ())?;
            // Responses to pings. What does not fit now is sent with the next event.
            member.flush()?;
            if !was_complete && member.version >= Some(to) {
                complete.add(begun.elapsed());
                missing -= 1;
            }
        }
    }
    Ok(Outcome {
        events: clients.iter().map(|client| client.to - client.from).sum(),
        complete,
        spent: watch.read().since(&before),
        client: cpu::of_this_thread() - client_before,
        gaps: members.iter().map(|member| member.gaps).sum(),
    })
}

/// Connects with several threads: a server waits for a hello for some seconds only.
fn open(count: usize, connect: &(impl Fn() -> anyhow::Result<Opening> + Sync)) -> anyhow::Result<Vec<Opening>> {
    let each = count.div_ceil(CONNECTORS);
    let connect = || (0..each).map(|_| connect()).collect::<anyhow::Result<Vec<_>>>();
    let opened = thread::scope(|scope| {
        let connectors: Vec<_> = (0..CONNECTORS).map(|_| scope.spawn(connect)).collect();
        connectors
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread has panicked"))))
            .collect::<anyhow::Result<Vec<_>>>()
    });
    Ok(opened?.into_iter().flatten().take(count).collect())
}
