//! Tests on a cluster of three servers with three replicas: another order of checks, stale replicas, changing leaders.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, ServerAddr, jetstream};
use chrono::DateTime;
use credentials::Accounts;
use domain::DeliveryBox;
use event_store::{CommandError, JetStreamLog, Log, follow};
use futures::future::try_join_all;
use harness::{
    checkout::{Checkout, Scratch},
    output::Output,
    port::Port,
    process::{Launch, Process},
    tools,
};
use provision::{
    nats_accounts::{Passwords, render},
    topology::{ProvisionError, ProvisionOptions, provision},
};
use storage::{BucketWatch, JetStream};
use testing::{
    commands::{box_id, executor, keyed, open_room, say},
    server::PARTITIONS,
};
use tokio::time::{Instant, sleep, timeout};
use wire::{StreamName, partition_of};

use crate::contract::{appending, executing, following, marking, reading, registering, settling};

const PATIENCE: Duration = Duration::from_mins(1);

struct Cluster {
    servers: Vec<(Port, Process)>,
    launches: Vec<Launch>,
    output: Output,
    _scratch: Scratch,
}

fn passwords() -> Passwords {
    let same = || "secret".to_owned();
    Passwords {
        admin: same(),
        command: same(),
        projector: same(),
        query: same(),
        notifier: same(),
        device: same(),
        operator: same(),
    }
}

impl Cluster {
    async fn start() -> Self {
        let scratch = Scratch::create().unwrap();
        let checkout = Checkout::current().unwrap();
        let program = tools::nats_server(&checkout, tools::Source::Installed).unwrap().program;
        let alone = std::fs::read_to_string(checkout.repository.join("nats.conf")).unwrap();
        std::fs::write(scratch.path().join("accounts.conf"), render(PARTITIONS, &passwords())).unwrap();
        let ports: Vec<[Port; 2]> = (0..3).map(|_| [(); 2].map(|()| Port::reserve(None).unwrap())).collect();
        let routes: Vec<_> = ports.iter().map(|[_, route]| format!("nats://127.0.0.1:{}", route.number())).collect();
        let output = Output::Folder(scratch.path().join("logs"));
        let (mut servers, mut launches) = (Vec::new(), Vec::new());
        for (index, [port, route]) in ports.into_iter().enumerate() {
            let name = format!("boxroom{index}");
            let listen = route.number();
            let routes = routes.join(", ");
            let config = alone.replace("server_name: boxroom", &format!("server_name: {name}"))
                + &format!("\ncluster {{ name: boxroom, listen: \"127.0.0.1:{listen}\", routes: [{routes}] }}\n");
            let file = scratch.path().join(format!("{name}.conf"));
            std::fs::write(&file, config).unwrap();
            let launch = || {
                Launch::new(name.clone(), &program)
                    .args(["-c".into(), file.clone().into_os_string()])
                    .env("NATS_PORT", port.number().to_string())
                    .env("NATS_STORE", scratch.path().join(format!("store-{name}")))
            };
            launches.push(launch());
            let process = Process::spawn(launch(), &output).await.unwrap();
            servers.push((port, process));
        }
        scratch.started();
        Self { servers, launches, output, _scratch: scratch }
    }

    async fn connect(&self, user: &str, first: usize) -> Client {
        let mut addresses: Vec<ServerAddr> =
            self.servers.iter().map(|(port, _)| format!("127.0.0.1:{}", port.number()).parse().unwrap()).collect();
        addresses.rotate_left(first % 3);
        let options = ConnectOptions::with_user_and_password(user.to_owned(), "secret".to_owned())
            .custom_inbox_prefix(format!("_INBOX_{user}"))
            .ignore_discovered_servers()
            .retain_servers_order()
            .retry_on_initial_connect();
        options.connect(addresses).await.unwrap()
    }

    /// Returns an empty log, over a connection that prefers one of the servers.
    async fn fresh_log(&self, first: usize) -> Arc<JetStreamLog> {
        let admin = self.connect("admin", first).await;
        let context = jetstream::new(admin.clone());
        for stream in ["BOX_0", "BOX_1", "BOX_2", "BOX_3", "STORE", "MARK", "TIMER", "USER"] {
            // They are absent the first time.
            let _ = context.delete_stream(stream).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let options = ProvisionOptions { partitions: PARTITIONS, replicas: 3 };
        while let Err(error) = provision(admin.clone(), options).await {
            assert!(matches!(error, ProvisionError::Server { .. }) && Instant::now() < deadline, "{error:?}");
            sleep(Duration::from_millis(200)).await;
        }
        let log = Arc::new(JetStreamLog::new(self.connect("command", first).await));
        log.reachable().await.unwrap();
        log
    }
}

/// Changes a password repeatedly, and reads it through each of the servers at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_takes_effect_at_once_on_every_server() {
    let cluster = Cluster::start().await;
    let log = cluster.fresh_log(0).await;
    let writer = Accounts::new(log.server().clone());
    let mut readers = Vec::new();
    for first in 0..3 {
        readers.push(Accounts::new(JetStream::new(cluster.connect("command", first).await)));
    }
    let ann = "ann".parse().unwrap();
    writer.create_pending(&ann, "0".to_owned(), "user".to_owned(), DateTime::UNIX_EPOCH).await.unwrap();
    let mut stored = writer.get(&ann).await.unwrap().unwrap();
    for number in 1..=1000 {
        let password_hash = number.to_string();
        writer.change_password(stored, password_hash.clone(), None).await.unwrap();
        let read = try_join_all(readers.iter().map(|accounts| accounts.get(&ann))).await.unwrap();
        for found in &read {
            assert_eq!(found.as_ref().unwrap().account.password_hash, password_hash);
        }
        stored = read.into_iter().flatten().next().unwrap();
    }
}

