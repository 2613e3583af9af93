//! The `command-service` process.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use command_service::settings::Settings;
use service_kit::{exit, http, shutdown, telemetry};

/// The allocator of all services.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The default port.
const PORT: u16 = 8080;

#[tokio::main]
async fn main() -> ExitCode {
    exit::code(Box::pin(serve()).await)
}

async fn serve() -> Result<()> {
    let settings = Settings::parse();
    let _telemetry = telemetry::init(&settings.log, "command-service")?;
    let address = settings.listen.or_port(PORT);
    let listener = http::listen(address).with_context(|| format!("cannot listen on {address}"))?;
    shutdown::supervised(|stop| command_service::run(settings, listener, stop)).await
}
