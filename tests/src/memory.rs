//! Memory use of a service.

use std::time::Duration;

use harness::{ServiceId, Stack};
use tokio::time::interval;

/// The interval between two measurements.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);

/// Returns the resident memory of a service in KiB.
pub async fn resident(stack: &Stack, id: ServiceId) -> u64 {
    let pid = stack.pid(id).await.unwrap_or_else(|| panic!("{id} does not run"));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory of a process");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Returns the peak resident memory of a service during a future, in KiB, and the future's result.
pub async fn peak_resident<T>(stack: &Stack, id: ServiceId, going_on: impl Future<Output = T>) -> (u64, T) {
    let (mut most, mut samples) = (0, interval(SAMPLE_INTERVAL));
    tokio::pin!(going_on);
    loop {
        tokio::select! {
            result = &mut going_on => return (most.max(resident(stack, id).await), result),
            _ = samples.tick() => most = most.max(resident(stack, id).await),
        }
    }
}
