//! Processor time of the processes of a run, from their own accounting, and of all others on the machine.

use std::{fs, time::Instant};

use anyhow::Context;
use harness::{ServiceId, Stack};

use crate::cpu;

/// The load of other processes, in cores, from which on a run does not count.
const DISTURBING: f64 = 0.2;

/// The measured processes of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    processes: Vec<Watched>,
}

#[derive(Debug, Clone)]
struct Watched {
    name: &'static str,
    pid: i32,
    /// True if its children count as well, as those of PostgreSQL.
    with_children: bool,
}

/// The processor time used until a moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    at: Instant,
    /// Seconds by process.
    by_process: Vec<(&'static str, f64)>,
    /// Kilobytes of resident memory by process.
    memory_kb: Vec<(&'static str, f64)>,
    /// Seconds of this process and of all that it has started.
    own: f64,
    /// Seconds of all processes of the machine.
    machine: f64,
}

/// The processor time used between two readings.
#[derive(Debug, Clone)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    /// Seconds of processor time by process.
    pub(crate) by_process: Vec<(&'static str, f64)>,
    /// Kilobytes of resident memory at the end, by process.
    pub(crate) memory_kb: Vec<(&'static str, f64)>,
    /// The average number of cores that other processes have used.
    pub(crate) foreign_cores: f64,
}

impl Watch {
    /// Watches the servers and services of a stack with one process of each service.
    pub(crate) async fn of(stack: &Stack) -> anyhow::Result<Self> {
        let mut watch = Self::default();
        watch.add_tree("postgres", stack.postgres().pid().await.context("PostgreSQL does not run")?);
        watch.add("nats", stack.nats().pid().await.context("nats-server does not run")?);
        let services = [
            ("command", ServiceId::Command(0)),
            ("projector", ServiceId::Projector(0)),
            ("query", ServiceId::Query(0)),
            ("notifier", ServiceId::Notifier(0)),
        ];
        for (name, id) in services {
            watch.add(name, stack.pid(id).await.with_context(|| format!("{id} does not run"))?);
        }
        Ok(watch)
    }

    /// Adds a process.
    pub(crate) fn add(&mut self, name: &'static str, pid: i32) {
        self.processes.push(Watched { name, pid, with_children: false });
    }

    /// Adds a process whose children are counted with it.
    pub(crate) fn add_tree(&mut self, name: &'static str, pid: i32) {
        self.processes.push(Watched { name, pid, with_children: true });
    }

    /// Reads the accounts of all processes.
    pub(crate) fn read(&self) -> Reading {
        let used =
            |process: &Watched| if process.with_children { cpu::tree(process.pid) } else { cpu::of(process.pid) };
        Reading {
            at: Instant::now(),
            by_process: self.processes.iter().map(|process| (process.name, used(process))).collect(),
            memory_kb: self.processes.iter().map(|process| (process.name, resident_kb(process.pid))).collect(),
            own: cpu::of_descendants(std::process::id().cast_signed()),
            machine: machine(),
        }
    }
}

impl Reading {
    /// Returns the time used from an earlier reading on.
    pub(crate) fn since(&self, earlier: &Self) -> Spent {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let pairs = self.by_process.iter().zip(&earlier.by_process);
        let foreign = (self.machine - earlier.machine) - (self.own - earlier.own);
        Spent {
            seconds,
            by_process: pairs.map(|((name, now), (_, before))| (*name, (now - before).max(0.0))).collect(),
            memory_kb: self.memory_kb.clone(),
            foreign_cores: (foreign / seconds).max(0.0),
        }
    }
}

impl Spent {
    /// Microseconds of processor time for each second, by process.
    pub(crate) fn micros_per_second(&self) -> Vec<(&'static str, f64)> {
        self.by_process.iter().map(|(name, seconds)| (*name, seconds * 1e6 / self.seconds)).collect()
    }

    /// Describes the disturbance by other processes, if there was one.
    pub(crate) fn disturbance(&self) -> Option<String> {
        let cores = self.foreign_cores;
        (cores > DISTURBING).then(|| format!("other processes used {cores:.1} cores"))
    }
}

/// Returns the resident memory of a process.
pub(crate) fn resident_kb(process: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Returns the busy seconds of all cores, without interrupts: these belong to no process.
fn machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).map(|field| field.parse().unwrap_or_default()).collect();
    // user, nice and system, and the time that the host gave to other machines.
    [0, 1, 2, 7].into_iter().filter_map(|field| ticks.get(field)).sum::<f64>() / cpu::TICKS_PER_SECOND
}
