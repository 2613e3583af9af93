//! FCM.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use push::{Failure, Fcm, RegistrationToken, Scope, ServiceAccount};
use push_sink::{Behaviour, Options, RetryAfter, Service};
use serde_json::json;

use crate::world::{
    BODY, REGISTRATION_TOKEN, TITLE, World, check_body_that_hangs, check_common_failures, check_timeout, fail,
    fail_with, hang, message, once, reset, retry_after, scope, settings, silent,
};

#[tokio::test]
async fn a_message_has_the_fields_of_all_platforms() {
    let world = World::new().await;
    let receipt = world.send(Service::Fcm).await.unwrap();
    assert!(receipt.reference.unwrap().starts_with("projects/push-sink/messages/"));
    let mut body = world.last(Service::Fcm).body;
    let expiration = body["message"]["apns"]["headers"]["apns-expiration"].take();
    assert!(expiration.as_str().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    // A dot is not allowed in a topic, so it is a hash.
    let topic = body["message"]["webpush"]["headers"]["Topic"].clone();
    assert_eq!(topic.as_str().unwrap().len(), 32);
    let message = json!({
        "token": REGISTRATION_TOKEN,
        "notification": {"title": TITLE, "body": BODY},
        "data": {"room_id": "locker-7.1", "kind": "mention", "v": "12", "push_id": message().id},
        "android": {
            "priority": "HIGH",
            "ttl": "3600s",
            "notification": {"tag": "room.locker-7.1", "notification_count": 3},
        },
        "apns": {
            "headers": {"apns-collapse-id": "room.locker-7.1", "apns-expiration": null, "apns-priority": "10"},
            "payload": {"aps": {"badge": 3, "sound": "default"}},
        },
        "webpush": {
            "headers": {"TTL": "3600", "Urgency": "high", "Topic": topic},
            "notification": {"tag": "room.locker-7.1"},
        },
    });
    assert_eq!(body, json!({"message": message}));

    world.providers.send(&silent(), &world.target(Service::Fcm)).await.unwrap();
    let body = world.last(Service::Fcm).body;
    assert_eq!(body["message"].get("notification"), None);
    assert_eq!(body["message"]["android"].get("notification"), None);
    assert_eq!(body["message"]["webpush"].get("notification"), None);
    assert_eq!(body["message"]["apns"]["payload"], json!({"aps": {"badge": 3, "content-available": 1}}));
}

#[tokio::test]
async fn concurrent_messages_share_one_token_and_one_connection() {
    let world = World::new().await;
    let sent = join_all((0..50).map(|_| world.send(Service::Fcm))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(world.sink.received(Service::Fcm).len(), 50);
    assert_eq!(world.sink.received(Service::Token).len(), 1);
    assert_eq!(world.sink.connections(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end() {
    let options = Options { token_lifetime: Duration::from_secs(2), ..Options::default() };
    let world = World::with(options, Duration::from_secs(30)).await;
    while world.sink.received(Service::Token).len() < 2 {
        world.send(Service::Fcm).await.unwrap();
    }
    assert!(world.sink.received(Service::Fcm).iter().all(|received| received.status == Some(200)));
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once() {
    let world = World::new().await;
    world.send(Service::Fcm).await.unwrap();
    world.sink.behave(Service::Fcm, Behaviour { times: Some(10), ..fail(401) });
    let sent = join_all((0..10).map(|_| world.send(Service::Fcm))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(world.sink.received(Service::Token).len(), 2);

    // A new token that is rejected as well is not renewed again.
    let failure = world.failure(Service::Fcm, fail(401)).await;
    assert!(
        matches!(&failure, Failure::Unauthorized { detail, .. } if detail.contains("UNAUTHENTICATED")),
        "{failure:?}"
    );
    assert_eq!(world.sink.received(Service::Token).len(), 3);
}

#[tokio::test]
async fn errors_of_the_service_are_told_apart() {
    check_common_failures(Service::Fcm, Scope::Service, Scope::Service).await;
    let world = World::new().await;
    for gone in [fail(404), fail_with(404, "UNREGISTERED")] {
        assert_eq!(world.failure(Service::Fcm, gone).await, Failure::Gone { since: None });
    }
    for (rejected, code) in [
        (fail(400), "INVALID_ARGUMENT"),
        (fail(413), "INVALID_ARGUMENT"),
        (fail(403), "SENDER_ID_MISMATCH"),
        (fail_with(404, "NOT_FOUND"), "NOT_FOUND"),
        // With a wrong setting or a message that is not valid, all devices get these.
        (fail_with(400, "INVALID_TOKEN"), "INVALID_ARGUMENT"),
        (fail_with(400, "UNREGISTERED"), "UNREGISTERED"),
    ] {
        let failure = world.failure(Service::Fcm, rejected).await;
        assert!(matches!(&failure, Failure::Rejected { detail } if detail.ends_with(code)), "{failure:?}");
    }
    let before = world.sink.received(Service::Token).len();
    for (unauthorized, expected) in [
        // The credentials for iOS or for browsers, which Android devices do not need.
        (fail_with(401, "THIRD_PARTY_AUTH_ERROR"), Scope::Target),
        (fail_with(403, "PERMISSION_DENIED"), Scope::Service),
    ] {
        let failure = world.failure(Service::Fcm, unauthorized).await;
        assert!(matches!(failure, Failure::Unauthorized { scope, .. } if scope == expected), "{failure:?}");
    }
    assert_eq!(world.sink.received(Service::Token).len(), before);
    let failure = world.failure(Service::Fcm, fail_with(429, "DEVICE_QUOTA_EXCEEDED")).await;
    assert_eq!(failure, Failure::Throttled { retry_after: None, scope: Scope::Target });
}

#[tokio::test]
async fn errors_of_the_token_endpoint_are_told_apart() {
    let pause = Some(Duration::from_secs(1));
    let failures = [fail(400), fail(401), fail(403), fail(404), fail(500), fail(503), reset(), fail(429)];
    join_all(failures.map(|behaviour| async move {
        let world = World::new().await;
        let failure = world.failure(Service::Token, once(behaviour.clone())).await;
        assert_eq!(scope(&failure), Some(Scope::Service), "{failure:?}");
        match behaviour.status {
            Some(400..=404) => {
                assert!(matches!(&failure, Failure::Unauthorized { detail, .. } if detail.contains("account")));
            }
            Some(429) => assert_eq!(failure, Failure::Throttled { retry_after: pause, scope: Scope::Service }),
            _ => assert!(matches!(&failure, Failure::Unavailable { retry_after, .. } if *retry_after == pause)),
        }
        assert!(world.sink.received(Service::Fcm).is_empty());
        // The next renewal begins after a pause.
        while world.send(Service::Fcm).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(world.sink.received(Service::Token).len(), 2);
    }))
    .await;
}

#[tokio::test]
async fn while_there_is_no_token_messages_fail_at_once() {
    let world = Arc::new(World::with(Options::default(), Duration::from_secs(3)).await);
    let renewals = || world.sink.received(Service::Token).len();
    world.failure(Service::Token, fail(503)).await;
    let started = Instant::now();
    let sent = join_all((0..50).map(|_| world.send(Service::Fcm))).await;
    // A machine that is very busy may have begun the next renewal.
    if started.elapsed() < Duration::from_millis(500) {
        assert_eq!(renewals(), 1);
    }
    for failure in sent.into_iter().map(Result::unwrap_err) {
        assert!(matches!(failure, Failure::Unavailable { scope: Scope::Service, .. }), "{failure:?}");
        assert!(retry_after(&failure).unwrap() >= Duration::from_secs(1), "{failure:?}");
    }

    // Only the message that begins the next renewal waits for it.
    world.sink.behave(Service::Token, hang());
    let before = renewals();
    while renewals() == before {
        let world = world.clone();
        tokio::spawn(async move { world.send(Service::Fcm).await });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    for _ in 0..50 {
        let failure = world.send(Service::Fcm).await.unwrap_err();
        assert!(retry_after(&failure).is_some(), "{failure:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(renewals(), before + 1);

    world.sink.behave(Service::Token, Behaviour::default());
    while world.send(Service::Fcm).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(renewals(), before + 2);
}

#[tokio::test]
async fn a_pause_that_the_token_endpoint_asks_for_is_kept() {
    let world = World::new().await;
    let pause = Duration::from_mins(2);
    let behaviour = Behaviour { retry_after: Some(RetryAfter::Seconds(120)), ..fail(429) };
    let failure = world.failure(Service::Token, once(behaviour)).await;
    assert_eq!(retry_after(&failure), Some(pause));
    let rest = retry_after(&world.send(Service::Fcm).await.unwrap_err()).unwrap();
    assert!(rest <= pause && rest > pause / 2, "{rest:?}");
    assert_eq!(world.sink.received(Service::Token).len(), 1);
}

#[tokio::test]
async fn callers_that_wait_for_a_token_share_its_failure() {
    let world = World::new().await;
    world.sink.behave(Service::Token, Behaviour { hang_ms: Some(300), ..fail(503) });
    let sent = join_all((0..20).map(|_| world.send(Service::Fcm))).await;
    assert!(sent.iter().all(|sent| matches!(sent, Err(Failure::Unavailable { .. }))), "{sent:?}");
    assert_eq!(world.sink.received(Service::Token).len(), 1);
}

#[tokio::test]
async fn a_renewal_that_fails_or_hangs_before_the_end_of_a_token_stops_no_message() {
    join_all([fail(503), hang()].map(|behaviour| async {
        let options = Options { token_lifetime: Duration::from_secs(10), ..Options::default() };
        let world = World::with(options, Duration::from_secs(30)).await;
        world.send(Service::Fcm).await.unwrap();
        world.sink.behave(Service::Token, behaviour);
        // The renewal begins after half of the lifetime.
        while world.sink.received(Service::Token).len() < 2 {
            world.send(Service::Fcm).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        world.send(Service::Fcm).await.unwrap();
        assert_eq!(world.sink.received(Service::Token).len(), 2);
    }))
    .await;
}

#[tokio::test]
async fn a_service_that_hangs_fails_within_the_timeout() {
    check_timeout(Service::Fcm, None).await;
    check_timeout(Service::Token, Some(Duration::from_secs(1))).await;
}

#[tokio::test]
async fn a_message_is_sent_though_the_body_of_the_response_hangs() {
    check_body_that_hangs(Service::Fcm).await;
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_is_unavailable() {
    let world = World::new().await;
    let account = ServiceAccount::from_json(&world.sink.service_account().unwrap()).unwrap();
    let wrong = account.clone().with_token_uri("http://oauth2.invalid/token");
    let token = RegistrationToken::new(REGISTRATION_TOKEN).unwrap();
    for (account, address) in [(account, "http://fcm.invalid"), (wrong, world.sink.address())] {
        let fcm = Fcm::new(account, address, &settings(Duration::from_secs(5))).unwrap();
        let failure = fcm.send(&message(), &token).await.unwrap_err();
        assert!(matches!(&failure, Failure::Unavailable { scope: Scope::Service, .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn a_key_of_another_account_is_unauthorized() {
    let (world, other) = (World::new().await, World::new().await);
    let token_uri = format!("{}/token", world.sink.address());
    let account = ServiceAccount::from_json(&other.sink.service_account().unwrap()).unwrap().with_token_uri(token_uri);
    let fcm = Fcm::new(account, world.sink.address(), &settings(Duration::from_secs(30))).unwrap();
    let token = RegistrationToken::new(REGISTRATION_TOKEN).unwrap();
    let failure = fcm.send(&message(), &token).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unauthorized { detail, .. } if detail.contains("invalid_grant")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_renewal_goes_on_without_the_message_that_began_it() {
    let world = World::new().await;
    world.sink.behave(Service::Token, once(Behaviour { hang_ms: Some(1000), ..Behaviour::default() }));
    let dropped = tokio::time::timeout(Duration::from_millis(300), world.send(Service::Fcm)).await;
    assert!(dropped.is_err());
    world.send(Service::Fcm).await.unwrap();
    assert_eq!(world.sink.received(Service::Token).len(), 1);
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_refused() {
    let world = World::new().await;
    let account = ServiceAccount::from_json(&world.sink.service_account().unwrap()).unwrap();
    let settings = settings(Duration::from_secs(1));
    for bad in ["", "fcm.googleapis.com", "ftp://fcm.googleapis.com", "https://", "https://me@fcm.googleapis.com"] {
        assert!(Fcm::new(account.clone(), bad, &settings).is_err(), "{bad}");
        assert!(Fcm::new(account.clone().with_token_uri(bad), Fcm::ADDRESS, &settings).is_err(), "{bad}");
    }
}

#[test]
fn an_account_that_cannot_be_used_is_refused() {
    for bad in ["", "{}", r#"{"project_id": "a", "client_email": "b", "private_key": "secret-key"}"#] {
        let error = ServiceAccount::from_json(bad).unwrap_err().to_string();
        assert!(!error.contains("secret-key"), "{error}");
    }
}
