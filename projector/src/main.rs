//! The `projector` process.

use std::process::ExitCode;

use anyhow::Context;
use projector::{
    Database, generation, run,
    settings::{Cli, Command, MigrateSettings, Settings},
};
use service_kit::{exit, http, shutdown, telemetry};

/// The projector allocates many small strings in one thread and frees them in another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::of(std::env::args_os()).command {
        Command::Run(settings) => exit::code(Box::pin(serve(settings)).await),
        Command::Migrate(settings) => exit::code(migrate(settings).await),
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&settings.log, "projector")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "projector listens");
    shutdown::supervised(|stop| run(settings, listener, stop)).await
}

async fn migrate(settings: MigrateSettings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&settings.log, "projector")?;
    let database = Database::new(&settings.database.database_url, "projector-migrate")?;
    generation::migrate(&database).await.context("the control tables cannot be migrated")
}
