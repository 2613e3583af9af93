//! Assembles the process and runs it until shutdown.

use std::{future::pending, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use async_nats::{Client, connection::State};
use axum::Router;
use event_store::{JetStreamLog, Log};
use service_kit::{clock, health::Health, http, metrics::Metrics, nats};
use supervision::Tasks;
use tokio::{net::TcpListener, sync::watch};
use wire::StreamName;

use crate::{
    app::{App, Parts},
    cursor::Cursors,
    database::Database,
    delivery::Delivery,
    metrics, operator,
    partitions::share,
    plan::Rules,
    removed_devices::RemovedDevices,
    settings::Settings,
    status::Statuses,
    texts::Texts,
    wakeups::Wakeups,
    webhooks::{collect, sender::Sender},
    worker::drain,
};

/// The time limit of attempts that run when the process is asked to stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);

/// Tells alarms until `shutdown`. Waits for servers that are not reachable yet, and reconnects when they return.
pub async fn run(settings: Settings, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
    let instance = format!("notifier-{}", clock::new_id());
    let client = nats::connect(&settings.nats.nats_url, &instance).await?;
    let requests = operator::incoming(&settings.nats.nats_url, &instance)?;
    let app = assemble(&settings, client.clone())?;
    let server = http::serve(listener, router(&app), &settings.listen, pending())?;
    let mut tasks = Tasks::default();
    tasks.spawn("the HTTP server", server);
    tasks.spawn("the connection to NATS", nats::closed(client.clone()));
    tasks.spawn("the listener to projectors", app.wakeups.clone().listen(client.clone()));
    tasks.spawn("the service for operators", operator::serve(requests, client, app.clone()));
    tracing::info!(instance, "started");
    tokio::select! {
        never = share(app.clone()) => match never {},
        () = shutdown => {}
    }
    drain(&app.delivery, &app.webhooks, DRAIN_LIMIT).await;
    tracing::info!("stopped");
    Ok(())
}

fn assemble(settings: &Settings, client: Client) -> Result<App> {
    let database = Database::new(&settings.database_url, settings.database_pool);
    let database = Arc::new(database.context("--database-url is not an address of PostgreSQL")?);
    let (providers, routes) = settings.providers.open()?;
    if routes.is_empty() {
        tracing::warn!("no push provider has credentials: alarms are planned, and nothing is sent");
    }
    let texts = Texts::read(settings.push_texts.as_deref())?;
    let removed_devices = RemovedDevices::new(client.clone());
    let delivery = Delivery::new(
        database.clone(),
        providers,
        routes,
        (texts, settings.preview),
        removed_devices,
        Duration::from_secs(settings.providers.push_timeout),
    );
    let log: Arc<dyn Log> = Arc::new(JetStreamLog::new(client.clone()));
    let webhooks = &settings.webhooks;
    let webhooks = Sender::new(database.delivery.clone(), log.clone(), webhooks.client()?, webhooks.limits());
    let streams: Vec<String> = (0..settings.partitions).map(|partition| StreamName::Box(partition).label()).collect();
    Ok(App::new(Parts {
        database,
        cursors: Cursors::new(client.clone()),
        client,
        delivery: Arc::new(delivery),
        wakeups: Wakeups::new(streams.iter().cloned()),
        status: Statuses::default(),
        rules: Rules { delay_ms: settings.push_delay.into(), lifetime_s: i64::from(settings.push_lifetime) * 60 },
        streams,
        log,
        webhooks: Arc::new(webhooks),
        webhook_changes: watch::Sender::new(()),
    }))
}

fn router(app: &App) -> Router {
    let mut metrics = Metrics::of("notifier", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.service_registry(), app.status.clone(), app.delivery.clone());
    collect::register(metrics.service_registry(), app.webhooks.clone());
    let (client, database, status) = (app.client.clone(), app.database.clone(), app.status.clone());
    let health = Health::new()
        .check("nats", move || {
            let connected = client.connection_state() == State::Connected;
            async move { if connected { Ok(()) } else { Err("not connected".to_owned()) } }
        })
        .check("postgres", move || {
            let database = database.clone();
            async move { database.answers().await.map_err(|error| error.to_string()) }
        })
        .check("streams", move || {
            let state = status.check();
            async { state }
        });
    http::finish(health.clone().router().merge(metrics.router(health)))
}
