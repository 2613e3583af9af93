//! Guessing passwords of accounts, boxes and rooms fails, at any instance and over a restart, and delays no other user.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use harness::{ServiceId, StackOptions};
use serde_json::json;
use system_tests::{Person, World, world::PASSWORD};
use testing::{
    Answer,
    requests::room_details,
    wait::{eventually, new_key},
};

/// The password of the room.
const SESAME: &str = "open-sesame-7341";

/// The secret of the box.
const SECRET: &str = "what-an-operator-gave-to-the-box-8264";

/// A wrong guess, as long as a box's secret.
const WRONG: &str = "wrong-guess-of-somebody-who-knows-nothing";

/// The refusal of a wrong login.
const DENIED: (u16, &str) = (401, "wrong-credentials");

/// The number of wrong passwords without a delay.
const FREE: usize = 5;

async fn start() -> World {
    let loud = |id| (id, "BOXROOM_LOG", "debug".to_owned());
    let env = vec![loud(ServiceId::Command(0)), loud(ServiceId::Command(1)), loud(ServiceId::Query(0))];
    World::start(StackOptions { command_services: 2, env, ..StackOptions::default() }).await
}

fn retry_after(answer: &Answer) -> u64 {
    answer.refused(429, "too-many-attempts");
    answer.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// Repeats a request until it is not rate limited.
async fn when_allowed(what: &str, ask: impl AsyncFn() -> Answer) -> Answer {
    eventually(what, async || {
        let answer = ask().await;
        (answer.status.as_u16() != 429).then_some(answer)
    })
    .await
}

/// Guesses until even the right password is refused unchecked. Returns the duration of the guesses. On a slow machine
/// the delay may be over before the right password is sent. It then succeeds, and the guesses start again.
async fn guess_until_throttled(refusal: (u16, &str), guess: impl AsyncFn(&str) -> Answer, right: &str) -> Duration {
    let begun = Instant::now();
    for round in 0.. {
        let mut last = Instant::now();
        for attempt in 0..FREE {
            last = Instant::now();
            let answer = guess(&format!("{WRONG}-{attempt}")).await;
            if round > 0 && answer.status == 429 {
                return begun.elapsed();
            }
            answer.refused(refusal.0, refusal.1);
        }
        let took = begun.elapsed();
        if !is_late(&guess(right).await, last, 1) {
            return took;
        }
    }
    unreachable!("the loop ends with a return");
}

/// Returns true if the delay after a wrong password was already over. Otherwise the answer must be a refusal of at most
/// `seconds`, without a look at the password.
fn is_late(answer: &Answer, last: Instant, seconds: u64) -> bool {
    let late = last.elapsed() >= Duration::from_secs(seconds) && answer.status != 429;
    assert!(late || retry_after(answer) <= seconds, "{answer}");
    late
}

/// Checks that a wrong password after the delay starts a longer one, because the earlier ones are remembered.
async fn guess_once_more(refusal: (u16, &str), guess: impl AsyncFn(&str) -> Answer, right: &str) {
    let last = Mutex::new(Instant::now());
    let wrong = async || {
        *last.lock().unwrap() = Instant::now();
        guess(WRONG).await
    };
    when_allowed("one more guess", wrong).await.refused(refusal.0, refusal.1);
    let answer = guess(right).await;
    let last = *last.lock().unwrap();
    is_late(&answer, last, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_a_login_is_throttled_and_other_users_sign_in() {
    let world = start().await;
    for id in ["ana", "ben"] {
        world.register(id, PASSWORD, id).await.created();
    }
    world.install_box("box-1").await;
    let given = world.operator().put("/boxes/box-1/credentials", json!({ "secret": SECRET })).await;
    assert_eq!(given.status, 204);
    // Unknown users and boxes get the same answers, in about the same time.
    let user =
        async |id: &str| guess_until_throttled(DENIED, async |word| world.sign_in(id, word).await, PASSWORD).await;
    let device =
        async |id: &str| guess_until_throttled(DENIED, async |word| world.sign_in_box(id, word).await, SECRET).await;
    for (known, unknown) in
        [(user("ana").await, user("nobody-at-all").await), (device("box-1").await, device("no-box-at-all").await)]
    {
        assert!(known < unknown * 4 && unknown < known * 4, "{known:?} {unknown:?}");
    }
    let session = world.sign_in("ben", PASSWORD).await.ok();
    let ben = world.bearer_of("ben", session["access_token"].as_str().unwrap());
    let change = async |old: &str| ben.put("/users/me/password", json!({ "old": old, "new": SECRET })).await;
    guess_until_throttled(DENIED, change, PASSWORD).await;

    for service in [ServiceId::Command(0), ServiceId::Command(1)] {
        world.stack.kill(service).await;
        world.stack.start_again(service).await.unwrap();
    }
    guess_once_more(DENIED, async |word| world.sign_in("ana", word).await, PASSWORD).await;
    when_allowed("signing in", async || world.sign_in("ana", PASSWORD).await).await.ok();
    for _ in 0..FREE {
        world.sign_in("ana", WRONG).await.refused(401, "wrong-credentials");
    }
    when_allowed("signing in", async || world.sign_in_box("box-1", SECRET).await).await.ok();
    assert_no_secret_is_exposed(&world, &[PASSWORD, SECRET, WRONG]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_a_room_password_is_throttled_and_other_users_join() {
    let world = start().await;
    let (ana, ben, cleo) = (world.person("ana"), world.person("ben"), world.person("cleo"));
    world.install_box("box-1").await;
    world.register_store("noodles").await;
    let mut locked = room_details("noodles", 9);
    locked["password"] = SESAME.into();
    let room = ana.post("/boxes/box-1/rooms", locked).await.created();
    let try_it = async |person: &Person, password: &str| {
        person.post(format!("/rooms/{room}/members"), json!({ "password": password })).await
    };
    let try_and_leave = async |password: &str| {
        let answer = try_it(&ben, password).await;
        if answer.status == 201 {
            ben.delete(format!("/rooms/{room}/members/me")).await.done();
        }
        answer
    };
    guess_until_throttled((403, "wrong-password"), try_and_leave, SESAME).await;
    try_it(&cleo, SESAME).await.created();
    world.stack.kill(ServiceId::Command(0)).await;
    world.stack.start_again(ServiceId::Command(0)).await.unwrap();
    guess_once_more((403, "wrong-password"), try_and_leave, SESAME).await;
    when_allowed("coming in", async || try_it(&ben, SESAME).await).await.created();
    world.sees_room(&ben, &room).await;
    assert_no_secret_is_exposed(&world, &[SESAME, WRONG]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_does_not_delay_other_users() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 4).await;
    let talk = async || {
        let mut times = Vec::new();
        for number in 0..40 {
            let begun = Instant::now();
            ana.say(&room, &format!("message {number}")).key(&new_key()).await.created();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        times[times.len() / 2]
    };
    let before = talk().await;
    let guess = async |number: usize| world.sign_in(&format!("user-{}", number % 400), "wrong-guess").await;
    let guesses = stream::iter(0..).map(guess);
    let mut storm = std::pin::pin!(guesses.buffer_unordered(100).map(drop));
    let during = tokio::select! {
        during = talk() => during,
        () = async { while storm.next().await.is_some() {} } => unreachable!(),
    };
    assert!(during < before * 4 + Duration::from_millis(100), "{before:?}, and {during:?} in the storm");
}

/// Checks that none of these texts is in the services' logs or was ever stored.
async fn assert_no_secret_is_exposed(world: &World, secrets: &[&str]) {
    let logs = world.stack.logs().unwrap();
    assert!(logs.contains("request refused"), "the logs are there");
    let stored = world.log().await.all_messages().await;
    assert!(stored.len() > 5, "the log is there");
    for secret in secrets {
        assert!(!logs.contains(secret), "a log contains {secret}");
        let told = stored.iter().find(|text| text.contains(secret));
        assert!(told.is_none(), "{secret} is stored: {told:?}");
    }
}
