//! Command line of the provisioning job.

use std::{error::Error as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use provision::{Error, accounts, backup, keys, restore, roles, streams, topology::ProvisionOptions};

/// Prepares the servers that Boxroom runs on, and backs up and restores the log. Preparing is safe to repeat: it adds
/// what is missing and keeps the rest.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

const EXAMPLES: &str = "\
Examples:
  provision accounts --partitions 4 --out /etc/boxroom
  provision keys --out /etc/boxroom
  provision streams --nats-url nats://admin:secret@127.0.0.1:4222 --partitions 4 --replicas 3
  provision roles --database-url postgres://admin:secret@127.0.0.1:5432/boxroom \\
      --projector-password one --query-password two --notifier-password three --operator-password four
  provision backup --nats-url nats://admin:secret@127.0.0.1:4222 --to /backups/2026-11-22
  provision restore --nats-url nats://admin:secret@127.0.0.1:4222 --from /backups/2026-11-22";

#[derive(Debug, Subcommand)]
enum Part {
    /// Write accounts.conf for nats-server, and credentials.json with the passwords of its accounts
    #[command(after_help = "Example:\n  provision accounts --partitions 4 --out /etc/boxroom")]
    Accounts {
        /// Number of box streams in the log
        #[arg(
            long,
            env = "BOXROOM_PARTITIONS",
            default_value_t = 4,
            value_parser = clap::value_parser!(u16).range(1..=64)
        )]
        partitions: u16,
        /// Folder to write to
        #[arg(long)]
        out: PathBuf,
    },
    /// Create the log's streams, or check their settings
    #[command(after_help = "Example:\n  \
                      provision streams --nats-url nats://admin:secret@127.0.0.1:4222 --partitions 4 --replicas 1")]
    Streams {
        /// NATS URL with the user and password of the account that owns the log
        #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true)]
        nats_url: String,
        /// Number of box streams in the log; cannot be changed later
        #[arg(
            long,
            env = "BOXROOM_PARTITIONS",
            default_value_t = 4,
            value_parser = clap::value_parser!(u16).range(1..=64)
        )]
        partitions: u16,
        /// Number of replicas of each stream in a cluster
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
        replicas: u8,
    },
    /// Create the database roles: projector, which owns the read models, query, which reads them, notifier, which owns
    /// what was told to users, and operator, which reads all for people
    #[command(after_help = "Example:\n  \
                      provision roles --database-url postgres://admin:secret@127.0.0.1:5432/boxroom \\\n      \
                      --projector-password one --query-password two \\\n      --notifier-password three \
                      --operator-password four")]
    Roles {
        /// Database URL with a superuser's name and password
        #[arg(long, env = "BOXROOM_DATABASE_URL", hide_env_values = true)]
        database_url: String,
        /// Password of the role `projector`
        #[arg(long, env = "BOXROOM_PROJECTOR_PASSWORD", hide_env_values = true)]
        projector_password: String,
        /// Password of the role `query`
        #[arg(long, env = "BOXROOM_QUERY_PASSWORD", hide_env_values = true)]
        query_password: String,
        /// Password of the role `notifier`
        #[arg(long, env = "BOXROOM_NOTIFIER_PASSWORD", hide_env_values = true)]
        notifier_password: String,
        /// Password of the role `operator`
        #[arg(long, env = "BOXROOM_OPERATOR_PASSWORD", hide_env_values = true)]
        operator_password: String,
    },
    /// Write signing-keys, request-secret and master-key, or add a signing key
    ///
    /// Existing keys are kept. Keep a copy of master-key apart from the backups of the log: without it, personal data
    /// in the log is lost.
    #[command(
        after_help = "Examples:\n  provision keys --out /etc/boxroom\n  provision keys --out /etc/boxroom --rotate"
    )]
    Keys {
        /// Folder to write to
        #[arg(long)]
        out: PathBuf,
        /// Add a signing key that replaces the former ones
        #[arg(long)]
        rotate: bool,
    },
    /// Copy the log and the user accounts into a folder, while the services run
    ///
    /// The copy holds every command that was acknowledged before it began. The server verifies all messages while it
    /// copies. The folder holds password hashes and all messages: protect it like the log.
    #[command(after_help = "Example:\n  \
                      provision backup --nats-url nats://admin:secret@127.0.0.1:4222 --to /backups/2026-11-22")]
    Backup {
        /// NATS URL with the user and password of the account that owns the log
        #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true)]
        nats_url: String,
        /// Folder to write to: a new one for each backup
        #[arg(long)]
        to: PathBuf,
    },
    /// Restore the log and the user accounts to a server that has none
    ///
    /// Checks the whole backup before it writes, and never overwrites a stream. If it is interrupted, run it again.
    /// Stop the services first, and rebuild the read models afterwards.
    #[command(after_help = "Example:\n  \
                      provision restore --nats-url nats://admin:secret@127.0.0.1:4222 --from /backups/2026-11-22")]
    Restore {
        /// NATS URL with the user and password of the account that owns the log
        #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true)]
        nats_url: String,
        /// Folder of the backup
        #[arg(long)]
        from: PathBuf,
        /// Number of replicas of each stream in a cluster
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
        replicas: u8,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Err(error) = run(Arguments::parse().part).await else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(because) = cause {
        eprintln!("  because: {because}");
        cause = because.source();
    }
    ExitCode::FAILURE
}

async fn run(part: Part) -> Result<(), Error> {
    match part {
        Part::Accounts { partitions, out } => {
            accounts::write(&out, partitions)?;
            eprintln!("accounts.conf and credentials.json are in {}", out.display());
        }
        Part::Streams { nats_url, partitions, replicas } => {
            let options = ProvisionOptions { partitions, replicas: replicas.into() };
            streams::provision(&nats_url, options).await?;
            eprintln!("provisioned the streams of {partitions} partitions");
        }
        Part::Roles { database_url, projector_password, query_password, notifier_password, operator_password } => {
            let passwords = roles::RolePasswords {
                projector: projector_password,
                query: query_password,
                notifier: notifier_password,
                operator: operator_password,
            };
            roles::provision(&database_url, &passwords).await?;
            eprintln!("provisioned the roles projector, query, notifier and operator");
        }
        Part::Keys { out, rotate: false } => {
            keys::write(&out)?;
            eprintln!("the keys are in {}", out.display());
        }
        Part::Keys { out, rotate: true } => {
            let key = keys::rotate(&out)?;
            eprintln!("{} is a new signing key; give it to every command-service", key.display());
        }
        Part::Backup { nats_url, to } => {
            let manifest = backup::write(&nats_url, &to, |stream| print_done("copied", stream)).await?;
            eprintln!("backup {} of {} messages is in {}", manifest.backup, manifest.messages(), to.display());
        }
        Part::Restore { nats_url, from, replicas } => {
            let manifest =
                restore::run(&nats_url, &from, replicas.into(), |stream| print_done("restored", stream)).await?;
            eprintln!("backup {} of {} messages is restored", manifest.backup, manifest.messages());
        }
    }
    Ok(())
}

/// Prints that a stream is done.
fn print_done(done: &str, stream: &backup::SavedStream) {
    let (messages, bytes) = (stream.layout.messages(), stream.bytes);
    eprintln!("{done} {}: {messages} messages up to {}, {bytes} bytes", stream.name, stream.layout.last_sequence());
}
