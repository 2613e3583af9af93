//! The settings of the process: arguments with a fallback in the environment.

use std::{ffi::OsString, net::SocketAddr};

use chrono::TimeDelta;
use clap::{Args, Parser, Subcommand};
use service_kit::{http::ListenArgs, master_key::MasterKeyArgs, nats::NatsArgs, telemetry::LogArgs, time_span};

use crate::database::DatabaseArgs;

/// The default port.
const DEFAULT_PORT: u16 = 8082;

/// Follows the log and keeps the read models in PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "projector", version, after_help = EXAMPLES)]
pub struct Cli {
    /// Command to execute; `run` if none is given
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Project until asked to stop (the default): migrate first, and create the first generation if there is none
    #[command(after_help = EXAMPLES)]
    Run(Settings),
    /// Only migrate the tables that all generations share
    #[command(after_help = EXAMPLES)]
    Migrate(MigrateSettings),
}

/// Settings of `projector run`.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// The address of the HTTP server.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The log.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The master keys that protect the personal data in the log.
    #[command(flatten)]
    pub master: MasterKeyArgs,

    /// The read models.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Number of box streams in the log; must equal the number it was created with
    #[arg(long, env = "BOXROOM_PARTITIONS", default_value_t = 4, value_name = "COUNT")]
    pub partitions: u16,

    /// Time from the closing of a report to the removal of its texts
    #[arg(
        long,
        env = "BOXROOM_REPORT_RETENTION",
        default_value = "90d",
        value_parser = time_span::parse,
        value_name = "TIME"
    )]
    pub report_retention: TimeDelta,

    /// The level and format of logs.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Settings of `projector migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateSettings {
    /// The read models.
    #[command(flatten)]
    pub database: DatabaseArgs,

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

impl Cli {
    /// Parses these words. Prints a message and exits the process if they are invalid.
    pub fn of(words: impl IntoIterator<Item = OsString>) -> Self {
        Self::parse_from(with_command(words))
    }
}

/// Inserts `run` before settings that have no command before them.
fn with_command(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let about_the_program =
        |word: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|known| word.as_os_str() == *known);
    let is_command =
        words.get(1).is_some_and(|word| about_the_program(word) || !word.to_string_lossy().starts_with('-'));
    if !is_command {
        words.insert(words.len().min(1), "run".into());
    }
    words
}

const EXAMPLES: &str = "\
Examples:
  projector --nats-url nats://projector:secret@127.0.0.1:4222 \\
            --database-url postgres://projector:secret@127.0.0.1:5432/boxroom \\
            --master-key-file /etc/boxroom/master-key
  BOXROOM_LOG=info,projector=debug BOXROOM_LOG_FORMAT=json projector run
  projector migrate --database-url postgres://projector:secret@127.0.0.1:5432/boxroom";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(with_command(line.split(' ').map(OsString::from)))
    }

    #[test]
    fn the_default_command_is_run() {
        for line in [
            "projector --nats-url n --database-url d --master-key-file m",
            "projector run --nats-url n --database-url d --master-key-file m",
        ] {
            let Command::Run(settings) = parse(line).unwrap().command else { panic!("{line} does not run") };
            assert_eq!((settings.database.database_url.as_str(), settings.partitions), ("d", 4));
        }
        let Command::Migrate(settings) = parse("projector migrate --database-url d").unwrap().command else {
            panic!("it does not migrate")
        };
        assert_eq!(settings.database.database_url, "d");
    }

    #[test]
    fn help_covers_the_whole_program() {
        assert_eq!(parse("projector --help").unwrap_err().kind(), clap::error::ErrorKind::DisplayHelp);
        assert!(parse("projector --help").unwrap_err().to_string().contains("migrate"));
        assert!(parse("projector walk").is_err());
    }
}
