//! Three projectors share the streams. One is killed, one is frozen, and nothing is written twice or lost.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rustix::process::Signal;
use sqlx::PgConnection;
use wire::partition_of;

use crate::{
    process::{Projector, Servers, TAKEOVER, until},
    sample_log::SampleLog,
    world::{PARTITIONS, everything},
};

/// The streams of these tests' log.
const STREAMS: i64 = 5;

/// A projector and the name under which it holds leases.
struct Replica {
    name: String,
    projector: Projector,
}

/// Starts one after the other to recognize the new name of each.
async fn replicas(servers: &Servers, rows: &mut PgConnection) -> Vec<Replica> {
    let (mut replicas, mut names) = (Vec::new(), BTreeSet::new());
    for (index, share) in [(1, 5), (2, 3), (3, 2)] {
        let projector = servers.projector(&format!("replica-{index}")).await;
        projector.is_ready().await;
        let now = spread(rows, index, share).await;
        let name = now.difference(&names).next().cloned().expect("a new name");
        names = now;
        replicas.push(Replica { name, projector });
    }
    replicas
}

/// Waits until this many projectors hold all streams, none more than its share.
async fn spread(rows: &mut PgConnection, projectors: i64, share: i64) -> BTreeSet<String> {
    let sql = "select count(*) from control.leases where generation = 1 having count(distinct holder) = ";
    let most = "(select max(held) from (select count(*) as held from control.leases group by generation, holder) h)";
    let sql = format!("{sql} {projectors} and {most} <= {share}");
    until(rows, sqlx::AssertSqlSafe(sql), STREAMS).await;
    let names = sqlx::query_scalar("select distinct holder from control.leases").fetch_all(rows).await;
    names.expect("leases").into_iter().collect()
}

async fn holder(rows: &mut PgConnection, stream: &str) -> String {
    let sql = "select holder from control.leases where stream = $1 and generation = 1";
    sqlx::query_scalar(sql).bind(stream).fetch_one(rows).await.expect("a lease")
}

/// Finds a box id in this partition.
fn box_in(partition: u16) -> String {
    let of = |id: &String| partition_of(&id.parse().expect("a box id"), PARTITIONS);
    (1..100).map(|n| format!("b{n}")).find(|id| of(id) == partition).expect("there is one")
}

/// Posts messages to both boxes in turn, and counts them.
async fn talk(sample: &SampleLog, said: &AtomicUsize) {
    loop {
        let n = said.fetch_add(1, Ordering::SeqCst);
        sample.say(&box_in(u16::try_from(n % 2).expect("small")), &format!("message {n}")).await;
    }
}

/// Measures the time until a message posted now in this partition can be read.
async fn gap(sample: &SampleLog, rows: &mut PgConnection, partition: u16, words: &'static str) -> Duration {
    sample.say(&box_in(partition), words).await;
    until(rows, sqlx::AssertSqlSafe(format!("select count(*) from messages where body = '{words}'")), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_with_one_of_three_projectors_killed_and_one_frozen() {
    let servers = Servers::start().await;
    let mut rows = servers.read_model().await;
    let replicas = replicas(&servers, &mut rows).await;
    let sample = servers.sample().await;
    sample.settle().await;
    for partition in [0, 1] {
        sample.meet(&box_in(partition)).await;
    }
    let by_name = |name: String| replicas.iter().find(|replica| replica.name == name).expect("a replica");
    let said = AtomicUsize::new(0);
    let story = async {
        let killed = by_name(holder(&mut rows, "box-0").await);
        killed.projector.process.kill().await;
        let after_kill = gap(&sample, &mut rows, 0, "after the crash").await;
        spread(&mut rows, 2, 3).await;
        let frozen = by_name(holder(&mut rows, "box-1").await);
        frozen.projector.process.signal(Signal::STOP);
        let after_freeze = gap(&sample, &mut rows, 1, "anybody?").await;
        spread(&mut rows, 1, 5).await;
        frozen.projector.process.signal(Signal::CONT);
        spread(&mut rows, 2, 3).await;
        frozen.projector.is_ready().await;
        eprintln!("fail-over after a kill: {after_kill:?}; after a freeze: {after_freeze:?}");
        assert!(after_kill < TAKEOVER && after_freeze < TAKEOVER, "{after_kill:?} {after_freeze:?}");
    };
    tokio::select! {
        () = story => {}
        () = talk(&sample, &said) => {}
    }
    // The last message may or may not have been stored: a fresh projection of the log decides.
    servers.operated("rebuild --to ready --yes").await;
    let database = projector::Database::new(&servers.postgres.url(harness::Role::Admin), "test").expect("a URL");
    let mut fresh = database.generation(2).await.expect("a connection");
    let (grown, fresh) = (everything(&mut rows).await, everything(&mut fresh).await);
    assert!(grown["messages"].len() >= said.load(Ordering::SeqCst) + 40, "{} are left", grown["messages"].len());
    assert_eq!(grown, fresh);
}
