//! The statements of an idle installation, counted by PostgreSQL.

use harness::ServiceId;
use sqlx::{query_as, query_scalar, raw_sql};

use crate::world::World;

/// The number of statements that are listed.
const LISTED: i64 = 5;

/// The length to which a listed statement is cut.
const SHOWN: usize = 100;

/// The counter of statements, if this PostgreSQL has one.
pub(super) struct Statements {
    is_loaded: bool,
}

impl Statements {
    /// Loads the extension, which needs a restart of PostgreSQL.
    pub(super) async fn load(world: &World) -> anyhow::Result<Self> {
        let mut database = world.database().await?;
        let found = "select exists (select from pg_available_extensions where name = 'pg_stat_statements')";
        let is_loaded = query_scalar(found).fetch_one(&mut database).await?;
        if is_loaded {
            let setting = "alter system set shared_preload_libraries = 'pg_stat_statements'";
            raw_sql(setting).execute(&mut database).await?;
            drop(database);
            let postgres = world.stack.postgres();
            postgres.stop().await;
            postgres.start_again().await?;
            raw_sql("create extension pg_stat_statements schema public").execute(&mut world.database().await?).await?;
            for id in [ServiceId::Projector(0), ServiceId::Query(0), ServiceId::Notifier(0)] {
                world.stack.start_again(id).await?;
            }
        }
        Ok(Self { is_loaded })
    }

    /// Forgets all statements.
    pub(super) async fn reset(&self, world: &World) -> anyhow::Result<()> {
        if self.is_loaded {
            raw_sql("select public.pg_stat_statements_reset()").execute(&mut world.database().await?).await?;
        }
        Ok(())
    }

    /// The number of executed statements.
    pub(super) async fn count(&self, world: &World) -> anyhow::Result<Option<f64>> {
        if !self.is_loaded {
            return Ok(None);
        }
        let count = query_scalar(
            "select coalesce(sum(calls), 0)::float8
             from public.pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname <> 'admin'",
        );
        Ok(Some(count.fetch_one(&mut world.database().await?).await?))
    }

    /// Describes the most frequent statements in this number of seconds.
    pub(super) async fn most_frequent(&self, world: &World, seconds: f64) -> anyhow::Result<Vec<String>> {
        if !self.is_loaded {
            return Ok(vec!["pg_stat_statements is not installed.".to_owned()]);
        }
        let rows: Vec<(String, f64, f64, String)> = query_as(
            "select r.rolname, calls::float8, total_exec_time, regexp_replace(query, '\\s+', ' ', 'g')
             from public.pg_stat_statements s join pg_roles r on r.oid = s.userid where r.rolname <> 'admin'
             order by calls desc limit $1",
        )
        .bind(LISTED)
        .fetch_all(&mut world.database().await?)
        .await?;
        let line = |(role, calls, milliseconds, query): (String, f64, f64, String)| {
            let query: String = query.chars().take(SHOWN).collect();
            format!("{role}: {:.2}/s, {:.3} ms each: {query}", calls / seconds, milliseconds / calls)
        };
        Ok(rows.into_iter().map(line).collect())
    }
}

/// The number of transactions since the start of PostgreSQL.
pub(super) async fn transactions(world: &World) -> anyhow::Result<f64> {
    let count = query_scalar("select sum(xact_commit + xact_rollback)::float8 from pg_stat_database");
    Ok(count.fetch_one(&mut world.database().await?).await?)
}
