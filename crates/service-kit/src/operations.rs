//! The pages for operators, `/readyz` and `/metrics`: beside the API, or on an address of their own.

use std::{future::pending, io, net::SocketAddr};

use axum::Router;
use clap::Args;

use crate::{
    health::{self, Health},
    http::{self, ListenArgs},
    metrics::Metrics,
};

/// The settings of the listener for operators.
#[derive(Debug, Clone, Args)]
pub struct OperationsArgs {
    /// Separate address for `/readyz` and `/metrics`, which are then not served to clients
    #[arg(long, env = "BOXROOM_OPERATIONS_LISTEN", value_name = "ADDRESS")]
    pub operations_listen: Option<SocketAddr>,
}

/// Returns the routes to serve beside the API. If the pages have an address of their own, they are served there until
/// the process ends, with the same certificate.
pub fn pages(health: Health, metrics: Metrics, args: &OperationsArgs, listen: &ListenArgs) -> io::Result<Router> {
    let pages = health.clone().router().merge(metrics.router(health));
    let Some(address) = args.operations_listen else { return Ok(pages) };
    let server = http::serve(http::listen(address)?, http::finish(pages), listen, pending())?;
    supervision::spawn("the server of the operators' pages", server);
    Ok(health::alive())
}
