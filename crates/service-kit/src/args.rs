//! The settings of all processes: command-line arguments with environment variables as fallbacks.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::{
    auth::{AllowedAlgorithm, KeySource},
    http::{Rate, Rates, origins::Origin},
};

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings of logs.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Filter of logged events, like `info` or `info,projector=debug`
    #[arg(long = "log", env = "BOXROOM_LOG", default_value = "info", value_name = "FILTER")]
    pub filter: String,

    /// Format of logs
    #[arg(long = "log-format", env = "BOXROOM_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub format: LogFormat,

    /// The settings of traces.
    #[command(flatten)]
    pub traces: TraceArgs,
}

/// The settings of traces. They are named as in OpenTelemetry, whose other variables (`OTEL_TRACES_SAMPLER` and so on)
/// work too.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// `OpenTelemetry` collector for traces (OTLP over HTTP), like `http://127.0.0.1:4318`; no traces if not given
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Service name in traces, in place of the default
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

/// The settings of NATS.
#[derive(Debug, Clone, Args)]
pub struct NatsArgs {
    /// NATS server and this process's user: `nats://user:password@host:port`, or
    /// `tls://user:password@host:port?ca_file=/etc/boxroom/ca.pem`
    #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true, value_name = "URL")]
    pub nats_url: String,
}

/// The installation's master keys.
#[derive(Debug, Clone, Args)]
pub struct MasterKeyArgs {
    /// File of master keys, one per line; the first one wraps new user keys, all unwrap
    #[arg(long, env = "BOXROOM_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: PathBuf,
}

/// The settings of the HTTP server.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// Address to serve HTTP on; each service has its own default port
    #[arg(long, env = "BOXROOM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,

    /// Certificate chain (PEM) for serving HTTPS in place of HTTP
    #[arg(long, env = "BOXROOM_TLS_CERT_FILE", requires = "tls_key_file", value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, env = "BOXROOM_TLS_KEY_FILE", requires = "tls_cert_file", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// Networks of trusted proxies, whose `X-Forwarded-For` is used, separated by commas, like
    /// `10.1.0.0/16,192.0.2.7/32`; none if not given
    #[arg(long, env = "BOXROOM_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<IpNet>,

    /// Maximum number of open connections; less if the process may not open as many files
    #[arg(long, env = "BOXROOM_CONNECTIONS", default_value_t = 50_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Maximum number of open connections from one address (or IPv6 /64 network) that is not a trusted proxy
    #[arg(long, env = "BOXROOM_CONNECTIONS_PER_ADDRESS", default_value_t = 4_000, value_name = "CONNECTIONS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub connections_per_address: u32,

    /// Timeout for the head of each request on a connection, in seconds
    #[arg(long, env = "BOXROOM_HEAD_TIMEOUT", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_timeout: u64,
}

impl ListenArgs {
    /// Returns the given address, or this port on the loopback interface.
    pub fn or_port(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// The settings of the listener for operators.
#[derive(Debug, Clone, Args)]
pub struct OperationsArgs {
    /// Separate address for `/readyz` and `/metrics`, which are then not served to clients
    #[arg(long, env = "BOXROOM_OPERATIONS_LISTEN", value_name = "ADDRESS")]
    pub operations_listen: Option<SocketAddr>,
}

/// The settings of cross-origin requests.
#[derive(Debug, Clone, Args)]
pub struct OriginArgs {
    /// Origins whose pages may call this service from a browser, separated by commas, like
    /// `https://chat.example,http://127.0.0.1:3000`; none if not given
    #[arg(long, env = "BOXROOM_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub allowed_origins: Vec<Origin>,
}

/// The rate limits of clients: sustained requests a second, and the burst.
#[derive(Debug, Clone, Args)]
pub struct RateArgs {
    /// Rate limit of one user, like `50:200`: 50 requests a second, in bursts of up to 200
    #[arg(long, env = "BOXROOM_RATE_PER_USER", default_value = "50:200", value_name = "RATE:BURST")]
    pub rate_per_user: Rate,

    /// Rate limit of requests without a valid token from one address (or IPv6 /64 network)
    #[arg(long, env = "BOXROOM_RATE_PER_ADDRESS", default_value = "50:500", value_name = "RATE:BURST")]
    pub rate_per_address: Rate,
}

impl RateArgs {
    /// Creates rate limiters with these settings.
    pub fn rates(&self) -> Arc<Rates> {
        Rates::new(("user", self.rate_per_user), ("address", self.rate_per_address))
    }
}

/// The settings of the verification of access tokens.
#[derive(Debug, Clone, Args)]
pub struct TrustArgs {
    /// File for the last known public keys and revocations, so that tokens can be verified after a start without NATS;
    /// not kept if not given
    #[arg(long, env = "BOXROOM_TRUST_CACHE", value_name = "FILE")]
    pub trust_cache: Option<PathBuf>,

    /// The outside issuer.
    #[command(flatten)]
    pub issuer: IssuerArgs,
}

/// The settings of an outside issuer of access tokens (`OpenID` Connect), in place of the built-in accounts.
#[derive(Debug, Clone, Args)]
pub struct IssuerArgs {
    /// Issuer of accepted tokens (`iss`); turns built-in accounts, passwords and sessions off
    #[arg(long, env = "BOXROOM_ISSUER", requires_all = ["issuer_audience", "issuer_keys"], value_name = "ISSUER")]
    pub issuer: Option<String>,

    /// Required audience of tokens (`aud`)
    #[arg(long, env = "BOXROOM_ISSUER_AUDIENCE", requires = "issuer", value_name = "AUDIENCE")]
    pub issuer_audience: Option<String>,

    /// Public keys of the issuer, a JWK set: a file, or an address like `https://login.example/jwks.json`
    #[arg(long, env = "BOXROOM_ISSUER_KEYS", requires = "issuer", value_name = "FILE_OR_URL")]
    pub issuer_keys: Option<KeySource>,

    /// Allowed signature algorithms of tokens, separated by commas: `EdDSA`, ES256 and RS256
    #[arg(
        long,
        env = "BOXROOM_ISSUER_ALGORITHMS",
        default_value = "EdDSA,ES256,RS256",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub issuer_algorithms: Vec<AllowedAlgorithm>,

    /// Claim with the user's id, which must match the pattern of user ids
    #[arg(long, env = "BOXROOM_ISSUER_USER_CLAIM", default_value = "sub", value_name = "CLAIM")]
    pub issuer_user_claim: String,

    /// Claim with `operator` or `device` (with the claim `box`), alone or in a list; all other callers are users
    #[arg(long, env = "BOXROOM_ISSUER_ROLE_CLAIM", default_value = "role", value_name = "CLAIM")]
    pub issuer_role_claim: String,
}
