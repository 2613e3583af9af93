//! Tests the permissions: every account tries every operation on every stream and bucket with its own password. The
//! server must reject all but the grants listed here.

mod forged_replies;
mod wire;

use std::collections::BTreeSet;

use async_nats::jetstream::{self, stream::Config};
use futures::TryStreamExt;
use harness::{Account, Nats};

use self::wire::Wire;
use testing::server;

/// The grants of one account, in subjects as its process uses them.
struct May {
    account: Account,
    /// The streams whose state and messages it may read.
    read: &'static [&'static str],
    /// The buckets that it may read from the leader.
    buckets: &'static [&'static str],
    publish: &'static [&'static str],
    subscribe: &'static [&'static str],
}

/// The test fails for a grant that is not listed here, and for a listed one that is not given.
const ALL: [May; 6] = [
    May {
        account: Account::Command,
        read: &["USER", "STORE", "BOX_0", "BOX_1", "BOX_2", "BOX_3", "MARK"],
        buckets: &[
            "accounts",
            "sessions",
            "signing_keys",
            "revoked",
            "user-keys",
            "attempts",
            "invitations",
            "slow_mode",
        ],
        publish: &[
            "box.*.*.room",
            "box.*.*.talk",
            "user.*",
            "claim.nickname.*",
            "store.*",
            "mark.*.*.*.*",
            "timer.*.*.due",
            "JS.core.API.$KV.accounts.*",
            "JS.core.API.$KV.attempts.>",
            "JS.core.API.$KV.invitations.*",
            "JS.core.API.$KV.slow_mode.*.*.*",
            "JS.core.API.DIRECT.GET.KV_signing_keys",
            "JS.core.API.DIRECT.GET.KV_revoked",
            "JS.core.API.$KV.sessions.*.*.*",
            "JS.core.API.$KV.signing_keys.*",
            "JS.core.API.$KV.revoked.*.*",
            "JS.core.API.$KV.user-keys.*",
            "JS.core.API.STREAM.MSG.DELETE.KV_user-keys",
            "JS.core.API.STREAM.INFO.TIMER",
            "JS.core.API.CONSUMER.INFO.TIMER.deadlines",
            "JS.core.API.CONSUMER.MSG.NEXT.TIMER.deadlines",
            "$JS.ACK.TIMER.deadlines.>",
            "_R_.>",
        ],
        subscribe: &[
            "_INBOX_command.>",
            "stored.USER.>",
            "stored.STORE.>",
            "stored.BOX_0.>",
            "stored.BOX_1.>",
            "stored.BOX_2.>",
            "stored.BOX_3.>",
            "stored.MARK.>",
            "stored.KV_signing_keys.>",
            "stored.KV_revoked.>",
            "stored.KV_user-keys.>",
            "cmd.>",
            "erasure.*",
            "devices.remove",
        ],
    },
    May {
        account: Account::Projector,
        read: &["USER", "STORE", "BOX_0", "BOX_1", "BOX_2", "BOX_3", "MARK"],
        buckets: &["user-keys"],
        publish: &[
            "JS.core.API.STREAM.INFO.TIMER",
            "JS.core.API.CONSUMER.RESET.BOX_0.bulk",
            "JS.core.API.CONSUMER.RESET.BOX_1.bulk",
            "JS.core.API.CONSUMER.RESET.BOX_2.bulk",
            "JS.core.API.CONSUMER.RESET.BOX_3.bulk",
            "JS.core.API.CONSUMER.RESET.USER.bulk",
            "JS.core.API.CONSUMER.RESET.STORE.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.BOX_0.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.BOX_1.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.BOX_2.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.BOX_3.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.USER.bulk",
            "JS.core.API.CONSUMER.MSG.NEXT.STORE.bulk",
            "live.>",
            "projected.>",
            "erasure.*",
            "_R_.>",
        ],
        subscribe: &[
            "_INBOX_projector.>",
            "stored.USER.>",
            "stored.STORE.>",
            "stored.BOX_0.>",
            "stored.BOX_1.>",
            "stored.BOX_2.>",
            "stored.BOX_3.>",
            "stored.MARK.>",
            "stored.KV_user-keys.>",
            "ops.projector.*",
        ],
    },
    May {
        account: Account::Query,
        read: &[],
        buckets: &["tickets"],
        publish: &[
            "JS.core.API.$KV.tickets.*",
            "JS.core.API.DIRECT.GET.KV_signing_keys",
            "JS.core.API.DIRECT.GET.KV_revoked",
            "JS.core.API.STREAM.INFO.KV_signing_keys",
            "JS.core.API.STREAM.INFO.KV_revoked",
            "signal.>",
            "_R_.>",
        ],
        subscribe: &[
            "_INBOX_query.>",
            "stored.KV_signing_keys.>",
            "stored.KV_revoked.>",
            "live.>",
            "projected.>",
            "signal.>",
            "presence.ask",
        ],
    },
    May {
        account: Account::Notifier,
        read: &["BOX_0", "BOX_1", "BOX_2", "BOX_3"],
        buckets: &["notifier"],
        publish: &["JS.core.API.$KV.notifier.*.*", "presence.ask", "devices.remove", "_R_.>"],
        subscribe: &[
            "_INBOX_notifier.>",
            "stored.BOX_0.>",
            "stored.BOX_1.>",
            "stored.BOX_2.>",
            "stored.BOX_3.>",
            "projected.>",
            "ops.notifier.*",
        ],
    },
    May { account: Account::Device, read: &[], buckets: &[], publish: &["cmd.>"], subscribe: &["_INBOX_device.>"] },
    May {
        account: Account::Operator,
        read: &[],
        buckets: &[],
        publish: &[
            "JS.core.API.DIRECT.GET.KV_signing_keys",
            "JS.core.API.DIRECT.GET.KV_revoked",
            "JS.core.API.STREAM.INFO.KV_signing_keys",
            "JS.core.API.STREAM.INFO.KV_revoked",
            "ops.projector.*",
            "ops.notifier.*",
            "cmd.*",
        ],
        subscribe: &["_INBOX_operator.>", "stored.KV_signing_keys.>", "stored.KV_revoked.>"],
    },
];

