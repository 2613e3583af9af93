//! The settings of the process: arguments with a fallback in the environment.

use std::net::SocketAddr;

use clap::Parser;
use service_kit::{
    auth::TrustArgs,
    http::{ListenArgs, RateArgs, origins::OriginArgs},
    nats::NatsArgs,
    operations::OperationsArgs,
    telemetry::LogArgs,
};

/// The default port.
const DEFAULT_PORT: u16 = 8084;

const EXAMPLES: &str = "\
Examples:
  operator-gateway --nats-url nats://operator:secret@127.0.0.1:4222 --allowed-origins https://chat.example
  BOXROOM_LISTEN=10.0.0.5:8084 BOXROOM_LOG_FORMAT=json operator-gateway   (the rest from the environment too)";

/// Serve the requests of operators to projectors and notifiers over HTTP
#[derive(Debug, Clone, Parser)]
#[command(name = "operator-gateway", version, after_help = EXAMPLES)]
pub struct Settings {
    /// The address of the HTTP server.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The origins of web pages that may call this service.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// The address of `/readyz` and `/metrics`.
    #[command(flatten)]
    pub operations: OperationsArgs,

    /// The rate limits of requests.
    #[command(flatten)]
    pub rates: RateArgs,

    /// The NATS server, with the user `operator`.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The level and format of logs.
    #[command(flatten)]
    pub log: LogArgs,

    /// The trusted issuers of access tokens.
    #[command(flatten)]
    pub trust: TrustArgs,
}

impl Settings {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.listen.or_port(DEFAULT_PORT)
    }
}
