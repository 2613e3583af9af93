//! Tests of invitations to register.

use std::sync::Arc;

use chrono::TimeDelta;
use credentials::{Invitation, Invitations, invitations::MAX_USES};
use domain::UserId;
use harness::{Account, Nats};
use storage::JetStream;
use testing::{commands::noon, server};
use tokio::task::JoinSet;

const TOKEN: &str = "the-token";

async fn invitations(nats: &Nats) -> Arc<Invitations> {
    let client = server::connect(&nats.url(Account::Command)).await;
    Arc::new(Invitations::new(JetStream::new(client)))
}

fn invitation(uses: u32) -> Invitation {
    let expires_at = noon() + TimeDelta::days(1);
    Invitation { uses, expires_at, created_at: noon(), redeemed_by: vec![] }
}

fn user(number: usize) -> UserId {
    format!("{number:x>40}").parse().unwrap()
}

#[tokio::test]
async fn concurrent_users_redeem_each_use_once() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let processes = [invitations(&nats).await, invitations(&nats).await];
    processes[0].create(TOKEN, &invitation(3)).await.unwrap();
    let mut redeemed = JoinSet::new();
    // Each of 20 users asks three times, at both processes.
    for number in 0..60 {
        let process = Arc::clone(&processes[number % 2]);
        redeemed.spawn(async move { (number % 20, process.redeem(TOKEN, &user(number % 20), noon()).await.unwrap()) });
    }
    let answers = redeemed.join_all().await;
    let mut users: Vec<_> = answers.iter().filter(|(_, is_redeemed)| *is_redeemed).map(|(user, _)| user).collect();
    assert_eq!(users.len(), 9, "{answers:?}");
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), 3);
    let all = processes[1].all().await.unwrap();
    assert_eq!((all.len(), all[0].1.uses_left(), all[0].1.redeemed_by.len()), (1, 0, 3));
}

#[tokio::test]
async fn an_invitation_expires_and_can_be_removed() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let invitations = invitations(&nats).await;
    assert!(!invitations.redeem(TOKEN, &user(1), noon()).await.unwrap());
    invitations.create(TOKEN, &invitation(5)).await.unwrap();
    invitations.create(TOKEN, &invitation(5)).await.unwrap_err();
    assert!(invitations.redeem(TOKEN, &user(1), noon()).await.unwrap());
    let later = noon() + TimeDelta::days(1);
    assert!(!invitations.redeem(TOKEN, &user(2), later).await.unwrap());
    assert!(invitations.redeem(TOKEN, &user(1), later).await.unwrap(), "a repeat");
    assert!(!invitations.redeem("another token", &user(2), noon()).await.unwrap());
    let (id, _) = invitations.all().await.unwrap().pop().unwrap();
    assert!(invitations.remove(&id).await.unwrap() && !invitations.remove(&id).await.unwrap());
    assert!(!invitations.redeem(TOKEN, &user(1), noon()).await.unwrap());
    assert!(invitations.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_largest_invitation_fits_the_bucket() {
    let nats = Nats::start(server::PARTITIONS).await.unwrap();
    let invitations = invitations(&nats).await;
    invitations.create(TOKEN, &invitation(MAX_USES)).await.unwrap();
    for number in 0..MAX_USES as usize {
        assert!(invitations.redeem(TOKEN, &user(number), noon()).await.unwrap());
    }
    assert!(!invitations.redeem(TOKEN, &user(1000), noon()).await.unwrap());
}
