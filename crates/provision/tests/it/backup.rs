//! Backup and restore of a log, completely or not at all.

use std::{path::Path, time::Instant};

use async_nats::{
    Client, HeaderMap,
    jetstream::{self, Context, stream::Info},
};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Account, Nats};
use provision::{Error, backup, restore, streams, topology::ProvisionOptions};

const PARTITIONS: u16 = 4;

async fn start() -> Nats {
    Nats::start(PARTITIONS).await.unwrap()
}

async fn owner(nats: &Nats) -> Context {
    let address: async_nats::ServerAddr = nats.url(Account::Admin).parse().unwrap();
    let (user, password) = (address.username().unwrap().to_owned(), address.password().unwrap().to_owned());
    let options = async_nats::ConnectOptions::with_user_and_password(user, password);
    let client: Client = options.custom_inbox_prefix("_INBOX_admin").connect(address).await.unwrap();
    jetstream::new(client)
}

/// Stores this many messages of a realistic size in all box streams.
async fn fill(context: &Context, messages: u64) {
    let stored = stream::iter(0..messages).map(|number| async move {
        let subject = format!("box.{}.locker-{}.talk", number % u64::from(PARTITIONS), number % 100);
        // The numbers do not repeat, so that the messages do not compress to nothing.
        let mix = |round: u64| {
            (number * 16 + round).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(number | 1)
        };
        let body: String = (0..15).map(|round| mix(round).to_string()).collect();
        context.publish(subject, body.into()).await.unwrap().await.unwrap();
    });
    stored.buffer_unordered(1000).collect::<()>().await;
}

/// Stores one message, or two of which one stays, in each of the other streams.
async fn fill_others(context: &Context) {
    for subject in [
        "user.ana",
        "store.noodles",
        "mark.1.locker-1.1.ana",
        "mark.1.locker-1.1.ana",
        "$KV.accounts.ana",
        "$KV.user-keys.ana",
    ] {
        context.publish(subject, "{}".into()).await.unwrap().await.unwrap();
    }
    let mut schedule = HeaderMap::new();
    schedule.insert("Nats-Schedule", "@at 2100-01-01T00:00:00Z");
    schedule.insert("Nats-Schedule-Target", "timer.1.locker-1.fire");
    context.publish_with_headers("timer.1.locker-1.due", schedule, "{}".into()).await.unwrap().await.unwrap();
}

async fn all(context: &Context) -> Vec<Info> {
    let mut all: Vec<Info> = context.streams().try_collect().await.unwrap();
    all.sort_by(|one, other| one.config.name.cmp(&other.config.name));
    all
}

/// Returns the number of messages in all streams, without the revocation that a restore adds.
async fn messages(context: &Context) -> u64 {
    let all = all(context).await;
    all.iter().filter(|info| info.config.name != "KV_revoked").map(|info| info.state.messages).sum()
}

async fn back_up(nats: &Nats, folder: &Path) -> backup::Manifest {
    backup::write(&nats.url(Account::Admin), folder, |_| {}).await.unwrap()
}

async fn bring_back(nats: &Nats, folder: &Path) -> Result<backup::Manifest, Error> {
    restore::run(&nats.url(Account::Admin), folder, 1, |_| {}).await
}

#[tokio::test]
async fn a_restored_log_is_unchanged_with_a_new_incarnation_of_each_stream() {
    let (nats, folder) = (start().await, tempfile::tempdir().unwrap());
    let context = owner(&nats).await;
    fill(&context, 1000).await;
    fill_others(&context).await;
    let before = all(&context).await;
    let message = context.get_stream("BOX_3").await.unwrap().get_raw_message(250).await.unwrap();
    let manifest = back_up(&nats, folder.path()).await;
    assert_eq!(manifest.messages(), 1006);

    nats.start_empty().await.unwrap();
    let context = owner(&nats).await;
    assert!(all(&context).await.is_empty());
    assert_eq!(bring_back(&nats, folder.path()).await.unwrap(), manifest);
    let after = all(&context).await;
    assert_eq!(before.len(), after.len());
    for (before, after) in before.into_iter().zip(after) {
        let name = before.config.name.clone();
        let numbers = |info: &Info| (info.state.first_sequence, info.state.last_sequence, info.state.messages);
        let expected = match name.as_str() {
            // The revocation of all tokens issued before the restore.
            "KV_revoked" => (1, 1, 1),
            // Emptied.
            "KV_sessions" => (1, 0, 0),
            _ => numbers(&before),
        };
        assert_eq!(expected, numbers(&after), "{name}");
        let (mut old, mut new) = (before.config, after.config);
        let incarnation = |config: &jetstream::stream::Config| config.metadata.get("boxroom.incarnation").cloned();
        assert!(name.starts_with("KV_") || incarnation(&old) != incarnation(&new), "{name} says that it is new");
        assert_eq!(incarnation(&old).is_some(), incarnation(&new).is_some(), "{name}");
        assert!(!new.metadata.contains_key("boxroom.restoring"), "{name}");
        (old.metadata, new.metadata) = Default::default();
        assert_eq!(old, new, "{name} has the same settings");
    }
    let same = context.get_stream("BOX_3").await.unwrap().get_raw_message(250).await.unwrap();
    assert_eq!((same.payload, same.subject, same.time), (message.payload, message.subject, message.time));
    let timer = context.get_stream("TIMER").await.unwrap();
    assert!(timer.consumer_info("deadlines").await.is_ok(), "deadlines are delivered");
    let options = ProvisionOptions { partitions: PARTITIONS, replicas: 1 };
    streams::provision(&nats.url(Account::Admin), options).await.unwrap();
    // Backs up a restored log.
    let again = tempfile::tempdir().unwrap();
    assert_eq!(back_up(&nats, again.path()).await.messages(), manifest.messages());
}

