//! A database per test, with one empty generation of the read model.

use std::collections::BTreeMap;

use projector::{
    Checkpoint, Commit, Database, Projection, ProjectionMode, generation, generation::Origin,
    project_isolating_failures, projection::Changes,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, query_scalar};
use wire::{StreamName, streams};

/// The number of partitions of the log in these tests.
pub(crate) const PARTITIONS: u16 = 2;

/// The box stream that most tests use.
pub(crate) const BOXES: StreamName = StreamName::Box(0);

pub(crate) struct World {
    postgres: harness::Postgres,
    pub(crate) database: Database,
    pub(crate) connection: PgConnection,
}

pub(crate) fn origins() -> Vec<Origin> {
    streams(PARTITIONS).into_iter().map(|stream| Origin { stream, incarnation: "first".to_owned() }).collect()
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_from(&origins()).await
    }

    /// Starts with a generation to be built from these streams.
    pub(crate) async fn start_from(origins: &[Origin]) -> Self {
        let postgres = harness::Postgres::start().await.expect("PostgreSQL starts");
        let database = Database::new(&postgres.url(harness::Role::Projector), "test").expect("a URL");
        generation::migrate(&database).await.expect("the control tables are migrated");
        generation::ensure(&database, origins).await.expect("a generation is created");
        let connection = database.generation(1).await.expect("a connection");
        Self { postgres, database, connection }
    }

    pub(crate) fn url(&self, role: harness::Role) -> String {
        self.postgres.url(role)
    }

    /// Projects commits of a stream onto generation 1.
    pub(crate) async fn project(&mut self, stream: StreamName, commits: &[Commit]) -> Changes {
        project_onto(&mut self.connection, stream, commits).await
    }

    /// Projects a story of boxes.
    pub(crate) async fn project_story(&mut self, story: &super::story::Story) -> Changes {
        self.project(BOXES, &story.commits).await
    }

    /// The rows of a query on generation 1 as JSON.
    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<Value> {
        rows(&mut self.connection, sql).await
    }

    /// Returns one row, which must be the only one.
    pub(crate) async fn row(&mut self, sql: &str) -> Value {
        let mut rows = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.remove(0)
    }

    /// Returns one column as texts.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await.expect(sql)
    }
}

pub(crate) async fn checkpoint(connection: &mut PgConnection, stream: StreamName) -> Checkpoint {
    Checkpoint::read(connection, stream).await.expect("a checkpoint").expect("the generation has the stream")
}

pub(crate) async fn project_onto(connection: &mut PgConnection, stream: StreamName, commits: &[Commit]) -> Changes {
    let mut projection = Projection::open(stream, ProjectionMode::Live, connection).await.expect("a projection");
    let mut checkpoint = checkpoint(connection, stream).await;
    project_isolating_failures(connection, &mut projection, &mut checkpoint, commits)
        .await
        .expect("the commits are projected")
}

pub(crate) async fn rows(connection: &mut PgConnection, sql: &str) -> Vec<Value> {
    let sql = format!("select to_jsonb(found) from ({sql}) as found");
    query_scalar(AssertSqlSafe(sql.clone())).fetch_all(connection).await.expect(&sql)
}

/// Returns every table of the connection's generation, without the column of the writing time.
pub(crate) async fn everything(connection: &mut PgConnection) -> BTreeMap<String, Vec<Value>> {
    let tables: Vec<String> =
        query_scalar("select table_name::text from information_schema.tables where table_schema = current_schema()")
            .fetch_all(&mut *connection)
            .await
            .expect("the tables");
    let mut all = BTreeMap::new();
    for table in tables {
        let sql = format!("select to_jsonb(t) - 'updated_at' as row from {table} as t order by 1");
        all.insert(table, rows(connection, &sql).await);
    }
    assert!(all.len() > 10, "the tables of a generation are missing");
    all
}
