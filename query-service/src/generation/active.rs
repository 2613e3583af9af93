//! Reads the table of generations.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection, PgConnection, postgres::PgConnectOptions};

/// The generation to serve.
pub(super) struct Active {
    pub(super) number: i64,
    pub(super) incarnation: Arc<str>,
}

/// A connection for reading the table of generations. A pool would test it before and after each use.
pub(super) struct Control {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Control {
    /// Creates the reader. It connects with the first read.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, connection: None }
    }

    /// Returns the generation to serve. Connects again if the connection was lost, or if the caller has dropped a read.
    pub(super) async fn active(&mut self, version: &str) -> Result<Option<Active>, sqlx::Error> {
        if let Some(kept) = self.connection.take() {
            let active = self.ask(kept, version).await;
            if self.connection.is_some() {
                return active;
            }
        }
        let connection = PgConnection::connect_with(&self.options).await?;
        self.ask(connection, version).await
    }

    /// Reads over a connection, and keeps it if the database has answered.
    async fn ask(&mut self, mut connection: PgConnection, version: &str) -> Result<Option<Active>, sqlx::Error> {
        let active = active(&mut connection, version).await;
        if active.as_ref().err().is_none_or(is_answer) {
            self.connection = Some(connection);
        }
        active
    }
}

/// Reads the generation to serve and the incarnations of the log that it is built from: the database may have been
/// replaced by another one.
async fn active(control: &mut PgConnection, version: &str) -> Result<Option<Active>, sqlx::Error> {
    let Some(number) = active_number(&mut *control, version).await? else { return Ok(None) };
    // A schema name cannot be a parameter, and a number cannot inject SQL.
    let sql = format!(
        "select md5(string_agg(stream || '.' || incarnation, ',' order by stream)) from read_g{number}.checkpoints"
    );
    let incarnation: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(control).await?;
    Ok(incarnation.map(|incarnation| Active { number, incarnation: incarnation.into() }))
}

/// Returns true if an error is the answer of a running database: neither a lost connection nor a shutdown.
pub(super) fn is_answer(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| !code.starts_with("57") && !code.starts_with("08"))
}

/// Reads the newest active generation of this version. Returns none if there is none, or no control table yet.
async fn active_number(control: &mut PgConnection, version: &str) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query_scalar!(
        "
        select generation::bigint as \"generation!\"
        from control.generations
        where state = 'active' and model_version = $1
        order by generation desc
        limit 1
        ",
        version
    )
    .fetch_optional(control)
    .await;
    match found {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| is_missing_table(&code)) => Ok(None),
        other => other,
    }
}

/// Returns true for a missing table, schema or privilege: the control tables are not migrated yet.
fn is_missing_table(code: &str) -> bool {
    matches!(code, "42P01" | "3F000" | "42501")
}
