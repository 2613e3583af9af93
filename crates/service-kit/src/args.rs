//! Settings that every process has: command-line arguments with a fallback in the environment.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::{
    auth::{AllowedAlgorithm, KeySource},
    http::{Rate, Rates, origins::Origin},
};

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Which events are logged, like `info` or `info,projector=debug`
    #[arg(long = "log", env = "BOXROOM_LOG", default_value = "info", value_name = "FILTER")]
    pub filter: String,

    /// How logs look
    #[arg(long = "log-format", env = "BOXROOM_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub format: LogFormat,

    /// Traces.
    #[command(flatten)]
    pub traces: TraceArgs,
}

/// Where traces go. The names are those of OpenTelemetry, whose other variables (`OTEL_TRACES_SAMPLER` and so on) work too.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// The `OpenTelemetry` collector that takes traces (OTLP over HTTP), like `http://127.0.0.1:4318`; none are made without
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// The name of this service in traces, if it is not to be its own
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

/// The NATS server.
#[derive(Debug, Clone, Args)]
pub struct NatsArgs {
    /// The NATS server, with this process's own user: `nats://user:password@host:port`, or
    /// `tls://user:password@host:port?ca_file=/etc/boxroom/ca.pem`
    #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true, value_name = "URL")]
    pub nats_url: String,
}

/// Where and how HTTP is served.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// The address to serve HTTP on; each service has a default port of its own
    #[arg(long, env = "BOXROOM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// The certificate with which HTTPS is served in place of HTTP, and those that vouch for it (PEM)
    #[arg(long, env = "BOXROOM_TLS_CERT_FILE", requires = "tls_key_file", value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,

    /// The private key of that certificate (PEM)
    #[arg(long, env = "BOXROOM_TLS_KEY_FILE", requires = "tls_cert_file", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// The networks of the proxies that are believed what they write into `X-Forwarded-For`, with commas between them,
    /// like `10.1.0.0/16,192.0.2.7/32`; none if not given
    #[arg(long, env = "BOXROOM_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<IpNet>,

    /// The most open connections; fewer if the process may not open so many files
    #[arg(long, env = "BOXROOM_CONNECTIONS", default_value_t = 50_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// The most open connections from one address (an IPv6 network of 64 bits) that is no trusted proxy
    #[arg(long, env = "BOXROOM_CONNECTIONS_PER_ADDRESS", default_value_t = 4_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: u32,

    /// Seconds within which a request's head has to come, whether the connection is new or was used before
    #[arg(long, env = "BOXROOM_HEAD_TIMEOUT", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
}

impl ListenArgs {
    /// The address: what was given, or this port on the loopback interface.
    pub fn or_port(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// Where operators look.
#[derive(Debug, Clone, Args)]
pub struct OperationsArgs {
    /// An address for `/readyz` and `/metrics` alone, which are not served to clients then
    #[arg(long, env = "BOXROOM_OPERATIONS_LISTEN", value_name = "ADDRESS")]
    pub operations_listen: Option<SocketAddr>,
}

/// Which pages may call this service.
#[derive(Debug, Clone, Args)]
pub struct OriginArgs {
    /// The origins whose pages may call this service from a browser, with commas between them, like
    /// `https://chat.example,http://127.0.0.1:3000`; none if not given
    #[arg(long, env = "BOXROOM_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub allowed_origins: Vec<Origin>,
}

/// How often clients may ask: so many requests a second, and so many at once.
#[derive(Debug, Clone, Args)]
pub struct RateArgs {
    /// The requests of one user, like `50:200`: fifty a second, and two hundred at once
    #[arg(long, env = "BOXROOM_RATE_PER_USER", default_value = "50:200", value_name = "RATE:BURST")]
    pub rate_per_user: Rate,

    /// The requests without a valid token of one address (an IPv6 network of 64 bits)
    #[arg(long, env = "BOXROOM_RATE_PER_ADDRESS", default_value = "50:500", value_name = "RATE:BURST")]
    pub rate_per_address: Rate,
}

impl RateArgs {
    /// Nobody has asked yet.
    pub fn rates(&self) -> Arc<Rates> {
        Rates::new(("user", self.rate_per_user), ("address", self.rate_per_address))
    }
}

/// Which access tokens count.
#[derive(Debug, Clone, Args)]
pub struct TrustArgs {
    /// The file that keeps the last known public keys and revocations, so that a start without NATS can verify tokens;
    /// none are kept if not given
    #[arg(long, env = "BOXROOM_TRUST_CACHE", value_name = "FILE")]
    pub trust_cache: Option<PathBuf>,

    /// Whose tokens count in place of our own.
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// An outside issuer of access tokens (`OpenID` Connect), in place of our own accounts.
#[derive(Debug, Clone, Args)]
pub struct IssuerArgs {
    /// The issuer whose tokens count (`iss`); built-in accounts, passwords and sessions are off then
    #[arg(long, env = "BOXROOM_ISSUER", requires_all = ["issuer_audience", "issuer_keys"], value_name = "ISSUER")]
    pub issuer: Option<String>,

    /// For whom its tokens have to be (`aud`)
    #[arg(long, env = "BOXROOM_ISSUER_AUDIENCE", requires = "issuer", value_name = "AUDIENCE")]
    pub issuer_audience: Option<String>,

    /// Its public keys, a JWK set: a file, or an address like `https://login.example/jwks.json`
    #[arg(long, env = "BOXROOM_ISSUER_KEYS", requires = "issuer", value_name = "FILE_OR_URL")]
    pub issuer_keys: Option<KeySource>,

    /// The algorithms that its tokens may be signed with, with commas between them: of `EdDSA`, ES256 and RS256
    #[arg(
        long,
        env = "BOXROOM_ISSUER_ALGORITHMS",
        default_value = "EdDSA,ES256,RS256",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub issuer_algorithms: Vec<AllowedAlgorithm>,

    /// The claim that is the user's id here; it has to match our pattern
    #[arg(long, env = "BOXROOM_ISSUER_USER_CLAIM", default_value = "sub", value_name = "CLAIM")]
    pub issuer_user_claim: String,

    /// The claim that says `operator` or `device` (with the claim `box`), alone or in a list; everybody else is a user
    #[arg(long, env = "BOXROOM_ISSUER_ROLE_CLAIM", default_value = "role", value_name = "CLAIM")]
    pub issuer_role_claim: String,
}
