//! The commands of operators and their arguments.

use clap::{Args, Subcommand, ValueEnum};

use super::audit::AuditArgs;
use super::quarantine::QuarantineCommand;
use crate::generation::Goal;

/// Builds the final section of a command's help: examples and exit codes.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes: 0 done, 1 failed, 2 invalid arguments, 3 refused in the current state,\n",
            "4 generations differ, 5 no answer"
        )
    };
}
pub(super) use help;

/// The operators' commands. The running projectors carry them out; any number of operators may send them concurrently.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Show every generation and the progress of its streams
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Build a new generation from the log beside the active one, and activate it
    #[command(after_help = REBUILD)]
    Rebuild(RebuildArgs),
    /// Serve reads from a ready generation
    #[command(after_help = ACTIVATE)]
    Activate(ActivateArgs),
    /// Serve reads from the previously active generation
    #[command(after_help = ROLLBACK)]
    Rollback(RollbackArgs),
    /// Retire a generation: its tables are dropped when no reader is left
    #[command(after_help = RETIRE)]
    Retire(RetireArgs),
    /// Pause the building of a generation
    #[command(after_help = PAUSE)]
    Pause(PauseArgs),
    /// Resume the building of a generation
    #[command(after_help = PAUSE)]
    Resume(PauseArgs),
    /// Manage boxes that are quarantined because an event of theirs cannot be projected
    #[command(subcommand, after_help = super::quarantine::EXAMPLES)]
    Quarantine(QuarantineCommand),
    /// Show an audit trail of commands from the log
    #[command(after_help = AUDIT)]
    Audit(AuditArgs),
}

impl OperatorCommand {
    /// The connection and output options.
    pub(super) fn operator(&self) -> &OperatorArgs {
        match self {
            Self::Status(args) => &args.operator,
            Self::Rebuild(args) => &args.operator,
            Self::Activate(args) => &args.operator,
            Self::Rollback(args) => &args.operator,
            Self::Retire(args) => &args.operator,
            Self::Pause(args) | Self::Resume(args) => &args.operator,
            Self::Quarantine(command) => command.operator(),
            Self::Audit(args) => &args.operator,
        }
    }
}

/// Connection and output options.
#[derive(Debug, Clone, Args)]
pub struct OperatorArgs {
    /// NATS URL with the user `operator`: `nats://operator:password@host:port`
    #[arg(long, env = "BOXROOM_OPERATOR_URL", hide_env_values = true, value_name = "URL")]
    pub operator_url: String,
    /// Print JSON, one object per line; errors too, on standard error
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Repeat until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// State up to which the new generation goes by itself
    #[arg(long, value_enum, default_value_t = Goal::Active)]
    pub to: Goal,
    /// Maximum rate over all streams, in events per second
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,
    /// Priority relative to the generations that serve reads
    #[arg(long, value_enum, default_value_t = Priority::Normal)]
    pub priority: Priority,
    /// Do not wait for completion
    #[arg(long)]
    pub detach: bool,
    /// Skip the confirmation; required without a terminal
    #[arg(long)]
    pub yes: bool,
}

/// The share of the time that a rebuild may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// No limit
    Normal,
    /// At most a quarter of the time
    Low,
}

/// Arguments of `activate`.
#[derive(Debug, Clone, Args)]
pub struct ActivateArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Generation to activate; the newest ready one by default
    pub generation: Option<i32>,
    /// Skip the check that its rebuild has compared it with the active one, as after `rebuild --to ready`
    #[arg(long)]
    pub unverified: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Arguments of `retire`.
#[derive(Debug, Clone, Args)]
pub struct RetireArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Generation to retire
    #[arg(required_unless_present = "all_standby")]
    pub generation: Option<i32>,
    /// Retire every standby generation
    #[arg(long, conflicts_with = "generation")]
    pub all_standby: bool,
    /// Skip the confirmation; required without a terminal
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `pause` and `resume`.
#[derive(Debug, Clone, Args)]
pub struct PauseArgs {
    /// Connection and output options
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Generation to pause or resume; the one that is being built by default
    pub generation: Option<i32>,
}

const STATUS: &str = help!(
    "  projector status
  projector status --follow
  projector status --json | jq '.generations[] | {generation, state, failure}'"
);

const REBUILD: &str = help!(
    "  projector rebuild                                  show its progress; Ctrl-C leaves it running
  projector rebuild --max-rate 5000 --priority low   slowly
  projector rebuild --to ready --detach --yes        begin, and return at once
  projector rebuild --to verified --yes --json       compare it with the active one, but do not switch"
);

const ACTIVATE: &str = help!(
    "  projector activate
  projector activate 7 --unverified"
);

const ROLLBACK: &str = help!("  projector rollback");

const RETIRE: &str = help!(
    "  projector retire 6
  projector retire --all-standby --yes"
);

const PAUSE: &str = help!(
    "  projector pause
  projector resume 7"
);

const AUDIT: &str = help!(
    "  projector audit --user ana --since 2026-11-22T08:00:00Z
  projector audit --box locker-7 --limit 100
  projector audit --user ops --json | jq -r '[.at, .subject, .events[]] | @tsv'"
);