/// The operations on a stream over NATS. `deadlines` and `bulk` are existing consumers.
const ON_A_STREAM: [&str; 42] = [
    "STREAM.CREATE.{}",
    "STREAM.UPDATE.{}",
    "STREAM.INFO.{}",
    "STREAM.DELETE.{}",
    "STREAM.PURGE.{}",
    "STREAM.SNAPSHOT.{}",
    "STREAM.RESTORE.{}",
    "STREAM.MSG.GET.{}",
    "STREAM.MSG.DELETE.{}",
    "STREAM.LEADER.STEPDOWN.{}",
    "STREAM.PEER.REMOVE.{}",
    "DIRECT.GET.{}",
    "DIRECT.GET.{}.some.subject",
    "CONSUMER.CREATE.{}",
    "CONSUMER.CREATE.{}.mine",
    "CONSUMER.CREATE.{}.mine.some.subject",
    "CONSUMER.DURABLE.CREATE.{}.mine",
    "CONSUMER.NAMES.{}",
    "CONSUMER.LIST.{}",
    "CONSUMER.INFO.{}.mine",
    "CONSUMER.DELETE.{}.mine",
    "CONSUMER.PAUSE.{}.mine",
    "CONSUMER.RESET.{}.mine",
    "CONSUMER.UNPIN.{}.mine",
    "CONSUMER.MSG.NEXT.{}.mine",
    "CONSUMER.LEADER.STEPDOWN.{}.mine",
    "CONSUMER.INFO.{}.deadlines",
    "CONSUMER.DELETE.{}.deadlines",
    "CONSUMER.PAUSE.{}.deadlines",
    "CONSUMER.RESET.{}.deadlines",
    "CONSUMER.UNPIN.{}.deadlines",
    "CONSUMER.MSG.NEXT.{}.deadlines",
    "CONSUMER.LEADER.STEPDOWN.{}.deadlines",
    "CONSUMER.DURABLE.CREATE.{}.deadlines",
    "CONSUMER.INFO.{}.bulk",
    "CONSUMER.DELETE.{}.bulk",
    "CONSUMER.PAUSE.{}.bulk",
    "CONSUMER.RESET.{}.bulk",
    "CONSUMER.UNPIN.{}.bulk",
    "CONSUMER.MSG.NEXT.{}.bulk",
    "CONSUMER.LEADER.STEPDOWN.{}.bulk",
    "CONSUMER.DURABLE.CREATE.{}.bulk",
];

/// The operations on the server, and the subjects between processes.
const BESIDES: [&str; 42] = [
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.SERVER.REMOVE",
    "$JS.API.META.LEADER.STEPDOWN",
    "$JS.API.ACCOUNT.PURGE.CORE",
    "$JS.API.ACCOUNT.STREAM.MOVE.CORE.BOX_0",
    "JS.core.API.INFO",
    "JS.core.API.STREAM.NAMES",
    "JS.core.API.STREAM.LIST",
    "JS.core.API.ACCOUNT.PURGE.CORE",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SYS.REQ.ACCOUNT.CORE.CONNZ",
    "$SYS.REQ.ACCOUNT.CORE.JSZ",
    "$SYS.REQ.USER.INFO",
    "$SYS.ACCOUNT.CORE.DISCONNECT",
    "$SRV.PING",
    "live.g1.box-0",
    "projected.alarms.box-0",
    "projected.activated",
    "signal.room.b1.1",
    "ops.projector.status",
    "ops.projector.drop.more",
    "ops.notifier.webhook_list",
    "ops.notifier.webhook.list",
    "ops.other",
    "cmd.post_message",
    "cmd.post.message",
    "erasure.erase_author",
    "erasure.erase.more",
    "devices.remove",
    "presence.ask",
    "stored",
    "_R_.x",
    "_R_.x.y",
    "_INBOX.x",
    "_INBOX_admin.x",
    "_INBOX_command.x",
    "_INBOX_projector.x",
    "_INBOX_query.x",
    "_INBOX_notifier.x",
];

