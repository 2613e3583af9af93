//! The commands of operators and their arguments.

use clap::{Args, Subcommand, ValueEnum};

use super::audit::AuditArgs;
use super::quarantine::QuarantineCommand;
use crate::generation::Goal;

/// What every operator's command ends with.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes: 0 done, 1 failed, 2 not understood, 3 refused: the state of things does not allow it,\n",
            "4 two generations differ, 5 nobody answers"
        )
    };
}
pub(super) use help;

/// What an operator can ask for. All of it is done by the running projectors; any number of operators may ask at once.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Show every generation, and how far each of its streams is
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Build a new generation from the log beside the active one, and let it take over
    #[command(after_help = REBUILD)]
    Rebuild(RebuildArgs),
    /// Serve reads from a generation that is ready
    #[command(after_help = ACTIVATE)]
    Activate(ActivateArgs),
    /// Serve reads from the generation that was active before
    #[command(after_help = ROLLBACK)]
    Rollback(RollbackArgs),
    /// Give up a generation: its tables are dropped as soon as nobody reads them
    #[command(after_help = RETIRE)]
    Retire(RetireArgs),
    /// Stop building a generation for now
    #[command(after_help = PAUSE)]
    Pause(PauseArgs),
    /// Go on building a generation
    #[command(after_help = PAUSE)]
    Resume(PauseArgs),
    /// Boxes that are parked because an event of theirs cannot be projected
    #[command(subcommand, after_help = super::quarantine::EXAMPLES)]
    Quarantine(QuarantineCommand),
    /// Show who did what and when, as the log has it
    #[command(after_help = AUDIT)]
    Audit(AuditArgs),
}

impl OperatorCommand {
    /// How to reach the projectors, and for whom to print.
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

/// How to reach the projectors, and for whom to print.
#[derive(Debug, Clone, Args)]
pub struct OperatorArgs {
    /// The NATS server, as its user operator: `nats://operator:password@host:port`
    #[arg(long, env = "BOXROOM_OPERATOR_URL", hide_env_values = true, value_name = "URL")]
    pub operator_url: String,
    /// Print JSON, one object a line; errors as well, on standard error
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Show it again and again, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `rebuild`.
#[derive(Debug, Clone, Args)]
pub struct RebuildArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// How far the new generation goes by itself
    #[arg(long, value_enum, default_value_t = Goal::Active)]
    pub to: Goal,
    /// The most events a second, over all streams
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_rate: Option<u32>,
    /// Whether it gives way to what is read
    #[arg(long, value_enum, default_value_t = Priority::Normal)]
    pub priority: Priority,
    /// Do not wait for it
    #[arg(long)]
    pub detach: bool,
    /// Do not ask whether this is meant; needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
}

/// How much a rebuild may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// As much as there is
    Normal,
    /// At most a quarter of the time
    Low,
}

/// Arguments of `activate`.
#[derive(Debug, Clone, Args)]
pub struct ActivateArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Which one; the newest ready one if not given
    pub generation: Option<i32>,
    /// Also if its rebuild has not compared it with the active one, as after `rebuild --to ready`
    #[arg(long)]
    pub unverified: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args)]
pub struct RollbackArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
}

/// Arguments of `retire`.
#[derive(Debug, Clone, Args)]
pub struct RetireArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Which one
    #[arg(required_unless_present = "all_standby")]
    pub generation: Option<i32>,
    /// Every one that is kept for a rollback
    #[arg(long, conflicts_with = "generation")]
    pub all_standby: bool,
    /// Do not ask whether this is meant; needed where nobody can be asked
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `pause` and `resume`.
#[derive(Debug, Clone, Args)]
pub struct PauseArgs {
    /// How to reach the projectors
    #[command(flatten)]
    pub operator: OperatorArgs,
    /// Which one; the one that is being built if not given
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
