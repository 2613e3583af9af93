//! The commands of the program.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use service_kit::exit;

use crate::{
    arguments::{
        ACTIVATE, ActivateArgs, PAUSE, PauseArgs, REBUILD, RETIRE, ROLLBACK, RebuildArgs, RetireArgs, RollbackArgs,
        STATUS, StatusArgs,
    },
    audit::{self, AuditArgs},
    changes,
    console::exit_code_of,
    invitation::{self, InvitationCommand},
    log::{self, LogCommand},
    operator::{self, AccountRole, ModeratorCommand, OperatorCommand},
    push::{self, PushCommand},
    quarantine::{self, QuarantineCommand},
    rebuild, status,
    token::{self, TokenArgs},
    verify::{self, VerifyArgs},
    webhook::{self, WebhookCommand},
};

/// Operates an installation of Boxroom
#[derive(Debug, Parser)]
#[command(name = "boxroomctl", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Command to execute
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands. Most are requests to the running projectors or notifiers; any number of operators may send them
/// concurrently.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every generation and the progress of its streams
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Build a new generation from the log beside the active one, and activate it
    #[command(after_help = REBUILD)]
    Rebuild(RebuildArgs),
    /// Compare two generations row by row, or one with a fresh projection, while they are in use
    #[command(after_help = verify::EXAMPLES)]
    Verify(VerifyArgs),
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
    #[command(subcommand, after_help = quarantine::EXAMPLES)]
    Quarantine(QuarantineCommand),
    /// Manage webhooks: addresses of other systems that get the events of boxes
    #[command(subcommand, after_help = webhook::EXAMPLES)]
    Webhook(WebhookCommand),
    /// Manage push messages, and print the public key of Web Push
    #[command(subcommand, after_help = push::EXAMPLES)]
    Push(PushCommand),
    /// Show an audit trail of commands from the log
    #[command(after_help = audit::EXAMPLES)]
    Audit(AuditArgs),
    /// Read the log
    #[command(subcommand, after_help = log::EXAMPLES)]
    Log(LogCommand),
    /// Print an access token
    #[command(after_help = token::EXAMPLES)]
    Token(TokenArgs),
    /// Manage the accounts of operators
    #[command(subcommand, after_help = operator::EXAMPLES)]
    Operator(OperatorCommand),
    /// Manage the accounts of moderators
    #[command(subcommand, after_help = operator::MODERATOR_EXAMPLES)]
    Moderator(ModeratorCommand),
    /// Manage invitations to register
    #[command(subcommand, after_help = invitation::EXAMPLES)]
    Invitation(InvitationCommand),
}

const EXAMPLES: &str = "\
Examples:
  export BOXROOM_OPERATOR_URL=nats://operator:secret@127.0.0.1:4222
  boxroomctl status
  boxroomctl rebuild
  boxroomctl audit --box locker-7

The help of each command has more examples and its exit codes.";

impl Command {
    /// Executes the command, prints the result and returns the exit code.
    pub(crate) async fn run(self) -> ExitCode {
        let json = self.prints_json();
        let result = match self {
            Self::Status(args) => status::show(args).await,
            Self::Rebuild(args) => rebuild::rebuild(args).await,
            Self::Verify(args) => return verify::execute(args).await,
            Self::Activate(args) => changes::activate(args).await,
            Self::Rollback(args) => changes::roll_back(args).await,
            Self::Retire(args) => changes::retire(args).await,
            Self::Pause(args) => changes::pause(args).await,
            Self::Resume(args) => changes::resume(args).await,
            Self::Quarantine(command) => quarantine::execute(command).await,
            Self::Webhook(command) => webhook::execute(command).await,
            Self::Push(command) => push::execute(command).await,
            Self::Audit(args) => audit::audit(args).await,
            Self::Log(LogCommand::Show(args)) => log::show(args).await,
            Self::Token(args) => return exit::code(token::print(&args)),
            Self::Operator(OperatorCommand::Create(args)) => {
                return exit::code(operator::create(args, AccountRole::Operator).await);
            }
            Self::Moderator(ModeratorCommand::Create(args)) => {
                return exit::code(operator::create(args, AccountRole::Moderator).await);
            }
            Self::Invitation(command) => return exit::code(invitation::execute(command).await),
        };
        exit_code_of(result, json)
    }

