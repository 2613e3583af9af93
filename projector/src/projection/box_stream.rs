//! The projection of a partition of the boxes: load, apply, write. A box that fails goes into quarantine; the others
//! continue.

use std::collections::{BTreeMap, BTreeSet};

use domain::UserId;
use event_store::ActorRole;
use sqlx::PgConnection;

use super::{
    error::{ProjectionError, foreign_commit},
    outcome::Changes,
    quarantine::{FailedCommit, Quarantine},
    upserts::Upserts,
    workspace::{CacheLimits, EventContext, Keys, Workspace},
};
use crate::commit::{Commit, Content};

/// The purpose of a projection. The rows are the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectionMode {
    /// Clients wait for each event.
    Live,
    /// Only the end of the log matters.
    Building,
}

/// Limits of the rows kept in memory while clients wait for each event.
const LIVE: CacheLimits = CacheLimits { rooms: 2000, messages: 0 };

/// Limits while a generation is built: all open rooms of most installations fit.
const BUILDING: CacheLimits = CacheLimits { rooms: 50_000, messages: 200_000 };

/// The projection of one box stream.
#[derive(Debug)]
pub struct BoxStream {
    label: String,
    workspace: Workspace,
    quarantine: Quarantine,
    /// Commits that the database refuses, by sequence, with its message.
    rejected: BTreeMap<u64, String>,
    mode: ProjectionMode,
    /// Commits that were dropped, by sequence: those that cannot be projected are skipped.
    dropped: BTreeSet<u64>,
    skipped: BTreeSet<u64>,
}

impl BoxStream {
    pub(super) async fn open(
        label: &str,
        mode: ProjectionMode,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        Ok(Self {
            quarantine: Quarantine::load(connection, label).await?,
            label: label.to_owned(),
            workspace: Workspace::default(),
            rejected: BTreeMap::new(),
            mode,
            dropped: BTreeSet::new(),
            skipped: BTreeSet::new(),
        })
    }

    /// Treats a commit as failed from now on, because the database refuses its rows.
    pub(crate) fn quarantine_commit(&mut self, sequence: u64, reason: String) {
        self.rejected.insert(sequence, reason);
    }

    /// Returns the purpose for which the projection was opened.
    pub(super) fn mode(&self) -> ProjectionMode {
        self.mode
    }

    /// Returns the boxes that are quarantined now.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Releases a box from quarantine. Its waiting commits must be projected next, in the same transaction. Dropped
    /// commits that cannot be projected are skipped.
    pub(crate) async fn release(
        &mut self,
        connection: &mut PgConnection,
        box_id: &domain::BoxId,
        dropped: BTreeSet<u64>,
    ) -> Result<(), sqlx::Error> {
        self.dropped = dropped;
        self.skipped.clear();
        self.quarantine.release(connection, box_id).await
    }

    /// Applies the commits to the rows in memory, and loads those that are missing. What it has read is certain once
    /// the checkpoint has moved.
    pub(super) async fn prepare(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<(), ProjectionError> {
        self.load(connection, commits).await?;
        while let Err(failed) = self.apply(commits)? {
            // Changes made by the commit before its failed event must not be written: begin again without it.
            if self.dropped.contains(&failed.sequence) {
                self.skipped.insert(failed.sequence);
            } else {
                self.quarantine.add(failed);
            }
            self.workspace = Workspace::default();
            self.load(connection, commits).await?;
        }
        Ok(())
    }

    /// Returns true if only rows of this batch are to be written, and clients wait for them.
    pub(super) fn has_only_upserts(&self) -> bool {
        let only_rows = self.workspace.erased.is_empty() && self.workspace.deleted.is_empty();
        matches!(self.mode, ProjectionMode::Live) && only_rows && self.quarantine.is_empty()
    }

    /// Writes what [`prepare`](Self::prepare) has changed, with the statement that moves the checkpoint. Returns none
    /// if it did not move.
    pub(super) async fn upsert(
        &mut self,
        connection: &mut PgConnection,
        mut upserts: Upserts,
    ) -> Result<Option<Changes>, sqlx::Error> {
        self.workspace.add_rows(&self.label, &mut upserts)?;
        Ok(upserts.execute(connection).await?.then(|| self.end_live_batch()))
    }

    /// Writes what [`prepare`](Self::prepare) has changed, after the checkpoint was moved.
    pub(super) async fn write(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<Changes, ProjectionError> {
        self.quarantine.write(connection, &self.label, commits).await?;
        let stale_alarms = self.workspace.redact(connection, &self.label).await?;
        match self.mode {
            ProjectionMode::Live => {
                self.workspace.blank_feed(connection).await?;
                let mut upserts = Upserts::unconditional();
                self.workspace.add_rows(&self.label, &mut upserts)?;
                upserts.execute(connection).await?;
                Ok(Changes { stale_alarms, ..self.end_live_batch() })
            }
            ProjectionMode::Building => {
                self.workspace.build(connection, &self.label).await?;
                self.workspace.end_batch(BUILDING);
                Ok(Changes::default())
            }
        }
    }

    fn end_live_batch(&mut self) -> Changes {
        let changes = self.workspace.take_changes();
        self.workspace.end_batch(LIVE);
        changes
    }

    async fn load(&mut self, connection: &mut PgConnection, commits: &[Commit]) -> Result<(), sqlx::Error> {
        let keys = Keys::missing(commits, &self.workspace);
        self.workspace.load(connection, &keys).await
    }

    fn apply(&mut self, commits: &[Commit]) -> Result<Result<(), FailedCommit>, ProjectionError> {
        for commit in commits {
            let box_id = commit.content.box_id().ok_or_else(|| foreign_commit(commit))?;
            if self.quarantine.withholds(box_id, commit.sequence) || self.skipped.contains(&commit.sequence) {
                continue;
            }
            if let Err(reason) = self.apply_commit(commit) {
                return Ok(Err(FailedCommit {
                    box_id: box_id.clone(),
                    sequence: commit.sequence,
                    at: commit.at,
                    reason,
                }));
            }
        }
        Ok(Ok(()))
    }

    fn apply_commit(&mut self, commit: &Commit) -> Result<(), String> {
        if let Some(reason) = self.rejected.get(&commit.sequence) {
            return Err(reason.clone());
        }
        match &commit.content {
            Content::Box { box_id, events } => {
                let context = EventContext { commit, box_id, actor: acting_user(commit) };
                events
                    .iter()
                    .try_for_each(|event| self.workspace.apply(&context, event))
                    .map_err(|error| error.to_string())
            }
            Content::Unreadable { reason, .. } => Err(reason.clone()),
            Content::User { .. }
            | Content::Claim
            | Content::Store { .. }
            | Content::Filters { .. }
            | Content::Report { .. }
            | Content::Mark { .. } => Ok(()),
        }
    }
}

/// Returns the acting user or box; `None` for the system, operators and moderators.
fn acting_user(commit: &Commit) -> Option<&UserId> {
    let is_hidden = matches!(commit.role, Some(ActorRole::Operator | ActorRole::Moderator));
    Some(&commit.actor).filter(|actor| !is_hidden && **actor != UserId::system())
}
