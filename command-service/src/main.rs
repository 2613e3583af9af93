//! The `command-service` process.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use command_service::settings::Settings;
use service_kit::{exit, http, shutdown, telemetry};

/// The allocator of all services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(Box::pin(serve()).await)
}

async fn serve() -> Result<()> {
    let settings = Settings::parse();
    let _telemetry = telemetry::init(&settings.log, "command-service")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "command-service listens");
    shutdown::supervised(|stop| command_service::run(settings, listener, stop)).await
}
