//! Verification: every difference is found and explained, and nothing else is reported, also while both are written.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use event_store::{Log, MemoryLog};
use projector::{
    Database, catch_up,
    generation::{self, Origin},
    reader::{Mode, Reader},
    verify::{Difference, Limits, Verification, verify, verify_fresh},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, query_scalar, raw_sql};
use tokio::{task::JoinSet, time::Instant};
use wire::streams;

use crate::{
    sample_log::SampleLog,
    world::{PARTITIONS, World},
};

/// Rows that the commands of these tests do not cause, equal in both generations.
const MORE_ROWS: &str = "
insert into alarms (user_id, at, box_id, stream, position, kind, room_id, message_id, by, count, latest, changed)
  values ('bob', '2026-03-01T12:00:00Z', 'b1', 'box-1', 4, 'mention', 'b1.1', 4, 'ann', 1, 4, 4);
insert into author_erasures values ('box-1', 4, 'b1', 'zoe');
insert into alarms_read values ('bob', 'box-1', 3);
insert into devices values ('ann', 'phone', 'fcm', 'token', 'en', '2026-03-01T12:00:00Z');
insert into muted_rooms values ('ann', 'b1.1');
insert into blocks values ('ann', 'bob', '2026-03-01T12:00:00Z');
insert into filters values ('spam', 'word', 'soup', 'mask', '2026-03-01T12:00:00Z');
insert into reports values ('r-1', 'ann', 'bob', null, null, null, 'spam', null, '2026-03-01T12:00:00Z', 'open', null,
  null, null, null, null, false);
insert into quarantined_boxes values ('b9', 'box-0', 7, 'from the future', '2026-03-01T12:00:00Z');
insert into parked_events values ('b9', 7);";

/// Creates two generations of the same log.
async fn two() -> (World, SampleLog) {
    let sample = SampleLog::on(Arc::new(MemoryLog::default()));
    let origins = Origin::of_all(sample.log.as_ref(), PARTITIONS).await.expect("the log answers");
    let world = World::start_from(&origins).await;
    generation::create(&world.database, 2, &origins).await.expect("a generation");
    sample.settle().await;
    for box_id in ["b1", "b2"] {
        sample.meet(box_id).await;
    }
    for number in [1, 2] {
        catch_up(&world.database, &sample.log, number, &streams(PARTITIONS), &Mode::Live).await.expect("caught up");
        run(&world.database, number, MORE_ROWS).await;
    }
    (world, sample)
}

async fn run(database: &Database, generation: i32, sql: &str) {
    let mut connection = database.generation(generation).await.expect("a connection");
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect(sql);
}

/// Compares as the operators' database role, which can only read.
async fn compared(world: &World, sample: &SampleLog) -> Verification {
    let database = Database::new(&world.url(harness::Role::Operator), "test").expect("a URL");
    verify(&database, &sample.log, [1, 2], Limits::default()).await.expect("a comparison")
}

/// Returns the only difference, which must also be shown.
#[track_caller]
fn only(found: Verification) -> Difference {
    assert_eq!((found.differences, found.shown.len(), found.undecided.len()), (1, 1, 0), "{found}");
    found.shown.into_iter().next().expect("one")
}

#[tokio::test]
async fn every_row_of_every_table_is_compared() {
    let (world, sample) = two().await;
    let found = compared(&world, &sample).await;
    assert!(found.is_equal(), "{found}");
    assert_eq!((found.rows["messages"], found.passes), (40, 1));
    let mut control = world.database.control().await.expect("a connection");
    let tables: Vec<String> = query_scalar(
        "select table_name::text from information_schema.tables
         where table_schema = 'read_g1' and table_type = 'BASE TABLE' and table_name <> 'checkpoints'",
    )
    .fetch_all(&mut control)
    .await
    .expect("the tables");
    assert_eq!(found.rows.keys().collect::<BTreeSet<_>>(), tables.iter().collect());
    assert!(found.rows.values().all(|rows| *rows > 0), "a table without a row shows nothing: {:?}", found.rows);
}