#[tokio::test]
async fn an_incomplete_backup_is_refused_before_anything_is_written() {
    let (nats, folder) = (start().await, tempfile::tempdir().unwrap());
    fill(&owner(&nats).await, 100).await;
    back_up(&nats, folder.path()).await;
    nats.start_empty().await.unwrap();
    let context = owner(&nats).await;

    for name in ["BOX_2.snapshot", "KV_accounts.snapshot", "manifest.json", "manifest.sha256"] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for damaged in [flipped, whole[..whole.len() - 1].to_vec()] {
            std::fs::write(&path, damaged).unwrap();
            let refused = bring_back(&nats, folder.path()).await;
            assert!(matches!(refused, Err(Error::Damaged { .. })), "{name}: {refused:?}");
        }
        std::fs::remove_file(&path).unwrap();
        bring_back(&nats, folder.path()).await.unwrap_err();
        std::fs::write(&path, whole).unwrap();
    }
    // Simulates a backup that was cut short.
    std::fs::rename(folder.path().join("manifest.json"), folder.path().join("manifest.new")).unwrap();
    let refused = bring_back(&nats, folder.path()).await;
    assert!(matches!(refused, Err(Error::NoBackup { .. })), "{refused:?}");
    assert!(all(&context).await.is_empty(), "nothing was written");

    std::fs::rename(folder.path().join("manifest.new"), folder.path().join("manifest.json")).unwrap();
    bring_back(&nats, folder.path()).await.unwrap();
}

#[tokio::test]
async fn logs_and_backups_are_never_overwritten() {
    let (nats, folder) = (start().await, tempfile::tempdir().unwrap());
    let context = owner(&nats).await;
    fill(&context, 10).await;
    back_up(&nats, folder.path()).await;
    let refused = backup::write(&nats.url(Account::Admin), folder.path(), |_| {}).await;
    assert!(matches!(refused, Err(Error::AlreadyBackedUp { .. })), "{refused:?}");

    let before = all(&context).await;
    let refused = bring_back(&nats, folder.path()).await;
    assert!(matches!(refused, Err(Error::Backup(provision::snapshot::BackupError::Occupied { .. }))), "{refused:?}");
    assert_eq!(all(&context).await, before);
    // One existing stream is enough.
    for stream in before.iter().map(|info| info.config.name.as_str()).filter(|name| *name != "STORE") {
        context.delete_stream(stream).await.unwrap();
    }
    let refused = bring_back(&nats, folder.path()).await;
    assert!(matches!(refused, Err(Error::Backup(provision::snapshot::BackupError::Occupied { .. }))), "{refused:?}");
    assert_eq!(all(&context).await.len(), 1);
}

/// Leaves a stream like a server that has aborted its restore: with one message and the metadata of its origin.
async fn cut_short(context: &Context, name: &str) {
    let mut config = context.get_stream(name).await.unwrap().cached_info().config.clone();
    config.metadata.retain(|key, _| !key.starts_with("_nats."));
    context.delete_stream(name).await.unwrap();
    context.create_stream(config).await.unwrap();
    let subject = name.to_lowercase().replace('_', ".") + ".locker-1.talk";
    context.publish(subject, "{}".into()).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_restore_is_unusable_until_it_is_continued() {
    let (nats, folder, other) = (start().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&owner(&nats).await, 100).await;
    back_up(&nats, other.path()).await;
    let manifest = back_up(&nats, folder.path()).await;
    let all_but_last = manifest.streams.len() - 1;
    for restored in [1, 3, all_but_last] {
        nats.start_empty().await.unwrap();
        let (cut, mut count, url) = (tokio::sync::Notify::new(), 0, nats.url(Account::Admin));
        let interrupted = restore::run(&url, folder.path(), 1, |_| {
            count += 1;
            if count == restored {
                cut.notify_one();
            }
        });
        tokio::select! {
            biased;
            () = cut.notified() => {}
            finished = interrupted => panic!("it was not interrupted: {finished:?}"),
        }
        let context = owner(&nats).await;
        let options = ProvisionOptions { partitions: PARTITIONS, replicas: 1 };
        let refused = streams::provision(&url, options).await;
        assert!(matches!(refused, Err(Error::Streams(_))), "no gap is filled with an empty stream: {refused:?}");
        let found = all(&context).await;
        assert!((restored..=all_but_last).contains(&found.len()));
        assert!(found.iter().all(|info| info.config.name != "TIMER"), "no service would start");
        let refused = bring_back(&nats, other.path()).await;
        assert!(matches!(refused, Err(Error::Backup(_))), "another backup does not go on with it: {refused:?}");

        if restored == all_but_last {
            cut_short(&context, "BOX_2").await;
        }
        bring_back(&nats, folder.path()).await.unwrap();
        assert_eq!(messages(&context).await, 100);
        bring_back(&nats, folder.path()).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_messages_are_saved_and_restored_in_seconds() {
    const MESSAGES: u64 = 20_000;
    let (nats, folder) = (start().await, tempfile::tempdir().unwrap());
    fill(&owner(&nats).await, MESSAGES).await;
    let began = Instant::now();
    let manifest = back_up(&nats, folder.path()).await;
    let out = began.elapsed();
    nats.start_empty_for_restore().await.unwrap();
    let began = Instant::now();
    bring_back(&nats, folder.path()).await.unwrap();
    nats.stop().await;
    nats.start_again().await.unwrap();
    let bytes: u64 = manifest.streams.iter().map(|stream| stream.bytes).sum();
    eprintln!("{MESSAGES} messages, {bytes} bytes in files: out in {out:?}, in in {:?}", began.elapsed());
    assert_eq!(messages(&owner(&nats).await).await, MESSAGES);
}
