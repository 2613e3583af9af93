//! APNs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use push::{Apns, ApnsKey, DeviceToken, Failure, PushMessage, Scope};
use push_sink::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, Behaviour, Options, Service};
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::{
    BODY, DEVICE_TOKEN, TITLE, World, check_body_that_hangs, check_common_failures, check_timeout, fail, fail_with,
    message, once, scope, settings, silent,
};

#[tokio::test]
async fn a_message_has_headers_and_a_payload() {
    let world = World::new().await;
    let receipt = world.send(Service::Apns).await.unwrap();
    assert_eq!(receipt.reference, Some(message().id.to_string()));
    let received = world.last(Service::Apns);
    assert_eq!(received.target, DEVICE_TOKEN);
    for (name, value) in [
        ("apns-topic", APNS_TOPIC),
        ("apns-push-type", "alert"),
        ("apns-id", &message().id.to_string()),
        ("apns-priority", "10"),
        ("apns-collapse-id", "room.locker-7.1"),
    ] {
        assert_eq!(received.headers[name], value, "{name}");
    }
    let expiration: u64 = received.headers["apns-expiration"].parse().unwrap();
    let kept = expiration - received.at_ms / 1000;
    assert!((3500..=3700).contains(&kept), "{kept}");
    let payload = json!({
        "aps": {"alert": {"title": TITLE, "body": BODY}, "badge": 3, "sound": "default"},
        "room_id": "locker-7.1", "kind": "mention", "v": "12", "push_id": message().id,
    });
    assert_eq!(received.body, payload);
}

#[tokio::test]
async fn a_message_that_is_not_shown_wakes_the_app() {
    let world = World::new().await;
    let message = PushMessage { ttl: Duration::ZERO, collapse_key: None, ..silent() };
    world.providers.send(&message, &world.target(Service::Apns)).await.unwrap();
    let received = world.last(Service::Apns);
    assert_eq!(received.body["aps"], json!({"badge": 3, "content-available": 1}));
    assert_eq!((&*received.headers["apns-priority"], &*received.headers["apns-expiration"]), ("5", "0"));
    assert_eq!(received.headers.get("apns-collapse-id"), None);
}

#[tokio::test]
async fn a_long_collapse_key_is_hashed_and_a_long_text_is_cut() {
    let world = World::new().await;
    let key = "ü".repeat(100);
    let long = PushMessage { collapse_key: Some(key.clone()), body: Some("ü".repeat(4000)), ..message() };
    for service in [Service::Apns, Service::Fcm, Service::WebPush] {
        world.providers.send(&long, &world.target(service)).await.unwrap();
    }
    let id = world.last(Service::Apns).headers["apns-collapse-id"].clone();
    assert_eq!(world.last(Service::WebPush).headers["topic"], id);
    let other = PushMessage { collapse_key: Some(format!("{key}!")), ..message() };
    world.providers.send(&other, &world.target(Service::Apns)).await.unwrap();
    assert_ne!(world.last(Service::Apns).headers["apns-collapse-id"], id);
}

#[tokio::test]
async fn concurrent_messages_share_one_connection() {
    let world = World::new().await;
    let sent = join_all((0..50).map(|_| world.send(Service::Apns))).await;
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    assert_eq!(world.sink.connections(), 1);
}

#[tokio::test]
async fn a_repeat_replaces_a_message_without_a_collapse_key() {
    let world = World::new().await;
    let message = PushMessage { collapse_key: None, ..message() };
    let id = message.id.to_string();
    for service in [Service::Apns, Service::Fcm, Service::WebPush] {
        world.providers.send(&message, &world.target(service)).await.unwrap();
    }
    assert_eq!(world.last(Service::Apns).headers["apns-collapse-id"], id);
    assert_eq!(world.last(Service::WebPush).body["tag"], id);
    let body = &world.last(Service::Fcm).body["message"];
    assert_eq!(body["android"]["notification"]["tag"], id);
    assert_eq!(body["apns"]["headers"]["apns-collapse-id"], id);
    assert_eq!(body["webpush"]["notification"]["tag"], id);
}

#[tokio::test]
async fn texts_are_cut_until_the_message_is_small_enough() {
    let world = World::new().await;
    for text in ["\u{1}", "\"", "🌶", "e\u{301}"] {
        let text = Some(text.repeat(1000));
        let mut message = PushMessage { title: text.clone(), body: text, ..message() };
        for padding in (2000..=3000).step_by(100) {
            message.data.insert("padding".to_owned(), "x".repeat(padding));
            for service in [Service::Apns, Service::Fcm, Service::WebPush] {
                // The sink rejects what is too large for APNs and Web Push.
                world.providers.send(&message, &world.target(service)).await.unwrap();
            }
            let mut body = world.last(Service::Fcm).body;
            body["message"]["token"] = "".into();
            assert!(body.to_string().len() <= 4096, "{body}");
        }
    }
    let mut message = message();
    message.data.insert("padding".to_owned(), "x".repeat(4096));
    for service in [Service::Apns, Service::Fcm, Service::WebPush] {
        let count = world.sink.received(service).len();
        let failure = world.providers.send(&message, &world.target(service)).await.unwrap_err();
        assert!(matches!(failure, Failure::Rejected { .. }), "{failure:?}");
        assert_eq!(world.sink.received(service).len(), count);
    }
}

