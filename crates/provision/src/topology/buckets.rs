//! The layouts of all buckets. Not created with the client library, whose buckets can be read from any replica.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Republish, StorageType};
use wire::{
    bucket::{
        self, ACCOUNTS_BUCKET, ATTEMPTS_BUCKET, INVITATIONS_BUCKET, KEYS_BUCKET, NOTIFIER_BUCKET, REVOKED_BUCKET,
        SESSIONS_BUCKET, SIGNING_KEYS_BUCKET, SLOW_MODE_BUCKET, TICKETS_BUCKET,
    },
    trust::{INVITATION_DAYS, REVOKED_HOURS, SESSION_DAYS, TICKET_SECONDS},
};

/// The maximum size of a value.
const MAX_VALUE_BYTES: i32 = 1024;

const MAX_TALLY_BYTES: i32 = 512;

const MAX_TURN_BYTES: i32 = 512;

/// The maximum size of an invitation, with the ids of all users who can register with it.
const MAX_INVITATION_BYTES: i32 = 8192;

/// The maximum number of tallies of wrong passwords. A client that wants one to be discarded must first try as many
/// other accounts, each at the cost of a password hash.
const MAX_TALLIES: i64 = 1_000_000;

/// The time after which an address that gave the right password is forgotten.
const MAX_TALLY_AGE: Duration = DAY.saturating_mul(30);

/// The maximum number of turns in slow mode. A turn that is discarded early lets one message pass early.
const MAX_TURNS: i64 = 1_000_000;

/// The time after which no turn counts: slow mode has at most six hours between messages.
const MAX_TURN_AGE: Duration = Duration::from_hours(7);

const DAY: Duration = Duration::from_hours(24);

/// Returns the streams of all buckets with the given number of replicas.
pub(super) fn layouts(replicas: usize) -> Vec<Config> {
    let ticket_age = Duration::from_secs(TICKET_SECONDS.into());
    let session_age = DAY * u32::try_from(SESSION_DAYS).unwrap_or_default();
    let invitation_age = DAY * u32::try_from(INVITATION_DAYS).unwrap_or_default();
    let revoked_age = Duration::from_hours(REVOKED_HOURS.unsigned_abs());
    let kept = |name: &str, keys: &str| bucket(name, keys, replicas);
    let notified = |name: &str, keys: &str| Config { republish: Some(republish(name)), ..kept(name, keys) };
    vec![
        // Accounts that wait for a confirmation have a lifetime.
        Config { allow_message_ttl: true, ..kept(ACCOUNTS_BUCKET, "*") },
        kept(NOTIFIER_BUCKET, "*.*"),
        Config { max_age: ticket_age, ..kept(TICKETS_BUCKET, "*") },
        // The keys of ended sessions are forgotten soon, so that the sessions of a user are found among a few keys.
        Config { max_age: session_age, allow_message_ttl: true, ..kept(SESSIONS_BUCKET, "*.*.*") },
        Config { max_age: invitation_age, max_message_size: MAX_INVITATION_BYTES, ..kept(INVITATIONS_BUCKET, "*") },
        // Services follow these two in batches, which only direct reads support. An entry that a replica lacks is found
        // by the next read.
        Config { allow_direct: true, ..notified(SIGNING_KEYS_BUCKET, "*") },
        Config { allow_direct: true, max_age: revoked_age, ..notified(REVOKED_BUCKET, "*.*") },
        Config {
            discard: DiscardPolicy::Old,
            max_messages: MAX_TALLIES,
            max_age: MAX_TALLY_AGE,
            max_message_size: MAX_TALLY_BYTES,
            ..kept(ATTEMPTS_BUCKET, ">")
        },
        Config {
            discard: DiscardPolicy::Old,
            max_messages: MAX_TURNS,
            max_age: MAX_TURN_AGE,
            max_message_size: MAX_TURN_BYTES,
            ..kept(SLOW_MODE_BUCKET, "*.*.*")
        },
        Config {
            // The key, and its tombstone until the key is overwritten in place.
            max_messages_per_subject: 2,
            deny_delete: false,
            ..notified(KEYS_BUCKET, "*")
        },
    ]
}

/// Returns the layout of a bucket that is read from the leader only, which has every acknowledged write. It is not
/// compressed, because deleted values are overwritten in place.
fn bucket(name: &str, keys: &str, replicas: usize) -> Config {
    Config {
        name: bucket::stream(name),
        subjects: vec![bucket::subject(name, keys)],
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        max_messages_per_subject: 1,
        max_message_size: MAX_VALUE_BYTES,
        allow_direct: false,
        deny_delete: true,
        ..Default::default()
    }
}

/// Returns the setting that notifies followers of a bucket of its changes. Values are not repeated.
fn republish(name: &str) -> Republish {
    Republish { source: ">".to_owned(), destination: bucket::changes(name), headers_only: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_followed_buckets_are_read_from_a_replica() {
        let direct = layouts(3).into_iter().filter(|layout| layout.allow_direct).map(|layout| layout.name);
        assert_eq!(direct.collect::<Vec<_>>(), ["KV_signing_keys", "KV_revoked"]);
        assert!(layouts(3).iter().all(|layout| layout.num_replicas == 3));
    }
}
