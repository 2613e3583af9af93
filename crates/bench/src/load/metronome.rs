//! A thread that wakes the load client when a message is due.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context;
use mio::Waker;

/// Wakes a poll at a fixed rate. Ends with this value.
#[derive(Debug)]
pub(crate) struct Metronome {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Metronome {
    /// Starts. A poll has a resolution of milliseconds only, so it cannot wait for the next message itself.
    pub(crate) fn start(waker: Waker, start: Instant, gap: Duration) -> anyhow::Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&ends);
        let beat = move || {
            let mut next = start;
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
                if waker.wake().is_err() {
                    return;
                }
                // Beats that are over are one.
                while next <= Instant::now() {
                    next += gap;
                }
            }
        };
        let thread = std::thread::Builder::new().name("metronome".to_owned()).spawn(beat);
        Ok(Self { ends, thread: Some(thread.context("no thread")?) })
    }
}

impl Drop for Metronome {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
