//! A sink, with providers that send to it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use push::{
    Apns, ApnsKey, DeviceToken, Failure, Fcm, Providers, PushMessage, Receipt, RegistrationToken, Scope,
    ServiceAccount, Subscription, Target, VapidKey, WebPush,
    outbound::{Reach, Settings},
};
use push_sink::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, Behaviour, Options, Received, RetryAfter, Service, Sink};
use uuid::Uuid;

/// A private key for Web Push: the example of RFC 8291.
pub(crate) const VAPID: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";

pub(crate) const REGISTRATION_TOKEN: &str = "dEvIcE:APA91bFcm-Token_1";
pub(crate) const DEVICE_TOKEN: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";
pub(crate) const TITLE: &str = "Lunch at Invalidenstrasse";
pub(crate) const BODY: &str = "Ana: two with extra chili 🌶";

/// The timeout of most calls. It is long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn settings(timeout: Duration) -> Settings {
    Settings { connect_timeout: timeout, timeout, ..Settings::default() }
}

pub(crate) fn message() -> PushMessage {
    PushMessage {
        id: Uuid::from_u128(0x0193_7a2b_5c00_7000_8000_0000_0000_0001),
        collapse_key: Some("room.locker-7.1".to_owned()),
        title: Some(TITLE.to_owned()),
        body: Some(BODY.to_owned()),
        data: BTreeMap::from(
            [("room_id", "locker-7.1"), ("kind", "mention"), ("v", "12")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        badge: 3,
        urgent: true,
        ttl: Duration::from_hours(1),
    }
}

/// A message that the device does not show.
pub(crate) fn silent() -> PushMessage {
    PushMessage { title: None, body: None, ..message() }
}

pub(crate) fn fail(status: u16) -> Behaviour {
    Behaviour { status: Some(status), ..Behaviour::default() }
}

pub(crate) fn fail_with(status: u16, reason: &str) -> Behaviour {
    Behaviour { reason: Some(reason.to_owned()), ..fail(status) }
}

pub(crate) fn once(behaviour: Behaviour) -> Behaviour {
    Behaviour { times: Some(1), ..behaviour }
}

pub(crate) fn hang() -> Behaviour {
    Behaviour { hang_ms: Some(600_000), ..Behaviour::default() }
}

pub(crate) fn reset() -> Behaviour {
    Behaviour { reset: true, ..Behaviour::default() }
}

/// The pause that a temporary failure asks for.
pub(crate) fn retry_after(failure: &Failure) -> Option<Duration> {
    match failure {
        Failure::Throttled { retry_after, .. } | Failure::Unavailable { retry_after, .. } => *retry_after,
        Failure::Gone { .. } | Failure::Rejected { .. } | Failure::Unauthorized { .. } => None,
    }
}

/// The targets that a failure concerns, if it is one that a caller pauses for.
pub(crate) fn scope(failure: &Failure) -> Option<Scope> {
    match failure {
        Failure::Throttled { scope, .. } | Failure::Unavailable { scope, .. } | Failure::Unauthorized { scope, .. } => {
            Some(*scope)
        }
        Failure::Gone { .. } | Failure::Rejected { .. } => None,
    }
}

/// The providers of one installation and the services that they send to.
pub(crate) struct World {
    pub(crate) sink: Sink,
    pub(crate) providers: Providers,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default(), TIMEOUT).await
    }

    pub(crate) async fn with(options: Options, timeout: Duration) -> Self {
        let sink = Sink::start(options).await.unwrap();
        let authorities = sink.certificate().cloned().into_iter().collect();
        let settings = Settings { authorities, ..settings(timeout) };
        let account = ServiceAccount::from_json(&sink.service_account().unwrap()).unwrap();
        let apns_key = ApnsKey::from_pem(sink.apns_key(), APNS_KEY_ID, APNS_TEAM_ID).unwrap();
        let vapid = VapidKey::from_text(VAPID).unwrap();
        let providers = Providers {
            fcm: Some(Fcm::new(account, sink.address(), &settings).unwrap()),
            apns: Some(Apns::new(apns_key, APNS_TOPIC, sink.address(), &settings).unwrap()),
            web_push: Some(WebPush::new(vapid, "mailto:ops@boxroom.example", Reach::Any, &settings).unwrap()),
        };
        Self { sink, providers }
    }

    /// Returns a target of a service.
    pub(crate) fn target(&self, service: Service) -> Target {
        match service {
            Service::Token | Service::Fcm => Target::Fcm(RegistrationToken::new(REGISTRATION_TOKEN).unwrap()),
            Service::Apns => Target::Apns(DeviceToken::new(DEVICE_TOKEN).unwrap()),
            Service::WebPush => {
                let key = self.providers.web_push.as_ref().unwrap().public_key().to_owned();
                let made = self.sink.subscribe(Some(key)).unwrap();
                let json = serde_json::to_string(&made).unwrap();
                Target::WebPush(Subscription::from_json(&json).unwrap())
            }
        }
    }

    pub(crate) async fn send(&self, service: Service) -> Result<Receipt, Failure> {
        self.providers.send(&message(), &self.target(service)).await
    }

    /// Sends a message while the service behaves in this way, and returns its failure.
    pub(crate) async fn failure(&self, service: Service, behaviour: Behaviour) -> Failure {
        self.sink.behave(service, behaviour);
        self.send(service).await.unwrap_err()
    }

    /// Returns the last request to a service.
    pub(crate) fn last(&self, service: Service) -> Received {
        self.sink.received(service).pop().unwrap()
    }
}

