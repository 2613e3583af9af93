//! Reads the table of generations.

use std::{future::pending, sync::Arc};

use read_model::CONTROL_CHANNEL;
use sqlx::{
    Acquire, AssertSqlSafe, Connection, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

/// The payload of a change of the generations.
const GENERATIONS: &str = "generations";

/// The generation to serve.
pub(super) struct Active {
    pub(super) number: i64,
    pub(super) incarnation: Arc<str>,
}

/// A connection for reading the table of generations and for notifications of its changes.
pub(super) struct Control {
    options: PgConnectOptions,
    listener: Option<PgListener>,
}

impl Control {
    /// Creates the reader. It connects with the first read.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, listener: None }
    }

    /// Returns the generation to serve. Connects again if the connection was lost, or if the caller has dropped a read.
    pub(super) async fn active(&mut self, version: &str) -> Result<Option<Active>, sqlx::Error> {
        if let Some(kept) = self.listener.take() {
            let active = self.ask(kept, version).await;
            if self.listener.is_some() {
                return active;
            }
        }
        let listener = self.connect().await?;
        self.ask(listener, version).await
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let one = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_with(self.options.clone());
        let mut listener = PgListener::connect_with(&one.await?).await?;
        // A lost connection is noticed by the next use of it.
        listener.eager_reconnect(false);
        listener.listen(CONTROL_CHANNEL).await?;
        Ok(listener)
    }

    /// Reads over a connection, and keeps it if the database has answered.
    async fn ask(&mut self, mut listener: PgListener, version: &str) -> Result<Option<Active>, sqlx::Error> {
        let active = active(listener.acquire().await?, version).await;
        if active.as_ref().err().is_none_or(is_answer) {
            self.listener = Some(listener);
        }
        active
    }

    /// Waits until the tables may have changed or the connection is lost. Without a connection, waits forever.
    pub(super) async fn changed(&mut self) {
        let Some(listener) = &mut self.listener else { return pending().await };
        loop {
            match listener.try_recv().await {
                Ok(Some(notification)) if notification.payload() == GENERATIONS => break,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return self.listener = None,
            }
        }
        while listener.next_buffered().is_some() {}
    }

    /// Tests the connection. Returns true if the database has answered.
    pub(super) async fn answers(&mut self) -> bool {
        // Not kept if the caller drops this call.
        let Some(mut listener) = self.listener.take() else { return false };
        let has_answered = match listener.acquire().await {
            Ok(connection) => connection.ping().await.is_ok(),
            Err(_) => false,
        };
        if has_answered {
            self.listener = Some(listener);
        }
        has_answered
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
