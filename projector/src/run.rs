//! Assembles the process and runs it until shutdown.

use std::{future::pending, sync::Arc};

use anyhow::{Context, Result};
use async_nats::Client;
use axum::Router;
use service_kit::{clock, health::Health, http, metrics::Metrics, nats};
use supervision::Tasks;
use tokio::net::TcpListener;

use crate::{
    app::{App, Parts},
    collect,
    control_changes::ControlChanges,
    database::Database,
    driver::Driver,
    eraser::Eraser,
    log, metrics,
    notifications::Notifier,
    operator::{self, Operations},
    progress_monitor::ProgressMonitor,
    retries::Retries,
    settings::Settings,
    status::Status,
    supervisor::Supervisor,
    track::Tracker,
};

/// Projects until `shutdown`. Waits for servers that are not reachable yet, and reconnects when they return.
///
/// Returns an error if the log or the database is not what this build needs.
pub async fn run(settings: Settings, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
    let instance = format!("projector-{}", clock::new_id());
    let client = nats::connect(&settings.nats.nats_url, &instance).await?;
    let requests = operator::incoming(&settings.nats.nats_url, &instance)?;
    let app = assemble(&settings, &client, &instance)?;
    let router = router(&app, health(&app, client.clone()));

    let server = http::serve(listener, router, &settings.listen, pending())?;
    let mut tasks = Tasks::default();
    tasks.spawn("the HTTP server", server);
    tasks.spawn("the connection to NATS", nats::closed(client.clone()));
    tracing::info!(instance, "started");
    let (database, log, notifier, partitions) = (&app.database, &app.log, &app.notifier, app.partitions);
    let changes = ControlChanges::listen(database.clone());
    let progress = app.watch.clone().run(database.clone(), log.clone(), partitions, changes.clone());
    tasks.spawn("the progress monitor", progress);
    let driver = Driver {
        database: database.clone(),
        log: log.clone(),
        notifier: notifier.clone(),
        partitions,
        changes: changes.clone(),
    };
    tasks.spawn("the driver of generations", driver.run());
    let eraser = Eraser {
        database: database.clone(),
        log: log.clone(),
        client: client.clone(),
        partitions,
        changes: changes.clone(),
        report_retention: settings.report_retention,
    };
    tasks.spawn("the eraser", eraser.run());
    let operations = Operations {
        database: database.clone(),
        log: log.clone(),
        notifier: notifier.clone(),
        partitions,
        status: Arc::default(),
    };
    tasks.spawn("the answers to operators", operator::serve(requests, client, operations));
    let tracker = Tracker {
        database: database.clone(),
        log: log.clone(),
        notifier: notifier.clone(),
        retries: Retries::watch(database.clone(), changes.clone()),
        status: app.status.clone(),
    };
    let supervisor = Supervisor { tracker, partitions, changes };
    // A transaction that is cut off is rolled back; its commits are read again from the checkpoint.
    let result = tokio::select! {
        result = supervisor.run() => result.map(|never| match never {}),
        () = shutdown => Ok(()),
    };
    tracing::info!("stopped");
    Ok(result?)
}

fn assemble(settings: &Settings, client: &Client, instance: &str) -> Result<App> {
    Ok(App::new(Parts {
        database: Database::new(&settings.database.database_url, instance).context("invalid database URL")?,
        log: log::open(client.clone(), &settings.nats.nats_url, &settings.master)?,
        notifier: Notifier::start(client.clone()),
        status: Status::default(),
        watch: ProgressMonitor::default(),
        partitions: settings.partitions,
    }))
}

/// Returns the router of the HTTP server.
fn router(app: &App, health: Health) -> Router {
    let mut metrics = Metrics::of("projector", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.service_registry());
    collect::register(metrics.service_registry(), app.clone());
    http::finish(health.clone().router().merge(metrics.router(health)))
}

/// The health checks: the servers, the streams, and the progress of the projection.
fn health(app: &App, client: Client) -> Health {
    app.watch.add_to(app.status.health(client))
}
