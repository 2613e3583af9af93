//! Tests of command keys: recorded also if nothing changes, and separate for each principal and aggregate.

use std::sync::Arc;

use domain::{BoxCommand, BoxId, DeliveryBox, MessageId, OwnCommand, Store, StoreCommand, StoreId, User, UserCommand};
use event_store::{
    ActorRole, CommandContext, CommandError, Decoded, Executor, Log, RecordedCommit, StoredAggregate, log::Freshness,
};
use testing::commands::{box_id, by, executor, install, keyed, noon, open_room, say, user};
use wire::{Source, StreamName, partition_of};

fn boxes_stream() -> StreamName {
    StreamName::Box(partition_of(&box_id(), 4))
}

async fn end(log: &impl Log, stream: StreamName) -> u64 {
    log.state(stream).await.unwrap().last_sequence
}

async fn commit(log: &impl Log, stream: StreamName, sequence: u64) -> RecordedCommit {
    RecordedCommit::parse(&log.get(stream, sequence, Freshness::Leader).await.unwrap().unwrap()).unwrap()
}

/// Executes the command `no_op` with a key, changes its aggregate by `change`, and repeats the former: nothing is
/// changed back.
async fn is_remembered<A: StoredAggregate + std::fmt::Debug>(
    log: &Arc<impl Log>,
    id: &A::Id,
    no_op: A::Command,
    change: A::Command,
) {
    let aggregates = executor::<A>(log);
    let stream = A::stream(id, 4);
    let before = end(log.as_ref(), stream).await;
    let first = aggregates.execute(id, no_op.clone(), keyed("ann", "k", "x")).await.unwrap();
    assert!(first.events.is_empty() && !first.replayed);
    assert_eq!((first.sequence, first.position.sequence), (before + 1, before + 1));
    aggregates.execute(id, change, by("ann")).await.unwrap();
    let (changed, version) = aggregates.load_latest(id).await.unwrap();
    for aggregates in [aggregates, executor::<A>(log)] {
        let again = aggregates.execute(id, no_op.clone(), keyed("ann", "k", "x")).await.unwrap();
        assert!(again.events.is_empty() && again.replayed);
        assert_eq!(again.position, first.position);
        let other = aggregates.execute(id, no_op.clone(), keyed("ann", "k", "y")).await;
        assert!(matches!(other, Err(CommandError::KeyReused)), "{other:?}");
        let (now, still) = aggregates.load_latest(id).await.unwrap();
        assert_eq!((format!("{now:?}"), still), (format!("{changed:?}"), version));
    }
    assert_eq!(end(log.as_ref(), stream).await, version);
}

pub(crate) async fn a_keyed_command_without_effect_is_remembered(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    open_room(&boxes).await;
    is_remembered::<DeliveryBox>(
        &log,
        &box_id(),
        BoxCommand::Box(OwnCommand::ReturnToService),
        BoxCommand::Box(OwnCommand::TakeOutOfService { reason: None }),
    )
    .await;
    let stored = commit(log.as_ref(), boxes_stream(), 3).await;
    assert_eq!(stored.source, Source::Talk { box_id: box_id() });
    assert_eq!(stored.decode().unwrap(), Decoded::Box(vec![]));
    assert!(boxes.message(&box_id(), MessageId::new(3)).await.unwrap().is_none(), "no message");
    // Messages are still guarded by the version of the room, which has not changed.
    boxes.execute(&box_id(), say("ann", "hello"), by("ann")).await.unwrap();
}

pub(crate) async fn a_keyed_user_command_without_effect_is_remembered(log: Arc<impl Log>) {
    let users = executor::<User>(&log);
    let register = UserCommand::RegisterUser { user_id: user("ann"), nickname: "Sunny".to_owned().try_into().unwrap() };
    users.execute(&user("ann"), register, by("ann")).await.unwrap();
    let called = |name: &str| UserCommand::ChangeNickname { nickname: name.to_owned().try_into().unwrap() };
    is_remembered::<User>(&log, &user("ann"), called("Sunny"), called("Windy")).await;
    let last = users.load_latest(&user("ann")).await.unwrap();
    assert_eq!(last.0.nickname(), Some("Windy"));
    let stored = commit(log.as_ref(), StreamName::User, 4).await;
    assert_eq!((stored.source.clone(), stored.decode().unwrap()), (of_ann(), Decoded::User(vec![])));
}

fn of_ann() -> Source {
    Source::User { user_id: user("ann") }
}

pub(crate) async fn a_keyed_store_command_without_effect_is_remembered(log: Arc<impl Log>) {
    let store_id: StoreId = "s1".parse().unwrap();
    let register = StoreCommand::RegisterStore {
        store_id: store_id.clone(),
        name: "Thai".to_owned().try_into().unwrap(),
        zip_code: "04109".to_owned().try_into().unwrap(),
        category: None,
    };
    executor::<Store>(&log).execute(&store_id, register, by("ops")).await.unwrap();
    is_remembered::<Store>(&log, &store_id, StoreCommand::OpenStore, StoreCommand::CloseStore).await;
}

pub(crate) async fn the_scope_of_a_key_is_the_principal_and_the_aggregate(log: Arc<impl Log>) {
    let boxes: Arc<Executor<DeliveryBox>> = executor(&log);
    boxes.execute(&box_id(), install(), by("ops")).await.unwrap();
    let opened = |role| CommandContext { role, ..keyed("locker-7", "k", "x") };
    let mut sequences = Vec::new();
    for role in [ActorRole::User, ActorRole::Operator, ActorRole::Device] {
        let arrival = BoxCommand::Box(OwnCommand::RecordArrival { at: noon() });
        let first = boxes.execute(&box_id(), arrival.clone(), opened(role)).await.unwrap();
        assert!(!first.replayed, "{role:?}");
        let again = boxes.execute(&box_id(), arrival, opened(role)).await.unwrap();
        assert_eq!((again.replayed, again.sequence), (true, first.sequence), "{role:?}");
        sequences.push(first.sequence);
    }
    sequences.dedup();
    assert_eq!(sequences.len(), 3);
    // Another box is another aggregate, also in the same stream.
    let partition = partition_of(&box_id(), 4);
    let other: BoxId =
        (0..100).map(|n| format!("other-{n}").parse().unwrap()).find(|id| partition_of(id, 4) == partition).unwrap();
    let BoxCommand::Box(OwnCommand::InstallBox { kind, zip_code, address, detailed_address, coordinates, .. }) =
        install()
    else {
        panic!("it installs");
    };
    let box_id = other.clone();
    let installation =
        BoxCommand::Box(OwnCommand::InstallBox { box_id, kind, zip_code, address, detailed_address, coordinates });
    let installed = boxes.execute(&other, installation, opened(ActorRole::User)).await.unwrap();
    assert!(!installed.replayed);
}

pub(crate) async fn commits_name_the_role_of_the_actor(log: Arc<impl Log>) {
    let boxes = executor::<DeliveryBox>(&log);
    let context = CommandContext { role: ActorRole::Operator, ..by("ops") };
    boxes.execute(&box_id(), install(), context).await.unwrap();
    let stored = commit(log.as_ref(), boxes_stream(), 1).await;
    assert_eq!((stored.actor, stored.role), (user("ops"), Some(ActorRole::Operator)));
    for role in [ActorRole::User, ActorRole::Operator, ActorRole::Device, ActorRole::System] {
        assert_eq!(ActorRole::parse(role.as_str()), Some(role));
    }
}
