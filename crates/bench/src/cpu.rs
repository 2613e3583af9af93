//! Processor time of the processes of a run. It depends less on the load of the machine than elapsed time.

use std::{collections::HashMap, fs};

use serde::Serialize;

/// Seconds of user and system time by process.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cpu {
    /// This process, which reads, decodes and writes.
    pub(crate) projector: f64,
    /// PostgreSQL with all its children.
    pub(crate) postgres: f64,
    /// The NATS server.
    pub(crate) nats: f64,
}

/// The ids of the measured server processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processes {
    pub(crate) postgres: i32,
    pub(crate) nats: i32,
}

impl Processes {
    /// Returns the processor time used until now.
    pub(crate) fn used(self) -> Cpu {
        Cpu { projector: own(&stat("self")), postgres: tree(self.postgres), nats: of(self.nats) }
    }
}

impl Cpu {
    /// Returns the difference to an earlier measurement.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            projector: self.projector - earlier.projector,
            postgres: self.postgres - earlier.postgres,
            nats: self.nats - earlier.nats,
        }
    }

    /// Divides the times by a number of parts.
    pub(crate) fn per(self, parts: f64) -> Self {
        Self { projector: self.projector / parts, postgres: self.postgres / parts, nats: self.nats / parts }
    }

    pub(crate) fn sum(self) -> f64 {
        self.projector + self.postgres + self.nats
    }
}

/// Linux counts in hundredths of a second.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the seconds used by a process.
pub(crate) fn of(process: i32) -> f64 {
    own(&stat(&process.to_string()))
}

/// Returns the seconds used by the current thread.
pub(crate) fn of_this_thread() -> f64 {
    own(&stat("thread-self"))
}

/// Returns the seconds used by a process, its ended children and its running children.
pub(crate) fn tree(process: i32) -> f64 {
    let parent = stat(&process.to_string());
    let running = all().filter(|(_, stat)| stat.get(1) == Some(&f64::from(process))).map(|(_, stat)| own(&stat));
    ever(&parent) + running.sum::<f64>()
}

/// Returns the seconds used by a process and by all that it has started, also indirectly.
pub(crate) fn of_descendants(process: i32) -> f64 {
    let stats: HashMap<i32, Vec<f64>> = all().collect();
    let parents: HashMap<i32, i32> = stats.keys().filter_map(|pid| Some((*pid, parent(*pid)?))).collect();
    let descends = |pid: i32| {
        let mut ancestors = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
        ancestors.any(|ancestor| ancestor == process)
    };
    stats.iter().filter(|(pid, _)| descends(**pid)).map(|(_, stat)| ever(stat)).sum()
}

fn parent(process: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Reads the fields of `/proc/<pid>/stat` after the program's name; empty if there is no such file.
fn stat(process: &str) -> Vec<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect()
}

/// Reads the fields of all processes.
fn all() -> impl Iterator<Item = (i32, Vec<f64>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    pids.map(|pid| (pid, stat(&pid.to_string())))
}

fn seconds(stat: &[f64], fields: std::ops::Range<usize>) -> f64 {
    stat.get(fields).map_or(0.0, |ticks| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// Sums user and system time.
fn own(stat: &[f64]) -> f64 {
    seconds(stat, 11..13)
}

/// Sums the times of a process and of its ended children.
fn ever(stat: &[f64]) -> f64 {
    seconds(stat, 11..15)
}
