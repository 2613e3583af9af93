//! The statements of the query-service, sent to PostgreSQL without it.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use harness::Role;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgRow, query, query_scalar, raw_sql};
use text::search::{Search, room_lexeme};

use crate::{
    accounting::Watch,
    load::requests::Outcome,
    plan::Options,
    tasks::{self, Worker},
    world::{Room, Rooms, World},
};

/// The number of rows of a page, and one that shows that there are more.
const ROWS: i64 = 51;

/// A read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statement {
    Messages,
    MyRooms,
    RoomsNear,
    Search,
}

/// The texts of the statements.
#[derive(Debug)]
struct Texts {
    messages: String,
    my_rooms: String,
    reach: String,
    rooms_near: String,
    searched_rooms: String,
    search: String,
}

/// The statements, and what they are about.
#[derive(Clone)]
pub(super) struct Direct {
    texts: Arc<Texts>,
    rooms: Rooms,
    url: String,
}

impl Direct {
    /// Finds the statements among those that the service is compiled with.
    pub(super) fn new(world: &World, rooms: &Rooms) -> anyhow::Result<Self> {
        let texts = Texts {
            messages: find(&["with mine as", "select * from messages b"])?,
            my_rooms: find(&["from listed mine"])?,
            reach: find(&["as origin (longitude)", "join rooms r on"])?,
            rooms_near: find(&["and distance.m <= $12"])?,
            searched_rooms: find(&["and mine.opened_at <= $4", "r.last_ordinal"])?,
            search: find(&["from unnest($2::text[]) as part (words)", "limit $9"])?,
        };
        Ok(Self { texts: Arc::new(texts), rooms: rooms.clone(), url: world.stack.database_url(Role::Query) })
    }

    /// Returns the number of rows for the host of a room.
    pub(super) async fn count(&self, statement: Statement, room: &Room) -> anyhow::Result<usize> {
        let user = &room.members[0].user_id;
        self.texts.run(&mut self.connect().await?, statement, room, user).await
    }

    /// Repeats a statement over this number of connections.
    pub(super) async fn run(
        &self,
        statement: Statement,
        connections: u32,
        options: &Options,
        watch: &Watch,
    ) -> anyhow::Result<Outcome> {
        let open: Vec<_> = try_join_all((0..connections).map(|_| self.connect())).await?;
        let reader = |connection| Reader { direct: self.clone(), statement, connection };
        tasks::run(open.into_iter().map(reader).collect(), options, watch).await
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        let mut connection = PgConnection::connect(&self.url).await?;
        raw_sql("set search_path = read_g1").execute(&mut connection).await?;
        Ok(connection)
    }
}

/// A connection that executes one statement after another.
struct Reader {
    direct: Direct,
    statement: Statement,
    connection: PgConnection,
}

impl Worker for Reader {
    async fn execute(&mut self, number: u64) -> anyhow::Result<()> {
        let Direct { texts, rooms, .. } = &self.direct;
        let number = usize::try_from(number)?;
        let room = &rooms.0[number % rooms.0.len()];
        let user = &room.members[number / rooms.0.len() % room.members.len()].user_id;
        let rows = texts.run(&mut self.connection, self.statement, room, user).await?;
        ensure!(rows > 0, "a statement found nothing");
        Ok(())
    }
}

impl Texts {
    /// Executes a statement. Returns the number of its rows.
    async fn run(
        &self,
        connection: &mut PgConnection,
        statement: Statement,
        room: &Room,
        user: &str,
    ) -> anyhow::Result<usize> {
        let rows: Vec<PgRow> = match statement {
            Statement::Messages => {
                let box_id = room.id.rsplit_once('.').context("a room without a box")?.0;
                let statement = query(AssertSqlSafe(self.messages.as_str())).bind(box_id).bind(&room.id).bind(user);
                let statement = statement.bind(i64::MAX).bind(ROWS).bind(0_i64).bind(0_i64);
                statement.fetch_all(connection).await?
            }
            Statement::MyRooms => {
                let statement = query(AssertSqlSafe(self.my_rooms.as_str())).bind(user);
                let statement = statement.bind(None::<chrono::DateTime<chrono::Utc>>).bind(None::<String>);
                statement.bind(ROWS).bind(100_i32).fetch_all(connection).await?
            }
            Statement::RoomsNear => self.rooms_near(connection).await?,
            Statement::Search => self.search(connection, user).await?,
        };
        Ok(rows.len())
    }

    async fn rooms_near(&self, connection: &mut PgConnection) -> anyhow::Result<Vec<PgRow>> {
        let (latitude, longitude, radius) = (52.5_f64, 13.4_f64, 2_000.0_f64);
        let height = (radius / 6_371_008.8_f64).to_degrees();
        let width = height / latitude.to_radians().cos();
        let (west, east) = ([longitude - width], [longitude + width]);
        let reach: Option<f64> = query_scalar(AssertSqlSafe(self.reach.as_str()))
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(-1.0_f64)
            .bind("")
            .bind(latitude)
            .bind(longitude)
            .bind(&[longitude, longitude - 360.0][..])
            .bind(ROWS)
            .bind(&west[..])
            .bind(&east[..])
            .bind(latitude - height)
            .bind(latitude + height)
            .fetch_optional(&mut *connection)
            .await?;
        let rows = query(AssertSqlSafe(self.rooms_near.as_str()))
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(-1.0_f64)
            .bind("")
            .bind(ROWS)
            .bind(latitude)
            .bind(longitude)
            .bind(&west[..])
            .bind(&east[..])
            .bind(latitude - height)
            .bind(latitude + height)
            .bind(reach.unwrap_or(radius).min(radius))
            .bind(None::<String>);
        Ok(rows.fetch_all(connection).await?)
    }

    async fn search(&self, connection: &mut PgConnection, user: &str) -> anyhow::Result<Vec<PgRow>> {
        let none = None::<chrono::DateTime<chrono::Utc>>;
        let rooms = query(AssertSqlSafe(self.searched_rooms.as_str()))
            .bind(user)
            .bind(None::<String>)
            .bind(none)
            .bind(service_kit::clock::now())
            .fetch_all(&mut *connection)
            .await?;
        let lexemes = rooms.iter().map(|room| Ok(format!("'{}'", room_lexeme(&room.try_get::<String, _>(0)?))));
        let lexemes = lexemes.collect::<Result<Vec<_>, sqlx::Error>>()?;
        let words = Search::parse("saffron").ok().context("no words")?.tsquery();
        let part = format!("({words}) & ({})", lexemes.join(" | "));
        let found = query(AssertSqlSafe(self.search.as_str()))
            .bind(user)
            .bind(vec![part])
            .bind(None::<String>)
            .bind(none)
            .bind(none)
            .bind(none)
            .bind(None::<String>)
            .bind(None::<i64>)
            .bind(ROWS);
        Ok(found.fetch_all(connection).await?)
    }
}

/// Returns the statement of the service that contains all these words.
fn find(words: &[&str]) -> anyhow::Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.sqlx");
    let mut found = Vec::new();
    for file in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let description: Value = serde_json::from_slice(&fs::read(file?.path())?)?;
        let text = description["query"].as_str().unwrap_or_default();
        if words.iter().all(|word| text.contains(word)) {
            found.push(text.to_owned());
        }
    }
    let count = found.len();
    found.pop().filter(|_| count == 1).with_context(|| format!("{count} statements have the words {words:?}"))
}
