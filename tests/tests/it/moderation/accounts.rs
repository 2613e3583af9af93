//! Accounts: the rights to suspend, erasure by an operator, lost passwords, and the list of users.

use harness::{Role, StackOptions};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use system_tests::{World, world::PASSWORD};
use testing::wait::eventually;

use super::{audit, because};

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_suspend_moderators_and_no_account_suspends_itself() {
    let world = World::start(StackOptions::default()).await;
    for (role, id) in [("moderator", "mia"), ("moderator", "max"), ("operator", "olga")] {
        let output = world.stack.create_account(role, id, PASSWORD, &[]).await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let sign_in = async |id: &str| {
        let session = world.sign_in(id, PASSWORD).await.ok();
        world.bearer_of(id, session["access_token"].as_str().unwrap())
    };
    let (mia, max, olga) = (sign_in("mia").await, sign_in("max").await, sign_in("olga").await);
    let ana = world.user("ana").await;
    for command in ["suspension", "reinstatement"] {
        let path = |id: &str| format!("/users/{id}/{command}");
        mia.put(path("mia"), because("Tired")).await.refused(409, "cannot-suspend-yourself");
        olga.put(path("olga"), because("Tired")).await.refused(409, "cannot-suspend-yourself");
        mia.put(path("max"), because("A quarrel")).await.refused(403, "forbidden");
        for moderator in [&mia, &olga] {
            moderator.put(path("no-such-user"), because("Spam")).await.refused(404, "user-not-found");
        }
        for refused in [mia.put(path("olga"), because("A quarrel")), ana.put(path("mia"), because("A quarrel"))] {
            refused.await.refused(403, "forbidden");
        }
    }
    world.operator().put("/users/olga/suspension", because("A quarrel")).await.refused(403, "forbidden");

    let session = world.sign_in("max", PASSWORD).await.ok();
    olga.put("/users/max/suspension", because("Abuse of the role")).await.done();
    let refused = async || {
        let answer = max.put("/users/ana/suspension", because("Revenge")).await;
        (answer.status == 401).then(|| answer.refused(401, "revoked-token"))
    };
    eventually("the moderator is out", refused).await;
    world.refresh(&session).await.refused(401, "invalid-refresh-token");
    world.sign_in("max", PASSWORD).await.refused(403, "account-suspended");
    // Also with a token that is not revoked, as one that was printed.
    let printed = world.moderator_called("max");
    printed.put("/users/ana/suspension", because("Revenge")).await.refused(403, "account-suspended");
    olga.put("/users/max/reinstatement", because("Promised to behave")).await.done();
    sign_in("max").await.put("/users/ana/suspension", because("Spam")).await.done();
    let entries = audit(&world, &["user_suspended", "user_reinstated"]).await;
    let told: Vec<_> = entries.iter().map(|entry| (entry["actor"].as_str(), entry["subject"].as_str())).collect();
    let by = |actor, subject| (Some(actor), Some(subject));
    assert_eq!(told, [by("olga", "user max"), by("olga", "user max"), by("max", "user ana")]);
    // The account of a moderator is not a user.
    assert_eq!(mia.get("/moderation/users").await.items().len(), 1);
    mia.get("/moderation/users/max").await.refused(404, "user-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_erases_a_user() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ben) = (world.user("ana").await, world.user("ben").await);
    let room = world.open_room(&ana, "box-1", 3).await;
    world.join(&ben, &room).await;
    ana.say(&room, "my secret").await.created();
    let ops = world.operator();
    world.moderator_called("mia").put("/users/ana/erasure", because("Asked for")).await.refused(403, "forbidden");
    ops.put("/users/no-such-user/erasure", because("Asked for")).await.refused(404, "user-not-found");
    ops.put("/users/ana/suspension", because("Asked for")).await.done();
    ops.put("/users/ana/erasure", because("Asked for by letter")).await.done();
    ops.put("/users/ana/erasure", because("Again")).await.refused(404, "user-not-found");
    world.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    eventually("ana is erased", async || {
        let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.ok()?;
        let sql = "select finished_at is not null from control.erasures where user_id = 'ana'";
        sqlx::query_scalar(sql).fetch_optional(&mut database).await.ok()?.filter(|finished: &bool| *finished)
    })
    .await;
    let messages = ben.get(&format!("/rooms/{room}/messages")).await.items();
    assert!(messages.iter().all(|message| message["body"] == "[erased]"), "{messages:?}");
    let shown = ops.get("/moderation/users/ana").await.ok();
    assert_eq!((&shown["erased"], &shown["suspension"]), (&json!(true), &Value::Null), "{shown}");
    ops.put("/boxes/box-1/users/ana", json!({})).await.refused(404, "user-not-found");
    let told = &audit(&world, &["user_erased"]).await[0];
    assert_eq!((&told["actor"], &told["reason"]), (&json!("ops"), &json!("Asked for by letter")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sets_a_new_password_with_a_token_of_an_operator() {
    let world = World::start(StackOptions::default()).await;
    let (ana, ops) = (world.user("ana").await, world.operator());
    let session = world.sign_in("ana", PASSWORD).await.ok();
    let issue = async || {
        let command = ops.post("/users/ana/password-resets", because("Lost password"));
        let answer = command.key("reset-of-ana").await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.json()["reset_token"].as_str().unwrap().to_owned()
    };
    let anonymous = world.bearer_of("nobody", "x");
    let redeem = async |token: &str, password: &str| {
        anonymous.post("/password-resets", json!({ "reset_token": token, "password": password })).await
    };
    let mia = world.moderator_called("mia");
    mia.post("/users/ana/password-resets", because("Lost")).await.refused(403, "forbidden");
    ops.post("/users/no-such-user/password-resets", because("Lost")).await.refused(404, "user-not-found");

    // A repeat with the same key is another token, and another record.
    let (former, token) = (issue().await, issue().await);
    assert!(former != token && token.starts_with("ana."));
    redeem(&former, "battery staple").await.refused(401, "invalid-reset-token");
    redeem("ana.AAAA", "battery staple").await.refused(401, "invalid-reset-token");
    redeem(&token, "short").await.refused(422, "invalid-body");
    // The former password is valid until then.
    world.sign_in("ana", PASSWORD).await.ok();
    let redeemed = redeem(&token, "battery staple").await;
    assert_eq!(redeemed.status, 204, "{redeemed}");
    redeem(&token, "another password").await.refused(401, "invalid-reset-token");
    world.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    world.sign_in("ana", "battery staple").await.ok();
    world.refresh(&session).await.refused(401, "invalid-refresh-token");
    eventually("the token is refused", async || (ana.get("/boxes").await.status == 401).then_some(())).await;

    // A change of the password by the user makes a token useless.
    let token = issue().await;
    let session = world.sign_in("ana", "battery staple").await.ok();
    let ana = world.bearer_of("ana", session["access_token"].as_str().unwrap());
    let change = json!({ "old": "battery staple", "new": PASSWORD });
    assert_eq!(ana.put("/users/me/password", change).await.status, 204);
    redeem(&token, "another password").await.refused(401, "invalid-reset-token");

    // Wrong tokens are throttled.
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(redeem(&former, "another password").await.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    let entries = audit(&world, &["password_reset_issued"]).await;
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry["reason"] == "Lost password" && entry["actor"] == "ops"));
    assert!(!world.stack.logs().unwrap().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn moderators_find_users_by_state_and_nickname() {
    let world = World::start(StackOptions::default()).await;
    let mia = world.moderator_called("mia");
    for (id, nickname) in [("u1", "Anna"), ("u2", "annika"), ("u3", "Ben_1"), ("u4", "안나"), ("u5", "Ann%")] {
        world.register(id, PASSWORD, nickname).await.created();
    }
    mia.put("/users/u2/suspension", because("Spam")).await.done();
    let erased = world.operator().put("/users/u3/erasure", because("Asked for")).await;
    mia.remember_position(&erased);
    let found = async |query: &str| {
        let users = mia.get_all(&format!("/moderation/users?limit=2{query}")).await;
        users.iter().map(|user| user["user_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("").await, ["u5", "u4", "u3", "u2", "u1"]);
    assert_eq!(found("&state=active").await, ["u5", "u4", "u1"]);
    assert_eq!(found("&state=suspended").await, ["u2"]);
    assert_eq!(found("&state=erased").await, ["u3"]);
    assert_eq!(found("&nickname=ANN").await, ["u5", "u1", "u2"]);
    assert_eq!(found("&nickname=ann&state=suspended").await, ["u2"]);
    assert_eq!(found("&nickname=ann&state=active").await, ["u5", "u1"]);
    for nothing in ["&nickname=ann&state=erased", "&nickname=%25", "&nickname=Ben", "&nickname=nn"] {
        assert!(found(nothing).await.is_empty(), "{nothing}");
    }
    assert_eq!(found("&nickname=%EC%95%88").await, ["u4"]);
    let shown = mia.get("/moderation/users/u2").await.ok();
    assert_eq!((&shown["nickname"], &shown["suspension"]["reason"]), (&json!("annika"), &json!("Spam")), "{shown}");
    mia.get("/moderation/users/no-such-user").await.refused(404, "user-not-found");
    let cursor = mia.get("/moderation/users?limit=1").await.json()["next"].as_str().unwrap().to_owned();
    mia.get(&format!("/moderation/users?nickname=a&cursor={cursor}")).await.refused(400, "invalid-cursor");
}
