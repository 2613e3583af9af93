//! The pages for operators, `/readyz` and `/metrics`: beside the API, or on an address of their own.

use std::{future::pending, io};

use axum::Router;

use crate::{
    args::{ListenArgs, OperationsArgs},
    health::{self, Health},
    http,
    metrics::Metrics,
};

/// Returns the routes to serve beside the API. If the pages have an address of their own, they are served there until
/// the process ends, with the same certificate.
pub fn pages(health: Health, metrics: Metrics, args: &OperationsArgs, listen: &ListenArgs) -> io::Result<Router> {
    let pages = health.clone().router().merge(metrics.router(health));
    let Some(address) = args.operations_listen else { return Ok(pages) };
    let server = http::serve(http::listen(address)?, http::finish(pages), listen, pending())?;
    supervision::spawn("the server of the operators' pages", server);
    Ok(health::alive())
}
