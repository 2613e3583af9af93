//! The buckets beside the log: their names, streams and subjects, and the form of their keys.

use domain::{BoxId, RoomId, UserId};

/// The bucket of accounts, by user id or [`box_key`]. Stored; never rename.
pub const ACCOUNTS_BUCKET: &str = "accounts";

/// The bucket of the tallies of wrong passwords, by throttle key. Stored; never rename.
pub const ATTEMPTS_BUCKET: &str = "attempts";

/// The bucket of invitations to register, by the hashes of their tokens. Stored; never rename.
pub const INVITATIONS_BUCKET: &str = "invitations";

/// The bucket of user keys, by user id. Stored; never rename.
pub const KEYS_BUCKET: &str = "user-keys";

/// The bucket of the public keys that verify access tokens, by their ids. Stored; never rename.
pub const SIGNING_KEYS_BUCKET: &str = "signing_keys";

/// The bucket of the sessions that can be refreshed, by
/// [`session_record_key`](crate::trust::session_record_key). Stored; never rename.
pub const SESSIONS_BUCKET: &str = "sessions";

/// The bucket of revoked tokens, by [`session_key`](crate::trust::session_key),
/// [`subject_key`](crate::trust::subject_key) and [`ALL_TOKENS_KEY`](crate::trust::ALL_TOKENS_KEY). Stored; never
/// rename.
pub const REVOKED_BUCKET: &str = "revoked";

/// The bucket in which the query-services keep tickets for live connections until they are redeemed.
pub const TICKETS_BUCKET: &str = "tickets";

/// The bucket in which the notifiers keep how far they have planned the alarms of each stream, by
/// [`planned_key`]. Stored; never rename.
pub const NOTIFIER_BUCKET: &str = "notifier";

/// The bucket of the last turns of members to post in rooms in slow mode, by [`slow_mode_key`]. Stored; never rename.
pub const SLOW_MODE_BUCKET: &str = "slow_mode";

/// The prefix of the names of the streams that hold buckets.
const STREAM_PREFIX: &str = "KV_";

/// Returns the name of the stream that holds a bucket.
pub fn stream(bucket: &str) -> String {
    format!("{STREAM_PREFIX}{bucket}")
}

/// Returns the bucket that a stream of this name holds, if it holds one.
pub fn of_stream(stream: &str) -> Option<&str> {
    stream.strip_prefix(STREAM_PREFIX)
}

/// Returns the subject of a key, or of a pattern of keys, in the stream of a bucket.
pub fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// Returns the subjects on which the server publishes the changes of a bucket again.
pub fn changes(bucket: &str) -> String {
    format!("stored.{STREAM_PREFIX}{bucket}.>")
}

/// Returns true if a subject belongs to a bucket.
pub fn is_subject(subject: &str) -> bool {
    subject.starts_with("$KV.")
}

/// The key of the position up to which alarms of a stream are planned, by the stream's label. Stored; never rename.
pub fn planned_key(label: &str) -> String {
    format!("planned.{label}")
}

/// The key of a member's last turn in a room: box, number of the room, and user. Stored; never rename.
pub fn slow_mode_key(room_id: &RoomId, user_id: &UserId) -> String {
    format!("{room_id}.{user_id}")
}

/// The key of a box's account. No user id contains `=`. Stored; never rename.
pub fn box_key(box_id: &BoxId) -> String {
    format!("box={box_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_found_by_its_stream() {
        assert_eq!(of_stream(&stream(ACCOUNTS_BUCKET)), Some(ACCOUNTS_BUCKET));
        assert_eq!(of_stream("BOX_0"), None);
        assert_eq!(subject(KEYS_BUCKET, "ann"), "$KV.user-keys.ann");
    }
}
