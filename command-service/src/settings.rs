//! The settings of the process: arguments with a fallback in the environment.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{BoxId, UserId, trust};
use service_kit::args::{
    ListenArgs, LogArgs, MasterKeyArgs, NatsArgs, OperationsArgs, OriginArgs, RateArgs, TrustArgs,
};

/// Takes commands, decides them, and appends what happened to the event log.
#[derive(Debug, Parser)]
#[command(version, after_help = "Without a subcommand the service is served.")]
pub struct Program {
    /// What to do
    #[command(subcommand)]
    pub task: Task,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Serve commands over HTTP and NATS
    Serve(Box<Settings>),
    /// Print an access token
    #[command(after_help = "Examples:\n  \
        command-service token --subject ops --role operator --ttl 12h\n  \
        command-service token --subject box-1 --role device --box box-1 --ttl 365d")]
    Token(TokenArgs),
    /// Look after the accounts of operators
    #[command(subcommand)]
    Operator(OperatorTask),
}

/// What can be done about operators.
#[derive(Debug, Subcommand)]
pub enum OperatorTask {
    /// Create an account that signs in with `POST /sessions` and may do what operators may
    #[command(after_help = "The password has 8 to 128 characters and comes from a file or the standard input:\n  \
        command-service operator create --user-id ops --password-file ops-password\n  \
        pwgen 24 1 | tee ops-password | command-service operator create --user-id ops\n  \
        command-service operator create --user-id ops --password-file another --reset-password")]
    Create(CreateOperator),
}

/// Who becomes an operator.
#[derive(Debug, Clone, Args)]
pub struct CreateOperator {
    /// The NATS server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The operator's id
    #[arg(long, value_name = "USER")]
    pub user_id: UserId,

    /// The file with the password; without it, the first line of the standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Give an operator who is there already this password in place of a lost one, and end all their sessions
    #[arg(long)]
    pub reset_password: bool,
}

/// The settings of the service.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Where HTTP is served.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// Which pages may call this service.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// Where operators look.
    #[command(flatten)]
    pub operations: OperationsArgs,

    /// How often clients may ask, over HTTP and NATS together.
    #[command(flatten)]
    pub rates: RateArgs,

    /// The NATS server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// What is logged.
    #[command(flatten)]
    pub log: LogArgs,

    /// Which access tokens count.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// How tokens are signed.
    #[command(flatten)]
    pub signing: SigningArgs,

    /// How long a session waits for its next refresh, 90 days at most
    #[arg(long, env = "BOXROOM_SESSION_LIFETIME", default_value = "30d", value_parser = session_lifetime, value_name = "TIME")]
    pub session_lifetime: TimeDelta,

    /// The keys under which personal data in the log is sealed.
    #[command(flatten)]
    pub master: MasterKeyArgs,

    /// The secret under which requests are hashed: 32 bytes in hexadecimal digits
    #[arg(long, env = "BOXROOM_REQUEST_SECRET_FILE", value_name = "FILE")]
    pub request_secret_file: PathBuf,

    /// Over how many partitions the log's boxes are spread; has to be what the log was created with
    #[arg(long, env = "BOXROOM_PARTITIONS", default_value_t = 4, value_name = "COUNT")]
    pub partitions: u16,

    /// For how long a repeated command gets its first answer
    #[arg(long, env = "BOXROOM_IDEMPOTENCY_WINDOW", default_value = "24h", value_parser = duration, value_name = "TIME")]
    pub idempotency_window: TimeDelta,

    /// How long a room stays open by itself, like `3h` or `90m`
    #[arg(long, env = "BOXROOM_ROOM_LIFETIME", default_value = "3h", value_parser = duration, value_name = "TIME")]
    pub room_lifetime: TimeDelta,
}

/// The keys that sign tokens, and when.
#[derive(Debug, Clone, Args)]
pub struct SigningArgs {
    /// The folder of the private keys that sign access tokens: Ed25519, PKCS#8, one in each file `*.pem`; not needed with
    /// an outside issuer
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", required_unless_present = "issuer", value_name = "FOLDER")]
    pub signing_keys: Option<PathBuf>,

    /// How long a new key is published before it signs
    #[arg(long, env = "BOXROOM_KEY_LEAD", default_value = "60s", value_parser = duration, value_name = "TIME")]
    pub key_lead: TimeDelta,

    /// How long a key verifies after a newer one has begun to sign
    #[arg(long, env = "BOXROOM_KEY_RETENTION", default_value = "1h", value_parser = duration, value_name = "TIME")]
    pub key_retention: TimeDelta,
}

/// What the printed token says.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The folder of the signing keys, of which the last one by name signs it
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", value_name = "FOLDER")]
    pub signing_keys: PathBuf,

    /// For whom it speaks
    #[arg(long, value_name = "USER")]
    pub subject: UserId,

    /// What they may do
    #[arg(long, default_value = "user")]
    pub role: RoleName,

    /// Which box it is, for a device
    #[arg(long = "box", value_name = "BOX", required_if_eq("role", "device"))]
    pub box_id: Option<BoxId>,

    /// How long it is valid
    #[arg(long, default_value = "12h", value_parser = duration, value_name = "TIME")]
    pub ttl: TimeDelta,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// Orders and chats
    User,
    /// Looks after boxes and stores
    Operator,
    /// Is a box
    Device,
}

/// As long as sessions are kept at most.
fn session_lifetime(text: &str) -> Result<TimeDelta, String> {
    let span = duration(text)?;
    if span <= TimeDelta::days(trust::SESSION_DAYS) { Ok(span) } else { Err(format!("{text} is longer than 90 days")) }
}

/// A number and a unit: `ms`, `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Result<TimeDelta, String> {
    let invalid = || format!("{text} is no time span like 90s, 15m, 24h or 7d");
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
    fn a_room_lives_as_long_as_the_domain_says_unless_told_otherwise() {
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
