//! The `operator-gateway` process.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use operator_gateway::{Settings, run};
use service_kit::{exit, http, shutdown, telemetry};

/// The allocator of all services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(serve(Settings::parse()).await)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::init(&settings.log, "operator-gateway")?;
    let address = settings.address();
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "operator-gateway listens");
    shutdown::supervised(|stop| run(settings, listener, stop)).await
}
