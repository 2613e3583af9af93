//! A query-service over a read model without a log.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use harness::{
    Account, Nats, Postgres, Role,
    token::{Bearer, TokenSigner},
};
use projector::{
    Database,
    generation::{self, Origin},
};
use query_service::Settings;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_as, query_scalar, raw_sql};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::sleep};
use wire::streams;

use super::fill::member;
use crate::cpu::Processes;

const GENERATION: i32 = 1;

/// The statement of the service.
const FIND: &str = include_str!("../../../../query-service/src/search/find.sql");

/// The size of a page.
const PAGE: usize = 50;

/// The running servers. They are stopped when this value is dropped.
pub(super) struct Served {
    postgres: Postgres,
    database: Database,
    http: reqwest::Client,
    base: String,
    signer: TokenSigner,
    _stop: oneshot::Sender<()>,
    _service: JoinHandle<anyhow::Result<()>>,
    nats: Nats,
    _keys: tempfile::TempDir,
}

impl Served {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (postgres, nats) = tokio::try_join!(Postgres::start(), Nats::start_without_streams(1))?;
        let database = Database::new(&postgres.url(Role::Projector), "bench")?;
        generation::migrate(&database).await?;
        let origins = streams(1).into_iter().map(|stream| Origin { stream, incarnation: "bench".to_owned() });
        generation::create(&database, GENERATION, &origins.collect::<Vec<_>>()).await?;
        let keys = tempfile::tempdir()?;
        let signer = TokenSigner::read(&provision::keys::write(keys.path())?.signing_keys)?;
        let cache = keys.path().join("trust.json");
        std::fs::write(&cache, signer.trust_cache())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let settings = Settings::parse_from([
            "query-service",
            "--nats-url",
            &nats.url(Account::Query),
            "--database-url",
            &postgres.url(Role::Query),
            "--trust-cache",
            cache.to_str().context("no UTF-8")?,
            "--rate-per-user",
            "1000000:1000000",
            "--search-budget",
            "10000",
        ]);
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(query_service::run(settings, listener, stopped));
        Ok(Self {
            postgres,
            database,
            http: reqwest::Client::new(),
            base,
            signer,
            _stop: stop,
            _service: service,
            nats,
            _keys: keys,
        })
    }

    /// Opens a connection of the superuser to the read model.
    pub(super) async fn admin(&self) -> anyhow::Result<PgConnection> {
        let mut connection = PgConnection::connect(&self.postgres.url(Role::Admin)).await?;
        raw_sql("set search_path = read_g1, control").execute(&mut connection).await?;
        Ok(connection)
    }

    /// Returns the processes whose processor time is measured.
    pub(super) async fn processes(&self) -> anyhow::Result<Processes> {
        let postgres = self.postgres.pid().await.context("PostgreSQL does not run")?;
        Ok(Processes { postgres, nats: self.nats.pid().await.context("nats-server does not run")? })
    }

    /// Adds the indexes, activates the generation, and waits until it is served.
    pub(super) async fn complete(&self) -> anyhow::Result<()> {
        projector::complete(&self.database, GENERATION).await?;
        let mut connection = self.admin().await?;
        raw_sql("vacuum messages").execute(&mut connection).await?;
        raw_sql("update control.generations set state = 'active'").execute(&mut connection).await?;
        for _ in 0..1_000 {
            if self.get(1, "absent").await?.status() == 200 {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("the generation is not served")
    }

    async fn get(&self, rooms: u32, q: &str) -> anyhow::Result<reqwest::Response> {
        let token = self.signer.token(Bearer::User(&member(rooms)), Duration::from_hours(1));
        let mut url = url::Url::parse(&self.base)?.join("/search/messages")?;
        url.query_pairs_mut().append_pair("q", q);
        Ok(self.http.get(url).bearer_auth(token).send().await?)
    }

    /// Searches as the member of this number of rooms. Returns the ids.
    pub(super) async fn search(&self, rooms: u32, q: &str) -> anyhow::Result<Vec<i64>> {
        let response = self.get(rooms, q).await?;
        ensure!(response.status() == 200, "{}", response.text().await?);
        let page: Value = serde_json::from_slice(&response.bytes().await?)?;
        let items = page["items"].as_array().context("no items")?;
        items.iter().map(|item| Ok(item["message_id"].as_str().context("no id")?.parse()?)).collect()
    }

    /// Returns the ids that a search must find, read without the index and in another way.
    pub(super) async fn scan(&self, rooms: u32, q: &str) -> anyhow::Result<Vec<i64>> {
        let condition = match q {
            "noodles pizza" => "body ~* '\\mnoodles' and body ~* '\\mpizza'".to_owned(),
            "\"two pizza\" -noodles" => "body ~* '\\mtwo pizza\\M' and body !~* '\\mnoodles'".to_owned(),
            "피자" => "body ~ '피자'".to_owned(),
            word => format!("body ~* '\\m{word}'"),
        };
        let statement = format!(
            "select message_id from messages
             where {condition} and room_id in (select room_id from user_rooms where user_id = $1)
             order by posted_at desc, box_id, message_id
             limit {PAGE}"
        );
        let mut connection = self.admin().await?;
        Ok(query_scalar(AssertSqlSafe(statement)).bind(member(rooms)).fetch_all(&mut connection).await?)
    }

    /// Returns the plan over all times.
    pub(super) async fn plan(&self, rooms: u32, q: &str) -> anyhow::Result<String> {
        let mut connection = self.admin().await?;
        raw_sql("set plan_cache_mode = force_custom_plan; set jit = off").execute(&mut connection).await?;
        let user = member(rooms);
        let mine: Vec<String> = query_scalar("select room_id from user_rooms where user_id = $1")
            .bind(&user)
            .fetch_all(&mut connection)
            .await?;
        let words = text::search::Search::parse(q).ok().context("no words")?.tsquery();
        // As the service does it, for all rooms at once.
        let with_rooms = |rooms: &[String]| {
            let rooms: Vec<String> = rooms.iter().map(|room_id| format!("'r:{room_id}'")).collect();
            format!("({words}) & ({})", rooms.join(" | "))
        };
        let parts: Vec<String> = mine.chunks(20).map(with_rooms).collect();
        let lines: Vec<(String,)> = query_as(AssertSqlSafe(format!("explain (analyze, buffers) {FIND}")))
            .bind(&user)
            .bind(&parts)
            .bind(None::<String>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(None::<chrono::DateTime<chrono::Utc>>)
            .bind(None::<String>)
            .bind(None::<i64>)
            .bind(51_i64)
            .fetch_all(&mut connection)
            .await?;
        Ok(lines.iter().fold(String::new(), |text, (line,)| text + line.get(..160).unwrap_or(line) + "\n"))
    }

    /// Returns the bytes per message of the table, of its words and of its index of words.
    pub(super) async fn sizes(&self, messages: u64) -> anyhow::Result<[u64; 3]> {
        let mut connection = self.admin().await?;
        let sizes = query_as(
            "select pg_table_size('messages'),
                    (select sum(pg_column_size(words))::bigint from (select words from messages limit 100000) as sample)
                        / least($1, 100000),
                    pg_relation_size('messages_by_words')",
        );
        let count = i64::try_from(messages)?;
        let (table, words, index): (i64, i64, i64) = sizes.bind(count).fetch_one(&mut connection).await?;
        Ok([table / count, words, index / count].map(i64::cast_unsigned))
    }
}
