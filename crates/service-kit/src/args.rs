//! Settings that every process has: command-line arguments with a fallback in the environment.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use crate::http::origins::Origin;

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
    /// The NATS server, with this process's own user: `nats://user:password@host:port`
    #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true, value_name = "URL")]
    pub nats_url: String,
}

/// Where HTTP is served.
#[derive(Debug, Clone, Args)]
pub struct ListenArgs {
    /// The address to serve HTTP on; each service has a default port of its own
    #[arg(long, env = "BOXROOM_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

impl ListenArgs {
    /// The address: what was given, or this port on the loopback interface.
    pub fn or_port(&self, port: u16) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

/// Which pages may call this service.
#[derive(Debug, Clone, Args)]
pub struct OriginArgs {
    /// The origins whose pages may call this service from a browser, with commas between them, like
    /// `https://chat.example,http://127.0.0.1:3000`; none if not given
    #[arg(long, env = "BOXROOM_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub allowed_origins: Vec<Origin>,
}
