//! A writer that hangs: the log grows, but the read model does not follow.

use std::time::Duration;

use sqlx::{Connection, PgConnection, query_scalar, raw_sql};
use tokio::time::Instant;

use crate::process::{Projector, Servers, until};

/// The time within which the projector must report a stalled stream.
const NOTICED: Duration = Duration::from_secs(10);

const MESSAGES: &str = "select count(*) from messages";

/// Holds a lock on a table or a row in a session of its own while the log grows, and then releases it.
async fn hold_up_with(lock: &'static str) {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    sample.open("b1").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from rooms", 1).await;
    projector.is_ready().await;
    assert_eq!(stalled(&projector).await, 0);

    let mut other: PgConnection = servers.read_model().await;
    // This session is no projector, and may hold its locks.
    raw_sql("set idle_in_transaction_session_timeout = 0").execute(&mut other).await.expect("a setting");
    let mut transaction = other.begin().await.expect("a transaction");
    raw_sql(lock).execute(&mut *transaction).await.expect("the lock");
    let session: i32 = query_scalar("select pg_backend_pid()").fetch_one(&mut *transaction).await.expect("a session");
    sample.say("b1", "nobody sees this yet").await;
    let begun = Instant::now();
    projector.is_not_ready_because("progress", &format!("waits for database session {session}")).await;
    assert!(begun.elapsed() < NOTICED, "noticed after {:?}", begun.elapsed());
    assert_eq!(stalled(&projector).await, 1);
    let lag = metric(&projector, "boxroom_projection_lag_seconds").await;
    assert!(lag.iter().any(|seconds| *seconds >= 5.0), "{lag:?}");

    transaction.rollback().await.expect("the lock is gone");
    until(&mut rows, MESSAGES, 1).await;
    projector.is_ready().await;
    assert_eq!(stalled(&projector).await, 0);
}

async fn stalled(projector: &Projector) -> usize {
    metric(projector, "boxroom_projection_stalled").await.into_iter().filter(|stalled| *stalled > 0.0).count()
}

async fn metric(projector: &Projector, name: &str) -> Vec<f64> {
    let page = projector.metrics().await;
    let samples = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    samples.filter_map(|(_, value)| value.parse().ok()).collect()
}

#[tokio::test]
async fn a_locked_row_is_reported_by_readiness_in_time() {
    Box::pin(hold_up_with("select * from checkpoints for update")).await;
}

#[tokio::test]
async fn a_locked_table_is_reported_by_readiness_in_time() {
    Box::pin(hold_up_with("lock table messages in access exclusive mode")).await;
}