/// Checks the failures that mean the same for all services, with the scopes of unavailability and throttling.
pub(crate) async fn check_common_failures(service: Service, unavailable: Scope, throttled: Scope) {
    let world = World::new().await;
    let is_unavailable = |failure: &Failure, pause: Option<Duration>| {
        matches!(failure, Failure::Unavailable { .. })
            && (retry_after(failure), scope(failure)) == (pause, Some(unavailable))
    };
    for status in [500, 502, 503] {
        let failure = world.failure(service, once(fail(status))).await;
        assert!(is_unavailable(&failure, None), "{status}: {failure:?}");
    }
    let pause = |pause| Some(RetryAfter::Seconds(pause));
    let failure = world.failure(service, once(Behaviour { retry_after: pause(7), ..fail(503) })).await;
    assert!(is_unavailable(&failure, Some(Duration::from_secs(7))), "{failure:?}");
    let is_throttled = |retry_after| Failure::Throttled { retry_after, scope: throttled };
    for (asked, expected) in
        [(120, Duration::from_mins(2)), (0, Duration::from_secs(1)), (7200, Duration::from_hours(1))]
    {
        let failure = world.failure(service, once(Behaviour { retry_after: pause(asked), ..fail(429) })).await;
        assert_eq!(failure, is_throttled(Some(expected)));
    }
    assert_eq!(world.failure(service, once(fail(429))).await, is_throttled(None));

    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_mins(10));
    let failure =
        world.failure(service, once(Behaviour { retry_after: Some(RetryAfter::Text(date)), ..fail(429) })).await;
    let pause = retry_after(&failure).unwrap();
    assert!((500..=600).contains(&pause.as_secs()), "{pause:?}");

    // A broken connection is replaced by the next call.
    let failure = world.failure(service, once(reset())).await;
    assert!(is_unavailable(&failure, None), "{failure:?}");
    world.send(service).await.unwrap();
}

/// Checks that a service that does not respond fails within the timeout, whatever it does in between.
pub(crate) async fn check_timeout(service: Service, expected: Option<Duration>) {
    let timeout = Duration::from_millis(500);
    let world = World::with(Options::default(), timeout).await;
    let started = Instant::now();
    let failure = world.failure(service, once(hang())).await;
    let elapsed = started.elapsed();
    assert!(matches!(&failure, Failure::Unavailable { .. }) && retry_after(&failure) == expected, "{failure:?}");
    assert!(failure.to_string().contains("500 ms"), "{failure}");
    assert!(elapsed >= timeout && elapsed < timeout * 10, "{elapsed:?}");
}

/// Checks that a message is sent once the service has accepted it, even if the body of the response does not come.
pub(crate) async fn check_body_that_hangs(service: Service) {
    let world = World::with(Options::default(), Duration::from_secs(2)).await;
    // The first message of FCM needs a token.
    world.send(service).await.unwrap();
    world.sink.behave(service, once(Behaviour { body_hang_ms: Some(600_000), ..Behaviour::default() }));
    let receipt = world.send(service).await;
    assert!(receipt.is_ok(), "{receipt:?}");
    assert_eq!(world.sink.received(service).len(), 2);
}
