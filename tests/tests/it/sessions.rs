//! Sessions survive changes of keys and restarts of servers. A sign-out takes effect at once.

use std::{
    ffi::OsStr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{World, live::Live, person::Person, world::PASSWORD};
use testing::{Answer, live::Ended, wait::eventually};

/// The tokens of a session.
struct Session {
    access: String,
    refresh: String,
}

impl Session {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    async fn begin(world: &World, user: &str) -> Self {
        Self::of(&world.sign_in(user, PASSWORD).await.ok())
    }

    async fn next(&self, world: &World) -> Self {
        Self::of(&refresh(world, &self.refresh).await.ok())
    }

    fn key(&self) -> &str {
        self.access.split('.').next().unwrap()
    }
}

async fn refresh(world: &World, token: &str) -> Answer {
    let url = format!("{}/sessions/refresh", world.stack.command_url(1));
    let request = world.request(Method::POST, &url).json(&json!({ "refresh_token": token }));
    Answer::read("POST /sessions/refresh".to_owned(), request.send().await.unwrap()).await.unwrap()
}

async fn listen(world: &World, session: &Session) -> Live {
    let mut live = world.live(0).await;
    live.hello(&session.access, &[]).await;
    live
}

/// Reads until the service closes the connection. Returns the close code and the reason.
async fn end(live: &mut Live) -> (u16, String) {
    loop {
        match live.next().await {
            Ok(_) => {}
            Err(Ended::Closed(Some(close))) => return (close.code.into(), close.reason.to_string()),
            Err(ended) => panic!("{ended:?}"),
        }
    }
}

async fn sign_out(person: &Person) {
    assert_eq!(person.delete("/sessions/current").await.status.as_u16(), 204);
}

/// Waits until a query-service refuses the user's revoked token.
async fn is_refused(person: &Person, query: usize) {
    let refused = async || (person.get_from(Some(query), "/boxes").await.status == 401).then_some(());
    eventually("the token is refused", refused).await;
    person.get_from(Some(query), "/boxes").await.refused(401, "revoked-token");
}

fn options() -> StackOptions {
    let lead = |index| (ServiceId::Command(index), "BOXROOM_KEY_LEAD", "3s".to_owned());
    StackOptions { command_services: 2, query_services: 2, env: vec![lead(0), lead(1)], ..StackOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_key_changes_and_restarts_and_end_on_theft_or_sign_out() {
    let world = World::start(options()).await;
    for user in ["ana", "ben"] {
        world.user(user).await;
    }
    a_stolen_session_ends(&world).await;
    another_password_ends_the_other_sessions(&world).await;
    keys_change_under_load(&world).await;
    a_start_without_nats_knows_the_keys(&world).await;
    world.stack.shutdown().await;
}

/// The live connections of a revoked session end with it. Those of other sessions continue.
async fn a_stolen_session_ends(world: &World) {
    let (stolen, other) = (Session::begin(world, "ana").await, Session::begin(world, "ana").await);
    let next = stolen.next(world).await;
    next.next(world).await;
    let (mut victim, mut bystander) = (listen(world, &next).await, listen(world, &other).await);
    refresh(world, &stolen.refresh).await.refused(401, "refresh-token-reused");
    let since = Instant::now();
    assert_eq!(end(&mut victim).await, (4202, "revoked-token".to_owned()));
    let took = since.elapsed();
    eprintln!("the live connection of a revoked session ended after {took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    refresh(world, &next.refresh).await.refused(401, "invalid-refresh-token");
    is_refused(&world.bearer_of("ana", &next.access), 1).await;
    let person = world.bearer_of("ana", &other.access);
    person.get_from(Some(0), "/boxes").await.ok();
    sign_out(&person).await;
    assert_eq!(end(&mut bystander).await.0, 4202);
}

/// A change of password ends all other sessions of the user.
async fn another_password_ends_the_other_sessions(world: &World) {
    let (here, other) = (Session::begin(world, "ana").await, Session::begin(world, "ana").await);
    let (ana, elsewhere) = (world.bearer_of("ana", &here.access), world.bearer_of("ana", &other.access));
    let mut live = listen(world, &other).await;
    let change = async |old: &str| ana.put("/users/me/password", json!({ "old": old, "new": "battery staple" })).await;
    change("not the password").await.refused(401, "wrong-credentials");
    world.sign_in("ana", "battery staple").await.refused(401, "wrong-credentials");
    refresh(world, &other.refresh).await.ok();
    assert_eq!(change(PASSWORD).await.status, 204);
    assert_eq!(end(&mut live).await, (4202, "revoked-token".to_owned()));
    is_refused(&elsewhere, 0).await;
    refresh(world, &other.refresh).await.refused(401, "invalid-refresh-token");
    world.sign_in("ana", PASSWORD).await.refused(401, "wrong-credentials");
    ana.get_from(Some(0), "/boxes").await.ok();
    here.next(world).await;
    world.sign_in("ana", "battery staple").await.ok();
}

/// A key change under continuous reads and writes, during which no request is refused.
async fn keys_change_under_load(world: &World) {
    let (before, other) = (Session::begin(world, "ben").await, Session::begin(world, "ben").await);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async |session: &Session| {
        let ben = world.bearer_of("ben", &session.access);
        let mut latest = session.next(world).await;
        while !over.load(Ordering::Relaxed) {
            latest = latest.next(world).await;
            for person in [&ben, &world.bearer_of("ben", &latest.access)] {
                person.patch("/users/me", json!({ "nickname": "ben" })).await.done();
                person.get("/boxes").await.ok();
            }
            asked.fetch_add(4, Ordering::Relaxed);
        }
    };
    let rotation = async {
        let folder = world.stack.signing_keys().parent().unwrap();
        let rotated = ["keys", "--out", folder.to_str().unwrap(), "--rotate"].map(OsStr::new);
        assert!(world.stack.provision(&rotated).await.unwrap().status.success());
        let changed = async || (Session::begin(world, "ben").await.key() != before.key()).then_some(());
        eventually("the new key signs", changed).await;
        // For a while, both services of a kind get tokens of both keys.
        let enough = asked.load(Ordering::Relaxed) + 80;
        eventually("more requests were sent", async || (asked.load(Ordering::Relaxed) > enough).then_some(())).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(load(&before), load(&other), rotation);
    eprintln!("{} requests while the key changed, none refused", asked.load(Ordering::Relaxed));
}

/// A query-service that starts while NATS is down serves reads, and refuses previously revoked tokens.
async fn a_start_without_nats_knows_the_keys(world: &World) {
    let (good, ended) = (Session::begin(world, "ben").await, Session::begin(world, "ben").await);
    let (good, ended) = (world.bearer_of("ben", &good.access), world.bearer_of("ben", &ended.access));
    good.get_from(Some(0), "/boxes").await.ok();
    sign_out(&ended).await;
    is_refused(&ended, 0).await;
    world.stack.nats().stop().await;
    world.stack.stop(ServiceId::Query(0)).await;
    world.stack.start_again(ServiceId::Query(0)).await.unwrap();
    good.get_from(Some(0), "/boxes").await.ok();
    ended.get_from(Some(0), "/boxes").await.refused(401, "revoked-token");
    world.stack.nats().start_again().await.unwrap();
}

/// A request as a page sends it.
fn from_page(world: &World, method: Method, path: &str, cookie: Option<&str>) -> reqwest::RequestBuilder {
    let request = world.request(method, &format!("{}{path}", world.stack.command_url(0)));
    let request = request.header("boxroom-session", "cookie");
    match cookie {
        Some(cookie) => request.header("cookie", format!("theme=dark; {cookie}")),
        None => request,
    }
}

/// Returns the access token of an answer without a refresh token, and the cookie that it sets.
async fn kept(request: reqwest::RequestBuilder) -> (String, String) {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(attributes.ends_with("Path=/sessions; HttpOnly; Secure; SameSite=Strict"), "{attributes}");
    let body: Value = response.json().await.unwrap();
    assert!(body["refresh_token"].is_null(), "a script could read it");
    (body["access_token"].as_str().unwrap().to_owned(), pair.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_keeps_its_session_in_a_cookie_that_scripts_cannot_read() {
    let world = World::start(StackOptions::default()).await;
    world.user("ana").await;
    let sign_in = json!({ "user_id": "ana", "password": PASSWORD });
    let (access, cookie) = kept(from_page(&world, Method::POST, "/sessions", None).json(&sign_in)).await;
    world.bearer_of("ana", &access).get("/boxes").await.ok();
    let refresh = |cookie| from_page(&world, Method::POST, "/sessions/refresh", cookie);
    let (access, next) = kept(refresh(Some(&cookie))).await;
    assert_ne!(cookie, next);

    let answer = async |request: reqwest::RequestBuilder| {
        Answer::read("a request of a page".to_owned(), request.send().await.unwrap()).await.unwrap()
    };
    answer(refresh(None)).await.refused(401, "invalid-refresh-token");
    answer(refresh(Some("boxroom_session=user.ana.0.x"))).await.refused(401, "invalid-refresh-token");
    // Without the header, which other sites cannot send, the cookie has no effect.
    let url = format!("{}/sessions/refresh", world.stack.command_url(0));
    let forged = world.request(Method::POST, &url).header("cookie", &next).json(&json!({}));
    answer(forged).await.refused(422, "invalid-body");
    let other = world.request(Method::POST, &url).header("boxroom-session", "local-storage").json(&json!({}));
    answer(other).await.refused(400, "invalid-session-header");

    let signed_out = from_page(&world, Method::DELETE, "/sessions/current", None).bearer_auth(&access);
    let signed_out = signed_out.send().await.unwrap();
    assert_eq!(signed_out.status(), 204);
    assert!(signed_out.headers()["set-cookie"].to_str().unwrap().starts_with("boxroom_session=; Max-Age=0; "));
    answer(refresh(Some(&next))).await.refused(401, "invalid-refresh-token");
}
