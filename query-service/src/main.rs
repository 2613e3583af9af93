//! The process `query-service`.

use anyhow::Context;
use clap::Parser;
use query_service::Settings;
use service_kit::{shutdown, telemetry};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    telemetry::init(&settings.log)?;
    let address = settings.address();
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    tracing::info!(%address, "query-service listens");
    query_service::run(settings, listener, shutdown::signal_received()).await
}
