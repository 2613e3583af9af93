//! The projection of a partition of the boxes: load, apply, write. A box that fails goes into quarantine; the others
//! continue.

use std::collections::{BTreeMap, BTreeSet};

use domain::UserId;
use sqlx::PgConnection;

use super::{
    error::{ProjectionError, foreign},
    outcome::Changes,
    quarantine::{self, Poison, Quarantine},
    workspace::{EventContext, Keys, Memory, Workspace},
};
use crate::commit::{Commit, Content};

/// The purpose of a projection. The rows are the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Clients wait for each event.
    Live,
    /// Only the end of the log matters.
    Building,
}

/// Limits of the rows kept in memory while clients wait for each event.
const LIVE: Memory = Memory { rooms: 2000, messages: 0 };

/// Limits while a generation is built: all open rooms of most installations fit.
const BUILDING: Memory = Memory { rooms: 50_000, messages: 200_000 };

/// The projection of one box stream.
#[derive(Debug)]
pub struct BoxStream {
    label: String,
    workspace: Workspace,
    quarantine: Quarantine,
    /// Commits that the database refuses, by sequence, with its message.
    condemned: BTreeMap<u64, String>,
    pace: Pace,
    /// Commits that were dropped, by sequence: those that cannot be projected are skipped.
    given_up: BTreeSet<u64>,
    left_out: BTreeSet<u64>,
}

impl BoxStream {
    pub(super) async fn open(label: &str, pace: Pace, connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Ok(Self {
            quarantine: Quarantine::load(connection, label).await?,
            label: label.to_owned(),
            workspace: Workspace::default(),
            condemned: BTreeMap::new(),
            pace,
            given_up: BTreeSet::new(),
            left_out: BTreeSet::new(),
        })
    }

    /// Treats a commit as failed from now on, because the database refuses its rows.
    pub(crate) fn condemn(&mut self, sequence: u64, reason: String) {
        self.condemned.insert(sequence, reason);
    }

    /// Returns the purpose for which the projection was opened.
    pub(super) fn pace(&self) -> Pace {
        self.pace
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
        given_up: BTreeSet<u64>,
    ) -> Result<(), sqlx::Error> {
        self.given_up = given_up;
        self.left_out.clear();
        self.quarantine.release(connection, box_id).await
    }

    pub(super) async fn project_boxes(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<Changes, ProjectionError> {
        self.load(connection, commits).await?;
        while let Err(poison) = self.apply(commits)? {
            // Changes made by the commit before its failed event must not be written: begin again without it.
            if self.given_up.contains(&poison.sequence) {
                self.left_out.insert(poison.sequence);
            } else {
                quarantine::report(&self.label, &poison);
                self.quarantine.add(poison);
            }
            self.workspace = Workspace::default();
            self.load(connection, commits).await?;
        }
        self.quarantine.write(connection, &self.label, commits).await?;
        match self.pace {
            Pace::Live => {
                self.workspace.write(connection, &self.label).await?;
                let news = self.workspace.take_news();
                self.workspace.end_batch(LIVE);
                Ok(news)
            }
            Pace::Building => {
                self.workspace.build(connection, &self.label).await?;
                self.workspace.end_batch(BUILDING);
                Ok(Changes::default())
            }
        }
    }

    async fn load(&mut self, connection: &mut PgConnection, commits: &[Commit]) -> Result<(), sqlx::Error> {
        let keys = Keys::missing(commits, &self.workspace);
        self.workspace.load(connection, &keys).await
    }

    fn apply(&mut self, commits: &[Commit]) -> Result<Result<(), Poison>, ProjectionError> {
        for commit in commits {
            let box_id = commit.content.box_id().ok_or_else(|| foreign(commit))?;
            if self.quarantine.parks(box_id, commit.sequence) || self.left_out.contains(&commit.sequence) {
                continue;
            }
            if let Err(reason) = self.apply_commit(commit) {
                return Ok(Err(Poison { box_id: box_id.clone(), sequence: commit.sequence, at: commit.at, reason }));
            }
        }
        Ok(Ok(()))
    }

    fn apply_commit(&mut self, commit: &Commit) -> Result<(), String> {
        if let Some(reason) = self.condemned.get(&commit.sequence) {
            return Err(reason.clone());
        }
        match &commit.content {
            Content::Box { box_id, events } => {
                let about = EventContext { commit, box_id, actor: acting(commit) };
                events
                    .iter()
                    .try_for_each(|event| self.workspace.apply(&about, event))
                    .map_err(|unfitting| unfitting.to_string())
            }
            Content::Unreadable { reason, .. } => Err(reason.clone()),
            Content::User { .. } | Content::Claim | Content::Store { .. } | Content::Mark { .. } => Ok(()),
        }
    }
}

/// Returns the acting user; `None` for the system.
fn acting(commit: &Commit) -> Option<&UserId> {
    Some(&commit.actor).filter(|actor| **actor != UserId::system())
}
