//! Passwords are guessed in vain: of accounts and of rooms, at any instance, over a restart. Others notice nothing.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use harness::{ServiceId, StackOptions};
use serde_json::json;
use system_tests::{
    Answer, Person, World,
    wait::{eventually, new_key},
    world::{PASSWORD, room_details},
};

/// What opens the room of these tests.
const SESAME: &str = "open-sesame-7341";

/// How many wrong passwords cost nothing.
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

/// Asks until nobody is told to wait any more.
async fn when_allowed(what: &str, ask: impl AsyncFn() -> Answer) -> Answer {
    eventually(what, async || {
        let answer = ask().await;
        (answer.status.as_u16() != 429).then_some(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_guessed_in_vain_and_others_sign_in() {
    let world = start().await;
    for id in ["ana", "ben"] {
        world.register(id, PASSWORD, id).await.created();
    }
    // Whether there is such a user is not told: the same answers, in about the same time.
    let mut times = Vec::new();
    for id in ["ana", "nobody-at-all"] {
        let mut spent = Duration::ZERO;
        for attempt in 0..FREE {
            let begun = Instant::now();
            world.sign_in(id, &format!("wrong-guess-{attempt}")).await.refused(401, "wrong-credentials");
            spent += begun.elapsed();
        }
        times.push(spent);
        assert_eq!(retry_after(&world.sign_in(id, PASSWORD).await), 1, "also the right one, at whichever instance");
    }
    let (known, unknown) = (times[0], times[1]);
    assert!(known < unknown * 4 && unknown < known * 4, "{known:?} {unknown:?}");
    world.sign_in("ben", PASSWORD).await.ok();

    for service in [ServiceId::Command(0), ServiceId::Command(1)] {
        world.stack.kill9(service).await;
        world.stack.start_again(service).await.unwrap();
    }
    let wrong = when_allowed("a sixth guess", async || world.sign_in("ana", "wrong-guess-6").await).await;
    wrong.refused(401, "wrong-credentials");
    assert!(retry_after(&world.sign_in("ana", PASSWORD).await) > 1, "a restart forgets nothing");
    when_allowed("signing in", async || world.sign_in("ana", PASSWORD).await).await.ok();
    for _ in 0..FREE {
        world.sign_in("ana", "wrong-guess-7").await.refused(401, "wrong-credentials");
    }
    nothing_is_told(&world, &[PASSWORD, "wrong-guess"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_a_room_is_guessed_in_vain_and_others_come_in() {
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
    for attempt in 0..FREE {
        try_it(&ben, &format!("wrong-guess-{attempt}")).await.refused(403, "wrong-password");
    }
    assert_eq!(retry_after(&try_it(&ben, SESAME).await), 1, "also the right one");
    try_it(&cleo, SESAME).await.created();
    world.stack.kill9(ServiceId::Command(0)).await;
    world.stack.start_again(ServiceId::Command(0)).await.unwrap();
    when_allowed("a sixth guess", async || try_it(&ben, "wrong-guess-6").await).await.refused(403, "wrong-password");
    assert!(retry_after(&try_it(&ben, SESAME).await) > 1, "a restart forgets nothing");
    when_allowed("coming in", async || try_it(&ben, SESAME).await).await.created();
    world.sees_room(&ben, &room).await;
    nothing_is_told(&world, &[SESAME, "wrong-guess"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_does_not_hold_up_the_others() {
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

/// Neither the logs of the services nor anything that is stored holds one of these texts, or ever held it.
async fn nothing_is_told(world: &World, secrets: &[&str]) {
    let logs = world.stack.logs().unwrap();
    assert!(logs.contains("request refused"), "the logs are there");
    let stored = world.log().await.everything().await;
    assert!(stored.len() > 5, "the log is there");
    for secret in secrets {
        assert!(!logs.contains(secret), "a log tells {secret}");
        let told = stored.iter().find(|text| text.contains(secret));
        assert!(told.is_none(), "{secret} is stored: {told:?}");
    }
}
