//! Reads in a thread of their own, so that their durations are the service's and not those of thousands of clients.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A reader that runs until it is stopped. A failed read fails the test.
pub(super) struct Reading {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Reading {
    pub(super) fn start(url: &str, token: &str, paths: [String; 3]) -> Self {
        let urls = paths.map(|path| format!("{url}{path}"));
        let (token, enough) = (token.to_owned(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let enough = enough.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(read(&urls, &token, &enough))
            }
        });
        Self { enough, thread }
    }

    /// Stops the reader. Returns the durations of all reads in ascending order.
    pub(super) fn finish(self) -> Vec<Duration> {
        self.enough.store(true, Ordering::Relaxed);
        let mut taken = self.thread.join().unwrap();
        taken.sort_unstable();
        taken
    }
}

async fn read(urls: &[String], token: &str, enough: &AtomicBool) -> Vec<Duration> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut times = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        for url in urls {
            let asked = Instant::now();
            let answer = client.get(url).bearer_auth(token).send().await.unwrap();
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, 200, "{url}: {body}");
            times.push(asked.elapsed());
        }
    }
    times
}
