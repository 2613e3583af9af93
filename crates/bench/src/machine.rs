//! The machine of a run.

use std::fs;

/// The settings of the measured servers, for reports.
pub(crate) const SETTINGS: &str = "Settings as shipped: every append is synced to the disk, and PostgreSQL has its own \
                                   defaults. Only the limits of rates and connections for each user and address are \
                                   lifted, because all clients share an address.";

/// Describes processor, memory, system and build.
pub(crate) fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let model = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let build = if cfg!(debug_assertions) { "debug build: figures are worthless" } else { "release build" };
    format!("{cores} cores ({model}), {memory}, Linux {kernel}, {build}, {}", service_kit::clock::now().to_rfc3339())
}
