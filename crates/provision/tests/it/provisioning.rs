//! Tests of provisioning the log and of checking it.

use async_nats::jetstream;
use chrono::DateTime;
use credentials::{AccountError, Accounts};
use event_store::{LogError, VerifyError, verify};
use harness::{Account, Nats};
use provision::topology::{ProvisionError, ProvisionOptions, provision};
use testing::server;
use wire::{StreamName, streams};

const OPTIONS: ProvisionOptions = ProvisionOptions { partitions: server::PARTITIONS, replicas: 1 };

async fn admin(nats: &Nats) -> async_nats::Client {
    server::connect(&nats.url(Account::Admin)).await
}

#[tokio::test]
async fn provisioning_can_be_repeated() {
    let nats = Nats::start_without_streams(server::PARTITIONS).await.unwrap();
    provision(admin(&nats).await, OPTIONS).await.unwrap();
    let log = server::owned_log(&nats).await;
    let before = log.state(StreamName::Box(0)).await.unwrap();
    assert!(!before.incarnation.is_empty());
    provision(admin(&nats).await, OPTIONS).await.unwrap();
    assert_eq!(log.state(StreamName::Box(0)).await.unwrap(), before);
    verify(server::log(&nats).await.as_ref(), server::PARTITIONS).await.unwrap();
}

#[tokio::test]
async fn a_different_number_of_partitions_is_refused() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    for partitions in [server::PARTITIONS - 1, server::PARTITIONS + 1] {
        let refused = provision(admin(&nats).await, ProvisionOptions { partitions, ..OPTIONS }).await;
        assert!(
            matches!(&refused, Err(ProvisionError::OtherPartitions { existing, .. }) if existing == "4"),
            "{refused:?}"
        );
        let refused = verify(server::log(&nats).await.as_ref(), partitions).await;
        assert!(matches!(refused, Err(VerifyError::OtherPartitions { .. })), "{refused:?}");
    }
    let context = jetstream::new(admin(&nats).await);
    assert!(context.get_stream("BOX_4").await.is_err(), "nothing was created");
}

#[tokio::test]
async fn an_interrupted_provisioning_can_be_finished() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let context = jetstream::new(admin(&nats).await);
    // As if interrupted before the last streams.
    for stream in ["USER", "TIMER"] {
        context.delete_stream(stream).await.unwrap();
    }
    let absent = verify(server::log(&nats).await.as_ref(), server::PARTITIONS).await;
    assert!(matches!(absent, Err(VerifyError::Log(LogError::Absent(StreamName::User)))), "{absent:?}");
    provision(admin(&nats).await, OPTIONS).await.unwrap();
    verify(server::log(&nats).await.as_ref(), server::PARTITIONS).await.unwrap();
}

#[tokio::test]
async fn a_lost_stream_is_not_replaced_by_an_empty_one() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    jetstream::new(admin(&nats).await).delete_stream("KV_accounts").await.unwrap();
    let refused = provision(admin(&nats).await, OPTIONS).await;
    assert!(
        matches!(&refused, Err(ProvisionError::Incomplete { absent, .. }) if absent == "KV_accounts"),
        "{refused:?}"
    );
    jetstream::new(admin(&nats).await).delete_stream("BOX_1").await.unwrap();
    let refused = provision(admin(&nats).await, OPTIONS).await;
    assert!(matches!(&refused, Err(ProvisionError::Incomplete { absent, .. }) if absent == "BOX_1"), "{refused:?}");
    let refused = verify(server::log(&nats).await.as_ref(), server::PARTITIONS).await;
    assert!(matches!(refused, Err(VerifyError::Log(LogError::Absent(StreamName::Box(1))))), "{refused:?}");
}

#[tokio::test]
async fn the_owner_of_the_log_cannot_delete_from_it() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let context = jetstream::new(admin(&nats).await);
    context.publish("store.s1", "{}".into()).await.unwrap().await.unwrap();
    for stream in streams(server::PARTITIONS) {
        let stream = context.get_stream(stream.on_server()).await.unwrap();
        assert!(stream.purge().await.is_err());
        assert!(stream.delete_message(1).await.is_err());
        let config = &stream.cached_info().config;
        assert!(config.allow_direct && !config.allow_rollup);
        assert_eq!(config.compression, Some(jetstream::stream::Compression::S2));
    }
}

#[tokio::test]
async fn a_bucket_of_an_earlier_version_is_changed_to_reads_from_the_leader() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let context = jetstream::new(admin(&nats).await);
    context.delete_stream("KV_accounts").await.unwrap();
    // The bucket as created by earlier versions.
    let bucket = jetstream::kv::Config { bucket: "accounts".to_owned(), history: 1, ..Default::default() };
    context.create_key_value(bucket).await.unwrap();
    let direct = async || context.get_stream("KV_accounts").await.unwrap().cached_info().config.allow_direct;
    assert!(direct().await);
    let accounts = Accounts::new(server::log(&nats).await.server().clone());
    let ann = "ann".parse().unwrap();
    accounts.create_pending(&ann, "hash".to_owned(), "user".to_owned(), DateTime::UNIX_EPOCH).await.unwrap();

    provision(admin(&nats).await, OPTIONS).await.unwrap();
    assert!(!direct().await);
    let stored = accounts.get(&ann).await.unwrap().unwrap();
    assert_eq!(stored.account.password_hash, "hash");
    // A deleted account can be created again.
    accounts.delete(&ann, stored.revision).await.unwrap();
    accounts.create_pending(&ann, "other".to_owned(), "user".to_owned(), DateTime::UNIX_EPOCH).await.unwrap();
    let again = accounts.create_pending(&ann, "third".to_owned(), "user".to_owned(), DateTime::UNIX_EPOCH).await;
    assert!(matches!(again, Err(AccountError::Conflict)), "{again:?}");
}
