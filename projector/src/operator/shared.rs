//! One computation for all requests that wait for its result at the same time.

use tokio::{sync::Mutex, time::Instant};

/// A result that concurrent requests share. None gets one whose computation began before it asked.
#[derive(Debug)]
pub(crate) struct Shared<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// Returns the result, or the error of the own computation.
    pub(super) async fn get<E>(&self, compute: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, value)) = &*last
            && *begun >= asked
        {
            return Ok(value.clone());
        }
        let begun = Instant::now();
        let value = compute.await?;
        *last = Some((begun, value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use futures::future::join_all;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_share_a_result_that_is_not_older_than_they() {
        let (shared, computed) = (Shared::default(), AtomicU32::new(0));
        let get = async || {
            let compute = async {
                let number = computed.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(1)).await;
                Ok::<_, ()>(number)
            };
            shared.get(compute).await.unwrap()
        };
        let late = async {
            sleep(Duration::from_millis(500)).await;
            join_all((0..100).map(|_| get())).await
        };
        // Those that come during the first computation wait for the second one.
        assert_eq!(tokio::join!(get(), late), (0, vec![1; 100]));
        assert_eq!(get().await, 2);
        let failed: Result<u32, &str> = shared.get(async { Err("no database") }).await;
        assert_eq!((failed, get().await), (Err("no database"), 3));
    }
}
