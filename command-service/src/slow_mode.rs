//! Slow mode: the turns of members to post, shared by all command-services.
//!
//! A turn is taken before the message is appended, and guarded by the member's former turn, so that two messages of one
//! member cannot both pass. Turns are not part of the log. Rooms without slow mode have none.

use chrono::{DateTime, TimeDelta, Utc};
use credentials::KeyedMutex;
use domain::{RoomId, UserId};
use event_store::CommandContext;
use serde::{Deserialize, Serialize};
use storage::{Bucket, BucketError, JetStream};
use wire::bucket::{SLOW_MODE_BUCKET, slow_mode_key};

/// The number of tries to take a turn under concurrent changes.
const ATTEMPTS: usize = 16;

/// The last turn of a member in a room.
#[derive(Debug, Serialize, Deserialize)]
struct Turn {
    /// The time at which the command was received.
    at: DateTime<Utc>,
    /// The command. Its repeats and its attempts to append need no other turn.
    command: String,
}

/// The turns of all members of rooms in slow mode.
pub(crate) struct Turns {
    bucket: Bucket,
    /// Serializes the turns of a member within the process, so that they do not conflict.
    keys: KeyedMutex,
}

/// A command of a member that needs a turn.
pub(crate) struct TurnRequest<'a> {
    pub(crate) room_id: &'a RoomId,
    pub(crate) user_id: &'a UserId,
    /// The identity of the command, from [`command_of`].
    pub(crate) command: &'a str,
    /// The time at which the command was received.
    pub(crate) at: DateTime<Utc>,
}

/// Returns the identity of a command: the same for its repeats if it has an idempotency key.
pub(crate) fn command_of(context: &CommandContext) -> String {
    match &context.command_id {
        Some(key) => format!("{key} {}", context.request_hash),
        None => format!("{:032x}", rand::random::<u128>()),
    }
}

impl Turns {
    /// Creates a handle to the turns on this server.
    pub(crate) fn new(server: JetStream) -> Self {
        Self { bucket: Bucket::new(server, SLOW_MODE_BUCKET), keys: KeyedMutex::default() }
    }

    /// Takes a turn. Returns the time to wait if the member's last turn was less than `interval` ago.
    pub(crate) async fn take(
        &self,
        request: &TurnRequest<'_>,
        interval: TimeDelta,
    ) -> Result<Option<TimeDelta>, BucketError> {
        let key = slow_mode_key(request.room_id, request.user_id);
        let turn = Turn { at: request.at, command: request.command.to_owned() };
        let _guard = self.keys.lock(&key).await;
        for _ in 0..ATTEMPTS {
            let taken = match self.bucket.get_with_time::<Turn>(&key).await? {
                None => self.bucket.create(&key, &turn).await,
                Some((last, _, _)) if last.command == turn.command => return Ok(None),
                Some((last, revision, stored_at)) => {
                    // An instance with a fast clock does not delay members.
                    let wait = last.at.min(stored_at) + interval - request.at;
                    if wait > TimeDelta::zero() {
                        return Ok(Some(wait));
                    }
                    self.bucket.update(&key, &turn, revision).await
                }
            };
            match taken {
                Err(BucketError::Conflict(_)) => {}
                taken => return taken.map(|_| None),
            }
        }
        Err(BucketError::Conflict(key))
    }
}
