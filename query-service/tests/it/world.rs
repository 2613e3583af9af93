//! A query-service with its servers; the test plays the projector.

use std::{
    ops::{Range, RangeInclusive},
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use frame_check::FrameCheck;
use harness::{
    Account, Nats, Postgres, Role,
    token::{Bearer, TokenSigner},
};
use query_service::Settings;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor, PgExecutor, PgPool, Row, Transaction, postgres::PgPoolOptions};
use testing::wait::until_within;
use text::search::Words;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use super::watcher::Watcher;

/// The timeout of every condition.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The control tables.
const CONTROL: [&str; 5] = [
    include_str!("../../../migrations/control/0001_generations.sql"),
    include_str!("../../../migrations/control/0002_life_cycle.sql"),
    include_str!("../../../migrations/control/0003_retries.sql"),
    include_str!("../../../migrations/control/0004_erasures.sql"),
    include_str!("../../../migrations/control/0005_notifications.sql"),
];

/// A query-service of its own for one test.
pub(super) struct World {
    pub(super) postgres: Postgres,
    pub(super) nats: Nats,
    /// The service's description of its frames.
    pub(super) check: Arc<FrameCheck>,
    admin: PgPool,
    projector: async_nats::Client,
    http: reqwest::Client,
    base: String,
    token_signer: TokenSigner,
    stop: Option<oneshot::Sender<()>>,
    service: Option<JoinHandle<anyhow::Result<()>>>,
    _keys: tempfile::TempDir,
}

