//! The `command-service` process.

use std::{env, ffi::OsString, io::Write, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use command_service::settings::{CreateOperator, OperatorTask, Program, RoleName, Settings, Task, TokenArgs};
use service_kit::{
    auth::{Grant, Role},
    clock, exit, http, shutdown, telemetry,
};

/// The allocator of all services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    exit::code(match Program::parse_from(with_task(env::args_os().collect())).task {
        Task::Serve(settings) => serve(*settings),
        Task::Token(args) => print_token(&args),
        Task::Operator(OperatorTask::Create(args)) => create_operator(args),
    })
}

/// Inserts the default task, `serve`, if the arguments name none.
fn with_task(mut args: Vec<OsString>) -> Vec<OsString> {
    let words = ["serve", "token", "operator", "help", "-h", "--help", "-V", "--version"];
    if !args.get(1).is_some_and(|first| words.iter().any(|word| first == word)) {
        args.insert(1.min(args.len()), "serve".into());
    }
    args
}

#[tokio::main]
async fn serve(settings: Settings) -> Result<()> {
    let _telemetry = telemetry::init(&settings.log, "command-service")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "command-service listens");
    shutdown::supervised(|stop| command_service::run(settings, listener, stop)).await
}

#[tokio::main]
async fn create_operator(args: CreateOperator) -> Result<()> {
    command_service::operator::create(args).await
}

fn print_token(args: &TokenArgs) -> Result<()> {
    let role = match (args.role, args.box_id.clone()) {
        (RoleName::User, None) => Role::User,
        (RoleName::Operator, None) => Role::Operator,
        (RoleName::Device, Some(box_id)) => Role::Device(box_id),
        _ => bail!("--box and --role device require each other"),
    };
    let grant = Grant { user_id: &args.subject, role: &role, session: None, at: clock::now(), lifetime: args.ttl };
    let token = command_service::sign_with_newest(&args.signing_keys, grant)?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(())
}
