//! The positions up to which the events of webhooks and their replays are planned in a stream.

use std::sync::Arc;

use sqlx::{PgPool, query};
use tokio::time::Instant;

use super::{deliveries::CursorKey, registry::Active};

/// The number of events that one statement gives up.
const BATCH: i64 = 10_000;

/// A position as it is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) key: CursorKey,
    position: i64,
    until: Option<i64>,
    problem: Option<String>,
}

impl Stored {
    /// The last position that is needed.
    pub(crate) fn last(&self) -> i64 {
        self.position.max(self.until.unwrap_or_default())
    }
}

/// The position of a webhook or of its replay in the planner.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) webhook: Arc<Active>,
    /// As in the database.
    pub(crate) stored: i64,
    /// Commits up to here contain no further matching event.
    pub(crate) position: i64,
    /// The last position of a replay.
    pub(crate) until: Option<i64>,
    /// The number of events that may be planned.
    pub(crate) allowance: i64,
    /// The time at which the waiting events were counted in the database.
    pub(crate) counted_at: Option<Instant>,
    /// Set while a webhook is full or stopped.
    pub(crate) pause_until: Option<Instant>,
    /// True if the log does not reach the position.
    pub(crate) is_beyond_the_end: bool,
    /// Why planning does not go on, as in the database.
    pub(crate) problem: Option<String>,
}

impl Cursor {
    pub(crate) fn new(webhook: Arc<Active>, stored: &Stored) -> Self {
        Self {
            webhook,
            stored: stored.position,
            position: stored.position,
            until: stored.until,
            allowance: 0,
            counted_at: None,
            pause_until: None,
            is_beyond_the_end: false,
            problem: stored.problem.clone(),
        }
    }

    /// Returns true if no operator and no other notifier has changed the position.
    pub(crate) fn is_at(&self, stored: &Stored) -> bool {
        self.stored == stored.position && self.until == stored.until
    }

    /// Stores and logs why planning does not go on.
    pub(crate) async fn stop(
        &mut self,
        pool: &PgPool,
        stream: &str,
        (webhook_id, is_replay): &CursorKey,
        problem: String,
    ) -> Result<(), sqlx::Error> {
        if self.problem.as_ref() == Some(&problem) {
            return Ok(());
        }
        tracing::error!(webhook.id = webhook_id, stream.label = stream, problem, "a webhook is stopped");
        query!(
            "update webhook_cursors set problem = $4 where webhook_id = $1 and stream = $2 and is_replay = $3",
            webhook_id,
            stream,
            is_replay,
            problem
        )
        .execute(pool)
        .await?;
        self.problem = Some(problem);
        Ok(())
    }

    /// Returns true if the log has commits to plan.
    pub(crate) fn is_behind(&self, end: i64) -> bool {
        !self.is_beyond_the_end && self.position < self.until.unwrap_or(end).min(end)
    }
}

/// Returns the positions in a stream.
pub(crate) async fn stored(pool: &PgPool, stream: &str, incarnation: &str) -> Result<Vec<Stored>, sqlx::Error> {
    let rows = query!(
        "select webhook_id, is_replay, position, until, problem
         from webhook_cursors
         where stream = $1 and incarnation = $2",
        stream,
        incarnation
    );
    let rows = rows.fetch_all(pool).await?.into_iter();
    Ok(rows
        .map(|row| Stored {
            key: (row.webhook_id, row.is_replay),
            position: row.position,
            until: row.until,
            problem: row.problem,
        })
        .collect())
}

/// Moves all webhooks of another incarnation of a stream to its end, and gives up their events, whose content is lost.
pub(crate) async fn begin_again_in_other_logs(
    pool: &PgPool,
    (stream, incarnation): (&str, &str),
    end: i64,
) -> Result<(), sqlx::Error> {
    loop {
        let given_up = query!(
            "update webhook_events
             set state = 'dead', detail = 'the log was replaced', updated_at = now()
             where ctid = any(array(
               select ctid
               from webhook_events
               where stream = $1 and incarnation <> $2 and state in ('queued', 'waiting', 'sending')
               limit $3
             ))",
            stream,
            incarnation,
            BATCH
        );
        if given_up.execute(pool).await?.rows_affected() == 0 {
            break;
        }
    }
    let mut transaction = pool.begin().await?;
    let moved = query!(
        "update webhook_cursors
         set incarnation = $2, position = $3, until = case when is_replay then $3::bigint end, problem = null
         where stream = $1 and incarnation <> $2",
        stream,
        incarnation,
        end
    );
    if moved.execute(&mut *transaction).await?.rows_affected() > 0 {
        tracing::warn!(stream.label = stream, position = end, "webhooks begin at the end of another log");
    }
    // A log with more partitions has streams that no webhook has read.
    query!(
        "insert into webhook_cursors (webhook_id, stream, is_replay, incarnation, position)
         select webhook_id, $1, false, $2, $3
         from webhooks
         on conflict do nothing",
        stream,
        incarnation,
        end
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}