impl World {
    /// Starts a service with a small sample in the read model.
    pub(super) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a service with these further settings.
    pub(super) async fn with(arguments: &[&str]) -> Self {
        let (postgres, nats) = tokio::join!(Postgres::start(), Nats::start_without_streams(4));
        let (postgres, nats) = (postgres.unwrap(), nats.unwrap());
        let admin = PgPoolOptions::new().max_connections(2).connect(&postgres.url(Role::Admin)).await.unwrap();
        for migration in CONTROL {
            admin.execute(migration).await.unwrap();
        }
        create_generation(&admin, 1).await;
        activate(&admin, 1).await;
        let projector = service_kit::nats::connect(&nats.url(Account::Projector), "test").await.unwrap();

        let keys = tempfile::tempdir().unwrap();
        let token_signer = TokenSigner::read(&provision::keys::write(keys.path()).unwrap().signing_keys).unwrap();
        let cache = keys.path().join("trust.json");
        std::fs::write(&cache, token_signer.trust_cache()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (nats_url, database_url) = (nats.url(Account::Query), postgres.url(Role::Query));
        let required = [
            "query-service",
            "--nats-url",
            &nats_url,
            "--database-url",
            &database_url,
            "--trust-cache",
            cache.to_str().unwrap(),
            // A test's few users connect often.
            "--live-rate-per-user",
            "1000000:1000000",
        ];
        let settings = Settings::parse_from(required.iter().chain(arguments));
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let service = tokio::spawn(query_service::run(settings, listener, stopped));
        let mut world = Self {
            check: Arc::new(FrameCheck::new(&Value::Null)),
            postgres,
            nats,
            admin,
            projector,
            http: reqwest::Client::new(),
            base,
            token_signer,
            stop: Some(stop),
            service: Some(service),
            _keys: keys,
        };
        world.until("ready", async || world.plain_get("/readyz").await.0 == 200).await;
        world.check = testing::live::described_by(&world.base).await;
        world
    }

    /// Waits until a condition is true.
    pub(super) async fn until<F: Future<Output = bool>>(&self, what: &str, check: impl FnMut() -> F) {
        until_within(PATIENCE, what, check).await;
    }

    pub(super) fn token(&self, user: &str) -> String {
        self.token_signer.token(Bearer::User(user), Duration::from_mins(15))
    }

    pub(super) fn short_token(&self, user: &str, lifetime: Duration) -> String {
        self.token_signer.token(Bearer::User(user), lifetime)
    }

    pub(super) fn expired_token(&self, user: &str) -> String {
        self.token_signer.expired_token(Bearer::User(user))
    }

    /// Sends a GET request as this user. Returns status and JSON.
    pub(super) async fn get(&self, user: &str, path: &str) -> (u16, Value) {
        self.get_after(user, path, &[]).await
    }

    /// Sends a GET request with these positions in `Min-Position`.
    pub(super) async fn get_after(&self, user: &str, path: &str, positions: &[&str]) -> (u16, Value) {
        let mut request = self.http.get(format!("{}{path}", self.base)).bearer_auth(self.token(user));
        for position in positions {
            request = request.header("Min-Position", *position);
        }
        answer(request).await
    }

    /// Sends a GET request with these headers only.
    pub(super) async fn get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.base));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
    }

    /// Sends a POST request without a body as this user.
    pub(super) async fn post(&self, user: &str, path: &str) -> (u16, Value) {
        answer(self.http.post(format!("{}{path}", self.base)).bearer_auth(self.token(user))).await
    }

    pub(super) async fn plain_get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Reads a list and returns one field of its items.
    pub(super) async fn list(&self, user: &str, path: &str, field: &str) -> Vec<Value> {
        let (status, page) = self.get(user, path).await;
        assert_eq!(status, 200, "{page}");
        fields(&page, field)
    }

    /// Executes SQL in the first generation.
    pub(super) async fn sql(&self, text: &str) {
        let text = format!("set search_path to read_g1; {text}");
        self.admin.execute(AssertSqlSafe(text)).await.unwrap();
    }

    /// Returns the texts that a query yields.
    pub(super) async fn texts(&self, query: &'static str) -> Vec<String> {
        let text = format!("set search_path to read_g1; {query}");
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&self.admin).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Writes the words of all messages, rooms and stores in the first generation, as the projector does.
    pub(super) async fn fill_words(&self) {
        fill_words(&self.admin, 1).await;
    }

    /// Locks a table of the read model until the transaction ends: reads of it wait.
    pub(super) async fn lock(&self, table: &str) -> Transaction<'static, sqlx::Postgres> {
        let mut transaction = self.admin.begin().await.unwrap();
        let lock = format!("lock table read_g1.{table} in access exclusive mode");
        transaction.execute(AssertSqlSafe(lock)).await.unwrap();
        transaction
    }

    /// Returns the number of statements of the service that wait for a lock.
    pub(super) async fn blocked(&self) -> i64 {
        let blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'query'";
        sqlx::query_scalar(blocked).fetch_one(&self.admin).await.unwrap()
    }

    /// Moves a checkpoint without a notification.
    pub(super) async fn project(&self, stream: &str, position: u64) {
        self.sql(&format!("update checkpoints set position = {position} where stream = '{stream}'")).await;
    }

    /// Publishes the notification of a checkpoint.
    pub(super) async fn announce(&self, stream: &str, position: u64) {
        let text = format!("{stream}.life.{position}");
        self.publish_changes(1, &[json!({ "position": text })]).await;
    }

    /// Appends an event to the feed of north.2 without a notification.
    pub(super) async fn append(&self, v: i64, kind: &str, by: &str, data: Value) {
        self.append_with(v, kind, by, data, "null").await;
    }

    async fn append_with(&self, v: i64, kind: &str, by: &str, data: Value, command_id: &str) {
        let data = whole(v, kind, by, data);
        self.sql(&format!(
            "insert into room_events values
                ('north', 'north.2', {v}, '{kind}', '2026-01-03T13:00:00Z', '{by}', '{data}', {command_id}, null, {});
             update rooms set v = {v} where room_id = 'north.2'",
            1000 + v
        ))
        .await;
    }

    /// Appends messages with these versions to the feed of north.2 without a notification.
    pub(super) async fn append_messages(&self, versions: RangeInclusive<i64>) {
        let (first, last) = versions.into_inner();
        self.append_several(first..last + 1, "message_posted", "ana", &json!({ "body": "x" })).await;
    }

    /// Appends identical events to the feed of north.2 without a notification, in one transaction.
    pub(super) async fn append_several(&self, versions: Range<i64>, kind: &str, by: &str, data: &Value) {
        let Range { start, end } = versions;
        let data = whole(start, kind, by, data.clone());
        self.sql(&format!(
            "insert into room_events
             select 'north', 'north.2', v, '{kind}', '2026-01-03T13:00:00Z', '{by}', '{data}', null, null, 1000 + v
             from generate_series({start}, {end} - 1) as v;
             update rooms set v = {end} - 1 where room_id = 'north.2'"
        ))
        .await;
    }

    /// Publishes the notification of an event in the feed of north.2.
    pub(super) async fn publish_event(&self, v: i64, kind: &str, by: &str, data: Value) {
        self.publish_event_of_generation(1, v, kind, by, data).await;
    }

    /// Publishes a generation's notification of an event in the feed of north.2.
    pub(super) async fn publish_event_of_generation(&self, generation: i32, v: i64, kind: &str, by: &str, data: Value) {
        let data = whole(v, kind, by, data);
        let event = json!({ "v": v, "type": kind, "at": "2026-01-03T13:00:00Z", "by": by, "data": data });
        self.publish_changes(generation, &[event_of(&event)]).await;
    }

    /// Appends the event of a command with this id to the feed of north.2 and publishes its notification.
    pub(super) async fn happen_by_command(&self, v: i64, kind: &str, by: &str, data: Value, command_id: &str) {
        self.append_with(v, kind, by, data.clone(), &format!("'{command_id}'")).await;
        let mut event = json!({ "v": v, "type": kind, "at": "2026-01-03T13:00:00Z", "by": by });
        event["data"] = whole(v, kind, by, data);
        event["command_id"] = json!(command_id);
        self.publish_changes(1, &[event_of(&event)]).await;
    }

    /// Appends an event to the feed of north.2 and publishes its notification.
    pub(super) async fn happen(&self, v: i64, kind: &str, by: &str, data: Value) {
        self.append(v, kind, by, data.clone()).await;
        self.publish_event(v, kind, by, data).await;
    }

    /// Inserts a message into north.2 with this version without a notification. Its id is the version and 1000.
    pub(super) async fn insert_message(&self, v: i64, author: &str) {
        self.sql(&format!(
            "update rooms set v = {v}, last_ordinal = last_ordinal + 1 where room_id = 'north.2';
             update members set posts = posts + 1 where room_id = 'north.2' and user_id = '{author}';
             insert into messages
             select 'north', 'north.2', 1000 + {v}, r.last_ordinal, '{author}', m.posts, 'x', false, null, now(),
                    null, '{{}}', '[]', false, null, ''
             from rooms r join members m on m.room_id = r.room_id
             where r.room_id = 'north.2' and m.user_id = '{author}'"
        ))
        .await;
    }

    /// Inserts a message into north.2 and publishes its notification.
    pub(super) async fn posted(&self, v: i64, author: &str) {
        self.insert_message(v, author).await;
        self.publish_count(v, author).await;
    }

    /// Publishes the notification of a message in north.2.
    pub(super) async fn publish_count(&self, v: i64, author: &str) {
        let facts = json!([{ "v": v, "message_id": (1000 + v).to_string(), "author": author }]);
        self.publish_change(&json!({ "room_id": "north.2", "after_v": v - 1, "v": v, "facts": facts })).await;
    }

    /// Inserts an alarm of ana, a mention in north.2, without a notification.
    pub(super) async fn alarm(&self, position: i64) {
        self.sql(&format!(
            "insert into alarms values
                ('ana', '2026-01-03T13:00:00Z', 'north', {position}, 'mention', 'north.2', {position}, 'ben', 'box-1',
                1, {position}, {position}, null)"
        ))
        .await;
    }

    /// Publishes the notification of that alarm.
    pub(super) async fn publish_alarm(&self, position: i64) {
        self.publish_alarm_with(position, json!({})).await;
    }

    /// Publishes a notification of that alarm with other values of some fields.
    pub(super) async fn publish_alarm_with(&self, position: i64, fields: Value) {
        let mut alarm = json!({
            "kind": "mention", "at": "2026-01-03T13:00:00Z", "room_id": "north.2", "message_id": position.to_string(),
            "by": "ben", "stream": "box-1", "position": position, "count": 1, "changed": position,
            "is_withdrawn": false, "is_released": false,
        });
        alarm.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.publish_changes(1, &[json!({ "alarm": { "user_id": "ana", "alarm": alarm } })]).await;
    }

    /// Publishes the notification that ana's alarms must be read again.
    pub(super) async fn publish_stale(&self) {
        self.publish_changes(1, &[json!({ "stale_alarms": { "user_id": "ana" } })]).await;
    }

    /// Moves a user's read marker in north.2 and publishes its notification.
    pub(super) async fn marked(&self, user: &str, message_id: u64) {
        self.sql(&format!(
            "insert into read_markers values ('north', 'north.2', '{user}', {message_id})
             on conflict (box_id, room_id, user_id) do update set message_id = excluded.message_id"
        ))
        .await;
        let message_id = message_id.to_string();
        self.publish_change(&json!({ "room_id": "north.2", "user_id": user, "message_id": message_id })).await;
    }

    /// Publishes the notification that a user's membership of north.2 has changed.
    pub(super) async fn publish_membership(&self, user: &str) {
        self.publish_change(&json!({ "room_id": "north.2", "user_id": user })).await;
    }

    async fn publish_change(&self, change: &Value) {
        self.publish_changes(1, &[json!({ "room": change })]).await;
    }

    /// Returns the number of transactions since the start of the database.
    pub(super) async fn transactions(&self) -> i64 {
        let sql = "select sum(xact_commit + xact_rollback)::bigint from pg_stat_database";
        sqlx::query_scalar(sql).fetch_one(&self.admin).await.unwrap()
    }

    /// Publishes the notification that a room with this postal code and location has changed.
    pub(super) async fn change_lobby(&self, zip_code: &str, (latitude, longitude): (f64, f64)) {
        let change =
            json!({ "room_id": "north.2", "zip_code": zip_code, "latitude": latitude, "longitude": longitude });
        self.publish_changes(1, &[json!({ "lobby": change })]).await;
    }

    /// Publishes a notification of these changes in a generation.
    async fn publish_changes(&self, generation: i32, changes: &[Value]) {
        let (subject, payload) = (format!("live.g{generation}.box-1"), json!(changes).to_string());
        self.projector.publish(subject, payload.into()).await.unwrap();
        self.projector.flush().await.unwrap();
    }

    /// Creates another generation with the same sample and activates it.
    pub(super) async fn switch_generation(&self, number: i32) {
        create_generation(&self.admin, number).await;
        // In one transaction, as the projector does: there is a served generation at any time.
        let mut switch = self.admin.begin().await.unwrap();
        switch.execute("update control.generations set state = 'retired'").await.unwrap();
        activate(&mut *switch, number).await;
        switch.commit().await.unwrap();
    }

    /// Opens a live connection without a hello.
    pub(super) async fn connect(&self) -> Watcher {
        Watcher::connect(&self.base, self.check.clone()).await
    }

    /// Opens a live connection of a user that follows north.2.
    pub(super) async fn watch(&self, user: &str, v: Option<i64>) -> Watcher {
        let mut watcher = self.connect().await;
        let room = v.map_or_else(|| json!({ "room_id": "north.2" }), |v| json!({ "room_id": "north.2", "v": v }));
        watcher.say(json!({ "type": "hello", "token": self.token(user), "rooms": [room] })).await;
        assert_eq!(watcher.next().await["type"], "welcome");
        watcher
    }

    /// Asks the service to stop.
    pub(super) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until the service has stopped.
    pub(super) async fn stopped(&mut self) {
        timeout(Duration::from_secs(5), self.service.take().unwrap()).await.unwrap().unwrap().unwrap();
    }
}

