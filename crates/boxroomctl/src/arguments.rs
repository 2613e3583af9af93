//! The arguments of the commands about generations, and those of all requests to the projectors.

use clap::{Args, ValueEnum};
use operator_protocol::Goal;

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
pub(crate) use help;

/// Connection and output options.
#[derive(Debug, Clone, Args)]
pub(crate) struct OperatorArgs {
    /// NATS URL with the user `operator`: `nats://operator:password@host:port`
    #[arg(long, env = "BOXROOM_OPERATOR_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) operator_url: String,
    /// Print JSON, one object per line; errors too, on standard error
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
pub(crate) struct StatusArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// Repeat until Ctrl-C
    #[arg(long)]
    pub(crate) follow: bool,
}

/// Arguments of `rebuild`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RebuildArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// State up to which the new generation goes by itself
    #[arg(long, value_enum, default_value_t = Goal::Active)]
    pub(crate) to: Goal,
    /// Maximum rate over all streams, in events per second
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_rate: Option<u32>,
    /// Priority relative to the generations that serve reads
    #[arg(long, value_enum, default_value_t = Priority::Normal)]
    pub(crate) priority: Priority,
    /// Do not wait for completion
    #[arg(long)]
    pub(crate) detach: bool,
    /// Skip the confirmation; required without a terminal
    #[arg(long)]
    pub(crate) yes: bool,
}

/// The share of the time that a rebuild may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Priority {
    /// No limit
    Normal,
    /// At most a quarter of the time
    Low,
}

/// Arguments of `activate`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ActivateArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// Generation to activate; the newest ready one by default
    pub(crate) generation: Option<i32>,
    /// Skip the check that its rebuild has compared it with the active one, as after `rebuild --to ready`
    #[arg(long)]
    pub(crate) unverified: bool,
}

/// Arguments of `rollback`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RollbackArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
}

/// Arguments of `retire`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RetireArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// Generation to retire
    #[arg(required_unless_present = "all_standby")]
    pub(crate) generation: Option<i32>,
    /// Retire every standby generation
    #[arg(long, conflicts_with = "generation")]
    pub(crate) all_standby: bool,
    /// Skip the confirmation; required without a terminal
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Arguments of `pause` and `resume`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PauseArgs {
    /// Connection and output options
    #[command(flatten)]
    pub(crate) operator: OperatorArgs,
    /// Generation to pause or resume; the one that is being built by default
    pub(crate) generation: Option<i32>,
}

pub(crate) const STATUS: &str = help!(
    "  boxroomctl status
  boxroomctl status --follow
  boxroomctl status --json | jq '.generations[] | {generation, state, failure}'"
);

pub(crate) const REBUILD: &str = help!(
    "  boxroomctl rebuild                                  show its progress; Ctrl-C leaves it running
  boxroomctl rebuild --max-rate 5000 --priority low   slowly
  boxroomctl rebuild --to ready --detach --yes        begin, and return at once
  boxroomctl rebuild --to verified --yes --json       compare it with the active one, but do not switch"
);

pub(crate) const ACTIVATE: &str = help!(
    "  boxroomctl activate
  boxroomctl activate 7 --unverified"
);

pub(crate) const ROLLBACK: &str = help!("  boxroomctl rollback");

pub(crate) const RETIRE: &str = help!(
    "  boxroomctl retire 6
  boxroomctl retire --all-standby --yes"
);

pub(crate) const PAUSE: &str = help!(
    "  boxroomctl pause
  boxroomctl resume 7"
);
