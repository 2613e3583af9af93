//! FCM.

use std::time::Duration;

use futures::future::join_all;
use push::{Failure, Fcm, RegistrationToken, ServiceAccount};
use push_sink::{Behaviour, Options, Service};
use serde_json::json;

use crate::world::{
    BODY, REGISTRATION_TOKEN, TITLE, World, check_common_failures, check_timeout, fail, fail_with, hang, message, once,
    reset, settings, silent,
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
            "collapse_key": "room.locker-7.1",
            "notification": {"tag": "room.locker-7.1", "notification_count": 3},
        },
        "apns": {
            "headers": {"apns-collapse-id": "room.locker-7.1", "apns-expiration": null, "apns-priority": "10"},
            "payload": {"aps": {"badge": 3, "sound": "default"}},
        },
        "webpush": {"headers": {"TTL": "3600", "Urgency": "high", "Topic": topic}},
    });
    assert_eq!(body, json!({"message": message}));

    world.providers.send(&silent(), &world.target(Service::Fcm)).await.unwrap();
    let body = world.last(Service::Fcm).body;
    assert_eq!(body["message"].get("notification"), None);
    assert_eq!(body["message"]["android"].get("notification"), None);
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
    assert!(matches!(&failure, Failure::Unauthorized { detail } if detail.contains("UNAUTHENTICATED")), "{failure:?}");
    assert_eq!(world.sink.received(Service::Token).len(), 3);
}

#[tokio::test]
async fn errors_of_the_service_are_told_apart() {
    check_common_failures(Service::Fcm).await;
    let world = World::new().await;
    for gone in [fail(404), fail_with(404, "UNREGISTERED"), fail_with(400, "INVALID_TOKEN")] {
        assert_eq!(world.failure(Service::Fcm, gone).await, Failure::Gone);
    }
    for (rejected, code) in [
        (fail(400), "INVALID_ARGUMENT"),
        (fail(413), "INVALID_ARGUMENT"),
        (fail(403), "SENDER_ID_MISMATCH"),
        (fail_with(404, "NOT_FOUND"), "NOT_FOUND"),
    ] {
        let failure = world.failure(Service::Fcm, rejected).await;
        assert!(matches!(&failure, Failure::Rejected { detail } if detail.ends_with(code)), "{failure:?}");
    }
    let before = world.sink.received(Service::Token).len();
    for unauthorized in [fail_with(401, "THIRD_PARTY_AUTH_ERROR"), fail_with(403, "PERMISSION_DENIED")] {
        let failure = world.failure(Service::Fcm, unauthorized).await;
        assert!(matches!(failure, Failure::Unauthorized { .. }), "{failure:?}");
    }
    assert_eq!(world.sink.received(Service::Token).len(), before);
}

#[tokio::test]
async fn errors_of_the_token_endpoint_are_told_apart() {
    let world = World::new().await;
    for status in [400, 401, 403, 404] {
        let failure = world.failure(Service::Token, once(fail(status))).await;
        assert!(matches!(&failure, Failure::Unauthorized { detail } if detail.contains("account")), "{failure:?}");
    }
    for behaviour in [fail(500), fail(503), reset()] {
        let failure = world.failure(Service::Token, once(behaviour)).await;
        assert!(matches!(failure, Failure::Unavailable { .. }), "{failure:?}");
    }
    let failure = world.failure(Service::Token, once(fail(429))).await;
    assert_eq!(failure, Failure::Throttled { retry_after: None });
    assert!(world.sink.received(Service::Fcm).is_empty());
    world.send(Service::Fcm).await.unwrap();
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
    check_timeout(Service::Fcm).await;
    check_timeout(Service::Token).await;
}

#[tokio::test]
async fn a_key_of_another_account_is_unauthorized() {
    let (world, other) = (World::new().await, World::new().await);
    let token_uri = format!("{}/token", world.sink.address());
    let account = ServiceAccount::from_json(&other.sink.service_account().unwrap()).unwrap().with_token_uri(token_uri);
    let fcm = Fcm::new(account, world.sink.address(), &settings(Duration::from_secs(30))).unwrap();
    let token = RegistrationToken::new(REGISTRATION_TOKEN).unwrap();
    let failure = fcm.send(&message(), &token).await.unwrap_err();
    assert!(matches!(&failure, Failure::Unauthorized { detail } if detail.contains("invalid_grant")), "{failure:?}");
}

#[tokio::test]
async fn hanging_senders_can_be_dropped_while_one_renews_the_token() {
    let world = World::new().await;
    world.sink.behave(Service::Token, once(hang()));
    let dropped = tokio::time::timeout(Duration::from_millis(300), world.send(Service::Fcm)).await;
    assert!(dropped.is_err());
    world.send(Service::Fcm).await.unwrap();
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_refused() {
    let world = World::new().await;
    let account = ServiceAccount::from_json(&world.sink.service_account().unwrap()).unwrap();
    let settings = settings(Duration::from_secs(1));
    for bad in ["", "fcm.googleapis.com", "ftp://fcm.googleapis.com", "https://"] {
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