/// Completes the data of a message with the fields that a test does not care about.
fn whole(v: i64, kind: &str, by: &str, mut data: Value) -> Value {
    if kind == "message_posted" {
        let message = [
            ("message_id", json!((1000 + v).to_string())),
            ("author", json!(by)),
            ("erased", json!(false)),
            ("reply_to", Value::Null),
            ("mentions", json!([])),
            ("mentions_all", json!(false)),
        ];
        for (field, value) in message {
            data[field] = value;
        }
    }
    data
}

/// Returns one field of a page's items.
pub(super) fn fields(page: &Value, field: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|item| item[field].clone()).collect()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn create_generation(admin: &PgPool, number: i32) {
    let text = format!(
        "create schema read_g{number};
         set search_path to read_g{number};
         {}
         {}
         insert into checkpoints
         select stream, 'life', 40, null, now() from unnest(array['box-0', 'box-1', 'user', 'store', 'mark']) as stream;
         {}
         grant usage on schema read_g{number} to query;
         grant select on all tables in schema read_g{number} to query;",
        read_model::TABLES,
        read_model::INDEXES,
        include_str!("sample.sql"),
    );
    admin.execute(AssertSqlSafe(text)).await.unwrap();
    fill_words(admin, number).await;
}

async fn fill_words(admin: &PgPool, number: i32) {
    let messages = format!(
        "select room_id, message_id, body, extract(epoch from posted_at)::bigint
         from read_g{number}.messages
         where body <> '[erased]'"
    );
    let messages: Vec<(String, i64, String, i64)> =
        sqlx::query_as(AssertSqlSafe(messages)).fetch_all(admin).await.unwrap();
    let (ids, words): (Vec<i64>, Vec<String>) = messages
        .iter()
        .map(|(room_id, id, body, posted_at)| (*id, Words::of_message(body, room_id, *posted_at).to_string()))
        .unzip();
    let update = format!(
        "update read_g{number}.messages
         set words = made.words::tsvector
         from unnest($1::bigint[], $2::text[]) as made (message_id, words)
         where messages.message_id = made.message_id"
    );
    sqlx::query(AssertSqlSafe(update)).bind(ids).bind(words).execute(admin).await.unwrap();
    let of_room = |title: &str, store_id: &str| Words::of_room(if title == "[erased]" { "" } else { title }, &store_id);
    fill_names(admin, number, ("rooms", "room_id", "title"), of_room).await;
    fill_names(admin, number, ("stores", "store_id", "name"), |name, _| Words::of_store(name)).await;
}

