//! The projector's command line.

use std::process::ExitCode;

use anyhow::Context;
use projector::{
    Database, generation, run,
    settings::{Cli, Command},
};
use service_kit::{exit, shutdown, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(act().await)
}

async fn act() -> anyhow::Result<()> {
    match Cli::of(std::env::args_os()).command {
        Command::Run(settings) => {
            let _telemetry = telemetry::init(&settings.log, "projector")?;
            run(settings, shutdown::signal_received()).await?;
        }
        Command::Migrate(settings) => {
            let _telemetry = telemetry::init(&settings.log, "projector")?;
            let database = Database::new(&settings.database.database_url, "projector-migrate")?;
            generation::migrate(&database).await.context("the control tables cannot be migrated")?;
        }
    }
    Ok(())
}
