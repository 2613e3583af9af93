//! Tests of a log without space: commands fail at once and are certainly not stored, and succeed again when there is
//! space.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::jetstream;
use credentials::{AccountError, Accounts};
use domain::DeliveryBox;
use event_store::{CommandError, Executor, JetStreamLog, Log};
use harness::{
    Account, Nats,
    checkout::{Checkout, Scratch},
    nats::NatsOptions,
    output::Output,
    port::Port,
    small_disk::SmallDisk,
    tools,
};
use storage::SpaceLimit;
use testing::{
    commands::{Answer, box_id, by, executor, noon, open_room, say, user},
    server,
};
use tokio::time::{Instant, sleep};
use wire::{StreamName, partition_of};

const PATIENCE: Duration = Duration::from_secs(20);

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

struct World {
    nats: Nats,
    log: Arc<JetStreamLog>,
    boxes: Arc<Executor<DeliveryBox>>,
    /// The disk of the server, if it has its own. Dropped after the server, which has files on it.
    disk: Option<SmallDisk>,
    /// Dropped after the server and its disk, which are in this folder.
    _scratch: Scratch,
}

fn store(scratch: &Scratch) -> PathBuf {
    scratch.path().join("nats").join("store")
}

impl World {
    /// Starts a server with this limit, and opens a room on a box.
    async fn start(limit: &str) -> Self {
        Self::on(None, Scratch::create().unwrap(), limit).await
    }

    /// Starts such a server with its store on this disk.
    async fn on(disk: Option<SmallDisk>, scratch: Scratch, limit: &str) -> Self {
        let checkout = Checkout::current().unwrap();
        let config = scratch.path().join("limited.conf");
        std::fs::write(&config, limited(limit)).unwrap();
        let options = NatsOptions {
            server: tools::nats_server(&checkout, tools::Source::Installed).unwrap(),
            config,
            folder: scratch.path().join("nats"),
            port: Port::reserve(None).unwrap(),
            partitions: server::PARTITIONS,
            certificates: None,
            store_key: None,
            output: Output::Folder(scratch.logs()),
        };
        let nats = Nats::open(options).await.unwrap();
        let log = server::log(&nats).await;
        let boxes = executor::<DeliveryBox>(&log);
        open_room(&boxes).await;
        Self { nats, log, boxes, disk, _scratch: scratch }
    }

    async fn say(&self, body: &str) -> Answer {
        self.boxes.execute(&box_id(), say("ann", body), by("ann")).await
    }

    async fn restart(&self) {
        self.nats.stop().await;
        self.nats.start_again().await.unwrap();
    }

    /// Makes the server reload its configuration.
    async fn reload(&self) {
        let pid = self.nats.pid().await.unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// Posts until it succeeds, accepting the errors of a server that starts or reloads. Returns the sequence.
    async fn is_taken_again(&self) -> u64 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.say("again").await {
                Ok(said) => return said.sequence,
                Err(CommandError::Unavailable { .. } | CommandError::Full(_)) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    async fn refused(&self, space_limit: SpaceLimit) {
        let begun = Instant::now();
        let refused = self.say("too much").await;
        assert!(matches!(refused, Err(CommandError::Full(found)) if found == space_limit), "{refused:?}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(self.log.server().space().limit_of(&stream().on_server()), Some(space_limit));
    }

    async fn last(&self) -> u64 {
        self.log.state(stream()).await.unwrap().last_sequence
    }
}

fn limited(limit: &str) -> String {
    let checkout = Checkout::current().unwrap();
    let config = std::fs::read_to_string(checkout.repository.join("nats.conf")).unwrap();
    config.replacen("jetstream {", &format!("jetstream {{\n  max_file_store: {limit}"), 1)
}

#[tokio::test]
async fn a_full_disk_is_reported_at_once_and_nothing_is_stored() {
    let scratch = Scratch::create().unwrap();
    let disk = SmallDisk::mount(&store(&scratch), 24).unwrap();
    if disk.is_none() {
        eprintln!("nothing can be mounted here");
        return;
    }
    let world = World::on(disk, scratch, "1GB").await;
    let disk = world.disk.as_ref().unwrap();
    let accounts = Accounts::new(world.log.server().clone());
    let create = async |name: &str| accounts.create_pending(&user(name), "h".into(), "user".into(), noon()).await;
    let revision = create("ben").await.unwrap();
    disk.fill().unwrap();
    // The page of the last message has space for some more.
    let mut said = world.last().await;
    while let Ok(taken) = world.say("hello").await {
        said = taken.sequence;
    }
    world.refused(SpaceLimit::Disk).await;
    let mut number = 0;
    let refused = loop {
        match create(&format!("ann{number}")).await {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AccountError::Full(SpaceLimit::Disk)), "{refused:?}");
    let refused = accounts.delete(&user("ben"), revision).await;
    assert!(matches!(refused, Err(AccountError::Full(SpaceLimit::Disk))), "{refused:?}");
    assert_eq!(world.log.server().space().buckets(), [("accounts".to_owned(), SpaceLimit::Disk)]);
    // There is space again, but the server does not detect it before a restart.
    disk.empty().unwrap();
    world.refused(SpaceLimit::Disk).await;
    assert_eq!(world.last().await, said);
    world.restart().await;
    assert_eq!(world.is_taken_again().await, said + 1, "nothing of what was refused is there");
    assert_eq!(world.log.server().space().limit_of(&stream().on_server()), None);
    accounts.delete(&user("ben"), revision).await.unwrap();
    create("ben").await.unwrap();
    assert!(world.log.server().space().buckets().is_empty());
}

#[tokio::test]
async fn the_limit_of_the_server_is_reported_at_once_and_can_be_raised() {
    let world = World::start("64KB").await;
    let body = "x".repeat(1000);
    let said = loop {
        match world.say(&body).await {
            Ok(_) => {}
            Err(CommandError::Full(SpaceLimit::Server)) => break world.last().await,
            Err(error) => panic!("{error:?}"),
        }
    };
    world.refused(SpaceLimit::Server).await;
    let accounts = Accounts::new(world.log.server().clone());
    let refused = accounts.create_pending(&user("ann"), "hash".into(), "user".into(), noon()).await;
    assert!(matches!(refused, Err(AccountError::Full(SpaceLimit::Server))), "{refused:?}");
    assert_eq!(world.last().await, said);
    std::fs::write(world.nats.folder().join("nats.conf"), limited("1GB")).unwrap();
    world.reload().await;
    assert_eq!(world.is_taken_again().await, said + 1);
    assert_eq!(world.log.server().space().limit_of(&stream().on_server()), None);
}

#[tokio::test]
async fn the_limit_of_a_stream_is_reported_at_once_and_recovers_by_itself() {
    let world = World::start("1GB").await;
    let context = jetstream::new(server::connect(&world.nats.url(Account::Admin)).await);
    let limit = async |bytes| {
        let mut config = context.get_stream(stream().on_server()).await.unwrap().cached_info().config.clone();
        config.max_bytes = bytes;
        context.update_stream(config).await.unwrap();
    };
    let said = world.say("hello").await.unwrap().sequence;
    limit(1).await;
    world.refused(SpaceLimit::Stream).await;
    assert_eq!(world.last().await, said);
    limit(-1).await;
    assert_eq!(world.say("hello").await.unwrap().sequence, said + 1);
    assert_eq!(world.log.server().space().limit_of(&stream().on_server()), None);
}
