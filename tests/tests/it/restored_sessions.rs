//! A restored log has no sessions: users sign in again, and all tokens from before are refused.

use std::time::Duration;

use harness::{ServiceId, StackOptions, token::Bearer};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{World, world::PASSWORD};
use testing::{Answer, wait::eventually};

const COMMAND: ServiceId = ServiceId::Command(0);
const QUERY: ServiceId = ServiceId::Query(0);
const SERVICES: [ServiceId; 3] = [COMMAND, ServiceId::Projector(0), QUERY];

/// Signs in. Returns the access token and the refresh token.
async fn signed_in(world: &World, user: &str) -> (String, String) {
    let session = world.sign_in(user, PASSWORD).await.ok();
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

async fn refresh(world: &World, token: &str) -> Answer {
    let url = format!("{}/sessions/refresh", world.stack.command_url(0));
    let request = world.request(Method::POST, &url).json(&json!({ "refresh_token": token }));
    Answer::read("POST /sessions/refresh".to_owned(), request.send().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_ends_all_sessions_and_new_ones_are_accepted_by_services_with_and_without_a_cache() {
    let caches = tempfile::tempdir().unwrap();
    let cache = caches.path().join("trust.json");
    std::fs::set_permissions(caches.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let env = vec![(QUERY, "BOXROOM_TRUST_CACHE", cache.to_str().unwrap().to_owned())];
    let world = World::start(StackOptions { env, ..StackOptions::default() }).await;
    world.user("ana").await;
    let (open, refresh_token) = signed_in(&world, "ana").await;
    let (ended, ended_refresh_token) = signed_in(&world, "ana").await;
    let printed = world.stack.token(Bearer::User("ana"), Duration::from_hours(1));
    let read = async |token: &str| world.bearer_of("ana", token).get("/boxes").await;
    for token in [&open, &ended, &printed] {
        read(token).await.ok();
    }
    world.bearer_of("ana", &ended).delete("/sessions/current").await;
    eventually("the session has ended", async || (read(&ended).await.status == 401).then_some(())).await;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().to_str().unwrap();
    world.provision(&["backup", "--to", folder]).await;
    for service in SERVICES {
        world.stack.stop(service).await.unwrap();
    }
    world.restore_log(folder).await;
    world.stack.postgres().start_empty().await.unwrap();
    // The command-service remembers that its key was published; the query-service knows nothing.
    std::fs::remove_file(&cache).unwrap();
    for service in SERVICES {
        world.stack.start_again(service).await.unwrap();
    }

    let (new, new_refresh_token) = signed_in(&world, "ana").await;
    eventually("the query-service accepts the new session", async || (read(&new).await.status == 200).then_some(()))
        .await;
    for token in [&open, &ended, &printed] {
        read(token).await.refused(401, "revoked-token");
        world
            .bearer_of("ana", token)
            .patch("/users/me", json!({ "nickname": "Ana" }))
            .await
            .refused(401, "revoked-token");
    }
    for token in [&refresh_token, &ended_refresh_token] {
        refresh(&world, token).await.refused(401, "invalid-refresh-token");
    }
    let renewed: Value = refresh(&world, &new_refresh_token).await.ok();
    read(renewed["access_token"].as_str().unwrap()).await.ok();
    // Tokens printed after the restore are valid.
    read(&world.stack.token(Bearer::User("ana"), Duration::from_hours(1))).await.ok();
}
