//! Logs: to standard error, as text for people or as JSON for machines.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::args::{LogArgs, LogFormat};

/// The filter of the logs does not parse.
#[derive(Debug, thiserror::Error)]
#[error("--log: not a filter")]
pub struct InvalidFilter(#[from] tracing_subscriber::filter::ParseError);

/// Starts logging for the rest of the process's life.
pub fn init(args: &LogArgs) -> Result<(), InvalidFilter> {
    let filter = EnvFilter::try_new(&args.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    match args.format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr)).init(),
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(std::io::stderr))
            .init(),
    }
    Ok(())
}
