//! The `notifier` process.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use notifier::{run, settings::Settings};
use service_kit::{exit, http, shutdown, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(Box::pin(serve(Settings::parse())).await)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&settings.log, "notifier")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "notifier listens");
    shutdown::supervised(|stop| run(settings, listener, stop)).await
}
