//! Projectors that are killed and frozen under load produce the same tables as a fresh projection.

mod load;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use harness::{Postgres, Role, ServiceId, StackOptions};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use system_tests::World;
use testing::wait::eventually;

/// A projector with a database of its own, which reads the log only at the end.
const LATECOMER: ServiceId = ServiceId::Projector(0);
const ONE: ServiceId = ServiceId::Projector(1);
const OTHER: ServiceId = ServiceId::Projector(2);

/// The time limit for another projector to take over.
const FAILOVER: Duration = Duration::from_secs(5);

/// A world whose projectors are disturbed, and a database to compare their tables with.
struct Comparison {
    world: World,
    /// The database of the latecomer.
    database: Postgres,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_killed_five_times_has_the_tables_of_a_fresh_one() {
    let comparison = Comparison::start(2).await;
    let world = &comparison.world;
    let mut database = connect(&world.stack.database_url(Role::Admin)).await;
    let enough = AtomicBool::new(false);
    let kills = async {
        for _ in 0..5 {
            let before = projected(&mut database).await;
            until_projected(&mut database, before + 150).await;
            world.stack.kill(ONE).await;
            world.stack.start_again(ONE).await.unwrap();
        }
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(kills, load::run(world, &enough));
    comparison.tables_are_those_of_a_fresh_projection().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_projector_is_replaced_within_seconds_and_does_no_harm_when_it_thaws() {
    let comparison = Comparison::start(3).await;
    let world = &comparison.world;
    let enough = AtomicBool::new(false);
    let freezes = async {
        for frozen in [ONE, OTHER, ONE, OTHER] {
            let quiet = change_everything(world, &format!("{frozen} will be frozen")).await;
            world.stack.freeze(frozen).await;
            let stalled = change_everything(world, &format!("{frozen} is frozen")).await;
            eprintln!("with {frozen} frozen it took {stalled:?} in place of {quiet:?}");
            assert!(stalled < quiet + FAILOVER, "failover took {stalled:?}, and without it {quiet:?}");
            world.stack.thaw(frozen).await;
        }
        enough.store(true, Ordering::Relaxed);
    };
    load::prepare(world).await;
    tokio::join!(freezes, load::run(world, &enough));
    comparison.tables_are_those_of_a_fresh_projection().await;
}

/// Sends one command for each stream. Returns the time until all of them were projected, by any projector.
async fn change_everything(world: &World, text: &str) -> Duration {
    let (operator, since) = (world.operator(), Instant::now());
    let projected = async || {
        eventually("the command is projected", async || (operator.get("/boxes").await.status == 200).then_some(()))
            .await;
    };
    for number in 0..8 {
        operator.patch(format!("/boxes/box-{number}"), json!({ "detailed_address": text })).await.done();
        projected().await;
    }
    operator.patch("/stores/corner", json!({ "category": text })).await.done();
    projected().await;
    since.elapsed()
}

impl Comparison {
    async fn start(projectors: usize) -> Self {
        let database = Postgres::start().await.unwrap();
        let env = vec![(LATECOMER, "BOXROOM_DATABASE_URL", database.url(Role::Projector))];
        let world = World::start(StackOptions { projectors, env, ..StackOptions::default() }).await;
        world.stack.stop(LATECOMER).await;
        assert_eq!(projected(&mut connect(&database.url(Role::Admin)).await).await, 0, "the fresh database is empty");
        Self { world, database }
    }

    async fn tables_are_those_of_a_fresh_projection(&self) {
        let mut used = connect(&self.world.stack.database_url(Role::Admin)).await;
        let mut fresh = connect(&self.database.url(Role::Admin)).await;
        let length = i64::try_from(self.world.log().await.length().await).unwrap();
        until_projected(&mut used, length).await;
        self.world.stack.start_again(LATECOMER).await.unwrap();
        until_projected(&mut fresh, length).await;
        let (used, fresh) = (tables(&mut used).await, tables(&mut fresh).await);
        assert_eq!(used.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
        for (table, rows) in &used {
            let differing = rows.iter().zip(&fresh[table]).find(|(one, other)| one != other);
            assert_eq!(differing, None, "in {table}");
            assert_eq!(rows.len(), fresh[table].len(), "in {table}");
            let may_be_empty = ["quarantined_boxes", "parked_events", "author_erasures"].contains(&table.as_str());
            assert_eq!(rows.is_empty(), may_be_empty, "{table} has {} rows", rows.len());
        }
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

/// The number of projected messages of the log.
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

/// Returns every row of every table as JSON, ordered by its text.
async fn tables(database: &mut PgConnection) -> BTreeMap<String, Vec<Value>> {
    let names = "select table_name::text from information_schema.tables where table_schema = 'read_g1'";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *database).await.unwrap();
    let mut tables = BTreeMap::new();
    for name in names {
        // Only the time of a checkpoint's update may differ.
        let row = "to_jsonb(t) - 'updated_at'";
        let rows = AssertSqlSafe(format!("select {row} from read_g1.{name} t order by ({row})::text"));
        tables.insert(name, sqlx::query_scalar(rows).fetch_all(&mut *database).await.unwrap());
    }
    tables
}
