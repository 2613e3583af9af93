//! Tests of personal data in the log: encrypted when stored, decrypted by processes with the keys, erased with a
//! destroyed key.

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream;
use domain::{
    BoxEvent, DeliveryBox, MessageId, TalkCommand, TalkEvent, User, UserCommand, UserEvent, UserId, UserRefusal,
    delivery_box::OriginalMessage,
    values::{Locale, PushTarget},
};
use event_store::{
    BulkAddress, CommandError, Decoded, FollowError, Follower, JetStreamLog, Log, RecordedCommit, follow,
    log::{Freshness, Range},
};
use futures::{FutureExt, future::BoxFuture};
use harness::{Account, Nats};
use sealing::{EncryptedLog, KeyRing, MasterKeys};
use testing::{
    commands::{box_id, by, executor, keyed, open_room, room_id, say},
    server::{self, seen},
    wait::until_within,
};
use tokio::time::Instant;
use wire::{StreamName, partition_of};

const PATIENCE: Duration = Duration::from_secs(10);

/// The longest time until a destroyed key is destroyed in every process.
const EVERYWHERE: Duration = Duration::from_secs(1);

/// A text of the user that must not appear in the stored log.
const SECRET: &str = "dumplings-4711";

fn ann() -> UserId {
    "ann".parse().unwrap()
}

fn stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), server::PARTITIONS))
}

fn masters(lines: &[(&str, u8)]) -> MasterKeys {
    let lines: Vec<String> = lines.iter().map(|(id, digit)| format!("{id} {}", digit.to_string().repeat(64))).collect();
    lines.join("\n").parse().unwrap()
}

/// Returns a log and its keys, as a process has them.
async fn process(nats: &Nats, account: Account, masters: MasterKeys) -> (Arc<EncryptedLog>, Arc<KeyRing>) {
    let url: async_nats::ServerAddr = nats.url(account).parse().unwrap();
    let [user, password] = [url.username(), url.password()].map(|word| word.unwrap().to_owned());
    let bulk = BulkAddress { host: "127.0.0.1".to_owned(), port: nats.port(), user, password };
    let log = JetStreamLog::new(server::connect(&nats.url(account)).await).with_bulk(Some(bulk));
    let keys = KeyRing::start(log.server().clone(), masters);
    (EncryptedLog::new(Arc::new(log), Arc::clone(&keys)), keys)
}

pub(crate) async fn command_service(nats: &Nats) -> (Arc<EncryptedLog>, Arc<KeyRing>) {
    process(nats, Account::Command, masters(&[("m1", 1)])).await
}