#[tokio::test]
async fn a_wrong_row_is_found_in_every_table() {
    let (world, sample) = two().await;
    for (table, change) in [
        ("alarms", "kind = 'reply'"),
        ("alarms_read", "up_to = 4"),
        ("author_erasures", "box_id = 'b2'"),
        ("blocks", "blocked = 'zoe'"),
        ("boxes", "address = 'elsewhere'"),
        ("devices", "target = 'another'"),
        ("filters", "pattern = 'another'"),
        ("members", "seat = 9"),
        ("muted_rooms", "room_id = 'b1.9'"),
        ("messages", "body = 'changed' where body = 'message 7' and box_id = 'b1'"),
        ("quarantined_boxes", "reason = 'another'"),
        ("read_markers", "message_id = 1"),
        ("reports", "state = 'closed'"),
        ("room_events", "data = '{}' where v = 3 and box_id = 'b2'"),
        ("rooms", "last_ordinal = 1"),
        ("stores", "open = not open"),
        ("user_rooms", "opened_at = now()"),
        ("users", "nickname = null where user_id = 'bob'"),
    ] {
        let first = format!(" where ctid = (select min(ctid) from {table})");
        let condition = if change.contains(" where ") { "" } else { &first };
        run(
            &world.database,
            2,
            &format!("create table control.kept as select * from {table}; update {table} set {change}{condition}"),
        )
        .await;
        let found = compared(&world, &sample).await;
        let text = found.to_string();
        if table == "devices" {
            let without = found.clone().without_values().to_string();
            assert!(text.contains("another") && !without.contains("another"), "{without}");
            assert!(without.contains("differing: target"), "{without}");
        }
        if ["alarms", "blocks", "muted_rooms"].contains(&table) {
            // The changed column is a part of the key.
            assert_eq!(found.differences, 2, "{text}");
        } else {
            let difference = only(found);
            assert_eq!(difference.table, table);
            assert!(difference.first.is_some() && difference.second.is_some(), "{text}");
            assert_ne!(difference.first, difference.second);
        }
        run(
            &world.database,
            2,
            &format!("delete from {table}; insert into {table} select * from control.kept; drop table control.kept"),
        )
        .await;
    }
    assert!(compared(&world, &sample).await.is_equal());
}

#[tokio::test]
async fn a_missing_and_an_extra_row_are_found_in_every_table() {
    let (world, sample) = two().await;
    let all = compared(&world, &sample).await;
    for table in all.rows.keys() {
        for (lacking, having) in [(2, 1), (1, 2)] {
            let sql = format!(
                "create table control.kept as select * from {table};
                 delete from {table} where ctid = (select max(ctid) from {table})"
            );
            run(&world.database, lacking, &sql).await;
            let difference = only(compared(&world, &sample).await);
            assert_eq!(&difference.table, table);
            let (first, second) = (difference.first.is_some(), difference.second.is_some());
            assert_eq!((first, second), (having == 1, having == 2), "{table}");
            let sql =
                format!("delete from {table}; insert into {table} select * from control.kept; drop table control.kept");
            run(&world.database, lacking, &sql).await;
        }
    }
}

#[tokio::test]
async fn a_difference_is_reported_with_its_key_both_values_and_its_events() {
    let (world, sample) = two().await;
    run(&world.database, 2, "update messages set body = 'changed' where box_id = 'b1' and ordinal = 3").await;
    let found = compared(&world, &sample).await;
    let text = found.to_string();
    assert_eq!(found.summary()["outcome"], "different");
    let difference = only(found);
    let message = difference.first.as_ref().expect("a row")["message_id"].clone();
    let key = json!({ "box_id": "b1", "room_id": "b1.1", "message_id": message.to_string() });
    assert_eq!(json!(difference.key), key);
    let bodies = [&difference.first, &difference.second].map(|row| row.as_ref().expect("a row")["body"].clone());
    assert_eq!(bodies, [json!("message 2"), json!("changed")]);
    assert_eq!(difference.events.len(), 1, "{text}");
    let event = &difference.events[0];
    assert_eq!((json!(event.sequence), event.types.as_slice()), (message, ["message_posted".to_owned()].as_slice()));
    assert!(text.contains("message_posted at") && text.contains("1 differ"), "{text}");

    for (table, types) in [("members", "message_posted"), ("boxes", "box_installed"), ("users", "user_registered")] {
        run(&world.database, 2, &format!("create table control.kept as select * from {table}; delete from {table}"))
            .await;
        let found = compared(&world, &sample).await;
        let events = |difference: &Difference| difference.events.iter().flat_map(|event| event.types.clone()).collect();
        let printed: Vec<Vec<String>> =
            found.shown.iter().filter(|difference| difference.table == table).map(events).collect();
        assert!(!printed.is_empty() && printed.iter().all(|printed| printed.contains(&types.to_owned())), "{found}");
        run(&world.database, 2, &format!("insert into {table} select * from control.kept; drop table control.kept"))
            .await;
    }
}

#[tokio::test]
async fn all_differences_are_counted_and_some_are_shown() {
    let (world, sample) = two().await;
    run(&world.database, 2, "update messages set body = 'changed'").await;
    let limits = Limits { shown: 3, max_rate: Some(1_000), low_priority: true };
    let begin = Instant::now();
    let found = verify(&world.database, &sample.log, [1, 2], limits).await.expect("a comparison");
    assert_eq!((found.differences, found.shown.len()), (40, 3));
    let rows: u64 = found.rows.values().sum();
    assert!(begin.elapsed() >= Duration::from_millis(rows), "{rows} rows in {:?}", begin.elapsed());
}

