//! The settings of the process: arguments with a fallback in the environment.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use chrono::TimeDelta;
use clap::{Args, Parser};
use service_kit::{
    time_span,
    {
        auth::TrustArgs,
        http::{ListenArgs, RateArgs, origins::OriginArgs},
        master_key::MasterKeyArgs,
        nats::NatsArgs,
        operations::OperationsArgs,
        telemetry::LogArgs,
    },
};
use text::emoji;
use wire::trust;

use crate::{
    quotas::QuotaArgs,
    users::{confirmation::settings::ConfirmationArgs, registration_policy::RegistrationArgs},
};

/// The default port.
const DEFAULT_PORT: u16 = 8080;

/// Takes commands, decides them and appends their events to the log
#[derive(Debug, Clone, Parser)]
#[command(name = "command-service", version)]
pub struct Settings {
    /// The address of the HTTP server.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The origins of web pages that may call this service.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// The address of the pages for operators.
    #[command(flatten)]
    pub operations: OperationsArgs,

    /// The rate limits of requests, over HTTP and NATS together.
    #[command(flatten)]
    pub rates: RateArgs,

    /// The quotas of users.
    #[command(flatten)]
    pub quotas: QuotaArgs,

    /// The conditions of registrations.
    #[command(flatten)]
    pub registration: RegistrationArgs,

    /// The confirmation of registrations.
    #[command(flatten)]
    pub confirmation: ConfirmationArgs,

    /// The NATS server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The level and format of logs.
    #[command(flatten)]
    pub log: LogArgs,

    /// The trusted issuers of access tokens.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// The keys that sign access tokens.
    #[command(flatten)]
    pub signing: SigningArgs,

    /// Longest time between two refreshes of a session, at most 90 days
    #[arg(
        long,
        env = "BOXROOM_SESSION_LIFETIME",
        default_value = "30d",
        value_parser = session_lifetime,
        value_name = "TIME"
    )]
    pub session_lifetime: TimeDelta,

    /// The keys that encrypt personal data in the log.
    #[command(flatten)]
    pub master: MasterKeyArgs,

    /// File with the secret for hashes of requests: 32 bytes in hexadecimal digits
    #[arg(long, env = "BOXROOM_REQUEST_SECRET_FILE", value_name = "FILE")]
    pub request_secret_file: PathBuf,

    /// Number of box streams in the log; must equal the number it was created with
    #[arg(long, env = "BOXROOM_PARTITIONS", default_value_t = 4, value_name = "COUNT")]
    pub partitions: u16,

    /// Time for which a repeated command gets its first answer
    #[arg(
        long,
        env = "BOXROOM_IDEMPOTENCY_WINDOW",
        default_value = "24h",
        value_parser = time_span::parse,
        value_name = "TIME"
    )]
    pub idempotency_window: TimeDelta,

    /// Initial lifetime of a room, like `3h` or `90m`
    #[arg(
        long,
        env = "BOXROOM_ROOM_LIFETIME",
        default_value = "3h",
        value_parser = time_span::parse,
        value_name = "TIME"
    )]
    pub room_lifetime: TimeDelta,

    /// Short codes that are reactions besides emoji, like `:thanks:,:party_parrot:`
    #[arg(long, env = "BOXROOM_REACTION_CODES", value_delimiter = ',', value_name = "CODES")]
    pub reaction_codes: Vec<ReactionCode>,
}

/// A short code that is a reaction, with its colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionCode(String);

impl ReactionCode {
    /// The code with its colons.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ReactionCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match emoji::short_code(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(format!("{text} is not a colon, 1 to 32 of a-z, 0-9, _, + and -, and a colon")),
        }
    }
}

impl Settings {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.listen.or_port(DEFAULT_PORT)
    }
}

/// The keys that sign access tokens, and their rotation.
#[derive(Debug, Clone, Args)]
pub struct SigningArgs {
    /// Folder of the private keys that sign access tokens: Ed25519, PKCS#8, one per `*.pem` file; not needed with an
    /// external issuer
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", required_unless_present = "issuer", value_name = "FOLDER")]
    pub signing_keys: Option<PathBuf>,

    /// Time between the publication of a new key and its first signature
    #[arg(long, env = "BOXROOM_KEY_LEAD", default_value = "60s", value_parser = time_span::parse, value_name = "TIME")]
    pub key_lead: TimeDelta,

    /// Time for which a key still verifies after a newer one has begun to sign
    #[arg(
        long,
        env = "BOXROOM_KEY_RETENTION",
        default_value = "1h",
        value_parser = time_span::parse,
        value_name = "TIME"
    )]
    pub key_retention: TimeDelta,
}

/// Parses a time span of at most the time for which sessions are stored.
fn session_lifetime(text: &str) -> Result<TimeDelta, String> {
    let span = time_span::parse(text)?;
    if span <= TimeDelta::days(trust::SESSION_DAYS) { Ok(span) } else { Err(format!("{text} is longer than 90 days")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use domain::delivery_box::ROOM_LIFETIME;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Settings::command().debug_assert();
    }

    #[test]
    fn reaction_codes_are_a_list() {
        let required = ["command-service", "--nats-url", "nats://x"];
        let files = ["--signing-keys", "x", "--request-secret-file", "x", "--master-key-file", "x"];
        let parse = |codes| {
            let arguments = required.into_iter().chain(files).chain(["--reaction-codes", codes]);
            Settings::try_parse_from(arguments).map(|settings| settings.reaction_codes)
        };
        let codes = parse(":thanks:,:+1:").unwrap();
        assert_eq!(codes.iter().map(ReactionCode::as_str).collect::<Vec<_>>(), [":thanks:", ":+1:"]);
        assert!(parse(":thanks:,hm").is_err());
    }

    #[test]
    fn the_default_room_lifetime_is_that_of_the_domain() {
        let files = ["--signing-keys", "x", "--request-secret-file", "x", "--master-key-file", "x"];
        let required = ["command-service", "--nats-url", "nats://x"];
        let settings = Settings::parse_from(required.into_iter().chain(files));
        assert_eq!(settings.room_lifetime, ROOM_LIFETIME);
    }
}
