//! The settings of the process: arguments with a fallback in the environment.

use std::net::SocketAddr;

use clap::Parser;
use service_kit::{
    auth::TrustArgs,
    http::{ListenArgs, Rate, RateArgs, origins::OriginArgs},
    nats::NatsArgs,
    operations::OperationsArgs,
    telemetry::LogArgs,
};

use crate::web::PageArgs;

/// The default port.
const DEFAULT_PORT: u16 = 8081;

const EXAMPLES: &str = "\
Examples:
  query-service --database-url postgres://query:secret@127.0.0.1:5432/boxroom \\
      --nats-url nats://query:secret@127.0.0.1:4222 --trust-cache /var/lib/boxroom/trust.json
  BOXROOM_LISTEN=0.0.0.0:8081 BOXROOM_LOG_FORMAT=json query-service   (the rest from the environment too)";

/// Serve reads and push live updates
#[derive(Debug, Clone, Parser)]
#[command(name = "query-service", after_help = EXAMPLES)]
pub struct Settings {
    /// The address of the HTTP server.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// The origins of web pages that may call this service.
    #[command(flatten)]
    pub origins: OriginArgs,

    /// The web page for users.
    #[command(flatten)]
    pub page: PageArgs,

    /// The address of the pages for operators.
    #[command(flatten)]
    pub operations: OperationsArgs,

    /// The rate limits of requests.
    #[command(flatten)]
    pub rates: RateArgs,

    /// Rate limit of new live connections and tickets per user; 10:100 means 10 per second and up to 100 at once
    #[arg(long, env = "BOXROOM_LIVE_RATE_PER_USER", default_value = "10:100", value_name = "RATE:BURST")]
    pub live_rate_per_user: Rate,

    /// Rate limit of new live connections without an `Authorization` header per address
    #[arg(long, env = "BOXROOM_LIVE_RATE_PER_ADDRESS", default_value = "200:2000", value_name = "RATE:BURST")]
    pub live_rate_per_address: Rate,

    /// The NATS server.
    #[command(flatten)]
    pub nats: NatsArgs,

    /// The level and format of logs.
    #[command(flatten)]
    pub log: LogArgs,

    /// The trusted issuers of access tokens.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// Database URL with a read-only role: `postgres://user:password@host:port/database`
    #[arg(long, env = "BOXROOM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,

    /// Maximum number of database connections for reads; one further connection watches generations
    #[arg(long, env = "BOXROOM_DATABASE_POOL", default_value_t = 10, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_pool: u32,

    /// Maximum number of concurrent searches, each with a database connection of its own
    #[arg(long, env = "BOXROOM_SEARCH_POOL", default_value_t = 2, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub search_pool: u32,

    /// Milliseconds that a search may take in the database; longer ones are cancelled and answered `503 busy`
    #[arg(long, env = "BOXROOM_SEARCH_BUDGET", default_value_t = 1000, value_name = "MILLISECONDS",
          value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub search_budget: u64,

    /// Most exports that one user begins or continues in an hour; 0 for no limit
    #[arg(long, env = "BOXROOM_EXPORTS_PER_HOUR", default_value_t = 20, value_name = "EXPORTS")]
    pub exports_per_hour: u32,

    /// Seconds between two pings on a live connection; clients are disconnected after two unanswered pings
    #[arg(long, env = "BOXROOM_HEARTBEAT", default_value_t = 25, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub heartbeat: u64,

    /// Show members of an open room how far the others have read; each user can hide the own markers
    #[arg(long, env = "BOXROOM_SHARE_READ_MARKERS", default_value_t = true, action = clap::ArgAction::Set,
          value_name = "BOOL")]
    pub share_read_markers: bool,

    /// Maximum number of live connections per user and process
    #[arg(long, env = "BOXROOM_CONNECTIONS_PER_USER", default_value_t = 20, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_user: u32,
}

impl Settings {
    /// Returns the address to listen on.
    pub fn address(&self) -> SocketAddr {
        self.listen.or_port(DEFAULT_PORT)
    }
}
