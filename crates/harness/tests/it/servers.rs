//! Tests of the servers: they start, stop, keep their data over a restart, and end with the process that started them.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Account, Browser, Nats, Postgres, Role};
use sqlx::{Connection, PgConnection};

async fn connect(postgres: &Postgres, role: Role) -> PgConnection {
    PgConnection::connect(&postgres.url(role)).await.unwrap()
}

#[tokio::test]
async fn postgres_keeps_data_and_address_across_a_stop_and_a_crash() {
    let postgres = Postgres::start().await.unwrap();
    let address = postgres.url(Role::Projector);
    let mut projector = connect(&postgres, Role::Projector).await;
    sqlx::raw_sql("create table control.kept (id int); insert into control.kept values (1)")
        .execute(&mut projector)
        .await
        .unwrap();
    postgres.stop().await;
    assert!(PgConnection::connect(&address).await.is_err());
    postgres.start_again().await.unwrap();
    postgres.kill().await;
    postgres.start_again().await.unwrap();
    assert_eq!(postgres.url(Role::Projector), address);
    let mut operator = connect(&postgres, Role::Operator).await;
    let kept: i32 = sqlx::query_scalar("select id from control.kept").fetch_one(&mut operator).await.unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn nats_keeps_log_and_address_across_a_stop_and_a_crash() {
    let nats = Nats::start(2).await.unwrap();
    let address = nats.url(Account::Admin);
    let streams = async || {
        let server: async_nats::ServerAddr = address.parse().unwrap();
        let (user, password) = (server.username().unwrap(), server.password().unwrap());
        let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
        let client = options.connect(server.clone()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let names: Vec<String> = futures::TryStreamExt::try_collect(context.stream_names()).await.unwrap();
        names.len()
    };
    let before = streams().await;
    assert!(before > 2, "a log of two partitions has {before} streams");
    nats.stop().await;
    nats.start_again().await.unwrap();
    assert_eq!(streams().await, before);
    nats.kill().await;
    nats.start_again().await.unwrap();
    assert_eq!(streams().await, before);
    assert_eq!(nats.url(Account::Admin), address);
}

#[tokio::test]
async fn a_server_that_cannot_start_reports_the_reason() {
    let nats = Nats::start(1).await.unwrap();
    nats.stop().await;
    let _other = std::net::TcpListener::bind(("127.0.0.1", nats.port())).unwrap();
    let error = nats.start_again().await.unwrap_err().to_string();
    assert!(error.contains("address already in use"), "{error}");
}

const HOLDS_SERVERS: &str = "HARNESS_TEST_HOLDS_SERVERS";

/// Not a test by itself: the process that `servers_end_with_a_killed_process` kills.
#[tokio::test]
async fn holds_servers_when_asked_to() {
    if std::env::var_os(HOLDS_SERVERS).is_none() {
        return;
    }
    let (postgres, nats, browser) = tokio::try_join!(Postgres::start(), Nats::start(1), Browser::start()).unwrap();
    let page = browser.open("about:blank").await.unwrap();
    assert_eq!(page.evaluate("6 * 7").await.unwrap(), 42);
    eprintln!("pids {} {} {}", postgres.pid().await.unwrap(), nats.pid().await.unwrap(), browser.pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn servers_end_with_a_killed_process() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "servers::holds_servers_when_asked_to", "--nocapture"])
        .env(HOLDS_SERVERS, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("pids ")).expect("the servers start");
    let leaders: Vec<u32> = line.split_once("pids ").unwrap().1.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(leaders.iter().all(|pid| runs(*pid)));
    // A browser is several processes.
    let pids: Vec<u32> = processes().filter(|pid| leaders.contains(&group(*pid))).collect();
    assert!(pids.len() > leaders.len() + 1, "{pids:?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while pids.iter().any(|pid| runs(*pid)) {
        assert!(Instant::now() < deadline, "{pids:?} outlive their parent by five seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
}

/// The group of a process; 0 if there is no such process.
fn group(pid: u32) -> u32 {
    stat(pid).get(2).and_then(|group| group.parse().ok()).unwrap_or_default()
}

/// Returns true if this process exists and is not a zombie.
fn runs(pid: u32) -> bool {
    stat(pid).first().is_some_and(|state| state != "Z")
}

/// The fields of `/proc/<pid>/stat` after the program's name: state, parent, group and more. Empty for no process.
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    words.map(str::to_owned).collect()
}