/// Patterns for subscribing to everything, besides all subjects for publishing.
const SUBSCRIPTIONS: [&str; 26] = [
    ">",
    "*",
    "*.>",
    "$JS.>",
    "$JS.EVENT.>",
    "$JS.API.>",
    "$SYS.>",
    "$KV.>",
    "JS.core.API.>",
    "live.>",
    "projected.>",
    "signal.>",
    "cmd.>",
    "erasure.*",
    "ops.projector.*",
    "ops.notifier.*",
    "ops.>",
    "stored.>",
    "stored.*.>",
    "stored.KV_accounts.>",
    "stored.KV_sessions.>",
    "_R_.>",
    "_INBOX.>",
    "_INBOX_admin.>",
    "_INBOX_device.>",
    "_INBOX_operator.>",
];

/// Returns true if the pattern matches the subject.
fn matches(pattern: &str, subject: &str) -> bool {
    let (mut wanted, mut tokens) = (pattern.split('.'), subject.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(word), Some(token)) if word == token => {}
            _ => return false,
        }
    }
}

impl May {
    fn publish(&self, subject: &str) -> bool {
        let asks = ["STREAM.INFO.{}", "STREAM.MSG.GET.{}", "DIRECT.GET.{}", "DIRECT.GET.{}.>"];
        let any = |asks: &[&str], stream: &str| {
            asks.iter().any(|ask| matches(&format!("JS.core.API.{}", ask.replace("{}", stream)), subject))
        };
        self.publish.iter().any(|pattern| matches(pattern, subject))
            || self.read.iter().any(|stream| any(&asks, stream))
            || self.buckets.iter().any(|bucket| any(&asks[..2], &format!("KV_{bucket}")))
    }

    fn subscribe(&self, subject: &str) -> bool {
        // Subjects that the process uses are granted whole.
        self.subscribe.iter().any(|pattern| *pattern == subject || matches(pattern, subject))
    }
}

/// Returns all provisioned streams and buckets.
async fn provisioned(nats: &Nats) -> Vec<Config> {
    let owner = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    let mut streams: Vec<_> = owner.streams().map_ok(|info| info.config).try_collect().await.unwrap();
    streams.sort_by(|one, other| one.name.cmp(&other.name));
    streams
}

/// Returns all subjects of operations on these streams and on the server.
fn operations(streams: &[Config]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BESIDES.map(str::to_owned).into();
    for stream in streams {
        for operation in ON_A_STREAM.map(|operation| operation.replace("{}", &stream.name)) {
            all.extend([format!("$JS.API.{operation}"), format!("JS.core.API.{operation}")]);
        }
        for consumer in ["mine", "deadlines", "bulk"] {
            all.insert(format!("$JS.ACK.{}.{consumer}.1.1.1.1.0", stream.name));
            all.insert(format!("$JS.FC.{}.{consumer}.x", stream.name));
        }
        for subject in literals(stream) {
            all.extend([format!("JS.core.API.{subject}"), format!("stored.{}.{subject}", stream.name), subject]);
        }
    }
    all
}

/// Returns one subject for each subject pattern of a stream.
fn literals(stream: &Config) -> impl Iterator<Item = String> {
    stream.subjects.iter().map(|subject| subject.replace('*', "0").replace('>', "x"))
}

#[tokio::test]
async fn each_account_has_only_the_permissions_of_its_process() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let streams = provisioned(&nats).await;
    let operations = operations(&streams);
    let patterns = streams.iter().flat_map(|stream| stream.subjects.iter().cloned());
    let subscriptions: BTreeSet<String> =
        operations.iter().cloned().chain(patterns).chain(SUBSCRIPTIONS.map(str::to_owned)).collect();
    for may in &ALL {
        let mut wire = Wire::connect(&nats, may.account).await;
        let refused = wire.refused_to_publish(&operations, None).await;
        let granted: BTreeSet<_> = operations.difference(&refused).collect();
        let meant: BTreeSet<_> = operations.iter().filter(|subject| may.publish(subject)).collect();
        assert_eq!(granted, meant, "{:?} publishes", may.account);

        let refused = wire.refused_to_subscribe(&subscriptions).await;
        let granted: BTreeSet<_> = subscriptions.difference(&refused).collect();
        let meant: BTreeSet<_> = subscriptions.iter().filter(|subject| may.subscribe(subject)).collect();
        assert_eq!(granted, meant, "{:?} listens", may.account);
    }
}