/// Returns the decrypted text of the message or edit at a sequence.
async fn heard(log: &Arc<EncryptedLog>, sequence: u64) -> String {
    let recorded = log.get(stream(), sequence, Freshness::Leader).await.unwrap().unwrap();
    match RecordedCommit::parse(&recorded).unwrap().decode() {
        Ok(Decoded::Box(events)) => match events.into_iter().next() {
            Some(BoxEvent::Talk {
                event: TalkEvent::MessagePosted { body, .. } | TalkEvent::MessageEdited { body, .. },
                ..
            }) => body,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

async fn bucket(nats: &Nats) -> jetstream::stream::Stream {
    let context = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    context.get_stream("KV_user-keys").await.unwrap()
}

/// Returns true if a file of the server contains this text.
fn on_disk(folder: &std::path::Path, words: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let file = || std::fs::read(&path).unwrap_or_default();
        if path.is_dir() {
            on_disk(&path, words)
        } else {
            file().windows(words.len()).any(|part| part == words.as_bytes())
        }
    })
}

#[tokio::test]
async fn personal_data_is_sealed_in_the_log_and_read_by_every_permitted_process() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, _) = command_service(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let posted = boxes.execute(&box_id(), say("ann", SECRET), keyed("ann", "k1", "post")).await.unwrap();
    let original: OriginalMessage =
        boxes.message(&box_id(), MessageId::new(posted.sequence)).await.unwrap().expect("the message");
    let edit = TalkCommand::EditMessage {
        by: ann(),
        original: Some(original),
        body: format!("{SECRET}, please").try_into().unwrap(),
        at: testing::commands::noon(),
    }
    .in_room(room_id());
    let edited = boxes.execute(&box_id(), edit, by("ann")).await.unwrap();
    let users = executor::<User>(&log);
    let nickname = format!("Ann {SECRET}").try_into().unwrap();
    users.execute(&ann(), UserCommand::RegisterUser { user_id: ann(), nickname }, by("ann")).await.unwrap();
    let target = PushTarget::Fcm(format!("token-{SECRET}").try_into().unwrap());
    let device_id = "phone".parse().unwrap();
    let register = UserCommand::RegisterDevice { device_id, target, locale: Locale::default() };
    users.execute(&ann(), register, by("ann")).await.unwrap();

    let raw = server::log(&nats).await;
    for (stream, least) in [(stream(), 4), (StreamName::User, 3)] {
        let last = raw.state(stream).await.unwrap().last_sequence;
        assert!(last >= least, "{stream}");
        for sequence in 1..=last {
            let recorded = raw.get(stream, sequence, Freshness::Leader).await.unwrap().unwrap();
            let stored = format!("{:?} {}", recorded.headers, String::from_utf8_lossy(&recorded.payload));
            assert!(!stored.contains("4711") && !stored.contains("Lunch"), "{stored}");
            if sequence == posted.sequence && stream != StreamName::User {
                assert!(stored.contains(r#""body":{"sealed":""#) && stored.contains(r#""of":"ann"}"#), "{stored}");
                assert!(RecordedCommit::parse(&recorded).unwrap().decode().is_err(), "no key, no text");
            }
        }
    }
    // A second command-service, and a projector, which can only read keys.
    let (other, _) = command_service(&nats).await;
    let (projector, _) = process(&nats, Account::Projector, masters(&[("new", 2), ("m1", 1)])).await;
    for log in [&other, &projector] {
        assert_eq!(heard(log, posted.sequence).await, SECRET);
        assert_eq!(heard(log, edited.sequence).await, format!("{SECRET}, please"));
    }
    let whole = Range { stream: stream(), from: 1, subject: None, max_messages: 100, max_bytes: 1 << 20 };
    let over_its_own = seen(&projector.bulk().unwrap().read(whole).await.unwrap());
    assert_eq!(over_its_own, seen(&projector.read(whole).await.unwrap()));
    assert!(over_its_own.concat().contains(SECRET), "{over_its_own:?}");
    let (state, _) = executor::<User>(&other).load_latest(&ann()).await.unwrap();
    assert_eq!(state.nickname(), Some(format!("Ann {SECRET}").as_str()));
    let repeated =
        executor::<DeliveryBox>(&other).execute(&box_id(), say("ann", SECRET), keyed("ann", "k1", "post")).await;
    let repeated = repeated.unwrap();
    assert_eq!((repeated.sequence, repeated.replayed), (posted.sequence, true), "the repeat is encrypted differently");
}

/// The second executor has decided to register a user. Before it appends the decision, the first one registers the same
/// user. The tail of the second one cannot decrypt the new state, so it must load it.
#[tokio::test]
async fn the_later_of_two_concurrent_registrations_is_refused() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, other_log) = (command_service(&nats).await.0, command_service(&nats).await.0);
    let (users, others) = (executor::<User>(&log), executor::<User>(&other_log));
    let register =
        |name: &str| UserCommand::RegisterUser { user_id: ann(), nickname: name.to_owned().try_into().unwrap() };
    let (users, first) = (&users, &register("Ann"));
    let others = &others;
    let tries = AtomicUsize::new(0);
    let meanwhile = |_: &[UserEvent]| -> BoxFuture<'_, _> {
        if tries.fetch_add(1, Ordering::Relaxed) > 0 {
            return ready(Ok(())).boxed();
        }
        async move {
            let registered = users.execute(&ann(), first.clone(), by("ann")).await.unwrap();
            let heard = async || others.tails()[0].1.sequence >= registered.sequence;
            until_within(PATIENCE, "the second executor reads the registration", heard).await;
            Ok(())
        }
        .boxed()
    };
    let answer = others.execute_prepared(&ann(), register("Annabel"), by("ann"), &meanwhile).await;
    assert!(matches!(answer, Err(CommandError::Refused(UserRefusal::UserExists))), "{answer:?}");
    assert_eq!(tries.into_inner(), 1, "it is decided again on the current state");
}

#[tokio::test]
async fn a_destroyed_key_is_destroyed_everywhere_and_permanently() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    destroyed_everywhere(&nats).await;
}

