//! Retries of quarantined boxes, by the projectors that hold the leases of their streams.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use domain::BoxId;
use operator_protocol::{QuarantinedBox, Retried, RetryQuarantined};
use sqlx::{PgConnection, query};
use tokio::time::{Instant, sleep};

use super::{list, not_quarantined};
use crate::{database::Database, generation::ChangeError};

/// The polling interval.
const PAUSE: Duration = Duration::from_millis(50);

/// Retries one box, or all: the running projectors decode the waiting events again. The other boxes of the same streams
/// are retried as well.
pub async fn retry(database: &Database, box_id: Option<&BoxId>) -> Result<Retried, ChangeError> {
    let meant = |quarantined: &QuarantinedBox| box_id.is_none_or(|box_id| quarantined.box_id == box_id.as_str());
    let before: Vec<QuarantinedBox> = list(database).await?.into_iter().filter(meant).collect();
    if let (true, Some(box_id)) = (before.is_empty(), box_id) {
        return Err(not_quarantined(box_id));
    }
    let mut connection = database.control().await?;
    let mut asked: BTreeMap<(i32, String), i64> = BTreeMap::new();
    for quarantined in &before {
        for generation in &quarantined.generations {
            if let Entry::Vacant(track) = asked.entry((*generation, quarantined.stream.clone())) {
                let wanted = request_retry(&mut connection, track.key()).await?;
                track.insert(wanted);
            }
        }
    }
    let deadline = Instant::now() + RetryQuarantined::LIMIT;
    for (track, wanted) in &asked {
        while answered(&mut connection, track).await? < *wanted {
            if Instant::now() > deadline {
                let late = format!("no projector has retried stream {} of generation {} in time", track.1, track.0);
                return Err(ChangeError::Unanswered(late));
            }
            sleep(PAUSE).await;
        }
    }
    let quarantined: Vec<QuarantinedBox> = list(database).await?.into_iter().filter(meant).collect();
    let mut released: Vec<String> = before.into_iter().map(|quarantined| quarantined.box_id).collect();
    released.dedup();
    released.retain(|box_id| !quarantined.iter().any(|quarantined| quarantined.box_id == *box_id));
    Ok(Retried { released, quarantined })
}

async fn request_retry(
    connection: &mut PgConnection,
    (generation, stream): &(i32, String),
) -> Result<i64, sqlx::Error> {
    let row = query!(
        "insert into control.retries (generation, stream, wanted)
         values ($1, $2, 1)
         on conflict (generation, stream) do update set wanted = retries.wanted + 1
         returning wanted",
        generation,
        stream
    );
    Ok(row.fetch_one(connection).await?.wanted)
}

async fn answered(connection: &mut PgConnection, (generation, stream): &(i32, String)) -> Result<i64, sqlx::Error> {
    let row = query!("select done from control.retries where generation = $1 and stream = $2", generation, stream);
    Ok(row.fetch_one(connection).await?.done)
}
