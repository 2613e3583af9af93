//! Metrics of this process from the operating system, under Prometheus's standard names.

use std::{fmt, fs};

use prometheus_client::{encoding::DescriptorEncoder, registry::Unit};
use rustix::param::{clock_ticks_per_second, page_size};

use super::{counter, gauge, value};

/// The process's own entry in Linux's `/proc`. On other systems these metrics are absent.
const PROC_SELF: &str = "/proc/self";

/// Indexes of fields of `stat` after the program's name, counted from the state, which is the third field.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;

pub(super) fn read(encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    if let Some(stat) = Stat::read() {
        let seconds = Some(&Unit::Seconds);
        counter(encoder, "process_cpu", "User and system CPU time of the process", seconds, stat.cpu)?;
        if let Some(started) = stat.started {
            gauge(encoder, "process_start_time", "Start time of the process, since 1970", seconds, started)?;
        }
    }
    let bytes = Some(&Unit::Bytes);
    if let Some([virtual_size, resident]) = memory() {
        gauge(encoder, "process_virtual_memory", "Virtual memory size of the process", bytes, virtual_size)?;
        gauge(encoder, "process_resident_memory", "Resident memory size of the process", bytes, resident)?;
    }
    if let Ok(files) = fs::read_dir(format!("{PROC_SELF}/fd")) {
        // One of them is this directory listing.
        let open = files.count().saturating_sub(1) as u64;
        gauge(encoder, "process_open_fds", "Number of open file descriptors", None, value(open))?;
    }
    if let Some(max) = max_files() {
        gauge(encoder, "process_max_fds", "Maximum number of open file descriptors", None, max)?;
    }
    Ok(())
}

struct Stat {
    cpu: f64,
    started: Option<f64>,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string(format!("{PROC_SELF}/stat")).ok()?;
        // The program's name is in parentheses and may contain any character.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / value(clock_ticks_per_second()));
        let started = boot_time().zip(seconds(START_TICKS)).map(|(boot_time, since)| boot_time + since);
        Some(Self { cpu: seconds(USER_TICKS)? + seconds(SYSTEM_TICKS)?, started })
    }
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()
}

fn memory() -> Option<[f64; 2]> {
    let pages = fs::read_to_string(format!("{PROC_SELF}/statm")).ok()?;
    let mut bytes = pages.split(' ').map(|pages| Some(pages.parse::<f64>().ok()? * value(page_size() as u64)));
    Some([bytes.next()??, bytes.next()??])
}

fn max_files() -> Option<f64> {
    let limits = fs::read_to_string(format!("{PROC_SELF}/limits")).ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