    fn prints_json(&self) -> bool {
        match self {
            Self::Status(args) => args.operator.json,
            Self::Rebuild(args) => args.operator.json,
            Self::Verify(args) => args.json,
            Self::Activate(args) => args.operator.json,
            Self::Rollback(args) => args.operator.json,
            Self::Retire(args) => args.operator.json,
            Self::Pause(args) | Self::Resume(args) => args.operator.json,
            Self::Quarantine(command) => command.operator().json,
            Self::Webhook(command) => command.operator().json,
            Self::Push(command) => command.prints_json(),
            Self::Audit(args) => args.operator.json,
            Self::Log(LogCommand::Show(args)) => args.json,
            Self::Token(_) | Self::Operator(_) | Self::Moderator(_) | Self::Invitation(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use operator_protocol::Goal;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn operators_need_the_address_of_nats_only() {
        let command = parse("boxroomctl retire --all-standby --yes --operator-url n").unwrap().command;
        assert!(matches!(command, Command::Retire(args) if args.all_standby && args.yes));
        let Command::Rebuild(args) =
            parse("boxroomctl rebuild --to ready --max-rate 5 --operator-url n").unwrap().command
        else {
            panic!("it does not rebuild")
        };
        assert_eq!((args.to, args.max_rate, args.detach), (Goal::Ready, Some(5), false));
        for wrong in ["retire", "retire 1 --all-standby", "rebuild --max-rate 0", "rebuild --to nowhere", "pause one"] {
            let error = parse(&format!("boxroomctl {wrong} --operator-url n")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn help_names_examples_and_exit_codes() {
        let mut commands = vec!["boxroomctl".to_owned()];
        let program = Cli::command();
        for command in program.get_subcommands() {
            commands.push(format!("boxroomctl {}", command.get_name()));
            for inner in command.get_subcommands() {
                let name = format!("boxroomctl {} {}", command.get_name(), inner.get_name());
                commands.extend(inner.get_subcommands().map(|innermost| format!("{name} {}", innermost.get_name())));
                commands.push(name);
            }
        }
        for expected in ["boxroomctl quarantine drop", "boxroomctl webhook replay", "boxroomctl push dead retry"] {
            assert!(commands.contains(&expected.to_owned()), "{commands:?}");
        }
        for command in commands {
            let help = parse(&format!("{command} --help")).unwrap_err().to_string();
            assert!(help.contains(&format!("  {command}")) || command.ends_with("resume"), "{help}");
            assert!(help.contains("Exit codes: ") || command == "boxroomctl", "{help}");
        }
        for command in ["status", "rebuild", "activate", "rollback", "retire", "pause", "resume", "quarantine drop"] {
            let help = parse(&format!("boxroomctl {command} --help")).unwrap_err().to_string();
            assert!(help.contains("5 no answer"), "{help}");
        }
    }

    #[test]
    fn an_invitation_has_a_limited_number_of_uses_and_a_limited_lifetime() {
        for right in ["create", "create --uses 100 --expires 90d", "list", "remove 5f0c3a9f4f7f7b1f6a5f2c0f9f1d2e3c"] {
            assert!(parse(&format!("boxroomctl invitation {right} --nats-url n")).is_ok(), "{right}");
        }
        for wrong in ["create --uses 0", "create --uses 101", "create --expires 91d", "remove", "remove x", "remove *"]
        {
            let error = parse(&format!("boxroomctl invitation {wrong} --nats-url n")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn the_log_is_shown_of_one_box_user_or_store() {
        let rest = "--nats-url n";
        for right in ["locker-7", "--user ana", "--store noodles", "locker-7 --values --master-key-file f"] {
            assert!(parse(&format!("boxroomctl log show {right} {rest}")).is_ok(), "{right}");
        }
        for wrong in ["--json", "locker-7 --user ana", "--user ana --store noodles", "locker-7 --limit 0"] {
            let error = parse(&format!("boxroomctl log show {wrong} {rest}")).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
        }
    }
}
