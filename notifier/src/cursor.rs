//! The position up to which the alarms of a stream are planned. It is kept beside the log, not in PostgreSQL: if the
//! database is lost or restored, no alarm is told again.

use serde::{Deserialize, Serialize};
use storage::{Bucket, BucketError, JetStream};
use wire::bucket::{NOTIFIER_BUCKET, planned_key};

/// A position in one incarnation of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Planned {
    pub(crate) incarnation: String,
    pub(crate) position: i64,
}

/// The stored positions of all streams.
#[derive(Debug)]
pub(crate) struct Cursors(Bucket);

/// The position of one stream as its only writer sees it.
#[derive(Debug)]
pub(crate) struct Cursor {
    key: String,
    revision: u64,
    pub(crate) planned: Option<Planned>,
}

impl Cursors {
    pub(crate) fn new(client: async_nats::Client) -> Self {
        Self(Bucket::new(JetStream::new(client), NOTIFIER_BUCKET))
    }

    /// Reads the position of a stream, by its label.
    pub(crate) async fn read(&self, label: &str) -> Result<Cursor, BucketError> {
        let key = planned_key(label);
        let (planned, revision) = match self.0.get(&key).await? {
            Some((planned, revision)) => (Some(planned), revision),
            None => (None, 0),
        };
        Ok(Cursor { key, revision, planned })
    }

    /// Stores a position. Fails with a conflict if another notifier has stored one since it was read.
    pub(crate) async fn write(&self, cursor: &mut Cursor, planned: Planned) -> Result<(), BucketError> {
        if cursor.planned.as_ref() != Some(&planned) {
            cursor.revision = self.0.update(&cursor.key, &planned, cursor.revision).await?;
            cursor.planned = Some(planned);
        }
        Ok(())
    }
}
