//! Waits for conditions, not for time.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// The time limit of any expected condition.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Polls until there is a result. `what` names the expected condition in a failure.
pub async fn eventually<T, F, Fut>(what: &str, probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    poll(TIMEOUT, what, probe).await
}

/// Polls until a condition is true.
pub async fn until<F, Fut>(what: &str, condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    until_within(TIMEOUT, what, condition).await;
}

/// Polls until a condition is true, for this long at most.
pub async fn until_within<F, Fut>(limit: Duration, what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let probe = || {
        let condition = Box::pin(condition());
        async { condition.await.then_some(()) }
    };
    poll(limit, what, probe).await;
}

async fn poll<T, F, Fut>(limit: Duration, what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "this did not happen within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the clock has passed this moment.
pub async fn until_after(moment: DateTime<Utc>) {
    let late = |now: DateTime<Utc>| (now > moment).then_some(());
    eventually(&format!("the clock passes {moment}"), async || late(now())).await;
}

/// The machine's clock.
#[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Generates an idempotency key as a client does.
#[expect(clippy::disallowed_methods, reason = "a client makes keys of its own")]
pub fn new_key() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Parses a time as the services write it.
pub fn moment(value: &serde_json::Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a time"));
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_utc()
}
