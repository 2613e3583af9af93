//! The state that all live connections of this process share.

use std::{sync::Arc, time::Duration};

use async_nats::Client;
use service_kit::{auth::Verifier, http::Rates};
use tokio::sync::watch;

use super::{
    hub::Hub, limits::ConnectionLimiter, lobby::Lobby, notifications::Receivers, presence_answers, replay::Feeds,
    seen_by::SeenBy, threads::Threads, users::Users,
};
use crate::{
    generation::{Generation, Generations},
    metrics::LiveNumbers,
    settings::Settings,
};

/// The live connections of this process. One per process.
pub(crate) struct Live {
    pub(super) hub: Arc<Hub>,
    pub(super) feeds: Feeds,
    pub(super) verifier: Verifier,
    pub(super) heartbeat: Duration,
    pub(super) users: Arc<Users>,
    pub(super) lobby: Arc<Lobby>,
    /// The limit of connections per user.
    pub(super) connection_limiter: Arc<ConnectionLimiter>,
    /// The rate limits of new connections, per user and per address.
    rates: Arc<Rates>,
    pub(super) threads: Threads,
    /// Becomes true when the process stops; every connection holds a receiver until it has closed.
    pub(super) stopping: watch::Sender<bool>,
}

/// What may end connections: revocations, another generation, and the stop of the process.
type Causes = (watch::Receiver<()>, watch::Receiver<Option<Arc<Generation>>>, watch::Receiver<bool>);

/// Has all connections checked whenever some may have to end.
async fn check_connections(users: Arc<Users>, causes: Causes) {
    let (mut revocations, mut generations, mut stopping) = causes;
    loop {
        tokio::select! {
            Ok(()) = revocations.changed() => {}
            Ok(()) = generations.changed() => {}
            // The process waits until all receivers are dropped.
            _ = stopping.changed() => return users.check_all(),
        }
        users.check_all();
    }
}

impl Live {
    /// Starts the hub. The connection to NATS should belong to the threads: messages pass between threads slowly.
    pub(crate) fn start(
        threads: Threads,
        nats: Client,
        generations: Generations,
        verifier: Verifier,
        settings: &Settings,
    ) -> Arc<Self> {
        let feeds = Feeds::new(generations.clone(), settings.database_pool);
        let heartbeat = Duration::from_secs(settings.heartbeat);
        let lobby = Lobby::start(nats.clone(), feeds.clone());
        let hub = Hub::start(nats.clone(), generations.clone(), feeds.clone());
        supervision::spawn("the answers about presence", presence_answers::serve(nats.clone(), hub.signals().clone()));
        let seen_by = settings.share_read_markers.then(|| SeenBy::start(feeds.clone(), hub.signals().clone()));
        let users = Users::start(nats.clone(), feeds.clone(), seen_by);
        let stopping = watch::Sender::new(false);
        let causes = (verifier.revocations(), generations.changes(), stopping.subscribe());
        let receivers = Receivers { hub: hub.clone(), users: users.clone(), lobby: lobby.clone() };
        let receiver = receivers.receive(nats, generations);
        threads.spawn(supervision::run("the receiver of notifications", receiver));
        let connection_limiter = ConnectionLimiter::new(settings.connections_per_user);
        let user_limit = ("live-user", settings.live_rate_per_user);
        let rates = Rates::new(user_limit, ("live-address", settings.live_rate_per_address));
        supervision::spawn("the watcher of what ends connections", check_connections(users.clone(), causes));
        Arc::new(Self { hub, feeds, verifier, heartbeat, users, lobby, connection_limiter, rates, threads, stopping })
    }

    /// Returns the rate limits of new connections, per user and per address.
    pub(crate) fn rates(&self) -> &Arc<Rates> {
        &self.rates
    }

    /// Returns the current numbers of connections, for metrics.
    pub(crate) fn numbers(&self) -> LiveNumbers {
        let (rooms, subscriptions) = self.hub.size();
        let queues = self.users.queues();
        LiveNumbers { rooms, subscriptions, users: queues.len(), queues: queues.concat() }
    }

    /// Asks every connection to close.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns once every connection has closed.
    pub(crate) async fn stopped(&self) {
        self.stopping.closed().await;
        self.hub.signals().flush().await;
    }
}
