//! The settings of the process: arguments with a fallback in the environment.

use std::net::SocketAddr;

use clap::Parser;
use service_kit::{
    args::{ListenArgs, LogArgs, NatsArgs, OperationsArgs, OriginArgs, RateArgs, TrustArgs},
    http::Rate,
};

/// The port when none is given.
const DEFAULT_PORT: u16 = 8081;

const EXAMPLES: &str = "\
Examples:
  query-service --database-url postgres://query:secret@127.0.0.1:5432/boxroom \\
      --nats-url nats://query:secret@127.0.0.1:4222 --trust-cache /var/lib/boxroom/trust.json
  BOXROOM_LISTEN=0.0.0.0:8081 BOXROOM_LOG_FORMAT=json query-service   (the rest from the environment too)";

/// Answers reads and pushes live updates
#[derive(Debug, Clone, Parser)]
#[command(name = "query-service", after_help = EXAMPLES)]
pub struct Settings {
    /// Where HTTP is served (default 127.0.0.1:8081)
    #[command(flatten)]
    pub listen: ListenArgs,

    /// Which pages may call this service
    #[command(flatten)]
    pub origins: OriginArgs,

    /// Where operators look
    #[command(flatten)]
    pub operations: OperationsArgs,

    /// How often clients may ask
    #[command(flatten)]
    pub rates: RateArgs,

    /// The live connections and tickets of one user, like `10:100`: ten a second, and a hundred at once
    #[arg(long, env = "BOXROOM_LIVE_RATE_PER_USER", default_value = "10:100", value_name = "RATE:BURST")]
    pub live_rate_per_user: Rate,

    /// The live connections of one address that have not shown a token yet
    #[arg(long, env = "BOXROOM_LIVE_RATE_PER_ADDRESS", default_value = "200:2000", value_name = "RATE:BURST")]
    pub live_rate_per_address: Rate,

    /// The NATS server, from which notices come
    #[command(flatten)]
    pub nats: NatsArgs,

    /// What is logged, and how
    #[command(flatten)]
    pub log: LogArgs,

    /// Which access tokens count
    #[command(flatten)]
    pub trust: TrustArgs,

    /// The database, as a role that may only read: `postgres://user:password@host:port/database`
    #[arg(long, env = "BOXROOM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,

    /// The most connections that reads may use at the same time; one more looks after generations
    #[arg(long, env = "BOXROOM_DATABASE_POOL", default_value_t = 10, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub database_pool: u32,

    /// The most searches that run at the same time, each on a connection of its own beside the others
    #[arg(long, env = "BOXROOM_SEARCH_POOL", default_value_t = 2, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub search_pool: u32,

    /// Milliseconds that a search may take in the database; a longer one is cancelled and answered `503 busy`
    #[arg(long, env = "BOXROOM_SEARCH_BUDGET", default_value_t = 1000, value_name = "MILLISECONDS",
          value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub search_budget: u64,

    /// Seconds between two pings on a live connection; whoever leaves two unanswered is gone
    #[arg(long, env = "BOXROOM_HEARTBEAT", default_value_t = 25, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=300))]
    pub heartbeat: u64,

    /// The most live connections of one user to this process
    #[arg(long, env = "BOXROOM_CONNECTIONS_PER_USER", default_value_t = 20, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_user: u32,
}

impl Settings {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        self.listen.or_port(DEFAULT_PORT)
    }
}
