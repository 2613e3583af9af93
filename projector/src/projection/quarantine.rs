//! Boxes whose projection has failed: their failed commit and all later ones are kept back.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::BoxId;
use sqlx::{PgConnection, query};

use super::{cell::parsed, table::write};
use crate::commit::Commit;

/// The quarantined boxes of one stream.
#[derive(Debug, Default)]
pub struct Quarantine {
    /// The sequence of each box from which its commits are kept back.
    since: BTreeMap<BoxId, u64>,
    /// Failures that are not written to the database yet.
    fresh: Vec<Poison>,
}

/// A commit that cannot be decoded or applied.
#[derive(Debug, Clone)]
pub(super) struct Poison {
    pub(super) box_id: BoxId,
    pub(super) sequence: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) reason: String,
}

/// Logs a failure as an error: an operator is needed, because later changes of this box stay invisible.
pub(super) fn report(stream: &str, poison: &Poison) {
    tracing::error!(
        box.id = %poison.box_id,
        stream.label = stream,
        stream.position = poison.sequence,
        reason = poison.reason,
        "cannot project this box any further: quarantined"
    );
}

impl Quarantine {
    pub(super) async fn load(connection: &mut PgConnection, stream: &str) -> Result<Self, sqlx::Error> {
        let rows = query!("select box_id, position from quarantined_boxes where stream = $1", stream)
            .fetch_all(connection)
            .await?;
        let since = rows.iter().map(|row| Ok((parsed(&row.box_id)?, row.position.cast_unsigned())));
        Ok(Self { since: since.collect::<Result<_, sqlx::Error>>()?, fresh: Vec::new() })
    }

    /// Returns the quarantined boxes.
    pub fn boxes(&self) -> impl Iterator<Item = &BoxId> {
        self.since.keys()
    }

    /// Returns the sequence from which the commits of a box are kept back; `None` if it is not quarantined.
    pub fn since(&self, box_id: &BoxId) -> Option<u64> {
        self.since.get(box_id).copied()
    }

    /// Returns true if this commit of the box is kept back.
    pub(super) fn parks(&self, box_id: &BoxId, sequence: u64) -> bool {
        self.since(box_id).is_some_and(|since| since <= sequence)
    }

    pub(super) fn add(&mut self, poison: Poison) {
        self.since.insert(poison.box_id.clone(), poison.sequence);
        self.fresh.push(poison);
    }

    pub(super) async fn release(&mut self, connection: &mut PgConnection, box_id: &BoxId) -> Result<(), sqlx::Error> {
        self.since.remove(box_id);
        query!("delete from quarantined_boxes where box_id = $1", box_id.as_str()).execute(&mut *connection).await?;
        query!("delete from parked_events where box_id = $1", box_id.as_str()).execute(connection).await?;
        Ok(())
    }

    /// Writes the boxes quarantined by this batch, and the positions of its commits that are kept back.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        stream: &str,
        commits: &[Commit],
    ) -> Result<(), sqlx::Error> {
        if self.since.is_empty() {
            return Ok(());
        }
        let fresh = std::mem::take(&mut self.fresh);
        let boxes =
            fresh.iter().map(|poison| (&poison.box_id, stream, poison.sequence, poison.reason.as_str(), poison.at));
        let boxes: Vec<_> = boxes.collect();
        write(connection, boxes).await?;
        let parked: BTreeSet<(&BoxId, u64)> = commits
            .iter()
            .filter_map(|commit| Some((commit.content.box_id()?, commit.sequence)))
            .filter(|(box_id, sequence)| self.parks(box_id, *sequence))
            .collect();
        let parked: Vec<_> = parked.into_iter().collect();
        write(connection, parked).await
    }
}

/// Returns the positions of a box's waiting commits, in order.
pub(crate) async fn parked(connection: &mut PgConnection, box_id: &BoxId) -> Result<Vec<u64>, sqlx::Error> {
    let rows = query!("select position from parked_events where box_id = $1 order by position", box_id.as_str())
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| row.position.cast_unsigned()).collect())
}
