//! The running projector: connections, tracks and health.

use std::{future::pending, sync::Arc};

use event_store::{BulkAddress, JetStreamLog, Log};
use sealing::{KeyRing, MasterKeyError, MasterKeys, SealedLog};
use service_kit::{args::MasterKeyArgs, clock, http, metrics::Metrics, nats};
use supervision::Tasks;

use crate::{
    database::Database,
    driver::Driver,
    eraser::Eraser,
    metrics,
    notices::Notices,
    operator::{self, Operations},
    retries::Retries,
    settings::Settings,
    status::Status,
    supervisor::{StartError, Supervisor},
    track::Tracker,
    watch::ProgressMonitor,
};

/// The port of `/healthz` and `/readyz`.
const PORT: u16 = 8082;

/// The reason why the projector cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address of `/healthz` is in use, or does not belong to this host.
    #[error("cannot serve on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The master key file cannot be used.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The NATS address cannot be used.
    #[error(transparent)]
    Nats(#[from] nats::ConnectError),
    /// The database URL cannot be used.
    #[error("invalid database URL")]
    Database(#[from] sqlx::Error),
    /// The log or the database is not what this build needs.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The master key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{} is not a valid master key file", path.display())]
pub struct MasterError {
    path: std::path::PathBuf,
    source: MasterKeyError,
}

/// Opens the log with decryption of its personal values. Whole streams are read over separate connections if the server
/// does not require TLS.
pub(crate) fn opened_log(
    client: async_nats::Client,
    nats_url: &str,
    master: &MasterKeyArgs,
) -> Result<Arc<dyn Log>, MasterError> {
    let path = &master.master_key_file;
    let masters = MasterKeys::read(path).map_err(|source| MasterError { path: path.clone(), source })?;
    let log = JetStreamLog::new(client).bulk_from(bulk_address(nats_url));
    let keys = KeyRing::start(log.server().clone(), masters);
    Ok(SealedLog::new(Arc::new(log), keys))
}

fn bulk_address(nats_url: &str) -> Option<BulkAddress> {
    let nats::PlainAddress { host, port, user, password } = nats::PlainAddress::parse(nats_url)?;
    Some(BulkAddress { host, port, user, password })
}

/// Projects until `shutdown`. Waits for servers that are not reachable yet, and reconnects when they return.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
    let address = settings.listen.or_port(PORT);
    let listener = http::listen(address).map_err(|source| RunError::Listen { address, source })?;
    let instance = format!("projector-{}", clock::new_id());
    let database = Database::new(&settings.database.database_url, &instance)?;
    let client = nats::connect(&settings.nats.nats_url, &instance).await?;
    let requests = operator::incoming(&settings.nats.nats_url, &instance)?;
    let status = Status::default();
    let log = opened_log(client.clone(), &settings.nats.nats_url, &settings.master)?;
    let watch = ProgressMonitor::default();
    let health = watch.add_to(status.health(client.clone()));
    let mut metrics = Metrics::of("projector", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.own(), status.clone(), watch.clone());
    let routes = http::finish(health.clone().router().merge(metrics.router(health)));
    let mut tasks = Tasks::default();
    tasks.spawn("the connection to NATS", nats::ended(client.clone()));
    tasks.spawn("the watch of progress", watch.run(database.clone(), log.clone(), settings.partitions));
    let server = http::serve(listener, routes, &settings.listen, pending());
    tasks.spawn("the HTTP server", server.map_err(|source| RunError::Listen { address, source })?);
    tracing::info!(%address, instance, "started");
    let (notices, partitions) = (Notices::over(client.clone()), settings.partitions);
    let driver = Driver { database: database.clone(), log: log.clone(), notices: notices.clone(), partitions };
    let eraser = Eraser { database: database.clone(), log: log.clone(), client: client.clone(), partitions };
    let operations = Operations { database: database.clone(), log: log.clone(), notices: notices.clone(), partitions };
    let retries = Retries::listen(database.clone());
    let tracker = Tracker { database, log, notices, retries, status };
    let supervisor = Supervisor { tracker, partitions };
    tasks.spawn("the driver of generations", driver.run());
    tasks.spawn("the eraser", eraser.run());
    tasks.spawn("the answers to operators", operator::serve(requests, client, operations));
    // A transaction that is cut off is rolled back; its commits are read again from the checkpoint.
    let result = tokio::select! {
        result = supervisor.run() => result.map(|never| match never {}),
        () = shutdown => Ok(()),
    };
    tracing::info!("stopped");
    Ok(result?)
}
