//! The `query-service` process.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use query_service::Settings;
use service_kit::{exit, http, shutdown, telemetry};

/// The allocator of all services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(serve().await)
}

async fn serve() -> anyhow::Result<()> {
    let settings = Settings::parse();
    let _telemetry = telemetry::init(&settings.log, "query-service")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "query-service listens");
    shutdown::supervised(|stop| query_service::run(settings, listener, stop)).await
}
