//! The projection: commits of one stream in, rows of one generation out, the same rows however the commits are cut into batches.

#![warn(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeSet;

use domain::UserId;
use event_store::StreamName;
use sqlx::PgConnection;

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

/// The projection of one stream. Drop it when a transaction of its fails: it remembers rows as it last wrote them.
#[derive(Debug)]
pub enum Projection {
    /// Of a partition of the boxes.
    Boxes(Box<BoxStream>),
    /// Of the users.
    Users,
    /// Of the stores.
    Stores,
    /// Of the read markers.
    Markers,
}

/// What a projection is opened for. It leaves the same rows either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Somebody waits for each event.
    Live,
    /// Somebody waits for the last one.
    Building,
}

/// What a batch has brought that somebody may be waiting for.
#[derive(Debug, Default)]
pub struct News {
    /// New rows of rooms' feeds, in the order of the log.
    pub feed: Vec<FeedRow>,
    /// New alarms, in the order of the log.
    pub alarms: Vec<Alarm>,
    /// Whose rooms look different now to themselves.
    pub touched: BTreeSet<Touched>,
}

impl News {
    /// Takes in what came after it.
    pub(crate) fn extend(&mut self, later: Self) {
        let Self { feed, alarms, touched } = later;
        self.feed.extend(feed);
        self.alarms.extend(alarms);
        self.touched.extend(touched);
    }
}

/// Why a batch could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database is not there, or refuses.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// A commit that concerns no box cannot be read or applied; its stream stops here.
    #[error("the commit at sequence {sequence} cannot be projected: {reason}")]
    Stuck {
        /// Where.
        sequence: u64,
        /// Why.
        reason: String,
    },
}

/// An event does not fit what the read model knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfitting(pub(crate) String);

impl Projection {
    /// The projection of a stream as the generation behind this connection stands.
    pub async fn open(stream: StreamName, pace: Pace, connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Ok(match stream {
            StreamName::Box(_) => Self::Boxes(Box::new(BoxStream::open(&stream.label(), pace, connection).await?)),
            StreamName::User => Self::Users,
            StreamName::Store => Self::Stores,
            // Deadlines leave nothing to read; what they cause is in the box streams.
            StreamName::Mark | StreamName::Timer => Self::Markers,
        })
    }

    /// Begins again from what the generation holds, after a transaction failed.
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

    /// Writes what the commits have changed. Runs inside the caller's transaction, after the checkpoint was moved.
    pub async fn project(
        &mut self,
        connection: &mut PgConnection,
        commits: &[Commit],
    ) -> Result<News, ProjectionError> {
        match self {
            Self::Boxes(boxes) => return boxes.project(connection, commits).await,
            Self::Users => users::project(connection, commits).await?,
            Self::Stores => stores::project(connection, commits).await?,
            Self::Markers => return markers::project(connection, commits).await,
        }
        Ok(News::default())
    }
}

/// Nobody acted where the system did.
fn acting(commit: &Commit) -> Option<&UserId> {
    Some(&commit.actor).filter(|actor| **actor != UserId::system())
}

/// A commit of another kind than its stream holds, or one that cannot be decoded.
fn foreign(commit: &Commit) -> ProjectionError {
    let reason = match &commit.content {
        Content::Unreadable { reason, .. } => reason.clone(),
        Content::Box { .. } | Content::User { .. } | Content::Claim | Content::Store { .. } | Content::Mark { .. } => {
            "it does not belong into this stream".to_owned()
        }
    };
    ProjectionError::Stuck { sequence: commit.sequence, reason }
}

/// A text of the database that must be an id.
fn id<T>(text: &str) -> Result<T, sqlx::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
