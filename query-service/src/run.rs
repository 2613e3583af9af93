//! Assembles the process and runs it until shutdown.

use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, connection::State};
use axum::Router;
use service_kit::{
    auth::{Trust, Verifier},
    docs,
    health::Health,
    http,
    metrics::Metrics,
    nats, operations,
};
use supervision::Tasks;
use tokio::{net::TcpListener, sync::oneshot, time::timeout};

use crate::{
    app::{App, Parts},
    collect,
    error::Error,
    generation::Generations,
    live::{shared::Live, threads::Threads, tickets::Tickets},
    me::export::limiter::ExportLimiter,
    metrics, problems, routes,
    search::limiter::SearchLimiter,
    settings::Settings,
    web,
};

/// The time limit of closing live connections, from the moment at which the process is asked to stop.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves on the listener until `shutdown`. PostgreSQL and NATS may become available later, and may be interrupted.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let threads = Threads::start().context("cannot start threads")?;
    let url = settings.nats.nats_url.clone();
    let connecting = Box::pin(async move { nats::connect(&url, "query-service").await });
    let client = threads.run(connecting).await??;
    let trust = Trust::open(&settings.trust);
    let app = assemble(&settings, threads, &client, trust.verifier())?;
    let health = health(client.clone(), app.clone());
    let router = router(&settings, &app, health)?;

    let (stop, stopped) = oneshot::channel();
    let live = app.live.clone();
    let stopping = async move {
        shutdown.await;
        live.stop();
        let _ = stop.send(());
    };
    let server = http::serve(listener, router, &settings.listen, stopping)?;
    let mut tasks = Tasks::default();
    tasks.spawn("the connection to NATS", nats::closed(client.clone()));
    tasks.spawn("the reader of keys and revocations", trust.follow(client));
    let drained = async {
        let _ = stopped.await;
        if timeout(CLOSE_TIMEOUT, app.live.stopped()).await.is_err() {
            tracing::warn!("some live connections did not close in time");
        }
    };
    tokio::join!(server, drained);
    Ok(())
}

fn assemble(settings: &Settings, threads: Threads, client: &Client, verifier: Verifier) -> Result<App> {
    let generations =
        Generations::watch(settings, client.clone()).context("--database-url is not an address of PostgreSQL")?;
    let live = Live::start(threads, client.clone(), generations.clone(), verifier.clone(), settings);
    Ok(App::new(Parts {
        generations,
        verifier,
        live,
        tickets: Tickets::new(client.clone()),
        exports: ExportLimiter::new(settings.exports_per_hour),
        searches: SearchLimiter::new(settings.search_pool, Duration::from_millis(settings.search_budget)),
        share_read_markers: settings.share_read_markers,
    }))
}

/// Returns the router of the HTTP server.
fn router(settings: &Settings, app: &App, health: Health) -> Result<Router> {
    let mut metrics = Metrics::of("query-service", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.service_registry());
    collect::register(metrics.service_registry(), app.clone());
    let pages = operations::pages(health, metrics, &settings.operations, &settings.listen)?;
    let rates = settings.rates.rates();
    let (reads, api) = routes::all(app, &rates);
    let public = docs::router(api).merge(docs::problems(problems::all())).merge(web::router(&settings.page)?);
    let docs = http::limit(public, &rates, &app.verifier);
    let router = http::finish(reads.merge(pages).merge(docs));
    Ok(http::origins::allow(router, &settings.origins.allowed_origins))
}

/// The checks of `/readyz`. NATS is only watched: without it, nothing is pushed for a while, but reads continue, so
/// that the service stays ready.
fn health(client: Client, app: App) -> Health {
    let (database, trusting) = (app.clone(), app.clone());
    Health::new()
        .check("postgres", move || {
            let reachable = database.generations.is_reachable();
            async move { if reachable { Ok(()) } else { Err("does not answer".to_owned()) } }
        })
        .check("read_model", move || {
            let current = app.generations.current().map(|_| ()).map_err(|error: Error| error.to_string());
            async move { current }
        })
        .watch("nats", move || {
            let state = client.connection_state();
            async move { if state == State::Connected { Ok(()) } else { Err("not connected".to_owned()) } }
        })
        .check("keys", move || {
            let known = trusting.verifier.has_keys();
            async move { if known { Ok(()) } else { Err("no key that verifies tokens is known yet".to_owned()) } }
        })
}