/// Follows all streams into a generation until dropped.
fn following(database: &Database, log: &Arc<dyn Log>, generation: i32) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for stream in streams(PARTITIONS) {
        let (database, log) = (database.clone(), Arc::clone(log));
        tasks.spawn(async move {
            let mut reader = Reader::open(&database, log, generation, stream, Mode::Live).await.expect("it reads");
            loop {
                reader.step().await.expect("a step");
            }
        });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_rows_are_compared_once_they_have_settled() {
    let (world, sample) = two().await;
    let _followers = [following(&world.database, &sample.log, 1), following(&world.database, &sample.log, 2)];
    let sample = Arc::new(sample);
    let writers: Vec<_> = ["b1", "b2"]
        .into_iter()
        .map(|box_id| {
            let sample = Arc::clone(&sample);
            tokio::spawn(async move {
                loop {
                    let said = sample.say(box_id, "hot").await;
                    sample.mark(box_id, said.sequence).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();
    let mut passes = Vec::new();
    for _ in 0..5 {
        let found = compared(&world, &sample).await;
        assert!(found.is_equal(), "{found}");
        passes.push(found.passes);
    }
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    assert!(passes.iter().any(|passes| *passes > 1), "nothing was on its way: {passes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_never_settle_are_not_reported_as_equal() {
    let (world, sample) = two().await;
    // The second generation falls behind.
    sample.say("b1", "later").await;
    catch_up(&world.database, &sample.log, 1, &streams(PARTITIONS), &Mode::Live).await.expect("caught up");
    run(&world.database, 2, "update messages set body = 'changed' where box_id = 'b2' and ordinal = 3").await;
    let found = compared(&world, &sample).await;
    assert_eq!(found.undecided, ["box b1"]);
    assert_eq!((found.differences, found.is_equal()), (1, false), "the other box is compared: {found}");
}

#[tokio::test]
async fn a_generation_is_compared_with_a_temporary_fresh_projection() {
    let (world, sample) = two().await;
    let fresh = async || verify_fresh(&world.database, &sample.log, 1, Limits::default()).await.expect("a comparison");
    // The rows that no event has caused.
    assert_eq!(fresh().await.differences, 10);
    run(
        &world.database,
        1,
        "delete from alarms; delete from author_erasures; delete from alarms_read; delete from devices;
         delete from muted_rooms; delete from blocks; delete from filters; delete from reports;
         delete from quarantined_boxes; delete from parked_events",
    )
    .await;
    assert!(fresh().await.is_equal());
    run(&world.database, 1, "update rooms set v = v + 1 where box_id = 'b2'").await;
    let difference = only(fresh().await);
    assert_eq!((difference.table.as_str(), &difference.key["room_id"]), ("rooms", &json!("b2.1")));
    let mut control = world.database.control().await.expect("a connection");
    let schemas: i64 = query_scalar("select count(*) from pg_namespace where nspname like 'read_g%'")
        .fetch_one(&mut control)
        .await
        .expect("a number");
    assert_eq!(schemas, 2);
}

#[tokio::test]
async fn incomparable_generations_are_refused() {
    let (world, sample) = two().await;
    let refusal = async |generations| {
        let refused = verify(&world.database, &sample.log, generations, Limits::default()).await;
        refused.expect_err("a refusal").to_string()
    };
    assert_eq!(refusal([1, 7]).await, "there is no generation 7, or its tables are gone");
    run(&world.database, 2, "alter table stores add column colour text").await;
    assert!(refusal([1, 2]).await.contains("different tables"));
    run(&world.database, 2, "alter table stores drop column colour; update checkpoints set incarnation = 'x'").await;
    assert!(refusal([1, 2]).await.contains("different logs"));
}

#[tokio::test]
async fn another_commit_at_the_same_position_is_a_difference() {
    let (world, sample) = two().await;
    run(&world.database, 2, "update checkpoints set commit_id = 'another' where stream = 'user'").await;
    let difference = only(compared(&world, &sample).await);
    assert_eq!((difference.table.as_str(), &difference.key["stream"]), ("checkpoints", &json!("user")));
}

#[tokio::test]
async fn one_wrong_row_in_a_million_is_found() {
    let (world, sample) = two().await;
    let many = "insert into room_events
        select 'big-' || n % 100, 'big-' || n % 100 || '.1', n, 'message_posted', '2026-03-01T12:00:00Z', 'ann',
               jsonb_build_object('body', 'message ' || n, 'author', 'ann'), null, n, n
        from generate_series(1, 1000000) as n";
    for generation in [1, 2] {
        run(&world.database, generation, "set statement_timeout = 0; drop index if exists room_events_of_message")
            .await;
        run(&world.database, generation, many).await;
        run(&world.database, generation, "analyze room_events").await;
    }
    run(&world.database, 2, "update room_events set by = 'bob' where v = 567891").await;
    let found = compared(&world, &sample).await;
    eprintln!("{} rows compared in {:.2} s", found.rows["room_events"], found.seconds);
    assert!(found.rows["room_events"] >= 1_000_000);
    let difference = only(found);
    assert_eq!((difference.table.as_str(), &difference.key["v"]), ("room_events", &json!("567891")));
}
