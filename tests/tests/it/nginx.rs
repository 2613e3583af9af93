//! A browser that uses Boxroom through nginx: TLS, HTTP/2, with compression and buffering of everything.

use std::time::{Duration, Instant};

use axum::{Router, response::Html, routing::get};
use harness::{Browser, Nginx, Page, ServiceId, StackOptions};
use serde_json::json;
use system_tests::World;
use testing::wait::eventually;
use tokio::net::TcpListener;

/// The time limit of the first event, and of each further one after its cause. Comments, which fill pauses of a stream,
/// come less often.
const LIMIT: Duration = Duration::from_secs(1);

/// Opens a stream of events with a ticket. Keeps the texts of its messages. Returns the milliseconds up to the first
/// event.
const OPEN_STREAM: &str = "(async () => {
    const headers = { authorization: `Bearer ${given.token}` };
    const answer = await fetch(`${given.queries}/live-tickets`, { method: 'POST', headers });
    const { ticket } = await answer.json();
    window.texts = [];
    const start = performance.now();
    window.source = new EventSource(`${given.queries}/events?rooms=${given.room}&ticket=${ticket}`);
    source.addEventListener('message_posted', (event) => texts.push(JSON.parse(event.data).data.body));
    const subscribed = new Promise((resolve) => source.addEventListener('subscribed', resolve));
    await new Promise((resolve, reject) => {
        source.addEventListener('welcome', resolve);
        source.onerror = () => reject(new Error('the stream broke'));
    });
    const first = performance.now() - start;
    await subscribed;
    return first;
})()";

/// Opens a WebSocket. Returns its first frame.
const OPEN_SOCKET: &str = "(async () => {
    const socket = new WebSocket(`${given.queries.replace('https', 'wss')}/live`, ['boxroom.v1']);
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    const frame = new Promise((resolve) => { socket.onmessage = (event) => resolve(event.data); });
    socket.send(JSON.stringify({ type: 'hello', token: given.token }));
    return JSON.parse(await frame);
})()";

/// Posts a message and returns the status.
const POST: &str = "(async () => {
    const headers = { authorization: `Bearer ${given.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ body: 'from the page' });
    return (await fetch(`${given.commands}/rooms/${given.room}/messages`, { method: 'POST', headers, body })).status;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn events_come_at_once_and_sockets_open_through_nginx() {
    let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", site.local_addr().unwrap());
    let services = [ServiceId::Query(0), ServiceId::Command(0)];
    let env = services.map(|service| {
        [
            (service, "BOXROOM_ALLOWED_ORIGINS", origin.clone()),
            (service, "BOXROOM_TRUSTED_PROXIES", "127.0.0.1/32".into()),
        ]
    });
    let options = StackOptions { env: env.into_iter().flatten().collect(), ..StackOptions::default() };
    let (world, browser) = tokio::join!(World::start(options), Browser::start());
    let browser = browser.unwrap();
    let nginx = Nginx::start(&world.stack.command_url(0), &world.stack.query_url(0)).await.unwrap();
    let ana = world.person("ana");
    let room = world.open_room(&ana, "box-1", 4).await;
    world.sees_room(&ana, &room).await;
    let page = Router::new().route("/", get(async || Html("<!doctype html><title>A page</title>")));
    tokio::spawn(axum::serve(site, page).into_future());
    let given =
        json!({ "commands": nginx.command_url(), "queries": nginx.query_url(), "room": room, "token": ana.token() });
    let page = browser.open_after(&origin, &format!("const given = {given};")).await.unwrap();
    page.accept_certificates().await.unwrap();
    eventually("the page is open", async || {
        page.evaluate("document.title").await.ok().filter(|title| title == "A page").map(drop)
    })
    .await;

    let first = page.evaluate(OPEN_STREAM).await.unwrap().as_f64().unwrap();
    assert!(first < LIMIT.as_secs_f64() * 1000.0, "the first event came after {first:.0} ms");
    for number in 1..=5 {
        ana.say(&room, &format!("message {number}")).await.created();
        let posted = Instant::now();
        until_texts(&page, number).await;
        assert!(posted.elapsed() < LIMIT, "message {number} came after {:?}", posted.elapsed());
    }
    assert_eq!(page.evaluate(POST).await.unwrap(), 201);
    until_texts(&page, 6).await;
    assert_eq!(page.evaluate("texts[5]").await.unwrap(), "from the page");
    assert_eq!(page.evaluate(OPEN_SOCKET).await.unwrap()["type"], "welcome");

    page.evaluate("source.close()").await.unwrap();
    for request in [
        "HTTP/2.0 200 200 /events gzip".to_owned(),
        "HTTP/2.0 201 201 /live-tickets".to_owned(),
        format!("HTTP/2.0 201 201 /rooms/{room}/messages"),
    ] {
        eventually("the request is logged", async || {
            nginx.requests().unwrap().lines().any(|line| line.starts_with(&request)).then_some(())
        })
        .await;
    }
}

/// Waits until the page has received this number of messages.
async fn until_texts(page: &Page<'_>, number: u64) {
    eventually("the page receives a message", async || {
        let received = page.evaluate("texts.length").await.unwrap();
        (received.as_u64() >= Some(number)).then_some(())
    })
    .await;
}
