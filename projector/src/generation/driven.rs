//! The driver's queries and updates of unfinished generations.

use operator_protocol::{Goal, State};
use serde_json::Value;
use sqlx::{PgConnection, query};

use super::control::parse;

/// A generation that the driver takes to its goal.
#[derive(Debug, Clone)]
pub(crate) struct UnfinishedGeneration {
    pub(crate) number: i32,
    pub(crate) state: State,
    pub(crate) goal: Goal,
    pub(crate) phase: String,
    pub(crate) indexed: bool,
    pub(crate) compared: bool,
    pub(crate) doubtful: bool,
}

/// The result of a comparison.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    /// The outcome, `equal`, `different`, `refused` or `skipped`, with its details.
    pub(crate) summary: Value,
    /// True if all rows are equal.
    pub(crate) equal: bool,
    /// The reason not to activate the generation, if any.
    pub(crate) failure: Option<String>,
}

/// Returns the generations of this version that may have steps left, and whether the tables of a retired one of any
/// version still exist. Asked often, so it is one query.
pub(crate) async fn unfinished(
    connection: &mut PgConnection,
) -> Result<(Vec<UnfinishedGeneration>, bool), sqlx::Error> {
    let rows = query!(
        r#"select generation, state, goal, phase, indexed_at is not null as "indexed!",
             verification is not null as "compared!",
             coalesce(verification ->> 'outcome', 'equal') not in ('equal', 'skipped') as "doubtful!"
           from control.generations
           where model_version = $1 and (state = 'building' and not paused or state = 'ready')
             or state = 'retired' and dropped_at is null
           order by generation"#,
        read_model::version()
    )
    .fetch_all(connection)
    .await?;
    let (retired, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.state == State::Retired.as_str());
    let generations: Result<Vec<UnfinishedGeneration>, sqlx::Error> = rows
        .into_iter()
        .map(|row| {
            Ok(UnfinishedGeneration {
                number: row.generation,
                state: parse(&row.state)?,
                goal: parse(&row.goal)?,
                phase: row.phase,
                indexed: row.indexed,
                compared: row.compared,
                doubtful: row.doubtful,
            })
        })
        .collect();
    Ok((generations?, !retired.is_empty()))
}

/// Records the current phase of a generation.
pub(crate) async fn set_phase(connection: &mut PgConnection, number: i32, phase: &str) -> Result<(), sqlx::Error> {
    query!(
        "update control.generations
         set phase = $2, failure = null
         where generation = $1 and state in ('building', 'ready') and phase <> $2",
        number,
        phase
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks a generation as ready: caught up and indexed. From now on notifications are sent.
pub(crate) async fn mark_ready(connection: &mut PgConnection, number: i32) -> Result<(), sqlx::Error> {
    query!(
        "update control.generations
         set state = 'ready', phase = 'ready', ready_at = now(), failure = null
         where generation = $1 and state = 'building'",
        number
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns true if notifications are sent for every stream.
pub(crate) async fn sends_notifications(connection: &mut PgConnection, number: i32) -> Result<bool, sqlx::Error> {
    let silent = query!(
        r#"select count(*) as "silent!"
           from checkpoints
           left join control.leases
             on leases.generation = $1 and leases.stream = checkpoints.stream and leases.notices
           where leases.stream is null"#,
        number
    );
    Ok(silent.fetch_one(connection).await?.silent == 0)
}

/// Records the result of a comparison.
pub(crate) async fn set_verification(
    connection: &mut PgConnection,
    number: i32,
    comparison: &Comparison,
) -> Result<(), sqlx::Error> {
    query!(
        "update control.generations
         set verification = $2, verified_at = case when $3 then now() end, failure = $4, phase = 'ready'
         where generation = $1 and state = 'ready'",
        number,
        comparison.summary,
        comparison.equal,
        comparison.failure
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records the failure that blocks a generation.
pub(crate) async fn set_failure(connection: &mut PgConnection, number: i32, failure: &str) -> Result<(), sqlx::Error> {
    query!(
        "update control.generations
         set failure = $2
         where generation = $1 and state in ('building', 'ready') and failure is distinct from $2",
        number,
        failure
    )
    .execute(connection)
    .await?;
    Ok(())
}
