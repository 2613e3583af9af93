//! Registration: an id and a nickname belong to the first user who takes them.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use harness::{ServiceId, StackOptions};
use serde_json::json;
use system_tests::{World, world::PASSWORD};
use testing::wait::{eventually, new_key};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_id_or_nickname_is_refused_without_affecting_its_owner() {
    let world = World::start_doubled().await;
    let ana = world.user("ana").await;
    let before = ana.get("/me").await.ok();

    world.register("ana", "another password", "Anastasia").await.refused(409, "user-exists");
    world.register("ana", PASSWORD, "ana").await.refused(409, "user-exists");
    world.register("anna", "another password", "ana").await.refused(409, "nickname-taken");
    world.register("anna", "another password", " ANA ").await.refused(409, "nickname-taken");
    for reserved in ["system", "me", "all"] {
        world.register(reserved, PASSWORD, "Newcomer").await.refused(409, "user-exists");
    }

    assert_eq!(ana.get("/me").await.ok(), before);
    assert_eq!(before["nickname"], "ana");
    world.sign_in("ana", "another password").await.refused(401, "wrong-credentials");
    world.sign_in("anna", "another password").await.refused(401, "wrong-credentials");
    world.sign_in("ana", PASSWORD).await.ok();
    // A refused registration claims neither id nor nickname.
    let anastasia = world.register("anastasia", PASSWORD, "Anastasia").await;
    assert_eq!(anastasia.created(), "anastasia");
    assert_eq!(world.register("anna", PASSWORD, "Anna").await.created(), "anna");
    guessing_the_password_of_a_pending_account_is_throttled(&world).await;
}

/// Checks that completing a pending registration needs its password, and that guesses are delayed as at a sign-in.
async fn guessing_the_password_of_a_pending_account_is_throttled(world: &World) {
    world.log().await.interrupt_registration("ella", "ana").await;
    let mut told_to_wait = false;
    for _ in 0..20 {
        let answer = world.register("ella", "another password", "Ella").await;
        told_to_wait = answer.status == 429;
        if told_to_wait {
            answer.refused(429, "too-many-attempts");
            break;
        }
        answer.refused(409, "user-exists");
    }
    assert!(told_to_wait, "no guess was delayed");
    let completed = eventually("the wait is over", async || {
        let answer = world.register("ella", PASSWORD, "Ella").await;
        (answer.status != 429).then_some(answer)
    });
    assert_eq!(completed.await.created(), "ella");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sign_ins_for_an_id_do_not_delay_its_registration() {
    let world = World::start(StackOptions::default()).await;
    let throttled = eventually("sign-ins are delayed", async || {
        let answer = world.sign_in("ana", "another password").await;
        (answer.status == 429).then_some(answer)
    });
    throttled.await.refused(429, "too-many-attempts");
    assert_eq!(world.register("ana", PASSWORD, "Ana").await.created(), "ana");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_fifty_users_gets_an_id_and_one_of_fifty_a_nickname() {
    let world = World::start_doubled().await;
    let passwords: Vec<String> = (0..50).map(|number| format!("password {number}")).collect();
    let same_id = |(number, password): (usize, &String)| {
        let (password, nickname) = (password.clone(), format!("Ana {number}"));
        let world = &world;
        async move { world.register("ana", &password, &nickname).await }
    };
    let answers = join_all(passwords.iter().enumerate().map(same_id)).await;
    let winners: Vec<_> = (0..50).filter(|number| answers[*number].status == 201).collect();
    assert_eq!(winners.len(), 1, "{answers:#?}");
    for (number, answer) in answers.iter().enumerate().filter(|(_, answer)| answer.status != 201) {
        // A registration while the winner's account is pending counts as a guess at its password, and may be delayed.
        if answer.status == 429 {
            same_id((number, &passwords[number])).await.refused(409, "user-exists");
        } else {
            answer.refused(409, "user-exists");
        }
    }
    let signed_in = eventually("the winner signs in", async || {
        let answer = world.sign_in("ana", &passwords[winners[0]]).await;
        (answer.status != 429).then_some(answer)
    });
    signed_in.await.ok();
    let loser = usize::from(winners[0] == 0);
    world.sign_in("ana", &passwords[loser]).await.refused(401, "wrong-credentials");

    let same_nickname = (0..50).map(|number| {
        let world = &world;
        async move { world.register(&format!("ben-{number}"), PASSWORD, "Ben").await }
    });
    let answers = join_all(same_nickname).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:#?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "nickname-taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nickname_is_free_again_when_its_owner_changes_it_or_is_erased() {
    let world = World::start_doubled().await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    ben.patch("/users/me", json!({ "nickname": "Ana" })).await.refused(409, "nickname-taken");
    ana.patch("/users/me", json!({ "nickname": "Annabel" })).await.done();
    ben.patch("/users/me", json!({ "nickname": "Ana" })).await.done();
    assert_eq!(ben.get("/me").await.ok()["nickname"], "Ana");

    ben.delete("/users/me").await.done();
    ana.patch("/users/me", json!({ "nickname": "ana" })).await.done();
    world.sign_in("ben", PASSWORD).await.refused(401, "wrong-credentials");
    world.register("ben", PASSWORD, "Benjamin").await.refused(409, "user-exists");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_interrupted_by_a_crash_succeeds_when_it_is_repeated() {
    const USERS: usize = 30;
    let world = World::start_doubled().await;
    let done = AtomicUsize::new(0);
    let registering = join_all((0..4).map(|lane| {
        let (world, done) = (&world, &done);
        async move {
            for number in (lane..USERS).step_by(4) {
                let (user_id, key) = (format!("user-{number}"), new_key());
                eventually("the registration succeeds", async || match world.try_to_register(&user_id, &key).await {
                    Ok(answer) if answer.status == 201 => Some(answer.created()),
                    Ok(answer) => {
                        answer.refused(503, "log-unavailable");
                        None
                    }
                    Err(_) => None,
                })
                .await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    }));
    let crashing = async {
        for crash in 1..=5 {
            let goal = crash * USERS / 6;
            let reached = || done.load(Ordering::Relaxed) >= goal;
            eventually("registrations go on", async || reached().then_some(())).await;
            let service = ServiceId::Command(crash % 2);
            world.stack.kill(service).await;
            world.stack.start_again(service).await.unwrap();
        }
    };
    tokio::join!(registering, crashing);
    for number in 0..USERS {
        let user_id = format!("user-{number}");
        world.register(&user_id, PASSWORD, &format!("another {number}")).await.refused(409, "user-exists");
        let session = world.sign_in(&user_id, PASSWORD).await.ok();
        let user = world.bearer_of(&user_id, session["access_token"].as_str().unwrap());
        eventually("the user can be read", async || {
            let me = user.get("/me").await;
            (me.status == 200).then(|| assert_eq!(me.ok()["nickname"], user_id.as_str()))
        })
        .await;
    }
}
