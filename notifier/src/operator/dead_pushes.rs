//! The operators' requests about push messages that were given up.

use chrono::{DateTime, Utc};
use operator_protocol::{DeadPush, DeadPushes, DropDeadPush, Dropped, ListDeadPushes, RetryDeadPush, ShowDeadPush};
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::operations::{Operation, OperationError};
use crate::{app::App, database::announce_change};

/// The maximum number of push messages in an answer.
const MAX_LISTED: i64 = 200;

struct Row {
    push_id: Uuid,
    user_id: String,
    device_id: String,
    provider: String,
    room_id: String,
    kind: String,
    alarms: i32,
    attempts: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    detail: Option<String>,
}

impl From<Row> for DeadPush {
    fn from(row: Row) -> Self {
        Self {
            push_id: row.push_id.to_string(),
            user_id: row.user_id,
            device_id: row.device_id,
            provider: row.provider,
            room_id: row.room_id,
            kind: row.kind,
            alarms: row.alarms,
            attempts: row.attempts,
            created_at: row.created_at,
            dead_since: row.updated_at,
            reason: row.detail.unwrap_or_default(),
        }
    }
}

/// Returns a dead push message, or the newest of all.
async fn find(connection: &mut PgConnection, push_id: Option<Uuid>) -> Result<Vec<DeadPush>, sqlx::Error> {
    let rows = query_as!(
        Row,
        "select
           push_id,
           user_id,
           device_id,
           provider,
           room_id,
           kind,
           alarms,
           attempts,
           created_at,
           updated_at,
           detail
         from pushes
         where state = 'dead' and ($1::uuid is null or push_id = $1)
         order by updated_at desc, push_id
         limit $2",
        push_id,
        MAX_LISTED
    );
    Ok(rows.fetch_all(connection).await?.into_iter().map(DeadPush::from).collect())
}

async fn find_one(connection: &mut PgConnection, push_id: &str) -> Result<(Uuid, DeadPush), OperationError> {
    let unknown = || OperationError::Refused(format!("there is no dead push message {push_id}"));
    let id: Uuid = push_id.parse().map_err(|_| unknown())?;
    let found = find(connection, Some(id)).await?.pop();
    Ok((id, found.ok_or_else(unknown)?))
}

impl Operation for ListDeadPushes {
    async fn perform(self, app: &App) -> Result<DeadPushes, OperationError> {
        let mut connection = app.database.delivery.acquire().await?;
        let pushes = find(&mut connection, None).await?;
        let listed = i64::try_from(pushes.len()).unwrap_or(i64::MAX);
        if listed < MAX_LISTED {
            return Ok(DeadPushes { pushes, more: 0 });
        }
        let count = query_scalar!(r#"select count(*) as "count!" from pushes where state = 'dead'"#);
        let count = count.fetch_one(&mut *connection).await?;
        Ok(DeadPushes { pushes, more: u64::try_from(count - listed).unwrap_or_default() })
    }
}

impl Operation for ShowDeadPush {
    async fn perform(self, app: &App) -> Result<DeadPush, OperationError> {
        let mut connection = app.database.delivery.acquire().await?;
        Ok(find_one(&mut connection, &self.push_id).await?.1)
    }
}

impl Operation for RetryDeadPush {
    async fn perform(self, app: &App) -> Result<DeadPush, OperationError> {
        let mut transaction = app.database.delivery.begin().await?;
        let (push_id, push) = find_one(&mut transaction, &self.push_id).await?;
        query!(
            "update pushes
             set
               state = 'waiting',
               attempts = 0,
               repeated = false,
               next_at = now(),
               expires_at = greatest(expires_at, now() + $2::bigint * interval '1 s'),
               updated_at = now()
             where push_id = $1 and state = 'dead'",
            push_id,
            app.rules.lifetime_s
        )
        .execute(&mut *transaction)
        .await?;
        announce_change(&mut transaction).await?;
        transaction.commit().await?;
        Ok(push)
    }
}

impl Operation for DropDeadPush {
    async fn perform(self, app: &App) -> Result<Dropped, OperationError> {
        let mut transaction = app.database.delivery.begin().await?;
        let (push_id, _) = find_one(&mut transaction, &self.push_id).await?;
        query!("delete from pushes where push_id = $1 and state = 'dead'", push_id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(Dropped { push_id: self.push_id })
    }
}
