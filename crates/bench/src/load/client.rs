//! The loop of the load client.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::Context;
use mio::{Events, Poll, Token};

use super::{
    Load, Outcome, Pace, Target,
    commands::{Commands, FIRST_TOKEN},
    histogram::Histogram,
    member::{self, Member},
    pace::{BEAT, Due, MAX_IN_FLIGHT},
    rooms::Rooms,
};
use crate::{
    accounting::{Reading, Watch},
    cpu,
};

/// The time to wait for the last deliveries: an open loop may be faster than the system.
const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// The number of connections after which the first ones are read, as they receive frames already.
const CONNECT_CHUNK: usize = 50;

/// Runs a load in the current thread.
pub(crate) fn run(target: &dyn Target, load: Load, watch: &Watch) -> anyhow::Result<Outcome> {
    let mut client = Client::connect(target, load)?;
    client.run(watch)
}

struct Client<'a> {
    target: &'a dyn Target,
    load: Load,
    poll: Poll,
    members: Vec<Member>,
    commands: Option<Commands>,
    rooms: Rooms,
    /// Members with frames that their connection did not take yet.
    blocked: Vec<usize>,
    buffer: Vec<u8>,
    record: Record,
    faults: BTreeSet<String>,
}

/// The measurements, while `active`.
#[derive(Debug, Default)]
struct Record {
    active: bool,
    messages: u64,
    deliveries: u64,
    last_frame: Histogram,
    response: Histogram,
}

/// The accounts at the beginning or at the end of the measured time.
struct Accounts {
    processes: Reading,
    client: f64,
}

impl Accounts {
    fn read(watch: &Watch) -> Self {
        Self { processes: watch.read(), client: cpu::of_this_thread() }
    }
}

