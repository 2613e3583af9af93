//! Assembles the process and runs it until shutdown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use async_nats::{Client, connection::State};
use axum::Router;
use chrono::TimeDelta;
use credentials::{Accounts, Invitations, LoginAttempts, Revocations, Sessions, SigningKeys};
use domain::report::PUBLICATION_WINDOW;
use event_store::{Deadlines, Executor, ExecutorOptions, JetStreamLog, Log, Marks, OpenerClaims, VerifyError, verify};
use sealing::{EncryptedLog, KeyRing, MasterKeys};
use service_kit::{
    auth::{Trust, Verifier},
    docs,
    health::Health,
    http,
    metrics::Metrics,
    nats, operations,
};
use storage::Space;
use supervision::Tasks;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::sleep};

use crate::{
    app::{App, Parts},
    collect,
    completion::RunningRequests,
    count::{self, Transport},
    deadlines, erasure,
    gateway::{self, Gateway},
    login_throttle::LoginThrottle,
    metrics,
    nicknames::{self, Nicknames},
    passwords::Passwords,
    problems::Code,
    quotas::Quotas,
    readiness, removed_devices, routes,
    server_clock::ServerClock,
    settings::Settings,
    signing::Signing,
    slow_mode::Turns,
    stamp::RequestSecret,
    text_filter::TextFilter,
    users::{confirmation::Confirmations, registration_policy::RegistrationPolicy},
    well_known,
};

/// The maximum number of cached states of boxes, of users and of stores.
const CACHED_STATES: u64 = 100_000;

/// The time between two checks for the log until it is found.
const VERIFY_PERIOD: Duration = Duration::from_secs(1);

/// The time between two checks at the start that the tails have caught up.
const TAILS_PERIOD: Duration = Duration::from_millis(50);

/// Serves commands on the listener until `shutdown`. NATS may start later than the process, and be interrupted.
///
/// Returns an error if the log does not match the settings.
pub async fn run(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let client = nats::connect(&settings.nats.nats_url, "command-service").await?;
    let requests = gateway::requests(&settings.nats.nats_url)?;
    let log = JetStreamLog::new(client.clone());
    let trust = Trust::open(&settings.trust);
    let app = assemble(&settings, &log, trust.verifier())?;
    let verified = Arc::new(AtomicBool::new(false));
    let space = log.server().space().clone();
    let health = health(client.clone(), app.clone(), Arc::clone(&verified), space.clone(), requests.connected());
    let (router, gateway) = build_router_and_gateway(&settings, &app, &client, health)?;

    let stop = watch::Sender::new(false);
    let server = http::serve(listener, router, &settings.listen, until_stopped(stop.subscribe()))?;
    let (mut tasks, mut servers) = (Tasks::default(), JoinSet::new());
    servers.spawn(supervision::run("the HTTP server", server));
    tasks.spawn("the connection to NATS", nats::closed(client.clone()));
    tasks.spawn("the reader of keys and revocations", trust.follow(client.clone()));
    tasks.spawn("the keeper of signing keys", keep_signing_keys(app.clone()));
    let work = async {
        until_verified(&log, settings.partitions, &verified).await?;
        tasks.spawn("the claims on nicknames", nicknames::run(app.clone()));
        // Until then another instance can answer commands that this one cannot decide.
        until_caught_up(&app, &space).await;
        tasks.spawn("the closing of rooms at their deadlines", deadlines::run(app.clone()));
        tasks.spawn("the answers to the eraser", erasure::serve(client.clone(), app.clone()));
        tasks.spawn("the answers to notifiers", removed_devices::serve(client, app.clone()));
        let gateway = gateway.run(requests, until_stopped(stop.subscribe()));
        servers.spawn(supervision::run("the commands over NATS", gateway));
        std::future::pending::<Result<()>>().await
    };
    let result = tokio::select! {
        result = work => result,
        () = shutdown => Ok(()),
    };
    stop.send_replace(true);
    while servers.join_next().await.is_some() {}
    app.running.drained().await;
    result
}

/// Returns the router of the HTTP server, and the gateway of NATS requests.
fn build_router_and_gateway(
    settings: &Settings,
    app: &App,
    client: &Client,
    health: Health,
) -> Result<(Router, Arc<Gateway>)> {
    let mut metrics = Metrics::of("command-service", env!("CARGO_PKG_VERSION"));
    metrics::register(metrics.service_registry());
    collect::register(metrics.service_registry(), app.clone());
    let pages = operations::pages(health, metrics, &settings.operations, &settings.listen)?;
    let rates = settings.rates.rates();
    let (commands, api) = routes::all(app.clone());
    let commands = http::limit(commands, &rates, &app.verifier);
    let with_metrics = |transport| count::with_metrics(commands.clone(), transport, &api);
    let gateway = Gateway::new(client.clone(), http::finish(with_metrics(Transport::Nats)), &api);
    let commands = with_metrics(Transport::Http);
    let problems = Code::ALL.iter().map(|code| (code.status(), code.as_str(), code.when()));
    let public = docs::router(api).merge(docs::problems(problems)).merge(well_known::router(app.verifier.clone()));
    let public = http::limit(public, &rates, &app.verifier);
    let router = http::finish(commands.merge(pages).merge(public));
    Ok((http::origins::allow(router, &settings.origins.allowed_origins), gateway))
}

