//! Servers that start late, stop and come back, and a log that was replaced.

use std::os::unix::fs::{MetadataExt, chown};

use harness::{Role, checkout::Scratch, small_disk::SmallDisk};
use projector::Database;
use sqlx::raw_sql;

use crate::process::{Servers, until};

const MESSAGES: &str = "select count(*) from messages";

#[tokio::test]
async fn the_projector_waits_for_unavailable_servers() {
    let servers = Servers::start().await;
    servers.nats.stop().await;
    servers.postgres.stop().await;
    let projector = servers.projector("projector").await;
    projector.is_not_ready_because("nats", "not connected").await;
    projector.is_not_ready_because("postgres", "the ").await;
    servers.postgres.start_again().await.expect("PostgreSQL starts");
    servers.nats.start_again().await.expect("NATS starts");
    projector.is_ready().await;
}

#[tokio::test]
async fn the_projector_recovers_when_the_database_returns_with_lost_data() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    sample.open("b1").await;
    projector.is_ready().await;
    // This server is not durable: it may have lost projected rows, and the generation with them.
    servers.postgres.kill().await;
    sample.say("b1", "nobody projects this").await;
    projector.is_not_ready_because("postgres", "the ").await;
    servers.postgres.start_again().await.expect("PostgreSQL starts");
    let mut rows = servers.read_model().await;
    until(&mut rows, MESSAGES, 1).await;
    projector.is_ready().await;
}

#[tokio::test]
async fn the_projector_recovers_when_the_log_returns() {
    let servers = Servers::start().await;
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    sample.open("b1").await;
    sample.say("b1", "before").await;
    projector.is_ready().await;
    servers.nats.kill().await;
    projector.is_not_ready_because("nats", "not connected").await;
    servers.nats.start_again().await.expect("NATS starts");
    projector.is_ready().await;
    let mut rows = servers.read_model().await;
    servers.sample().await.say("b1", "after").await;
    until(&mut rows, MESSAGES, 2).await;
}

#[tokio::test]
async fn a_foreign_stream_stops_only_its_own_projection() {
    let servers = Servers::start().await;
    let projector = servers.projector("first").await;
    let sample = servers.sample().await;
    for box_id in ["b1", "b2", "b3", "b4"] {
        sample.open(box_id).await;
    }
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from rooms", 4).await;
    drop(projector);
    let commits = "update checkpoints set commit_id = 'of another log' where stream = 'box-0'";
    sqlx::query(commits).execute(&mut rows).await.expect("a checkpoint is changed");
    let projector = servers.projector("second").await;
    let reason = "the stream box-0 is not the one that this read model was built from";
    projector.is_not_ready_because("streams", reason).await;
    for box_id in ["b1", "b2", "b3", "b4"] {
        sample.say(box_id, "hello").await;
    }
    let flowing = "select count(*) from boxes where box_id in (select box_id from messages)";
    let in_others = ["b1", "b2", "b3", "b4"]
        .iter()
        .filter(|id| wire::partition_of(&id.parse().expect("a box id"), crate::world::PARTITIONS) != 0)
        .count();
    assert!(in_others > 0 && in_others < 4, "the boxes are all in one partition");
    until(&mut rows, flowing, i64::try_from(in_others).expect("a number")).await;
}

#[tokio::test]
async fn the_projector_continues_when_the_database_has_space_again() {
    let disk_folder = Scratch::create().expect("a folder");
    let folder = disk_folder.path().join("disk");
    let Some(disk) = SmallDisk::mount(&folder, 8).expect("a folder") else {
        eprintln!("nothing can be mounted here");
        return;
    };
    let servers = Servers::start().await;
    let pid = servers.postgres.pid().await.expect("PostgreSQL runs");
    let owner = std::fs::metadata(format!("/proc/{pid}")).expect("a process");
    let tablespace = folder.join("tables");
    std::fs::create_dir(&tablespace).expect("a folder");
    chown(&tablespace, Some(owner.uid()), Some(owner.gid())).expect("it is root");
    let projector = servers.projector("projector").await;
    let sample = servers.sample().await;
    sample.open("b1").await;
    sample.say("b1", "before").await;
    projector.is_ready().await;
    let database = Database::new(&servers.postgres.url(Role::Admin), "test").expect("a URL");
    let mut admin = database.control().await.expect("a connection");
    let create = format!("create tablespace small location '{}'", tablespace.display());
    raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut admin).await.expect("it is created");
    raw_sql("alter table read_g1.messages set tablespace small").execute(&mut admin).await.expect("it is moved");
    disk.fill().expect("it is filled");
    for _ in 0..40 {
        sample.say("b1", &"x".repeat(1000)).await;
    }
    projector.is_not_ready_because("streams", "the database has no space left").await;
    let mut rows = servers.read_model().await;
    until(&mut rows, "select count(*) from parked_events", 0).await;
    disk.empty().expect("it is emptied");
    until(&mut rows, MESSAGES, 41).await;
    projector.is_ready().await;
}
