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
    unwritten: Vec<FailedCommit>,
}

/// A commit that cannot be decoded or applied.
#[derive(Debug, Clone)]
pub(super) struct FailedCommit {
    pub(super) box_id: BoxId,
    pub(super) sequence: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) reason: String,
}

/// Logs a failure as an error: an operator is needed, because later changes of this box stay invisible.
fn report(stream: &str, failed: &FailedCommit) {
    tracing::error!(
        box.id = %failed.box_id,
        stream.label = stream,
        stream.position = failed.sequence,
        reason = failed.reason,
        "cannot project this box any further: quarantined"
    );
}

impl Quarantine {
    pub(super) async fn load(connection: &mut PgConnection, stream: &str) -> Result<Self, sqlx::Error> {
        let rows = query!("select box_id, position from quarantined_boxes where stream = $1", stream)
            .fetch_all(connection)
            .await?;
        let since = rows.iter().map(|row| Ok((parsed(&row.box_id)?, row.position.cast_unsigned())));
        Ok(Self { since: since.collect::<Result<_, sqlx::Error>>()?, unwritten: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Returns the quarantined boxes.
    pub fn boxes(&self) -> impl Iterator<Item = &BoxId> {
        self.since.keys()
    }

    /// Returns the sequence from which the commits of a box are withheld; `None` if it is not quarantined.
    pub fn since(&self, box_id: &BoxId) -> Option<u64> {
        self.since.get(box_id).copied()
    }

    /// Returns true if this commit of the box is withheld.
    pub(super) fn withholds(&self, box_id: &BoxId, sequence: u64) -> bool {
        self.since(box_id).is_some_and(|since| since <= sequence)
    }

    pub(super) fn add(&mut self, failed: FailedCommit) {
        self.since.insert(failed.box_id.clone(), failed.sequence);
        self.unwritten.push(failed);
    }

    pub(super) async fn release(&mut self, connection: &mut PgConnection, box_id: &BoxId) -> Result<(), sqlx::Error> {
        self.since.remove(box_id);
        query!("delete from quarantined_boxes where box_id = $1", box_id.as_str()).execute(&mut *connection).await?;
        query!("delete from parked_events where box_id = $1", box_id.as_str()).execute(connection).await?;
        Ok(())
    }

    /// Writes the boxes quarantined by this batch, and the positions of its commits that are withheld.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        stream: &str,
        commits: &[Commit],
    ) -> Result<(), sqlx::Error> {
        if self.since.is_empty() {
            return Ok(());
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        for failed in &unwritten {
            report(stream, failed);
        }
        let boxes =
            unwritten.iter().map(|failed| (&failed.box_id, stream, failed.sequence, failed.reason.as_str(), failed.at));
        let boxes: Vec<_> = boxes.collect();
        write(connection, boxes).await?;
        let waiting: BTreeSet<(&BoxId, u64)> = commits
            .iter()
            .filter_map(|commit| Some((commit.content.box_id()?, commit.sequence)))
            .filter(|(box_id, sequence)| self.withholds(box_id, *sequence))
            .collect();
        let waiting: Vec<_> = waiting.into_iter().collect();
        write(connection, waiting).await
    }
}

/// Returns the positions of a box's waiting commits, in order.
pub(crate) async fn waiting_positions(connection: &mut PgConnection, box_id: &BoxId) -> Result<Vec<u64>, sqlx::Error> {
    let rows = query!("select position from parked_events where box_id = $1 order by position", box_id.as_str())
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().map(|row| row.position.cast_unsigned()).collect())
}
