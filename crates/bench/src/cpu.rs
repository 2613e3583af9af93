//! Processor time of the processes of a run. It depends less on the load of the machine than elapsed time.

use std::fs;

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
        Cpu {
            projector: own(&stat("self")),
            postgres: with_children(self.postgres),
            nats: own(&stat(&self.nats.to_string())),
        }
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

/// Reads the fields of `/proc/<pid>/stat` after the program's name; empty if there is no such file.
fn stat(process: &str) -> Vec<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect()
}

/// Converts ticks to seconds. Linux counts in hundredths of a second.
fn seconds(stat: &[f64], fields: std::ops::Range<usize>) -> f64 {
    stat.get(fields).map_or(0.0, |ticks| ticks.iter().sum::<f64>() / 100.0)
}

fn own(stat: &[f64]) -> f64 {
    seconds(stat, 11..13)
}

/// Sums the times of a process, its ended children and its running children.
fn with_children(process: i32) -> f64 {
    let parent = stat(&process.to_string());
    let children = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = children.map(|entry| stat(&entry.file_name().to_string_lossy()));
    let running = children.filter(|stat| stat.get(1) == Some(&f64::from(process))).map(|stat| own(&stat));
    seconds(&parent, 11..15) + running.sum::<f64>()
}