/// Writes the words of the names in a table with stores.
async fn fill_names(
    admin: &PgPool,
    number: i32,
    (table, key, name): (&str, &str, &str),
    words: impl Fn(&str, &str) -> Words,
) {
    let select = format!("select {key}, {name}, store_id from read_g{number}.{table}");
    let rows: Vec<(String, String, String)> = sqlx::query_as(AssertSqlSafe(select)).fetch_all(admin).await.unwrap();
    let (keys, words): (Vec<&str>, Vec<String>) =
        rows.iter().map(|(key, name, store_id)| (key.as_str(), words(name, store_id).to_string())).unzip();
    let update = format!(
        "update read_g{number}.{table}
         set words = made.words::tsvector
         from unnest($1::text[], $2::text[]) as made (key, words)
         where {table}.{key} = made.key"
    );
    sqlx::query(AssertSqlSafe(update)).bind(keys).bind(words).execute(admin).await.unwrap();
}

async fn activate(admin: impl PgExecutor<'_>, number: i32) {
    sqlx::query("insert into control.generations (generation, model_version, state) values ($1, $2, 'active')")
        .bind(number)
        .bind(read_model::version())
        .execute(admin)
        .await
        .unwrap();
}

/// The change of a notification with an event in the feed of north.2.
fn event_of(event: &Value) -> Value {
    json!({ "event": { "room_id": "north.2", "trace": null, "event": event } })
}
