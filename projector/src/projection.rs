//! The projection: takes commits of one stream and writes rows of one generation. The rows do not depend on the batch
//! boundaries.

#![warn(clippy::wildcard_enum_match_arm)]

use sqlx::PgConnection;
use wire::StreamName;

use crate::commit::Commit;

pub use box_stream::{BoxStream, ProjectionMode};
pub use error::ProjectionError;
pub use outcome::{Changes, CountFact, LobbyChange, RoomChange};
pub use quarantine::Quarantine;
use table::Table;
pub use tables::{Alarm, FeedRow, WithdrawalReason};
pub(crate) use upserts::Upserts;

mod alarms;
mod apply;
mod box_stream;
mod boxes;
mod build;
mod cell;
mod copy;
mod erasure;
mod error;
mod feed;
mod filters;
mod invitation;
mod load;
mod members;
mod message_alarms;
mod messages;
mod moderation;
pub(crate) mod quarantine;
mod reactions;
mod reports;
mod rooms;
pub(crate) mod table;
pub(crate) mod tables;
mod upserts;
mod words;
mod workspace;
mod write;

mod markers;
mod outcome;
mod room_changes;
mod stores;
mod users;

/// The projection of one stream. Drop it when a transaction fails: it remembers rows as it last wrote them.
#[derive(Debug)]
pub enum Projection {
    /// Projects a partition of the boxes.
    Boxes(Box<BoxStream>),
    /// Projects the users.
    Users,
    /// Projects the stores, the filters and the reports.
    Stores,
    /// Projects the read markers.
    Markers,
}

impl Projection {
    /// Opens the projection of a stream with the state of the connection's generation.
    pub async fn open(
        stream: StreamName,
        mode: ProjectionMode,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        Ok(match stream {
            StreamName::Box(_) => Self::Boxes(Box::new(BoxStream::open(&stream.label(), mode, connection).await?)),
            StreamName::User => Self::Users,
            StreamName::Store => Self::Stores,
            // Deadlines have no rows of their own; their effects are in the box streams.
            StreamName::Mark | StreamName::Timer => Self::Markers,
        })
    }

    /// Returns the tables that the projection writes.
    pub(crate) fn tables(&self) -> &'static [&'static Table] {
        match self {
            Self::Boxes(_) => tables::OF_BOXES,
            Self::Users => tables::OF_USERS,
            Self::Stores => tables::OF_STORES,
            Self::Markers => tables::OF_MARKERS,
        }
    }

    /// Restarts from the state of the generation after a failed transaction.
    pub(crate) async fn reopen(
        &mut self,
        stream: StreamName,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let mode = match self {
            Self::Boxes(boxes) => boxes.mode(),
            Self::Users | Self::Stores | Self::Markers => ProjectionMode::Live,
        };
        *self = Self::open(stream, mode, connection).await?;
        Ok(())
    }

    /// Writes the rows that the commits change. Runs within the caller's transaction, after the checkpoint was moved.
    pub async fn project(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<Changes, ProjectionError> {
        self.prepare(connection, commits).await?;
        self.write(connection, commits).await
    }

    /// Does what is possible before the checkpoint moves. What it has read is certain once the checkpoint has moved.
    pub(crate) async fn prepare(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<(), ProjectionError> {
        match self {
            Self::Boxes(boxes) => boxes.prepare(connection, commits).await,
            Self::Users | Self::Stores | Self::Markers => Ok(()),
        }
    }

    /// Returns true if the rows of prepared commits can be written by [`upsert`](Self::upsert).
    pub(crate) fn has_only_upserts(&self) -> bool {
        match self {
            Self::Boxes(boxes) => boxes.has_only_upserts(),
            Self::Users | Self::Stores => false,
            Self::Markers => true,
        }
    }

    /// Writes the rows of prepared commits with the statement that moves the checkpoint, which is a transaction of its
    /// own. Returns none if the checkpoint did not move.
    pub(crate) async fn upsert(
        &mut self,
        connection: &mut PgConnection,
        mut upserts: Upserts,
        commits: &[Commit],
    ) -> Result<Option<Changes>, ProjectionError> {
        if let Self::Boxes(boxes) = self {
            return Ok(boxes.upsert(connection, upserts).await?);
        }
        let changes = markers::add_markers(commits, &mut upserts)?;
        Ok(upserts.execute(connection).await?.then_some(changes))
    }

    /// Writes the rows of prepared commits. Runs within the caller's transaction, after the checkpoint was moved.
    pub(crate) async fn write(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<Changes, ProjectionError> {
        match self {
            Self::Boxes(boxes) => boxes.write(connection, commits).await,
            Self::Users => users::project_users(connection, commits).await,
            Self::Stores => stores::project_stores(connection, commits).await,
            Self::Markers => {
                let mut upserts = Upserts::unconditional();
                let changes = markers::add_markers(commits, &mut upserts)?;
                upserts.execute(connection).await?;
                Ok(changes)
            }
        }
    }
}
