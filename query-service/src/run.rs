//! Assembles the process and runs it until it is asked to stop.

use std::time::Duration;

use anyhow::Context;
use async_nats::{Client, connection::State};
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
    app::App,
    error::Error,
    generation::Generations,
    live::{Live, tickets::Tickets},
    metrics, problems, routes,
    search::turns::Turns,
    settings::Settings,
};

/// The time limit of closing live connections, from the moment at which the process is asked to stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// Serves on the listener until `shutdown`. PostgreSQL and NATS may become available later, and may be interrupted.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let trust = Trust::open(&settings.trust);
    let verifier = trust.verifier();
    let nats = nats::connect(&settings.nats.nats_url, "query-service").await?;
    let generations =
        Generations::watch(&settings, nats.clone()).context("--database-url is not an address of PostgreSQL")?;
    let live =
        Live::start(nats.clone(), generations.clone(), verifier.clone(), &settings).context("cannot start threads")?;
    let rates = settings.rates.rates();

    let mut tasks = Tasks::default();
    tasks.spawn("the connection to NATS", nats::ended(nats.clone()));
    tasks.spawn("the follower of keys and revocations", trust.follow(nats.clone()));
    let health = health(nats.clone(), generations.clone(), verifier.clone());
    let mut metrics = Metrics::of("query-service", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.own(), live.clone(), generations.clone());
    let pages = operations::pages(health, metrics, &settings.operations, &settings.listen)?;
    let app =
        App::new(generations, verifier.clone(), live.clone(), Tickets::new(nats), Turns::new(settings.search_pool));
    let (reads, api) = routes::all(&app, &rates, &verifier);
    let docs = http::limit(docs::router(api).merge(docs::problems(problems::all())), &rates, &verifier);
    let router = http::finish(reads.merge(pages).merge(docs));
    let router = http::origins::allow(router, &settings.origins.allowed_origins);
    let (said, asked) = oneshot::channel();
    let stopping = {
        let live = live.clone();
        async move {
            shutdown.await;
            live.stop();
            let _ = said.send(());
        }
    };
    let server = http::serve(listener, router, &settings.listen, stopping)?;
    let farewell = async {
        let _ = asked.await;
        if timeout(FAREWELL, live.stopped()).await.is_err() {
            tracing::warn!("some live connections did not close in time");
        }
    };
    tokio::join!(server, farewell);
    Ok(())
}

/// The checks of `/readyz`. NATS is only watched: without it, nothing is pushed for a while, but reads continue, so
/// that the service stays ready.
fn health(nats: Client, generations: Generations, verifier: Verifier) -> Health {
    let database = generations.clone();
    Health::new()
        .check("postgres", move || {
            let reachable = database.is_reachable();
            async move { if reachable { Ok(()) } else { Err("does not answer".to_owned()) } }
        })
        .check("read_model", move || {
            let current = generations.current().map(|_| ()).map_err(|error: Error| error.to_string());
            async move { current }
        })
        .watch("nats", move || {
            let state = nats.connection_state();
            async move { if state == State::Connected { Ok(()) } else { Err("not connected".to_owned()) } }
        })
        .check("keys", move || {
            let known = verifier.has_keys();
            async move { if known { Ok(()) } else { Err("no key that verifies tokens is known yet".to_owned()) } }
        })
}
