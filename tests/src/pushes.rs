//! The stand-in for the push providers, and what it has received.

use std::time::Duration;

use harness::{Role, ServiceId, StackOptions};
use push_sink::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, Behaviour, Options, Received, Service, Sink};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar};
use tempfile::TempDir;
use testing::wait::{until, until_within};

use crate::{Person, World};

/// The time from an alarm to its push message in these tests, in milliseconds.
pub const DELAY_MS: u64 = 400;

/// The time in which a push message arrives.
const LIMIT: Duration = Duration::from_secs(20);

/// A stand-in for all providers. Ends with this value.
pub struct PushProviders {
    sink: Sink,
    folder: TempDir,
}

impl PushProviders {
    /// Starts it.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let options = Options { credentials: Some(folder.path().to_path_buf()), tls: true, ..Options::default() };
        let sink = Sink::start(options).await.unwrap_or_else(|error| panic!("{error:?}"));
        Self { sink, folder }
    }

    /// Starts a world with notifiers that use these providers.
    pub async fn world(&self, notifiers: usize, options: StackOptions) -> World {
        let mut options = StackOptions { notifiers, ..options };
        for index in 0..notifiers {
            options.env.extend(self.settings().map(|(name, value)| (ServiceId::Notifier(index), name, value)));
        }
        World::start(options).await
    }

    fn settings(&self) -> [(&'static str, String); 15] {
        let file = |name: &str| self.folder.path().join(name).to_string_lossy().into_owned();
        [
            ("BOXROOM_FCM_ACCOUNT_FILE", file("fcm.json")),
            ("BOXROOM_FCM_URL", self.sink.address().to_owned()),
            ("BOXROOM_APNS_KEY_FILE", file("apns.p8")),
            ("BOXROOM_APNS_KEY_ID", APNS_KEY_ID.to_owned()),
            ("BOXROOM_APNS_TEAM_ID", APNS_TEAM_ID.to_owned()),
            ("BOXROOM_APNS_TOPIC", APNS_TOPIC.to_owned()),
            ("BOXROOM_APNS_URL", self.sink.address().to_owned()),
            ("BOXROOM_VAPID_KEY_FILE", file("vapid.pem")),
            ("BOXROOM_VAPID_CONTACT", "mailto:ops@example.com".to_owned()),
            ("BOXROOM_PRIVATE_ENDPOINTS", "true".to_owned()),
            ("BOXROOM_PUSH_DELAY", DELAY_MS.to_string()),
            ("BOXROOM_PUSH_PREVIEW", "text".to_owned()),
            ("BOXROOM_PUSH_TIMEOUT", "3".to_owned()),
            ("BOXROOM_PUSH_CA_FILE", file("ca.pem")),
            ("BOXROOM_LOG", "info,notifier=debug,push=debug".to_owned()),
        ]
    }

    /// The stand-in itself.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Lets the notifiers of these providers trust other ones too.
    pub fn trust(&self, other: &Self) {
        let file = |providers: &Self| providers.folder.path().join("ca.pem");
        let both = [file(self), file(other)].map(|file| std::fs::read_to_string(file).expect("a certificate"));
        std::fs::write(file(self), both.concat()).expect("written");
    }

    /// Makes a provider fail.
    pub fn behave(&self, service: Service, behaviour: Behaviour) {
        self.sink.behave(service, behaviour);
    }

    /// Makes a provider succeed again.
    pub fn recover(&self, service: Service) {
        self.sink.behave(service, Behaviour::default());
    }

    /// The push messages that a provider has accepted for a target.
    pub fn accepted(&self, service: Service, target: &str) -> Vec<Received> {
        let mut received = self.sink.received(service);
        received.retain(|push| push.target == target && push.status.is_some_and(|status| status < 300));
        received
    }

    /// Waits until a provider has accepted this number of push messages for a target.
    pub async fn until_accepted(&self, service: Service, target: &str, count: usize) -> Vec<Received> {
        let arrived = async || self.accepted(service, target).len() >= count;
        until_within(LIMIT, &format!("{count} push messages to {target}"), arrived).await;
        self.accepted(service, target)
    }

    /// Waits until the notifier has decided about everything in the log and nothing is left to send. Fails if one of
    /// the targets got more push messages.
    pub async fn expect_silence(&self, world: &World, service: Service, targets: &[&str]) {
        let count = || targets.iter().map(|target| self.accepted(service, target).len()).sum::<usize>();
        let before = count();
        until_all_sent(world).await;
        assert_eq!(count(), before, "there are more push messages to {targets:?}");
    }
}

