//! Webhooks after a restore of the log: they begin at its end.

use harness::{ServiceId, StackOptions};
use system_tests::World;
use testing::wait::eventually;

use super::{add, done, receiver::Receiver, show, until_accepted, world};

/// Stops the services that need the log, restores a backup of it and starts the command-service.
async fn lose_and_restore(world: &World, folder: &str) {
    for service in [ServiceId::Command(0), ServiceId::Projector(0)] {
        world.stack.stop(service).await.unwrap();
    }
    world.restore_log(folder).await;
    world.stack.start_again(ServiceId::Command(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_begins_at_the_end_of_a_restored_log() {
    let world = world(StackOptions::default()).await;
    let mut receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "message_posted").await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    ana.say(&room, "kept").await.created();
    until_accepted(&receiver, 1).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    let folder = folder.to_str().unwrap();
    world.provision(&["backup", "--to", folder]).await;
    receiver.stop().await;
    ana.say(&room, "lost").await.created();
    eventually("the event waits", async || {
        (show(&world, &webhook).await["live"]["waiting"].as_u64() > Some(0)).then_some(())
    })
    .await;

    lose_and_restore(&world, folder).await;
    eventually("the lost event is dead", async || (show(&world, &webhook).await["live"]["dead"] == 1).then_some(()))
        .await;
    receiver.start_again().await;
    ana.with_token(world.person("ana").token()).say(&room, "new").await.created();
    until_accepted(&receiver, 2).await;
    let ids = receiver.accepted_in_order();
    let incarnation = |id: &str| id.split('.').nth(1).map(str::to_owned);
    assert_ne!(incarnation(&ids[0]), incarnation(&ids[1]), "{ids:?}");
    assert_eq!(receiver.unverified(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_webhook_begins_at_the_end_of_a_restored_log_as_well() {
    let world = world(StackOptions { partitions: 1, ..StackOptions::default() }).await;
    let receiver = Receiver::start().await;
    let webhook = add(&world, &receiver, "message_posted").await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 2).await;
    ana.say(&room, "kept").await.created();
    until_accepted(&receiver, 1).await;
    done(&world, &["webhook", "pause", &webhook]).await;
    ana.say(&room, "in the backup, but not sent").await.created();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("backup");
    let folder = folder.to_str().unwrap();
    world.provision(&["backup", "--to", folder]).await;
    let incarnation = async || {
        let position = show(&world, &webhook).await["progress"][0]["position"].clone();
        position.as_str().unwrap().split('.').nth(1).unwrap().to_owned()
    };
    let lost = incarnation().await;
    lose_and_restore(&world, folder).await;
    eventually("the webhook has a position in the restored log", async || (incarnation().await != lost).then_some(()))
        .await;
    let new = ana.with_token(world.person("ana").token()).say(&room, "new").await.created();
    done(&world, &["webhook", "resume", &webhook]).await;
    until_accepted(&receiver, 2).await;
    let ids = receiver.accepted_in_order();
    assert!(ids[1].ends_with(&format!(".{new}")), "{ids:?} instead of {new}");
    let shown = show(&world, &webhook).await;
    assert_eq!((&shown["live"]["waiting"], &shown["live"]["dead"]), (&0.into(), &0.into()), "{shown}");
}
