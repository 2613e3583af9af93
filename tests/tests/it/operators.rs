//! Operators are created by a command and sign in like users. Boxes sign in with a secret from an operator.

use harness::StackOptions;
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{Answer, requests::box_details, wait::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_created_by_a_command_and_signs_in() {
    let world = World::start(StackOptions::default()).await;
    let run = async |user_id: &str, password: &str, words: &[&str]| {
        let output = world.stack.create_account("operator", user_id, password, words).await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let create = async |user_id: &str, password: &str| run(user_id, password, &[]).await;
    world.sign_in("olga", "battery staple").await.refused(401, "wrong-credentials");
    let (code, said) = create("olga", "short").await;
    assert!(code == Some(1) && said.contains("8 to 128 characters"), "{said}");
    assert_eq!(create("olga", "battery staple").await, (Some(0), "olga is an operator now\n".to_owned()));
    let (code, said) = create("olga", "another password").await;
    assert!(code == Some(0) && said.contains("nothing was changed"), "{said}");
    world.sign_in("olga", "another password").await.refused(401, "wrong-credentials");

    let session = world.sign_in("olga", "battery staple").await.ok();
    let olga = world.bearer_of("olga", session["access_token"].as_str().unwrap());
    olga.post("/boxes", box_details("box-1")).await.created();
    olga.get("/boxes").await.ok();
    olga.get("/me").await.refused(403, "forbidden");

    // A reset of a lost password ends the existing sessions.
    let (code, said) = run("olga", "a third password", &["--reset-password"]).await;
    assert!(code == Some(0) && said.contains("new password now"), "{said}");
    world.sign_in("olga", "battery staple").await.refused(401, "wrong-credentials");
    is_out(&world, &olga, &session).await;
    let session = world.sign_in("olga", "a third password").await.ok();
    let olga = world.bearer_of("olga", session["access_token"].as_str().unwrap());
    let other = world.sign_in("olga", "a third password").await.ok();
    let change = json!({ "old": "a third password", "new": "battery staple" });
    assert_eq!(olga.put("/users/me/password", change).await.status, 204);
    world.refresh(&other).await.refused(401, "invalid-refresh-token");
    world.refresh(&session).await.ok();

    // An operator's id cannot become a user's, nor the other way round.
    for password in ["battery staple", "another password"] {
        world.register("olga", password, "Olga").await.refused(409, "user-exists");
    }
    world.user("ana").await;
    for words in [&[][..], &["--reset-password"]] {
        let (code, said) = run("ana", "battery staple", words).await;
        assert!(code == Some(1) && said.contains("the account of a user"), "{said}");
    }
    let logs = world.stack.logs().unwrap();
    assert!(!logs.contains("battery staple") && !logs.contains("another password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_is_created_by_a_command_and_may_do_less_than_an_operator() {
    let world = World::start(StackOptions::default()).await;
    let create = async |role: &str, user_id: &str, words: &[&str]| {
        let output = world.stack.create_account(role, user_id, "battery staple", words).await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    assert_eq!(create("moderator", "mia", &[]).await, (Some(0), "mia is a moderator now\n".to_owned()));
    let (code, said) = create("moderator", "mia", &[]).await;
    assert!(code == Some(0) && said.contains("nothing was changed"), "{said}");
    assert_eq!(create("operator", "olga", &[]).await.0, Some(0));
    for (role, user_id) in [("operator", "mia"), ("moderator", "olga")] {
        for words in [&[][..], &["--reset-password"]] {
            let (code, said) = create(role, user_id, words).await;
            assert!(code == Some(1) && said.contains("the account of another role"), "{said}");
        }
    }
    let session = world.sign_in("mia", "battery staple").await.ok();
    let session = world.refresh(&session).await.ok();
    let mia = world.bearer_of("mia", session["access_token"].as_str().unwrap());
    mia.get("/rooms").await.ok();
    mia.get("/me").await.refused(403, "forbidden");
    mia.post("/boxes", box_details("box-1")).await.refused(403, "forbidden");
    world.register("mia", "battery staple", "Mia").await.refused(409, "user-exists");
    let (code, said) = create("moderator", "mia", &["--reset-password"]).await;
    assert!(code == Some(0) && said.contains("new password now"), "{said}");
    is_out(&world, &mia, &session).await;
}

/// The first secret of the box.
const SECRET: &str = "what-an-operator-gave-to-the-first-box";

/// The second secret of the box.
const NEW_SECRET: &str = "what-an-operator-gave-to-it-afterwards";

#[tokio::test(flavor = "multi_thread")]
async fn a_box_signs_in_with_its_secret_and_reports_only_for_itself() {
    let world = World::start(StackOptions::default()).await;
    let ops = world.operator();
    for id in ["box-1", "box-2"] {
        world.install_box(id).await;
        world.sign_in_box(id, SECRET).await.refused(401, "wrong-credentials");
    }
    give(&ops, "no-such-box", SECRET).await.refused(404, "box-not-found");
    assert_eq!(give(&ops, "box-1", SECRET).await.status, 204);
    for (id, secret) in [("box-1", NEW_SECRET), ("box-2", SECRET), ("no-such-box", SECRET)] {
        world.sign_in_box(id, secret).await.refused(401, "wrong-credentials");
    }
    let session = world.sign_in_box("box-1", SECRET).await.ok();
    let session = world.refresh(&session).await.ok();
    let device = bearer(&world, &session);
    device.post("/boxes/box-1/arrivals", Value::Null).await.created();
    device.post("/boxes/box-2/arrivals", Value::Null).await.refused(403, "forbidden");
    device.put("/boxes/box-1/credentials", json!({ "secret": NEW_SECRET })).await.refused(403, "forbidden");

    assert_eq!(give(&ops, "box-1", NEW_SECRET).await.status, 204);
    is_out(&world, &bearer(&world, &session), &session).await;
    world.sign_in_box("box-1", SECRET).await.refused(401, "wrong-credentials");
    let session = world.sign_in_box("box-1", NEW_SECRET).await.ok();
    bearer(&world, &session).post("/boxes/box-1/arrivals", Value::Null).await.created();
    assert_eq!(ops.delete("/boxes/box-1/credentials").await.status, 204);
    is_out(&world, &bearer(&world, &session), &session).await;
    world.sign_in_box("box-1", NEW_SECRET).await.refused(401, "wrong-credentials");

    assert_eq!(give(&ops, "box-1", SECRET).await.status, 204);
    let session = world.sign_in_box("box-1", SECRET).await.ok();
    ops.delete("/boxes/box-1").await.done();
    is_out(&world, &bearer(&world, &session), &session).await;
    world.sign_in_box("box-1", SECRET).await.refused(401, "wrong-credentials");
    give(&ops, "box-1", NEW_SECRET).await.refused(409, "box-retired");
    let logs = world.stack.logs().unwrap();
    assert!(logs.contains("the credentials of a box were set"), "the change of credentials is in the log");
    assert!(!logs.contains(SECRET) && !logs.contains(NEW_SECRET));
}

async fn give(operator: &Person, box_id: &str, secret: &str) -> Answer {
    operator.put(format!("/boxes/{box_id}/credentials"), json!({ "secret": secret })).await
}

fn bearer(world: &World, session: &Value) -> Person {
    world.bearer_of("box-1", session["access_token"].as_str().unwrap())
}

/// Checks that the session cannot be refreshed, and that its token is soon refused.
async fn is_out(world: &World, bearer: &Person, session: &Value) {
    world.refresh(session).await.refused(401, "invalid-refresh-token");
    let refused = async || {
        let answer = bearer.delete("/sessions/current").await;
        (answer.status == 401).then(|| answer.refused(401, "revoked-token"))
    };
    eventually("the token is refused", refused).await;
}
