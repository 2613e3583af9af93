//! Assembles the process and runs it until shutdown.

use anyhow::Result;
use async_nats::{Client, connection::State};
use axum::Router;
use operator_protocol::OperatorClient;
use service_kit::{
    auth::{Trust, Verifier},
    docs,
    health::Health,
    http,
    metrics::Metrics,
    nats, operations as pages,
};
use supervision::Tasks;
use tokio::net::TcpListener;

use crate::{app::App, description, operations, problems, settings::Settings};

/// Serves on the listener until `shutdown`. NATS may become available later, and may be interrupted.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let client = nats::connect(&settings.nats.nats_url, "operator-gateway").await?;
    let trust = Trust::open(&settings.trust);
    let app = App { operators: OperatorClient::new(client.clone()), verifier: trust.verifier() };
    let router = router(&settings, &app, health(client.clone(), app.verifier.clone()))?;
    let server = http::serve(listener, router, &settings.listen, shutdown)?;
    let mut tasks = Tasks::default();
    tasks.spawn("the connection to NATS", nats::closed(client.clone()));
    tasks.spawn("the reader of keys and revocations", trust.follow(client));
    server.await;
    Ok(())
}

/// Returns the router of the HTTP server.
fn router(settings: &Settings, app: &App, health: Health) -> Result<Router> {
    let metrics = Metrics::of("operator-gateway", env!("CARGO_PKG_VERSION"));
    let pages = pages::pages(health, metrics, &settings.operations, &settings.listen)?;
    let operations = operations::all();
    let api = description::of(&operations);
    let limit = operations::timeout(&operations);
    let requests = operations.into_iter().fold(Router::new(), |requests, operation| {
        let path = operation.path();
        requests.route(&path, operation.handler)
    });
    let docs = docs::router(api).merge(docs::problems(problems::ALL));
    let limited = http::limit(requests.with_state(app.clone()).merge(docs), &settings.rates.rates(), &app.verifier);
    let router = http::finish_within(limited.merge(pages), limit);
    Ok(http::origins::allow(router, &settings.origins.allowed_origins))
}

/// The checks of `/readyz`.
fn health(client: Client, verifier: Verifier) -> Health {
    Health::new()
        .check("nats", move || {
            let connected = client.connection_state() == State::Connected;
            async move { if connected { Ok(()) } else { Err("not connected".to_owned()) } }
        })
        .check("keys", move || {
            let known = verifier.has_keys();
            async move { if known { Ok(()) } else { Err("no key that verifies tokens is known yet".to_owned()) } }
        })
}
