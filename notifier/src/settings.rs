//! The settings of the process: arguments with a fallback in the environment.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;
use service_kit::{http::ListenArgs, nats::NatsArgs, telemetry::LogArgs};

use crate::{content::Preview, providers::ProviderArgs, webhook_args::WebhookArgs};

/// The default port.
const DEFAULT_PORT: u16 = 8083;

const EXAMPLES: &str = "\
Examples:
  notifier --nats-url nats://notifier:secret@127.0.0.1:4222 \\
           --database-url postgres://notifier:secret@127.0.0.1:5432/boxroom \\
           --fcm-account-file /etc/boxroom/fcm.json
  notifier ... --apns-key-file AuthKey.p8 --apns-key-id ABC123DEFG --apns-team-id DEF123GHIJ --apns-topic app.example
  notifier ... --vapid-key-file vapid.pem --vapid-contact mailto:ops@example.com --preview text
  BOXROOM_LOG_FORMAT=json BOXROOM_FCM_ACCOUNT_FILE=/etc/boxroom/fcm.json notifier   (all from the environment)";

/// Tell users of their alarms by push messages, and other systems of events by webhooks
#[derive(Debug, Clone, Parser)]
#[command(name = "notifier", version, after_help = EXAMPLES)]
pub struct Settings {
    /// The address of the HTTP server.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The announcements of the projectors, and the log for webhooks.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// Database URL with the role of the notifier: `postgres://user:password@host:port/database`
    #[arg(long, env = "BOXROOM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,

    /// Maximum number of database connections for push messages, and as many for webhooks; two more are for locks and
    /// generations
    #[arg(long, env = "BOXROOM_DATABASE_POOL", default_value_t = 10, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub database_pool: u32,

    /// Number of box streams in the log; must equal the number it was created with
    #[arg(long, env = "BOXROOM_PARTITIONS", default_value_t = 4, value_name = "COUNT")]
    pub partitions: u16,

    /// Time from an alarm to its push message, in milliseconds: more alarms of the room may follow, and the user may
    /// read it
    #[arg(long, env = "BOXROOM_PUSH_DELAY", default_value_t = 2000, value_name = "MILLISECONDS")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=60_000))]
    pub push_delay: u32,

    /// Time after which a push message that could not be sent is given up, in minutes
    #[arg(long, env = "BOXROOM_PUSH_LIFETIME", default_value_t = 1440, value_name = "MINUTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=40_320))]
    pub push_lifetime: u32,

    /// What a push message shows: that there is news, who caused it, or the text of the message as well
    #[arg(long, env = "BOXROOM_PUSH_PREVIEW", default_value = "sender", value_name = "WHAT")]
    pub(crate) preview: Preview,

    /// Folder of texts (`<language>.json`) that replace the built-in ones
    #[arg(long, env = "BOXROOM_PUSH_TEXTS", value_name = "FOLDER")]
    pub push_texts: Option<PathBuf>,

    /// The push providers.
    #[command(flatten)]
    pub providers: ProviderArgs,

    /// Webhooks.
    #[command(flatten)]
    pub webhooks: WebhookArgs,

    /// The level and format of logs.
    #[command(flatten)]
    pub log: LogArgs,
}

impl Settings {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.listen.or_port(DEFAULT_PORT)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Settings, clap::Error> {
        Settings::try_parse_from(line.split(' '))
    }

    #[test]
    fn settings_have_defaults() {
        Settings::command().debug_assert();
        let settings = parse("notifier --nats-url n --database-url d").unwrap();
        assert_eq!((settings.partitions, settings.push_delay, settings.preview), (4, 2000, Preview::Sender));
        assert!(parse("notifier --nats-url n --database-url d --apns-key-file f").is_err());
        assert!(parse("notifier --nats-url n --database-url d --preview all").is_err());
    }
}
