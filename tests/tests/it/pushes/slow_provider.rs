//! A provider that hangs and fails delays push messages, and nothing else.

use std::time::{Duration, Instant};

use harness::{Role, StackOptions};
use push_sink::{Behaviour, Service};
use sqlx::{Connection, PgConnection, query_scalar};
use system_tests::{
    Person,
    pushes::{PushProviders, alarms, register_phone},
};
use testing::wait::until_within;

/// The number of messages in each state of the provider.
const MESSAGES: usize = 60;

/// The median must not double. The exact ratio is measured, not tested.
const MAX_RATIO: f64 = 2.0;

/// Posts messages that mention ana, and returns the median duration.
async fn post_all(author: &Person, room: &str) -> Duration {
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let begun = Instant::now();
        author.say(room, &format!("@ana {number}")).await.created();
        times.push(begun.elapsed());
    }
    times.sort();
    times[MESSAGES / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_delays_push_messages_only() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let phones = [register_phone(&ana, "phone").await, register_phone(&ana, "tablet").await];
    let room = world.open_room(&ana, "box-1", 4).await;
    world.join(&ben, &room).await;
    let working = post_all(&ben, &room).await;

    providers.behave(Service::Fcm, Behaviour { hang_ms: Some(10_000), ..Behaviour::default() });
    let hanging = post_all(&ben, &room).await;
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();
    let mut busy = 0;
    while sending(&mut database).await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..20 {
        busy += busy_connections(&mut database).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(busy <= 5, "connections are busy in {busy} of 20 looks");
    providers.behave(Service::Fcm, Behaviour { status: Some(500), ..Behaviour::default() });
    let failing = post_all(&ben, &room).await;
    eprintln!("median of posting: {working:?}, while the provider hangs {hanging:?}, while it fails {failing:?}");
    for slow in [hanging, failing] {
        let ratio = slow.as_secs_f64() / working.as_secs_f64();
        assert!(ratio < MAX_RATIO, "posting takes {ratio:.2} times as long");
    }

    providers.recover(Service::Fcm);
    for phone in &phones {
        let told = || providers.accepted(Service::Fcm, phone).iter().map(alarms).sum::<u64>();
        let all = u64::try_from(3 * MESSAGES).unwrap();
        until_within(Duration::from_secs(90), "all alarms are told", async || told() >= all).await;
    }
}

/// Returns the number of push messages in an attempt.
async fn sending(database: &mut PgConnection) -> i64 {
    let sending = query_scalar("select count(*) from delivery.pushes where state = 'sending'");
    sending.fetch_one(database).await.unwrap()
}

/// Returns the number of connections of the notifier that run a statement or hold a transaction.
async fn busy_connections(database: &mut PgConnection) -> i64 {
    let busy = query_scalar(
        "select count(*)
         from pg_stat_activity
         where usename = 'notifier' and state <> 'idle' and backend_type = 'client backend'",
    );
    busy.fetch_one(database).await.unwrap()
}