#[tokio::test]
async fn errors_are_told_apart() {
    check_common_failures(Service::Apns, Scope::Service, Scope::Target).await;
    let world = World::new().await;
    for gone in [fail(410), fail_with(410, "ExpiredToken")] {
        let failure = world.failure(Service::Apns, gone).await;
        assert!(matches!(failure, Failure::Gone { .. }), "{failure:?}");
    }
    for (rejected, reason) in [
        (fail(400), "BadMessageId"),
        (fail(404), "BadPath"),
        (fail(413), "PayloadTooLarge"),
        // With a wrong topic, or the address of the sandbox, all devices get these.
        (fail_with(400, "BadDeviceToken"), "BadDeviceToken"),
        (fail_with(400, "DeviceTokenNotForTopic"), "DeviceTokenNotForTopic"),
        (fail_with(400, "Unregistered"), "Unregistered"),
        (fail_with(410, "Other"), "Other"),
    ] {
        let failure = world.failure(Service::Apns, rejected).await;
        assert!(matches!(&failure, Failure::Rejected { detail } if detail.ends_with(reason)), "{failure:?}");
    }
    for unauthorized in [fail(401), fail(403), fail_with(400, "TopicDisallowed")] {
        let failure = world.failure(Service::Apns, unauthorized).await;
        assert!(matches!(failure, Failure::Unauthorized { scope: Scope::Service, .. }), "{failure:?}");
    }
    let failure = world.failure(Service::Apns, fail_with(429, "TooManyProviderTokenUpdates")).await;
    assert_eq!(failure, Failure::Throttled { retry_after: None, scope: Scope::Service });
    let failure = world.failure(Service::Apns, fail_with(400, "IdleTimeout")).await;
    assert!(matches!(failure, Failure::Unavailable { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_target_that_is_gone_has_the_time_of_it() {
    let world = World::new().await;
    let before = SystemTime::now() - Duration::from_millis(1);
    let Failure::Gone { since: Some(since) } = world.failure(Service::Apns, fail(410)).await else { panic!() };
    assert!(before <= since && since <= SystemTime::now(), "{since:?}");
    let timestamp = |timestamp| Behaviour { timestamp: Some(timestamp), ..fail(410) };
    let failure = world.failure(Service::Apns, timestamp(1_700_000_000_123)).await;
    assert_eq!(failure, Failure::Gone { since: Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)) });
    let failure = world.failure(Service::Apns, timestamp(u64::MAX)).await;
    assert!(matches!(failure, Failure::Gone { .. }), "{failure:?}");
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let world = World::new().await;
    let expired = || fail_with(403, "ExpiredProviderToken");
    world.sink.behave(Service::Apns, once(expired()));
    world.send(Service::Apns).await.unwrap();
    assert_eq!(world.sink.received(Service::Apns).len(), 2);

    // A token that is expired at once is not renewed again: the clock is wrong, or the service.
    let failure = world.failure(Service::Apns, expired()).await;
    assert!(matches!(&failure, Failure::Unauthorized { detail, .. } if detail.contains("Expired")), "{failure:?}");
    assert_eq!(world.sink.received(Service::Apns).len(), 3);
}

#[tokio::test]
async fn a_service_that_hangs_fails_within_the_timeout() {
    check_timeout(Service::Apns, None).await;
}

#[tokio::test]
async fn a_message_is_sent_though_the_body_of_the_response_hangs() {
    check_body_that_hangs(Service::Apns).await;
}

#[tokio::test]
async fn a_service_that_refuses_connections_is_unavailable_to_all_callers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let world = World::new().await;
    let key = ApnsKey::from_pem(world.sink.apns_key(), APNS_KEY_ID, APNS_TEAM_ID).unwrap();
    let apns = Apns::new(key, APNS_TOPIC, &address, &settings(Duration::from_secs(30))).unwrap();
    let (message, token) = (message(), DeviceToken::new(DEVICE_TOKEN).unwrap());
    for sent in join_all((0..20).map(|_| apns.send(&message, &token))).await {
        let failure = sent.unwrap_err();
        assert_eq!(scope(&failure), Some(Scope::Service));
        let Failure::Unavailable { detail, .. } = failure else { panic!("{failure:?}") };
        assert!(detail.contains("refused") || detail.contains("could not connect"), "{detail}");
    }
}

#[tokio::test]
async fn a_key_of_another_team_is_unauthorized() {
    let world = World::new().await;
    let key = ApnsKey::from_pem(world.sink.apns_key(), APNS_KEY_ID, "OTHERTEAM1").unwrap();
    let apns = Apns::new(key, APNS_TOPIC, world.sink.address(), &settings(Duration::from_secs(30))).unwrap();
    let failure = apns.send(&message(), &DeviceToken::new(DEVICE_TOKEN).unwrap()).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Unauthorized { detail, .. } if detail.ends_with("InvalidProviderToken")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn messages_are_sent_over_tls() {
    let world = World::with(Options { tls: true, ..Options::default() }, Duration::from_secs(30)).await;
    for service in [Service::Apns, Service::Fcm, Service::WebPush] {
        world.send(service).await.unwrap();
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused() {
    assert!(ApnsKey::from_pem("secret-key", "KEY", "TEAM").is_err_and(|error| !error.to_string().contains("secret")));
}
