//! The settings of the services.

use std::{collections::BTreeMap, path::Path};

use super::{ServiceId, Stack, StackOptions};
use crate::{nats::Account, postgres::Role};

/// Limits that tests do not reach, although all their clients share an address and are as fast as they can be.
pub(super) const UNLIMITED: [(&str, &str); 17] = [
    ("BOXROOM_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("BOXROOM_RATE_PER_USER", "1000000:1000000"),
    ("BOXROOM_RATE_PER_ADDRESS", "1000000:1000000"),
    ("BOXROOM_LIVE_RATE_PER_USER", "1000000:1000000"),
    ("BOXROOM_LIVE_RATE_PER_ADDRESS", "1000000:1000000"),
    ("BOXROOM_OPEN_ROOMS_PER_USER", "0"),
    ("BOXROOM_JOINED_ROOMS_PER_USER", "0"),
    ("BOXROOM_ROOMS_PER_DAY", "0"),
    ("BOXROOM_MESSAGES_PER_MINUTE", "0"),
    ("BOXROOM_MESSAGE_BYTES_PER_DAY", "0"),
    ("BOXROOM_ROOM_CHANGES_PER_MINUTE", "0"),
    ("BOXROOM_NICKNAMES_PER_DAY", "0"),
    ("BOXROOM_SIGN_INS_PER_DAY", "0"),
    ("BOXROOM_SESSIONS_PER_USER", "0"),
    ("BOXROOM_PASSWORDS_PER_CALLER", "0"),
    ("BOXROOM_REGISTRATIONS_PER_ADDRESS", "0"),
    ("BOXROOM_REGISTRATIONS_PER_HOUR", "0"),
];

impl Stack {
    /// The settings of one service, each with access only to what it needs.
    pub(super) fn settings(&self, id: ServiceId, options: &StackOptions) -> BTreeMap<&'static str, String> {
        let partitions = ("BOXROOM_PARTITIONS", options.partitions.to_string());
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let cache = ("BOXROOM_TRUST_CACHE", path(&self.servers.caches.join(format!("trust-{id}.json"))));
        match id {
            ServiceId::Command(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Command)),
                ("BOXROOM_SIGNING_KEYS", path(&self.servers.keys.signing_keys)),
                ("BOXROOM_REQUEST_SECRET_FILE", path(&self.servers.keys.request_secret)),
                ("BOXROOM_MASTER_KEY_FILE", path(&self.servers.keys.master_key)),
                cache,
                partitions,
            ]),
            ServiceId::Projector(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Projector)),
                ("BOXROOM_MASTER_KEY_FILE", path(&self.servers.keys.master_key)),
                ("BOXROOM_DATABASE_URL", self.servers.postgres.url(Role::Projector)),
                partitions,
            ]),
            ServiceId::Query(_) => {
                let mut settings = BTreeMap::from([
                    ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Query)),
                    ("BOXROOM_DATABASE_URL", self.servers.postgres.url(Role::Query)),
                    ("BOXROOM_DATABASE_POOL", options.database_pool.to_string()),
                    cache,
                ]);
                if let Some(page) = &options.page {
                    settings.insert("BOXROOM_PAGE", path(page));
                    settings.insert("BOXROOM_PAGE_COMMAND_URL", self.command_url(0));
                    if options.operator_gateways > 0 {
                        settings.insert("BOXROOM_PAGE_OPERATOR_URL", self.url(ServiceId::OperatorGateway(0)));
                    }
                }
                settings
            }
            ServiceId::Notifier(_) => BTreeMap::from([
                ("BOXROOM_NATS_URL", self.servers.nats.url(Account::Notifier)),
                ("BOXROOM_DATABASE_URL", self.servers.postgres.url(Role::Notifier)),
                partitions,
            ]),
            ServiceId::OperatorGateway(_) => {
                BTreeMap::from([("BOXROOM_NATS_URL", self.servers.nats.url(Account::Operator)), cache])
            }
        }
    }
}
