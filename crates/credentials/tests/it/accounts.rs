//! Tests of the accounts beside the log.

use chrono::TimeDelta;
use credentials::{AccountError, AccountState, Accounts, Confirmation};
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
async fn an_account_whose_user_is_being_registered_has_no_contact() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let accounts = accounts(&nats).await;
    let waiting = Confirmation {
        nonce: "nonce".to_owned(),
        contact: "ann@mail.example".to_owned(),
        nickname: "Ann".to_owned(),
        expires_at: noon() + TimeDelta::hours(1),
        sent: 1,
        sent_at: noon(),
    };
    let (hash, role) = ("hash".to_owned(), "user".to_owned());
    accounts.create_unconfirmed(&ann(), hash, role, waiting.clone(), noon()).await.unwrap();
    let stored = accounts.get(&ann()).await.unwrap().unwrap();
    assert!(stored.account.confirmation.as_ref() == Some(&waiting));
    let kept = accounts.keep(stored).await.unwrap();
    let without = Confirmation { contact: String::new(), ..waiting.clone() };
    let stored = accounts.get(&ann()).await.unwrap().unwrap();
    assert!(stored.account.state == AccountState::Pending && stored.account.confirmation == Some(without));
    // The user was certainly not registered.
    accounts.await_confirmation(kept, waiting.clone(), noon()).await.unwrap();
    let stored = accounts.get(&ann()).await.unwrap().unwrap();
    assert!(stored.account.state == AccountState::Unconfirmed && stored.account.confirmation == Some(waiting));
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