impl<'a> Client<'a> {
    fn connect(target: &'a dyn Target, load: Load) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let in_flight = match load.pace {
            Pace::Window(size) => load.rooms * usize::try_from(size)?,
            Pace::Rate(_) => MAX_IN_FLIGHT,
        };
        let connect = |address| Commands::connect(address, in_flight.min(MAX_IN_FLIGHT), poll.registry());
        let commands = target.post_address().map(connect).transpose()?;
        let mut client = Self {
            target,
            load,
            poll,
            members: Vec::new(),
            commands,
            rooms: Rooms::new(load.rooms, load.members),
            blocked: Vec::new(),
            buffer: vec![0; member::BUFFER],
            record: Record::default(),
            faults: BTreeSet::new(),
        };
        let mut events = Events::with_capacity(1024);
        for index in 0..load.rooms * load.members {
            let (room, member) = (index / load.members, index % load.members);
            let opening = target.connect(room, member).with_context(|| format!("member {member} of room {room}"))?;
            client.members.push(Member::new(opening, Token(index), client.poll.registry())?);
            // Bytes that came with the handshake cause no event.
            client.read(index)?;
            if index % CONNECT_CHUNK == 0 {
                client.turn(&mut events, Duration::ZERO)?;
            }
        }
        Ok(client)
    }

    fn run(&mut self, watch: &Watch) -> anyhow::Result<Outcome> {
        let mut events = Events::with_capacity(1024);
        let start = Instant::now();
        let mut due = Due::start(self.load.pace, start, self.poll.registry())?;
        self.fill_windows()?;
        self.run_until(start + self.load.warm_up, &mut due, &mut events)?;
        let before = Accounts::read(watch);
        self.record.active = true;
        self.run_until(Instant::now() + self.load.time, &mut due, &mut events)?;
        self.record.active = false;
        let after = Accounts::read(watch);
        self.drain(&mut events)?;
        self.check();
        let Record { messages, deliveries, last_frame, response, .. } = std::mem::take(&mut self.record);
        Ok(Outcome {
            messages,
            deliveries,
            last_frame,
            response,
            spent: after.processes.since(&before.processes),
            client: after.client - before.client,
            posted: self.rooms.posted(),
            faults: std::mem::take(&mut self.faults),
        })
    }

    fn fill_windows(&mut self) -> anyhow::Result<()> {
        let Pace::Window(size) = self.load.pace else { return Ok(()) };
        for _ in 0..size {
            for room in 0..self.rooms.len() {
                self.post(room, Instant::now())?;
            }
        }
        Ok(())
    }

    fn run_until(&mut self, end: Instant, due: &mut Due, events: &mut Events) -> anyhow::Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            while let Some((number, since)) = due.next(now) {
                self.post(number % self.rooms.len(), since)?;
            }
            for room in self.turn(events, end - now)? {
                if let Pace::Window(_) = self.load.pace {
                    self.post(room, Instant::now())?;
                }
            }
        }
    }

    /// Waits for the last deliveries and responses.
    fn drain(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let end = Instant::now() + DRAIN_TIMEOUT;
        let waits = |client: &Self| {
            client.rooms.missing() > 0 || client.commands.as_ref().is_some_and(|commands| !commands.is_idle())
        };
        while waits(self) && Instant::now() < end {
            self.turn(events, Duration::from_millis(100))?;
        }
        Ok(())
    }

    fn check(&mut self) {
        let counts = [
            (self.rooms.missing(), "deliveries lost"),
            (self.rooms.repeated, "deliveries repeated"),
            (self.members.iter().map(|member| member.gaps).sum(), "versions not dense"),
        ];
        let wrong = counts.into_iter().filter(|(count, _)| *count > 0);
        self.faults.extend(wrong.map(|(count, what)| format!("{count} {what}")));
    }

    fn post(&mut self, room: usize, since: Instant) -> anyhow::Result<()> {
        let mark = self.rooms.post(room, since);
        let members = self.load.members;
        // Members take turns, with neighbours apart.
        let member = usize::try_from(mark.number)? * 7 % members;
        let post = self.target.post(mark, member);
        if let Some(commands) = &mut self.commands {
            return commands.send(mark.number, post.into_bytes());
        }
        let index = room * members + member;
        self.target.framing().write(&mut self.members[index].unsent, post.as_bytes());
        self.flush(index)
    }

    /// Handles what has arrived. Returns the rooms of messages that have reached all members, once for each message.
    fn turn(&mut self, events: &mut Events, timeout: Duration) -> anyhow::Result<Vec<usize>> {
        let timeout = if self.blocked.is_empty() { timeout } else { timeout.min(Duration::from_millis(1)) };
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        let mut complete = Vec::new();
        for event in &*events {
            match event.token() {
                BEAT => {}
                token if token.0 >= FIRST_TOKEN => self.read_response(token)?,
                Token(member) => complete.extend(self.read(member)?),
            }
        }
        for member in std::mem::take(&mut self.blocked) {
            self.flush(member)?;
        }
        Ok(complete)
    }

    fn read_response(&mut self, token: Token) -> anyhow::Result<()> {
        let commands = self.commands.as_mut().context("no commands")?;
        if let Some(answer) = commands.read(token)? {
            self.faults.extend(answer.unless(201));
            if self.record.active {
                self.record.response.add(answer.latency);
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> anyhow::Result<Vec<usize>> {
        let mut complete = Vec::new();
        let (target, rooms, record) = (self.target, &mut self.rooms, &mut self.record);
        let member = &mut self.members[index];
        member.read(target, &mut self.buffer, |mark, at| {
            let Some(delivery) = rooms.deliver(mark, at) else { return };
            if record.active {
                record.deliveries += 1;
            }
            if delivery.is_last {
                complete.push(mark.room);
                if record.active {
                    record.messages += 1;
                    record.last_frame.add(delivery.latency);
                }
            }
        })?;
        self.flush(index)?;
        Ok(complete)
    }

    fn flush(&mut self, index: usize) -> anyhow::Result<()> {
        if !self.members[index].flush()? {
            self.blocked.push(index);
        }
        Ok(())
    }
}
