//! Logs to standard error as text or JSON, and traces to a collector, if one is configured.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use clap::{Args, ValueEnum};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::trace;

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

/// The timeout for sending the last spans when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Libraries that log the data that they carry at levels below `info`: tokens, password hashes, messages. They are
/// limited to `info`, whatever the filter.
const DATA_LOGGING_CRATES: [&str; 3] = ["async_nats", "tungstenite", "tokio_tungstenite"];

/// The reasons for which logs or traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter cannot be parsed.
    #[error("--log: not a filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The address of the collector cannot be used.
    #[error("--otlp-endpoint: cannot be used")]
    Endpoint(#[from] ExporterBuildError),
}

/// Sends the last spans when dropped. Held by `main`.
#[derive(Debug)]
#[must_use]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.provider {
            // Errors are ignored: without a collector the spans are lost.
            let _ = provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Starts logs and traces of this service until the process ends.
pub fn init(args: &LogArgs, service: &'static str) -> Result<Telemetry, TelemetryError> {
    // Spans for traces only would make the log lines longer.
    let for_traces_only = format!("{}=off", trace::TARGET).parse()?;
    let filter = EnvFilter::try_new(&args.filter)?.add_directive(for_traces_only);
    let without_data = filter_fn(|metadata| {
        *metadata.level() <= Level::INFO
            || !DATA_LOGGING_CRATES.iter().any(|library| metadata.target().starts_with(library))
    });
    let provider = provider(&args.traces, service)?;
    match &provider {
        None => tracing_subscriber::registry().with(filter).with(without_data).with(lines(args.format)).init(),
        Some(provider) => {
            let spans = filter_fn(|metadata| metadata.is_span() && *metadata.level() <= Level::INFO);
            let traces = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("boxroom"))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_filter(spans.with_max_level_hint(LevelFilter::INFO));
            tracing_subscriber::registry()
                .with(traces)
                .with(lines(args.format).with_filter(filter.and(without_data)))
                .init();
            trace::enable();
        }
    }
    Ok(Telemetry { provider })
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Text if stderr().is_terminal() => fmt::layer().with_writer(stderr).boxed(),
        LogFormat::Text => fmt::layer().with_writer(stderr).with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(stderr).boxed(),
    }
}

/// Creates the provider that sends spans in the background. None without a collector.
fn provider(args: &TraceArgs, service: &'static str) -> Result<Option<SdkTracerProvider>, ExporterBuildError> {
    let Some(endpoint) = args.otlp_endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
        return Ok(None);
    };
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).build()?;
    let name = args.otel_service_name.clone().unwrap_or_else(|| service.to_owned());
    let resource = Resource::builder().with_service_name(name).build();
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}