const UNDECIDED: &str = "select count(*) from delivery.planned_alarms where state = 'planned'";
const UNSENT: &str = "select count(*) from delivery.pushes where state in ('waiting', 'sending')";

/// Waits until the notifier has decided about everything in the log and nothing is left to send.
pub async fn until_all_sent(world: &World) {
    until_decided(world).await;
    until("all push messages are sent", async || count_of(world, UNSENT).await == 0).await;
}

/// Waits until the notifier has decided about each alarm in the log.
pub async fn until_decided(world: &World) {
    let ends = world.log().await.ends_of_boxes().await;
    until("all alarms are planned", async || {
        let mut database = connect(world).await;
        for (label, (incarnation, end)) in &ends {
            let planned = is_planned(&mut database, label, incarnation, end.cast_signed()).await;
            if !planned.unwrap_or_default() {
                return false;
            }
        }
        true
    })
    .await;
    until("all alarms are decided", async || count_of(world, UNDECIDED).await == 0).await;
}

/// Returns true if the read model contains a stream up to its end, and the notifier has planned all its alarms.
async fn is_planned(
    database: &mut PgConnection,
    label: &str,
    incarnation: &str,
    end: i64,
) -> Result<bool, sqlx::Error> {
    let newest = "select max(generation) from control.generations where state = 'active'";
    let generation: i32 = query_scalar(newest).fetch_one(&mut *database).await?;
    let query = format!(
        "select exists (
             select from read_g{generation}.checkpoints where (stream, incarnation) = ($1, $2) and position >= $3
         ) and not exists (
             select from read_g{generation}.alarms
             where stream = $1 and changed > (
                 select coalesce(max(position), 0) from delivery.planned_positions
                 where (stream, incarnation) = ($1, $2)
             )
         )"
    );
    query_scalar(AssertSqlSafe(query)).bind(label).bind(incarnation).bind(end).fetch_one(database).await
}

async fn count_of(world: &World, query: &'static str) -> i64 {
    query_scalar(query).fetch_one(&mut connect(world).await).await.unwrap_or_else(|error| panic!("{query}: {error}"))
}

async fn connect(world: &World) -> PgConnection {
    let url = world.stack.database_url(Role::Admin);
    PgConnection::connect(&url).await.unwrap_or_else(|error| panic!("the database: {error}"))
}

/// Registers a device for FCM, whose token is the id of its user with a suffix.
pub async fn register_phone(person: &Person, device: &str) -> String {
    let token = format!("{}-{device}", person.id());
    let body = json!({ "provider": "fcm", "token": token, "locale": "en" });
    let registered = person.put(format!("/users/me/devices/{device}"), body).await;
    registered.done();
    person.remember_position(&registered);
    token
}

/// Registers a browser, and returns the id of its subscription at the provider.
pub async fn register_browser(person: &Person, device: &str, providers: &PushProviders) -> String {
    let subscription = providers.sink().subscribe(None).unwrap_or_else(|| panic!("no subscription"));
    let id = subscription.endpoint.rsplit('/').next().unwrap_or_default().to_owned();
    let body = json!({ "provider": "web_push", "subscription": subscription, "locale": "en" });
    let registered = person.put(format!("/users/me/devices/{device}"), body).await;
    registered.done();
    person.remember_position(&registered);
    id
}

/// The number of alarms that a push message to FCM tells.
pub fn alarms(push: &Received) -> u64 {
    data(push)["alarms"].as_str().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// The fields of a push message to FCM for the app.
pub fn data(push: &Received) -> &Value {
    &push.body["message"]["data"]
}
