//! The projector is killed again and again under load: in the end its tables are those of a fresh projection.

mod load;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use harness::{Postgres, Role, ServiceId, StackOptions};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::{World, wait::eventually};

const PROJECTOR: ServiceId = ServiceId::Projector(0);
/// A projector with a database of its own, which sees the log for the first time when all is over.
const LATECOMER: ServiceId = ServiceId::Projector(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_that_was_killed_five_times_has_the_tables_of_a_fresh_one() {
    let other = Postgres::start().await.unwrap();
    let own_database = (LATECOMER, "BOXROOM_DATABASE_URL", other.url(Role::Projector));
    let world = World::start(StackOptions { projectors: 2, env: vec![own_database], ..StackOptions::default() }).await;
    world.stack.stop(LATECOMER).await;
    let mut killed = connect(&world.stack.database_url(Role::Admin)).await;
    let mut fresh = connect(&other.url(Role::Admin)).await;
    assert_eq!(projected(&mut fresh).await, 0);

    let enough = AtomicBool::new(false);
    let kills = async {
        for _ in 0..5 {
            let before = projected(&mut killed).await;
            until_projected(&mut killed, before + 150).await;
            world.stack.kill9(PROJECTOR).await;
            world.stack.start_again(PROJECTOR).await.unwrap();
        }
        enough.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(kills, load::run(&world, &enough));

    let length = i64::try_from(world.log().await.length().await).unwrap();
    until_projected(&mut killed, length).await;
    world.stack.start_again(LATECOMER).await.unwrap();
    until_projected(&mut fresh, length).await;
    let (killed, fresh) = (tables(&mut killed).await, tables(&mut fresh).await);
    assert_eq!(killed.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
    for (table, rows) in &killed {
        let differing = rows.iter().zip(&fresh[table]).find(|(one, other)| one != other);
        assert_eq!(differing, None, "in {table}");
        assert_eq!(rows.len(), fresh[table].len(), "in {table}");
        let may_be_empty = ["quarantined_boxes", "parked_events"].contains(&table.as_str());
        assert_eq!(rows.is_empty(), may_be_empty, "{table} has {} rows", rows.len());
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// How many messages of the log have been projected.
async fn projected(database: &mut PgConnection) -> i64 {
    let positions = "select coalesce(sum(position), 0)::bigint from read_g1.checkpoints";
    sqlx::query_scalar(positions).fetch_one(database).await.unwrap()
}

async fn until_projected(database: &mut PgConnection, length: i64) {
    let database = tokio::sync::Mutex::new(database);
    eventually(&format!("{length} messages are projected"), async || {
        (projected(*database.lock().await).await >= length).then_some(())
    })
    .await;
}

/// Every row of every table as JSON, in the order of its text.
async fn tables(database: &mut PgConnection) -> BTreeMap<String, Vec<Value>> {
    let names = "select table_name::text from information_schema.tables where table_schema = 'read_g1'";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *database).await.unwrap();
    let mut tables = BTreeMap::new();
    for name in names {
        // When a checkpoint was written is the one thing that may differ.
        let rows = format!(
            "select to_jsonb(t) - 'updated_at' from read_g1.{name} t order by (to_jsonb(t) - 'updated_at')::text"
        );
        let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut *database).await.unwrap();
        tables.insert(name, rows);
    }
    tables
}
