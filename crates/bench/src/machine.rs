//! The machine of a run.

use std::{fs, io::Write, time::Instant};

use chrono::SecondsFormat;
use harness::{
    checkout::Checkout,
    tools::{self, Source},
};

/// The settings of the measured servers, for reports.
pub(crate) const SETTINGS: &str = "Settings as shipped: every append is synced to the disk, and PostgreSQL has its own \
                                   defaults. Only the limits of rates and connections for each user and address are \
                                   lifted, because all clients share an address.";

/// The number of writes that are synced to find out what that takes.
const SYNCS: usize = 64;

/// Describes processor, memory, disk, servers and build.
pub(crate) fn describe() -> anyhow::Result<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism()?;
    let model = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let checkout = Checkout::current()?;
    let nats = tools::nats_server(&checkout, Source::Installed)?.version;
    let postgres = tools::postgres_server(&checkout, Source::Installed)?.version;
    let build = if cfg!(debug_assertions) { "debug build: figures are worthless" } else { "release build" };
    Ok(format!(
        "{cores} cores ({model}), {memory}, Linux {kernel}, {:.2} ms for a write and its sync, nats-server {}.{}, \
         PostgreSQL {}.{}, {build}, {}",
        sync_ms()?,
        nats.0,
        nats.1,
        postgres.0,
        postgres.1,
        service_kit::clock::now().to_rfc3339_opts(SecondsFormat::Secs, true)
    ))
}

/// Returns the median time of a small write with its sync, in the folder of the servers' data.
fn sync_ms() -> anyhow::Result<f64> {
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let begun = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2].as_secs_f64() * 1e3)
}
