//! Projectors as separate processes, with real servers.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use event_store::JetStreamLog;
use harness::{
    Account, Nats, Postgres, Role,
    checkout::Scratch,
    output::Output,
    port::Port,
    process::{Launch, Process},
};
use projector::Database;
use sealing::{EncryptedLog, KeyRing, MasterKeys};
use serde_json::Value;
use sqlx::PgConnection;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::{Instant, sleep, timeout},
};

use crate::{sample_log::SampleLog, world::PARTITIONS};

/// The time within which another projector must take over.
pub(crate) const TAKEOVER: Duration = Duration::from_secs(5);

/// Timeout of all waits in tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// The name of the master key file in a test's folder.
const MASTER_KEY: &str = "master-key";

/// The servers that a projector needs.
pub(crate) struct Servers {
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    scratch: Scratch,
}

/// A command that prints its status line by line. It is killed when this value is dropped.
pub(crate) struct Watching {
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// A running projector. It is killed when this value is dropped.
pub(crate) struct Projector {
    pub(crate) process: Process,
    url: String,
    _port: Port,
}

/// Returns the operators' program, which is built beside the projector: run `cargo build --workspace --bins` first.
fn boxroomctl() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_projector")).with_file_name("boxroomctl");
    assert!(program.is_file(), "{} does not exist: run `cargo build --workspace --bins` first", program.display());
    program
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let (nats, postgres) = tokio::join!(Box::pin(Nats::start(PARTITIONS)), Box::pin(Postgres::start()));
        let scratch = Scratch::create().expect("a folder");
        std::fs::write(scratch.path().join(MASTER_KEY), format!("test {}\n", "5e".repeat(32))).expect("a file");
        Self { nats: nats.expect("NATS starts"), postgres: postgres.expect("PostgreSQL starts"), scratch }
    }

    pub(crate) async fn projector(&self, name: &str) -> Projector {
        self.projector_of(name, PARTITIONS).await
    }

    /// Starts a projector that is configured for this many partitions.
    pub(crate) async fn projector_of(&self, name: &str, partitions: u16) -> Projector {
        let port = Port::reserve(None).expect("a port");
        let address = format!("127.0.0.1:{}", port.number());
        let launch = Launch::new(name, Path::new(env!("CARGO_BIN_EXE_projector")))
            .env("BOXROOM_LISTEN", &address)
            .env("BOXROOM_NATS_URL", self.nats.url(Account::Projector))
            .env("BOXROOM_DATABASE_URL", self.postgres.url(Role::Projector))
            .env("BOXROOM_MASTER_KEY_FILE", self.scratch.path().join(MASTER_KEY))
            .env("BOXROOM_PARTITIONS", partitions.to_string());
        let output = Output::Folder(self.scratch.path().to_owned());
        let process = Process::spawn(launch, &output).await.expect("the projector starts");
        self.scratch.started();
        Projector { process, url: format!("http://{address}"), _port: port }
    }

    /// Runs the command line to its end. Returns its exit code and its output.
    pub(crate) async fn command(&self, words: &[&str]) -> (i32, String) {
        let output = tokio::process::Command::new(boxroomctl())
            .args(words)
            .env("BOXROOM_NATS_URL", self.nats.url(Account::Projector))
            .env("BOXROOM_DATABASE_URL", self.postgres.url(Role::Projector))
            .env("BOXROOM_MASTER_KEY_FILE", self.scratch.path().join(MASTER_KEY))
            .env("BOXROOM_OPERATOR_URL", self.nats.url(Account::Operator))
            .env("BOXROOM_TOKEN", "none")
            .env("BOXROOM_LOG", "off")
            .output()
            .await
            .expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().expect("it ends by itself"), String::from_utf8(said).expect("a text"))
    }

    /// Connects to the read model as soon as there is one.
    pub(crate) async fn read_model(&self) -> PgConnection {
        let database = Database::new(&self.postgres.url(Role::Admin), "test").expect("a URL");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(connection) = database.generation(1).await {
                return connection;
            }
            assert!(Instant::now() < deadline, "the database does not answer");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns a writer of commands to the same log.
    pub(crate) async fn sample(&self) -> SampleLog {
        let log = JetStreamLog::new(self.client(Account::Command).await);
        let masters = MasterKeys::read(&self.scratch.path().join(MASTER_KEY)).expect("a key");
        let keys = KeyRing::start(log.server().clone(), masters);
        SampleLog::on(EncryptedLog::new(Arc::new(log), keys))
    }

    /// Runs `boxroomctl <words> --json` and returns its exit code and its last output line, or its errors.
    pub(crate) async fn operate(&self, words: &str) -> (i32, Value) {
        let output = tokio::process::Command::new(boxroomctl())
            .args(words.split(' '))
            .args(["--json", "--operator-url", &self.nats.url(Account::Operator)])
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        let complaint = || Value::String(String::from_utf8_lossy(&output.stderr).into_owned());
        let answer = serde_json::from_str(last).unwrap_or_else(|_| complaint());
        (output.status.code().unwrap_or(-1), answer)
    }

    /// Starts a command of this kind that runs until it is dropped.
    pub(crate) fn watch(&self, words: &str) -> Watching {
        let mut process = tokio::process::Command::new(boxroomctl())
            .args(words.split(' '))
            .args(["--json", "--operator-url", &self.nats.url(Account::Operator)])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let said = process.stdout.take().expect("it is heard");
        Watching { lines: BufReader::new(said).lines(), _process: process }
    }

    /// Runs such a command, which must succeed.
    pub(crate) async fn operated(&self, words: &str) -> Value {
        let (code, answer) = self.operate(words).await;
        assert_eq!(code, 0, "{words}: {answer}");
        answer
    }

    /// Waits until the status of a generation fulfils a condition.
    pub(crate) async fn until_generation(&self, number: i32, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, status) = self.operate("status").await;
            let generations = status["generations"].as_array().cloned().unwrap_or_default();
            let found = generations.into_iter().find(|generation| generation["generation"] == number);
            if let Some(generation) = found.clone().filter(|generation| holds(generation)) {
                return generation;
            }
            assert!(Instant::now() < deadline, "generation {number} is not {what}: {found:?}");
        }
    }

    pub(crate) async fn client(&self, account: Account) -> async_nats::Client {
        service_kit::nats::connect(&self.nats.url(account), "test").await.expect("a connection")
    }
}

