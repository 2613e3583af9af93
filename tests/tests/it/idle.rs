//! The load of a system without clients: few requests to nats-server, and few queries of PostgreSQL.

use std::{collections::BTreeMap, time::Duration};

use async_nats::{ConnectOptions, ServerAddr};
use futures::StreamExt;
use harness::{Account, Role, StackOptions};
use sqlx::{Connection, PgConnection, query_scalar};
use system_tests::pushes::PushProviders;
use tokio::time::{Instant, timeout_at};

/// The observed time.
const OBSERVED: Duration = Duration::from_secs(20);

/// The time after the start in which everything becomes idle.
const SETTLING: Duration = Duration::from_secs(5);

/// The highest number of requests to JetStream in a second, of all services together.
const REQUESTS: f64 = 6.0;

/// The highest number of transactions in a second, of all services together.
const TRANSACTIONS: f64 = 10.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_without_clients_asks_its_servers_rarely() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let url: ServerAddr = world.stack.nats_url(Account::Admin).parse().unwrap();
    let [user, password] = [url.username(), url.password()].map(|word| word.unwrap().to_owned());
    let admin = ConnectOptions::with_user_and_password(user, password).connect(url).await.unwrap();
    let mut requests = admin.subscribe("$JS.API.>").await.unwrap();
    let settled = Instant::now() + SETTLING;
    while timeout_at(settled, requests.next()).await.is_ok() {}
    let mut database: PgConnection = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let before = transactions(&mut database).await;
    let (begun, mut asked) = (Instant::now(), BTreeMap::<String, u32>::new());
    while let Ok(Some(request)) = timeout_at(begun + OBSERVED, requests.next()).await {
        *asked.entry(request.subject.to_string()).or_default() += 1;
    }
    let after = transactions(&mut database).await;
    let seconds = begun.elapsed().as_secs_f64();
    let requests = f64::from(asked.values().sum::<u32>()) / seconds;
    let transactions = f64::from(u32::try_from(after - before).unwrap()) / seconds;
    eprintln!("{requests:.1} requests and {transactions:.1} transactions a second: {asked:#?}");
    assert!(!asked.is_empty(), "no request is seen");
    assert!(requests < REQUESTS, "{requests} requests a second: {asked:#?}");
    assert!(transactions < TRANSACTIONS, "{transactions} transactions a second");
}

/// Returns the number of transactions since the start of the database.
async fn transactions(database: &mut PgConnection) -> i64 {
    query_scalar("select sum(xact_commit + xact_rollback)::bigint from pg_stat_database")
        .fetch_one(database)
        .await
        .unwrap()
}
