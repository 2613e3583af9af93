//! An id and a nickname belong to whoever came first.

use futures::future::join_all;
use serde_json::json;
use system_tests::{World, world::PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_id_or_nickname_is_refused_and_its_owner_notices_nothing() {
    let world = World::start_doubled().await;
    let ana = world.user("ana").await;
    let before = ana.get("/me").await.ok();

    world.register("ana", "another password", "Anastasia").await.refused(409, "user-exists");
    world.register("ana", PASSWORD, "ana").await.refused(409, "user-exists");
    world.register("anna", "another password", "ana").await.refused(409, "nickname-taken");
    world.register("anna", "another password", " ANA ").await.refused(409, "nickname-taken");
    for reserved in ["system", "me"] {
        world.register(reserved, PASSWORD, reserved).await.refused(409, "user-exists");
    }

    assert_eq!(ana.get("/me").await.ok(), before);
    assert_eq!(before["nickname"], "ana");
    world.sign_in("ana", "another password").await.refused(401, "wrong-credentials");
    world.sign_in("anna", "another password").await.refused(401, "wrong-credentials");
    world.sign_in("ana", PASSWORD).await.ok();
    // What was refused has taken nothing.
    let anastasia = world.register("anastasia", PASSWORD, "Anastasia").await;
    assert_eq!(anastasia.created(), "anastasia");
    assert_eq!(world.register("anna", PASSWORD, "Anna").await.created(), "anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_fifty_gets_an_id_and_one_of_fifty_a_nickname() {
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
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "user-exists");
    }
    world.sign_in("ana", &passwords[winners[0]]).await.ok();
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
async fn a_nickname_is_free_again_when_its_owner_has_another_or_is_gone() {
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