/// Destroys a key in one process, and uses it in another one.
pub(crate) async fn destroyed_everywhere(nats: &Nats) {
    let (log, keys) = command_service(nats).await;
    let (other, other_keys) = command_service(nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let posted = boxes.execute(&box_id(), say("ann", SECRET), by("ann")).await.unwrap().sequence;
    assert_eq!(heard(&other, posted).await, SECRET);
    let mut bucket = bucket(nats).await;
    let wrapped = bucket.get_last_raw_message_by_subject("$KV.user-keys.ann").await.unwrap();
    let wrapped = String::from_utf8(wrapped.payload.to_vec()).unwrap();
    assert!(on_disk(nats.folder(), &wrapped), "the scan does not see the key");

    keys.destroy(&ann()).await.unwrap();
    assert_eq!(heard(&log, posted).await, "[erased]", "here at once");
    let forgotten = async || heard(&other, posted).await == "[erased]";
    until_within(EVERYWHERE, "the other process forgets the key", forgotten).await;
    assert!(!on_disk(nats.folder(), &wrapped), "the key is still on the disk");
    assert_eq!(bucket.info().await.unwrap().state.messages, 1, "the tombstone");

    for log in [&log, &other] {
        let late = executor::<DeliveryBox>(log).execute(&box_id(), say("ann", SECRET), by("ann")).await;
        assert!(matches!(late, Err(CommandError::Erased)), "{late:?}");
    }
    other_keys.destroy(&ann()).await.unwrap();
    // The key of a user without a key can be destroyed too, so that nothing can be encrypted later.
    keys.destroy(&"zoe".parse().unwrap()).await.unwrap();
    // An interrupted destruction can be completed.
    let interrupted = "$KV.user-keys.bob";
    let context = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    for value in [wrapped, r#"{"destroyed":{}}"#.to_owned()] {
        context.publish(interrupted, value.into()).await.unwrap().await.unwrap();
    }
    other_keys.destroy(&"bob".parse().unwrap()).await.unwrap();
    assert_eq!(bucket.info().await.unwrap().state.messages, 3, "three tombstones");
}

/// Returns the events of the next commit, or the error of the follower.
async fn next(follower: &mut Follower) -> Result<Decoded, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "nothing happens");
        match follower.next_batch(1, 1 << 20).await {
            Ok(batch) => {
                if let Some(commit) = batch.commits.first() {
                    return Ok(commit.decode().unwrap());
                }
            }
            Err(FollowError::Unavailable(error)) => return Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_unavailable_key_stops_its_readers_until_it_returns() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let (log, _) = command_service(&nats).await;
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    let posted = boxes.execute(&box_id(), say("ann", SECRET), by("ann")).await.unwrap().sequence;

    // Another master key never makes a value count as erased.
    let (stranger, _) = process(&nats, Account::Projector, masters(&[("m2", 2)])).await;
    let mut follower = follow(stranger, stream(), posted).await.unwrap();
    let reason = next(&mut follower).await.unwrap_err();
    assert!(reason.contains("ann") && reason.contains("m1"), "{reason}");
    let (impostor, _) = process(&nats, Account::Projector, masters(&[("m1", 2)])).await;
    let reason = next(&mut follow(impostor, stream(), posted).await.unwrap()).await.unwrap_err();
    assert!(reason.contains("cannot be unwrapped"), "{reason}");

    // Without the key the follower fails, and continues after the key is restored.
    let bucket = bucket(&nats).await;
    let kept = bucket.get_last_raw_message_by_subject("$KV.user-keys.ann").await.unwrap();
    bucket.delete_message(kept.sequence).await.unwrap();
    let (projector, _) = process(&nats, Account::Projector, masters(&[("m1", 1)])).await;
    let mut follower = follow(projector, stream(), posted).await.unwrap();
    let reason = next(&mut follower).await.unwrap_err();
    assert!(reason.contains("the key of ann is missing"), "{reason}");
    let context = jetstream::new(server::connect(&nats.url(Account::Admin)).await);
    context.publish("$KV.user-keys.ann", kept.payload).await.unwrap().await.unwrap();
    let Ok(Decoded::Box(events)) = next(&mut follower).await else { panic!("it does not go on") };
    assert!(
        matches!(&events[..], [BoxEvent::Talk { event: TalkEvent::MessagePosted { body, .. }, .. }] if body == SECRET),
        "{events:?}"
    );
}