impl Watching {
    /// Waits for the next line of output.
    pub(crate) async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it goes on in time").expect("it is heard");
        serde_json::from_str(&line.expect("it goes on")).expect("JSON")
    }
}

impl Projector {
    pub(crate) async fn is_ready(&self) {
        self.readiness_is("200 ready", |status, _| status == 200).await;
    }

    /// Waits until `/readyz` reports this check as failed for this reason.
    pub(crate) async fn is_not_ready_because(&self, check: &str, reason: &str) {
        self.readiness_is(reason, |status, body| status == 503 && detail(body, check).contains(reason)).await;
    }

    /// Waits until `/readyz` succeeds and reports this warning of a check.
    pub(crate) async fn is_ready_but_names(&self, check: &str, what: &str) {
        self.readiness_is(what, |status, body| status == 200 && detail(body, check).contains(what)).await;
    }

    /// Reads the Prometheus metrics.
    pub(crate) async fn metrics(&self) -> String {
        let answer = reqwest::get(format!("{}/metrics", self.url)).await.expect("an answer");
        answer.text().await.expect("a text")
    }

    async fn readiness_is(&self, what: &str, holds: impl Fn(u16, &Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut last = (0, Value::Null);
        while Instant::now() < deadline {
            if let Ok(answer) = reqwest::get(format!("{}/readyz", self.url)).await {
                last = (answer.status().as_u16(), answer.json().await.unwrap_or_default());
                if holds(last.0, &last.1) {
                    return;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("not {what}: {last:?}\n{}", self.process.last_output());
    }
}

fn detail(body: &Value, check: &str) -> String {
    let checks = body["checks"].as_array().into_iter().flatten();
    let failed = checks.filter(|found| found["name"] == check && found["ok"] == false);
    failed.filter_map(|found| found["detail"].as_str()).collect()
}

/// Waits until a query returns this number. Returns the time that it took.
pub(crate) async fn until(connection: &mut PgConnection, sql: impl sqlx::SqlSafeStr, number: i64) -> Duration {
    let (start, sql) = (Instant::now(), sql.into_sql_str());
    loop {
        let found: Result<Option<i64>, _> = sqlx::query_scalar(sql.clone()).fetch_optional(&mut *connection).await;
        if found.as_ref().is_ok_and(|found| *found == Some(number)) {
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "{} gives {found:?}, not {number}", sql.as_str());
        sleep(Duration::from_millis(20)).await;
    }
}
