//! Tests of the accounts beside the log.

use credentials::{AccountError, AccountState, Accounts};
use domain::UserId;
use harness::{Account, Nats};
use storage::JetStream;
use testing::{commands::noon, server};

async fn accounts(nats: &Nats) -> Accounts {
    Accounts::new(JetStream::new(server::connect(&nats.url(Account::Command)).await))
}

fn ann() -> UserId {
    "ann".parse().unwrap()
}

async fn create(accounts: &Accounts, hash: &str) -> Result<u64, AccountError> {
    accounts.create_pending(&ann(), hash.to_owned(), "user".to_owned(), noon()).await
}

#[tokio::test]
async fn an_account_is_created_once_and_confirmed() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let accounts = accounts(&nats).await;
    assert!(accounts.get(&ann()).await.unwrap().is_none());
    let revision = create(&accounts, "hash").await.unwrap();
    assert!(matches!(create(&accounts, "another").await, Err(AccountError::Conflict)));
    let pending = accounts.get(&ann()).await.unwrap().unwrap();
    assert_eq!((pending.revision, pending.account.state), (revision, AccountState::Pending));
    accounts.confirm(pending.clone()).await.unwrap();
    assert!(matches!(accounts.confirm(pending).await, Err(AccountError::Conflict)), "the revision is outdated");
    let active = accounts.get(&ann()).await.unwrap().unwrap().account;
    assert_eq!((active.password_hash.as_str(), active.state), ("hash", AccountState::Active));
}

#[tokio::test]
async fn a_deleted_account_can_be_created_again() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let accounts = accounts(&nats).await;
    let revision = create(&accounts, "hash").await.unwrap();
    assert!(matches!(accounts.delete(&ann(), revision + 1).await, Err(AccountError::Conflict)));
    accounts.delete(&ann(), revision).await.unwrap();
    assert!(accounts.get(&ann()).await.unwrap().is_none());
    create(&accounts, "another").await.unwrap();
    assert_eq!(accounts.get(&ann()).await.unwrap().unwrap().account.password_hash, "another");
}

#[test]
fn a_password_hash_is_never_printed() {
    let account = credentials::Account {
        password_hash: "secret-hash".into(),
        role: "user".into(),
        state: AccountState::Active,
        created_at: noon(),
        kept_session: None,
        password_reset: None,
        confirmation: None,
        confirmed: None,
    };
    assert!(!format!("{account:?}").contains("secret-hash"));
}
