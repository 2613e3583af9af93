//! Generations: created once, readable by the query role only, and equal when they are rebuilt.

use std::sync::Arc;

use event_store::{MemoryLog, follow};
use operator_protocol::State;
use projector::{
    Commit, Content, Mode, Throttle, catch_up, complete,
    generation::{self, BuildLimits, Generation, Origin},
    reader::Reader,
};
use sqlx::Connection;
use wire::{StreamName, partition_of, streams};

use crate::{
    sample_log::SampleLog,
    world::{PARTITIONS, World, everything, origins, project_onto},
};

#[tokio::test]
async fn projectors_that_start_together_create_one_generation() {
    let world = World::start().await;
    let mut control = world.database.control().await.expect("a connection");
    sqlx::raw_sql("delete from control.generations; drop schema read_g1 cascade")
        .execute(&mut control)
        .await
        .expect("nothing is left");
    let start = async || {
        generation::migrate(&world.database).await.expect("migrated");
        generation::ensure(&world.database, &origins()).await.expect("ensured");
    };
    tokio::join!(start(), start(), start());
    let (written, _) = generation::writable(&mut control, &read_model::version()).await.expect("generations");
    assert_eq!(written, [Generation { number: 1, state: State::Active, limits: BuildLimits::default() }]);
}

#[tokio::test]
async fn a_later_read_model_is_built_beside_the_active_one() {
    let world = World::start().await;
    let mut control = world.database.control().await.expect("a connection");
    // Simulates a generation of another build.
    sqlx::raw_sql("update control.generations set model_version = 'another'")
        .execute(&mut control)
        .await
        .expect("the version is changed");
    let (written, _) = generation::writable(&mut control, &read_model::version()).await.expect("generations");
    assert!(written.is_empty());
    generation::ensure(&world.database, &origins()).await.expect("ensured");
    let (written, _) = generation::writable(&mut control, &read_model::version()).await.expect("generations");
    assert_eq!(written, [Generation { number: 2, state: State::Building, limits: BuildLimits::default() }]);
}

#[tokio::test]
async fn the_query_role_reads_and_does_not_write() {
    let world = World::start().await;
    let mut query = sqlx::PgConnection::connect(&world.url(harness::Role::Query)).await.expect("a connection");
    // The protection must not rest on a setting that the role can change.
    sqlx::raw_sql("set default_transaction_read_only = off").execute(&mut query).await.expect("a setting");
    for table in ["read_g1.boxes", "read_g1.checkpoints", "read_g1.room_events", "control.generations"] {
        let count = format!("select count(*) from {table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(count)).execute(&mut query).await.expect(table);
        let delete = format!("delete from {table}");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut query).await;
        let code = refused.expect_err(table).as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{table}");
    }
}

#[tokio::test]
async fn a_rebuilt_generation_equals_the_incrementally_built_one() {
    let sample = SampleLog::on(Arc::new(MemoryLog::default()));
    let origins = Origin::of_all(sample.log.as_ref(), PARTITIONS).await.expect("the log answers");
    let world = World::start_from(&origins).await;
    let follow = async |number, mode| {
        catch_up(&world.database, &sample.log, number, &streams(PARTITIONS), &mode).await.expect("caught up");
    };
    follow(1, Mode::Live).await;
    sample.settle().await;
    for n in 0..5 {
        sample.meet(&format!("b{n}")).await;
        follow(1, Mode::Live).await;
    }
    generation::create(&world.database, 2, &origins).await.expect("a generation is created");
    follow(2, Mode::Building(Throttle::default())).await;
    for _ in 0..2 {
        complete(&world.database, 2).await.expect("the indexes are there, also the second time");
    }
    let mut grown = world.database.generation(1).await.expect("a connection");
    let mut rebuilt = world.database.generation(2).await.expect("a connection");
    let (grown, rebuilt) = (everything(&mut grown).await, everything(&mut rebuilt).await);
    assert_eq!(grown["messages"].len(), 100);
    assert_eq!(grown["read_markers"].len(), 5);
    assert_eq!(grown["users"].len(), 2);
    assert_eq!(grown, rebuilt);
    let indexes = "select indexname::text from pg_indexes where schemaname = current_schema() order by 1";
    let mut of = Vec::new();
    for number in [1, 2] {
        let mut generation = world.database.generation(number).await.expect("a connection");
        let names: Vec<String> = sqlx::query_scalar(indexes).fetch_all(&mut generation).await.expect("names");
        of.push(names);
    }
    assert_eq!(of[0], of[1]);
}

#[tokio::test]
async fn a_quarantined_box_continues_with_a_release_that_reads_its_event() {
    let sample = SampleLog::on(Arc::new(MemoryLog::default()));
    let origins = Origin::of_all(sample.log.as_ref(), PARTITIONS).await.expect("the log answers");
    let mut world = World::start_from(&origins).await;
    sample.meet("b1").await;
    let stream = StreamName::Box(partition_of(&"b1".parse().expect("a box id"), PARTITIONS));
    let mut follower = follow(Arc::clone(&sample.log), stream, 1).await.expect("it follows");
    let batch = follower.next_batch(1000, 1_000_000).await.expect("a batch");
    let mut commits: Vec<Commit> = batch.commits.into_iter().map(Commit::from).collect();
    // Simulates an older build that does not understand the tenth commit.
    let box_id = Some("b1".parse().expect("a box id"));
    commits[9].content = Content::Unreadable { box_id, reason: "from the future".to_owned() };
    project_onto(&mut world.connection, stream, &commits).await;
    assert_eq!(world.texts("select body from messages").await.len(), 7);
    let mut reader =
        Reader::open(&world.database, Arc::clone(&sample.log), 1, stream, Mode::Live).await.expect("it reads");
    let changes = reader.retry_quarantined().await.expect("a retry");
    assert_eq!(changes.feed.len(), 13, "the waiting commits are in the feed");
    for table in ["quarantined_boxes", "parked_events"] {
        assert!(world.rows(&format!("select * from {table}")).await.is_empty(), "{table}");
    }
    generation::create(&world.database, 2, &origins).await.expect("a generation is created");
    for number in [1, 2] {
        catch_up(&world.database, &sample.log, number, &streams(PARTITIONS), &Mode::Live).await.expect("caught up");
    }
    let mut rebuilt = world.database.generation(2).await.expect("a connection");
    assert_eq!(everything(&mut world.connection).await, everything(&mut rebuilt).await);
}
