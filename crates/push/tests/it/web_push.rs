//! Web Push.

use std::time::Duration;

use push::{
    Failure, PushMessage, Scope, Subscription, Target, VapidKey, WebPush,
    outbound::{Reach, Settings},
};
use push_sink::{Service, Subscription as Made};
use serde_json::json;

use crate::world::{
    BODY, TITLE, VAPID, World, check_body_that_hangs, check_common_failures, check_timeout, fail, message, settings,
    silent,
};

fn subscription(made: &Made) -> Subscription {
    Subscription::new(&made.endpoint, &made.keys.p256dh, &made.keys.auth).unwrap()
}

#[tokio::test]
async fn a_message_is_encrypted_for_the_browser() {
    let world = World::new().await;
    let receipt = world.send(Service::WebPush).await.unwrap();
    assert_eq!(receipt.reference, None);
    let received = world.last(Service::WebPush);
    let expected = json!({
        "title": TITLE, "body": BODY, "tag": "room.locker-7.1", "badge": 3, "urgent": true,
        "data": {"room_id": "locker-7.1", "kind": "mention", "v": "12", "push_id": message().id},
    });
    assert_eq!(received.body, expected);
    assert_eq!((&*received.headers["ttl"], &*received.headers["urgency"]), ("3600", "high"));
    // A dot is not allowed in a topic, so it is a hash.
    assert_eq!(received.headers["topic"].len(), 32);

    let message = PushMessage { urgent: false, collapse_key: Some("room-7".to_owned()), ..silent() };
    world.providers.send(&message, &world.target(Service::WebPush)).await.unwrap();
    let received = world.last(Service::WebPush);
    assert_eq!((&*received.headers["topic"], &*received.headers["urgency"]), ("room-7", "normal"));
    assert_eq!((received.body.get("title"), received.body.get("body")), (None, None));
}

#[tokio::test]
async fn a_message_of_the_maximum_size_is_accepted_and_a_larger_one_rejected() {
    let world = World::new().await;
    let mut message = silent();
    message.data.insert("padding".to_owned(), String::new());
    // 86 bytes of header, 16 of a tag and 1 of padding come with the text.
    let size = 4096 - 103 - measure(&world, &message).await;
    for (padding, expected) in [(size, None), (size + 1, Some("the message is too large without its texts"))] {
        message.data.insert("padding".to_owned(), "x".repeat(padding));
        let sent = world.providers.send(&message, &world.target(Service::WebPush)).await;
        assert_eq!(sent.err(), expected.map(|detail| Failure::Rejected { detail: detail.to_owned() }));
    }
    assert_eq!(world.sink.received(Service::WebPush).len(), 2);
}

async fn measure(world: &World, message: &PushMessage) -> usize {
    world.providers.send(message, &world.target(Service::WebPush)).await.unwrap();
    world.last(Service::WebPush).body.to_string().len()
}

#[tokio::test]
async fn errors_are_told_apart() {
    check_common_failures(Service::WebPush, Scope::Target, Scope::Target).await;
    let world = World::new().await;
    for gone in [404, 410] {
        assert_eq!(world.failure(Service::WebPush, fail(gone)).await, Failure::Gone { since: None });
    }
    // Redirects are not followed.
    for rejected in [301, 307, 400, 413] {
        let failure = world.failure(Service::WebPush, fail(rejected)).await;
        assert_eq!(failure, Failure::Rejected { detail: format!("status {rejected}") });
    }
    for unauthorized in [401, 403] {
        let failure = world.failure(Service::WebPush, fail(unauthorized)).await;
        assert_eq!(failure, Failure::Unauthorized { scope: Scope::Target, detail: format!("status {unauthorized}") });
    }
}

#[tokio::test]
async fn a_subscription_that_has_ended_is_gone() {
    let world = World::new().await;
    let made = world.sink.subscribe(None).unwrap();
    let target = Target::WebPush(subscription(&made));
    world.providers.send(&message(), &target).await.unwrap();
    world.sink.unsubscribe(&made.endpoint);
    assert_eq!(world.providers.send(&message(), &target).await, Err(Failure::Gone { since: None }));
}

#[tokio::test]
async fn a_subscription_of_another_key_is_unauthorized() {
    let world = World::new().await;
    let made = world.sink.subscribe(Some("another key".to_owned())).unwrap();
    let failure = world.providers.send(&message(), &Target::WebPush(subscription(&made))).await.unwrap_err();
    assert_eq!(failure, Failure::Unauthorized { scope: Scope::Target, detail: "status 403".to_owned() });
}

#[tokio::test]
async fn a_service_that_hangs_fails_within_the_timeout() {
    check_timeout(Service::WebPush, None).await;
}

#[tokio::test]
async fn a_message_is_sent_though_the_body_of_the_response_hangs() {
    check_body_that_hangs(Service::WebPush).await;
}

#[tokio::test]
async fn an_endpoint_inside_is_rejected() {
    let world = World::new().await;
    let made = world.sink.subscribe(None).unwrap();
    let port = made.endpoint.rsplit(':').next().unwrap();
    let allowed = port.split('/').next().unwrap().parse().unwrap();
    let settings = Settings { ports: vec![allowed], ..settings(Duration::from_secs(30)) };
    let web_push = |reach| {
        let key = VapidKey::from_text(VAPID).unwrap();
        WebPush::new(key, "https://boxroom.example", reach, &settings).unwrap()
    };
    for endpoint in [
        made.endpoint.clone(),
        format!("https://127.0.0.1:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://localhost:{port}"),
        format!("https://2130706433:{port}"),
    ] {
        let target = Subscription::new(&endpoint, &made.keys.p256dh, &made.keys.auth).unwrap();
        let failure = web_push(Reach::Public).send(&message(), &target).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Rejected { detail } if detail.contains("not allowed")),
            "{endpoint}: {failure:?}"
        );
    }
    assert!(world.sink.received(Service::WebPush).is_empty());
    assert_eq!(world.sink.connections(), 0);
    web_push(Reach::Any).send(&message(), &subscription(&made)).await.unwrap();
}

#[test]
fn a_contact_is_an_address() {
    for bad in ["", "ops@boxroom.example", "mailto:", "http://boxroom.example"] {
        let key = VapidKey::from_text(VAPID).unwrap();
        assert!(WebPush::new(key, bad, Reach::Public, &settings(Duration::from_secs(1))).is_err(), "{bad}");
    }
}