/// A notification may be lost between two servers, so the bucket is polled besides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_a_cluster_is_polled_whichever_server_is_connected() {
    const POLL: Duration = Duration::from_secs(1);
    let cluster = Cluster::start().await;
    cluster.fresh_log(0).await;
    let admin = jetstream::new(cluster.connect("admin", 0).await);
    for first in 0..3 {
        let client = cluster.connect("query", first).await;
        let mut watch = BucketWatch::start(JetStream::new(client), "revoked", Duration::from_secs(10)).await;
        for _ in 0..4 {
            timeout(POLL * 4, watch.changed(POLL)).await.unwrap();
        }
        let begun = Instant::now();
        let changed = tokio::spawn(async move {
            // A longer interval than the test waits, so that only the notification is noticed.
            watch.changed(PATIENCE).await;
            begun.elapsed()
        });
        while !changed.is_finished() {
            admin.publish("$KV.revoked.user.ann", "{}".into()).await.unwrap().await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
        assert!(changed.await.unwrap() < PATIENCE / 2);
    }
}

type Contract = Pin<Box<dyn Future<Output = ()>>>;

/// Lists functions with their names.
macro_rules! contract {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((stringify!($name), (|log: Arc<JetStreamLog>| Box::pin($module::$name(log))) as fn(_) -> Contract)),*]
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_the_contract() {
    let functions = contract![
        appending::a_guard_accepts_only_the_expected_sequence,
        appending::a_guard_on_another_subject_holds,
        appending::a_known_id_is_not_stored_again,
        appending::a_batch_is_stored_atomically,
        appending::a_batch_with_a_known_id_is_refused,
        reading::pages_respect_their_limits,
        following::a_follower_keeps_order_during_concurrent_appends,
        executing::one_of_many_users_opens_the_room,
        executing::each_user_joins_once,
        executing::messages_do_not_contend,
        executing::a_repeat_gets_the_first_answer_in_a_changed_room,
        executing::concurrent_repeats_are_executed_once,
        executing::a_stale_cache_causes_no_refusal,
        settling::a_lost_answer_is_found_by_sending_again,
        settling::a_lost_answer_behind_its_own_guard_is_found,
        settling::a_lost_answer_is_found_among_later_messages,
        settling::a_conflict_after_a_lost_request_is_a_conflict,
        settling::a_batch_with_a_lost_answer_is_found,
        registering::one_of_many_users_gets_the_nickname,
        registering::a_released_nickname_can_be_claimed,
        registering::concurrent_repeats_register_once,
        marking::the_furthest_of_many_markers_stays,
    ];
    let cluster = Cluster::start().await;
    for (index, (name, function)) in functions.into_iter().enumerate() {
        let log = cluster.fresh_log(index).await;
        let start = Instant::now();
        assert!(timeout(PATIENCE, function(log)).await.is_ok(), "{name} hangs");
        tracing::debug!(name, duration = ?start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_servers_are_killed_one_by_one() {
    let mut cluster = Cluster::start().await;
    let log = cluster.fresh_log(0).await;
    let stream = StreamName::Box(partition_of(&box_id(), PARTITIONS));
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let writer = |name: usize| {
        let boxes = boxes.clone();
        async move {
            let mut sequences = Vec::new();
            for count in 0..100 {
                let key = format!("{name}-{count}");
                loop {
                    match boxes.execute(&box_id(), say("ann", &key), keyed("ann", &key, &key)).await {
                        Ok(said) => break sequences.push(said.sequence),
                        Err(CommandError::Unavailable { .. } | CommandError::Contended) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            sequences
        }
    };
    let writers: Vec<_> = (0..4).map(|name| tokio::spawn(writer(name))).collect();
    for index in 0..3 {
        sleep(Duration::from_millis(300)).await;
        cluster.servers[index].1.kill().await;
        sleep(Duration::from_millis(500)).await;
        let launch = std::mem::replace(&mut cluster.launches[index], Launch::new("", ""));
        cluster.servers[index].1 = Process::spawn(launch, &cluster.output).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while log.state(stream).await.is_err() {
            assert!(Instant::now() < deadline, "no leader");
        }
    }
    let mut said = Vec::new();
    for writer in writers {
        said.extend(timeout(PATIENCE, writer).await.expect("a writer hangs").unwrap());
    }
    said.sort_unstable();
    assert_eq!(said, (3..403).collect::<Vec<_>>(), "each once");
    let mut follower = follow(log, stream, 1).await.unwrap();
    let mut read = Vec::new();
    while read.len() < 402 {
        match timeout(PATIENCE, follower.next_batch(500, 1 << 20)).await.expect("the follower hangs") {
            Ok(batch) => read.extend(batch.commits.iter().map(|commit| commit.sequence)),
            Err(event_store::FollowError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(read, (1..403).collect::<Vec<_>>());
}
