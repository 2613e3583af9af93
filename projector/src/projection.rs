//! The projection: takes commits of one stream and writes rows of one generation. The rows do not depend on the batch
//! boundaries.

#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeSet;

use domain::UserId;
use sqlx::PgConnection;
use wire::StreamName;

use crate::commit::{Commit, Content};

pub use alarms::Alarm;
pub use box_stream::BoxStream;
pub use feed::FeedRow;
pub use quarantine::Quarantine;
pub use touched::Touched;

mod alarms;
mod apply;
mod box_stream;
mod boxes;
mod build;
mod copy;
mod erasure;
mod feed;
mod load;
mod members;
mod messages;
pub(crate) mod quarantine;
mod reactions;
mod rooms;
mod workspace;
mod write;

mod markers;
mod stores;
mod touched;
mod users;

/// The projection of one stream. Drop it when a transaction fails: it remembers rows as it last wrote them.
#[derive(Debug)]
pub enum Projection {
    /// Projects a partition of the boxes.
    Boxes(Box<BoxStream>),
    /// Projects the users.
    Users,
    /// Projects the stores.
    Stores,
    /// Projects the read markers.
    Markers,
}

/// The purpose of a projection. The rows are the same for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Clients wait for each event.
    Live,
    /// Only the end of the log matters.
    Building,
}

/// The changes of a batch that subscribers are notified of.
#[derive(Debug, Default)]
pub struct Changes {
    /// New rows of rooms' feeds, in the order of the log.
    pub feed: Vec<FeedRow>,
    /// New alarms, in the order of the log.
    pub alarms: Vec<Alarm>,
    /// The users whose own view of rooms has changed.
    pub touched: BTreeSet<Touched>,
}

impl Changes {
    /// Appends the changes of a later batch.
    pub(crate) fn extend(&mut self, later: Self) {
        let Self { feed, alarms, touched } = later;
        self.feed.extend(feed);
        self.alarms.extend(alarms);
        self.touched.extend(touched);
    }
}

/// The reason why a batch could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database is unreachable, or refuses the rows.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A commit outside the box streams cannot be read or applied; its stream stops here.
    #[error("the commit at sequence {sequence} cannot be projected: {reason}")]
    Stuck {
        /// Its sequence.
        sequence: u64,
        /// The reason.
        reason: String,
    },
}

/// An event contradicts the state of the read model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidEvent(pub(crate) String);

impl Projection {
    /// Opens the projection of a stream with the state of the connection's generation.
    pub async fn open(stream: StreamName, pace: Pace, connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Ok(match stream {
            StreamName::Box(_) => Self::Boxes(Box::new(BoxStream::open(&stream.label(), pace, connection).await?)),
            StreamName::User => Self::Users,
            StreamName::Store => Self::Stores,
            // Deadlines have no rows of their own; their effects are in the box streams.
            StreamName::Mark | StreamName::Timer => Self::Markers,
        })
    }

    /// Restarts from the state of the generation after a failed transaction.
    pub(crate) async fn reopen(
        &mut self,
        stream: StreamName,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let pace = match self {
            Self::Boxes(boxes) => boxes.pace(),
            Self::Users | Self::Stores | Self::Markers => Pace::Live,
        };
        *self = Self::open(stream, pace, connection).await?;
        Ok(())
    }

    /// Writes the rows that the commits change. Runs within the caller's transaction, after the checkpoint was moved.
    pub async fn project(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<Changes, ProjectionError> {
        match self {
            Self::Boxes(boxes) => return boxes.project(connection, commits).await,
            Self::Users => users::project(connection, commits).await?,
            Self::Stores => stores::project(connection, commits).await?,
            Self::Markers => return markers::project(connection, commits).await,
        }
        Ok(Changes::default())
    }
}

/// Returns the acting user; `None` for the system.
fn acting(commit: &Commit) -> Option<&UserId> {
    Some(&commit.actor).filter(|actor| **actor != UserId::system())
}

/// The error for a commit of another kind than its stream holds, or one that cannot be decoded.
fn foreign(commit: &Commit) -> ProjectionError {
    let reason = match &commit.content {
        Content::Unreadable { reason, .. } => reason.clone(),
        Content::Box { .. } | Content::User { .. } | Content::Claim | Content::Store { .. } | Content::Mark { .. } => {
            "it does not belong into this stream".to_owned()
        }
    };
    ProjectionError::Stuck { sequence: commit.sequence, reason }
}

/// Parses a text of the database that must be an id.
fn id<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