/// Returns when the value is true or its sender is dropped.
async fn until_stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Maintains the signing keys, if there are any. Never returns.
async fn keep_signing_keys(app: App) {
    match &app.signing {
        Some(signing) => signing.maintain(&app.clock).await,
        None => std::future::pending().await,
    }
}

/// Waits until this instance can decide commands. Partitions that are broken for every instance are not waited for.
async fn until_caught_up(app: &App, space: &Space) {
    while readiness::required(app, space).is_err() {
        sleep(TAILS_PERIOD).await;
    }
}

fn assemble(settings: &Settings, log: &JetStreamLog, verifier: Verifier) -> Result<App> {
    let signing = Signing::open(&settings.signing, SigningKeys::new(log.server().clone()), verifier.clone())?;
    let secret = RequestSecret::read(&settings.request_secret_file)
        .with_context(|| format!("cannot read {}", settings.request_secret_file.display()))?;
    let file = &settings.master.master_key_file;
    let masters = MasterKeys::read(file).with_context(|| format!("{} is not a master key file", file.display()))?;
    let keys = KeyRing::start(log.server().clone(), masters);
    let shared: Arc<dyn Log> = EncryptedLog::new(Arc::new(log.clone()), Arc::clone(&keys));
    let options = ExecutorOptions {
        partitions: settings.partitions,
        idempotency_window: settings.idempotency_window,
        cached_states: CACHED_STATES,
    };
    Ok(App::new(Parts {
        boxes: Executor::start(Arc::clone(&shared), options),
        users: Executor::start(Arc::clone(&shared), options),
        stores: Executor::start(Arc::clone(&shared), options),
        reports: Executor::start(Arc::clone(&shared), options),
        text_filter: TextFilter::new(Executor::start(Arc::clone(&shared), options)),
        nicknames: Nicknames::new(Arc::clone(&shared), settings.partitions),
        openers: OpenerClaims::new(Arc::clone(&shared), settings.partitions),
        quotas: Quotas::new(&settings.quotas),
        confirmations: Confirmations::open(&settings.confirmation)?,
        turns: Turns::new(log.server().clone()),
        registration: RegistrationPolicy::new(&settings.registration, Invitations::new(log.server().clone())),
        marks: Marks::new(shared, settings.partitions),
        deadlines: Deadlines::new(log.clone(), settings.partitions),
        accounts: Accounts::new(log.server().clone()),
        keys,
        clock: Arc::new(ServerClock::of(log.clone())),
        login_throttle: LoginThrottle::new(LoginAttempts::new(log.server().clone())),
        passwords: Passwords::new(settings.quotas.passwords_per_caller).context("passwords cannot be hashed")?,
        sessions: Sessions::new(log.server().clone()),
        revocations: Revocations::new(log.server().clone()),
        signing,
        verifier,
        secret,
        running: RunningRequests::default(),
        publication_window: publication_window(settings.idempotency_window),
        room_lifetime: settings.room_lifetime,
        reaction_codes: settings.reaction_codes.clone(),
        session_lifetime: settings.session_lifetime,
    }))
}

/// Returns the time in which a held message can be published: less than that for which its command is recognised.
fn publication_window(idempotency_window: TimeDelta) -> TimeDelta {
    (idempotency_window - TimeDelta::hours(1)).clamp(TimeDelta::zero(), PUBLICATION_WINDOW)
}

/// Waits for the log. Returns an error if it does not match the settings.
async fn until_verified(log: &JetStreamLog, partitions: u16, verified: &AtomicBool) -> Result<(), VerifyError> {
    let mut last_error = String::new();
    loop {
        match verify(log, partitions).await {
            Ok(()) => {
                verified.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Err(error @ VerifyError::OtherPartitions { .. }) => return Err(error),
            Err(error @ VerifyError::Log(_)) => {
                let error_text =
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                if error_text != last_error {
                    tracing::error!("no commands can be taken yet: {error_text}");
                    last_error = error_text;
                }
            }
        }
        sleep(VERIFY_PERIOD).await;
    }
}

/// The health checks: the server, the right log, the clock, the keys, and tails that have read the log.
fn health(
    client: Client,
    app: App,
    verified: Arc<AtomicBool>,
    space: Space,
    receiving: watch::Receiver<bool>,
) -> Health {
    let (trusting, timed) = (app.clone(), app.clone());
    Health::new()
        .check("nats", move || {
            let state = client.connection_state();
            async move { if state == State::Connected { Ok(()) } else { Err("not connected".to_owned()) } }
        })
        .watch("nats_commands", move || {
            let receiving = *receiving.borrow();
            async move { if receiving { Ok(()) } else { Err("commands are not received over NATS".to_owned()) } }
        })
        .check("log", move || {
            let found = verified.load(Ordering::Relaxed);
            async move { if found { Ok(()) } else { Err("not found, or not checked yet".to_owned()) } }
        })
        .check("clock", move || {
            let timed = timed.clone();
            async move { timed.clock.check().await }
        })
        .check("keys", move || {
            let ready = trusting.signing.as_ref().map_or_else(|| trusting.verifier.has_keys(), Signing::is_ready);
            async move { if ready { Ok(()) } else { Err("no keys for tokens are known yet".to_owned()) } }
        })
        .check("tails", {
            let (app, space) = (app.clone(), space.clone());
            move || std::future::ready(readiness::required(&app, &space))
        })
        .watch("partitions", move || std::future::ready(readiness::partitions(&app, &space)))
}
