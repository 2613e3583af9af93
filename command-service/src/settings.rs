//! The settings of the process: arguments with a fallback in the environment.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{BoxId, UserId};
use service_kit::args::{
    ListenArgs, LogArgs, MasterKeyArgs, NatsArgs, OperationsArgs, OriginArgs, RateArgs, TrustArgs,
};
use wire::trust;

/// Takes commands, decides them and appends their events to the log
#[derive(Debug, Parser)]
#[command(version, after_help = "Without a subcommand, `serve` is run.")]
pub struct Program {
    /// Task to run
    #[command(subcommand)]
    pub task: Task,
}

/// The tasks of the program.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Serve commands over HTTP and NATS
    Serve(Box<Settings>),
    /// Print an access token
    #[command(after_help = "Examples:\n  \
        command-service token --subject ops --role operator --ttl 12h\n  \
        command-service token --subject box-1 --role device --box box-1 --ttl 365d")]
    Token(TokenArgs),
    /// Manage the accounts of operators
    #[command(subcommand)]
    Operator(OperatorTask),
}

/// The tasks about operators.
#[derive(Debug, Subcommand)]
pub enum OperatorTask {
    /// Create an operator's account, which signs in with `POST /sessions`
    #[command(after_help = "The password has 8 to 128 characters and comes from a file or the standard input:\n  \
        command-service operator create --user-id ops --password-file ops-password\n  \
        pwgen 24 1 | tee ops-password | command-service operator create --user-id ops\n  \
        command-service operator create --user-id ops --password-file another --reset-password")]
    Create(CreateOperator),
}

/// The operator to create.
#[derive(Debug, Clone, Args)]
pub struct CreateOperator {
    /// The NATS server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// Id of the operator
    #[arg(long, value_name = "USER")]
    pub user_id: UserId,

    /// File with the password (default: the first line of the standard input)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Replace the password of an existing operator and end all their sessions
    #[arg(long)]
    pub reset_password: bool,
}

/// The settings of the service.
#[derive(Debug, Clone, Args)]
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
        value_parser = duration,
        value_name = "TIME"
    )]
    pub idempotency_window: TimeDelta,

    /// Initial lifetime of a room, like `3h` or `90m`
    #[arg(long, env = "BOXROOM_ROOM_LIFETIME", default_value = "3h", value_parser = duration, value_name = "TIME")]
    pub room_lifetime: TimeDelta,
}

/// The keys that sign access tokens, and their rotation.
#[derive(Debug, Clone, Args)]
pub struct SigningArgs {
    /// Folder of the private keys that sign access tokens: Ed25519, PKCS#8, one per `*.pem` file; not needed with an
    /// outside issuer
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", required_unless_present = "issuer", value_name = "FOLDER")]
    pub signing_keys: Option<PathBuf>,

    /// Time between the publication of a new key and its first signature
    #[arg(long, env = "BOXROOM_KEY_LEAD", default_value = "60s", value_parser = duration, value_name = "TIME")]
    pub key_lead: TimeDelta,

    /// Time for which a key still verifies after a newer one has begun to sign
    #[arg(long, env = "BOXROOM_KEY_RETENTION", default_value = "1h", value_parser = duration, value_name = "TIME")]
    pub key_retention: TimeDelta,
}

/// The content of a printed token.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// Folder of the signing keys; the last one by file name signs
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", value_name = "FOLDER")]
    pub signing_keys: PathBuf,

    /// Id of the user, operator or box
    #[arg(long, value_name = "USER")]
    pub subject: UserId,

    /// Role of the token
    #[arg(long, default_value = "user")]
    pub role: RoleName,

    /// Box id, for the role `device`
    #[arg(long = "box", value_name = "BOX", required_if_eq("role", "device"))]
    pub box_id: Option<BoxId>,

    /// Lifetime of the token
    #[arg(long, default_value = "12h", value_parser = duration, value_name = "TIME")]
    pub ttl: TimeDelta,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Places orders and chats
    User,
    /// Manages boxes and stores
    Operator,
    /// Delivery box
    Device,
}

/// Parses a time span of at most the time for which sessions are stored.
fn session_lifetime(text: &str) -> Result<TimeDelta, String> {
    let span = duration(text)?;
    if span <= TimeDelta::days(trust::SESSION_DAYS) { Ok(span) } else { Err(format!("{text} is longer than 90 days")) }
}

/// Parses a time span: a number and a unit, which is `ms`, `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<TimeDelta, String> {
    let invalid = || format!("{text} is not a time span like 90s, 15m, 24h or 7d");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
    let (number, unit) = text.split_at(unit_at);
    let number: i64 = number.parse().map_err(|_| invalid())?;
    let span = match unit {
        "ms" => TimeDelta::try_milliseconds(number),
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    };
    span.filter(|span| *span > TimeDelta::zero() && *span <= TimeDelta::days(3660)).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use domain::delivery_box::ROOM_LIFETIME;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Program::command().debug_assert();
    }

    #[test]
    fn the_default_room_lifetime_is_that_of_the_domain() {
        let files = ["--signing-keys", "x", "--request-secret-file", "x", "--master-key-file", "x"];
        let required = ["command-service", "serve", "--nats-url", "nats://x"];
        let program = Program::parse_from(required.into_iter().chain(files));
        let Task::Serve(settings) = program.task else { panic!("{:?}", program.task) };
        assert_eq!(settings.room_lifetime, ROOM_LIFETIME);
    }

    #[test]
    fn time_spans_have_a_unit() {
        assert_eq!(duration("1500ms"), Ok(TimeDelta::milliseconds(1500)));
        assert_eq!(duration("90s"), Ok(TimeDelta::seconds(90)));
        assert_eq!(duration("24h"), Ok(TimeDelta::hours(24)));
        assert_eq!(duration("7d"), Ok(TimeDelta::days(7)));
        for bad in ["", "h", "5", "0s", "-1h", "1.5h", "1 h", "1w", "99999999999999999999s", "9999999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
