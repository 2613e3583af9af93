//! Pages in a real browser that follow a room. They miss no event over reloads, network loss and service crashes.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use axum::{Router, response::Html, routing::get};
use futures::future::join_all;
use harness::{Browser, Page, ServiceId, StackOptions};
use serde_json::{Value, json};
use system_tests::{Person, World};
use testing::{Proxy, wait::eventually};
use tokio::{net::TcpListener, time::interval};

const QUERIES: [ServiceId; 2] = [ServiceId::Query(0), ServiceId::Query(1)];

/// The number of events that a page must receive after a disturbance.
const PROGRESS: u64 = 40;

/// A page and its way of receiving events.
struct Visitor<'a> {
    how: &'static str,
    page: Page<'a>,
}

impl Visitor<'_> {
    /// Evaluates a number in the page's records, or none if they do not exist yet.
    async fn number(&self, expression: &str) -> Option<u64> {
        // During a reload the page does not answer.
        let answer = self.page.evaluate(&format!("[records.faults, {expression}]")).await.ok()?;
        assert_eq!(answer[0], json!([]), "faults of the page with {}", self.how);
        answer[1].as_u64()
    }

    async fn heard(&self) -> u64 {
        eventually("the page answers", async || self.number("records.events.length").await).await
    }

    /// Waits until a number of the page's records is greater than it was.
    async fn until_more(&self, expression: &str, than: u64) {
        let what = format!("{} of the page with {} are more than {than}", expression, self.how);
        eventually(&what, async || self.number(expression).await.filter(|now| *now > than)).await;
    }

    /// Waits until the page has received more events.
    async fn go_on(&self) {
        self.until_more("records.events.length", self.heard().await + PROGRESS).await;
    }

    /// Reloads the page while events arrive.
    async fn reload(&self) {
        for _ in 0..3 {
            let connections = self.number("records.connections").await.unwrap();
            self.page.reload().await.unwrap();
            self.until_more("records.connections", connections).await;
        }
        self.go_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_receives_every_event_once_despite_failures() {
    let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", site.local_addr().unwrap());
    let page = Router::new().route("/", get(async || Html(include_str!("browser/page.html"))));
    let callees = QUERIES.into_iter().chain([ServiceId::Command(0)]);
    let env = callees.map(|callee| (callee, "BOXROOM_ALLOWED_ORIGINS", origin.clone())).collect();
    let options = StackOptions { query_services: 2, env, ..StackOptions::default() };
    let (world, browser) = tokio::join!(World::start(options), Browser::start());
    let browser = browser.unwrap();

    let (ana, eve) = (world.person("ana"), world.person("eve"));
    let room = world.open_room(&ana, "box-1", 2).await;
    let foreign = world.open_room(&eve, "box-2", 2).await;
    world.sees_room(&ana, &room).await;
    ana.remember_position(&eve.say(&foreign, "nobody else is here").await);
    world.sees_room(&ana, &room).await;
    let proxies =
        [Proxy::to_service(&world.stack.query_url(0)).await, Proxy::to_service(&world.stack.query_url(1)).await];
    let address = |how| {
        let nodes = proxies.each_ref().map(Proxy::url).join(",");
        let (command, token) = (world.stack.command_url(0), ana.token());
        format!("{origin}/?how={how}&room={room}&rooms={foreign},{room}&nodes={nodes}&command={command}&token={token}")
    };
    let visitors = async |how| Visitor { how, page: browser.open(&address(how)).await.unwrap() };
    let (said, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let story = async {
        let visitors = join_all(["EventSource", "fetch"].map(visitors)).await;
        inject_failures(&world, &visitors, &proxies, &said).await;
        enough.store(true, Ordering::Relaxed);
        visitors
    };
    tokio::select! {
        error = axum::serve(site, page).into_future() => panic!("{error:?}"),
        (visitors, ()) = async { tokio::join!(story, talk(&ana, &room, &said, &enough)) } => {
            let feed = world.feed(&ana, &room).await;
            for visitor in &visitors {
                compare(visitor, &feed).await;
            }
        }
    }
}

async fn talk(person: &Person, room: &str, said: &AtomicUsize, enough: &AtomicBool) {
    let mut pace = interval(Duration::from_millis(10));
    while !enough.load(Ordering::Relaxed) {
        pace.tick().await;
        let number = said.fetch_add(1, Ordering::Relaxed);
        person.say(room, &format!("message {number}")).await.created();
    }
}

async fn inject_failures(world: &World, visitors: &[Visitor<'_>], proxies: &[Proxy], said: &AtomicUsize) {
    let all_go_on = async || {
        join_all(visitors.iter().map(Visitor::go_on)).await;
    };
    all_go_on().await;
    let post = visitors[0].page.evaluate("say('from the page')").await.unwrap();
    assert!(post["id"].is_string() && post["position"].is_string(), "{post}");
    join_all(visitors.iter().map(Visitor::reload)).await;
    lose_network(visitors, proxies, said).await;
    all_go_on().await;
    for query in QUERIES {
        world.stack.kill(query).await;
        all_go_on().await;
        world.stack.start_again(query).await.unwrap();
    }
    for query in QUERIES {
        world.stack.kill(query).await;
    }
    for query in QUERIES {
        world.stack.start_again(query).await.unwrap();
    }
    all_go_on().await;
}

/// Disconnects all pages from the network for a while.
async fn lose_network(visitors: &[Visitor<'_>], proxies: &[Proxy], said: &AtomicUsize) {
    let mut losses = Vec::new();
    for visitor in visitors {
        losses.push(visitor.number("records.losses").await.unwrap());
        visitor.page.set_offline(true).await.unwrap();
    }
    // The browser blocks new requests now, but keeps open streams.
    proxies.iter().for_each(Proxy::cut);
    let mut heard = Vec::new();
    for (visitor, losses) in visitors.iter().zip(losses) {
        visitor.until_more("records.losses", losses).await;
        heard.push(visitor.heard().await);
    }
    let before = said.load(Ordering::Relaxed);
    eventually("more is said", async || (said.load(Ordering::Relaxed) > before + 40).then_some(())).await;
    for (visitor, heard) in visitors.iter().zip(heard) {
        assert_eq!(visitor.heard().await, heard, "a page without network receives nothing");
        visitor.page.set_offline(false).await.unwrap();
    }
}

/// Checks that the page's records equal the feed from the page's first event on.
async fn compare(visitor: &Visitor<'_>, feed: &[Value]) {
    let last_v = feed.len() as u64;
    visitor.until_more("records.base + records.events.length", last_v - 1).await;
    let records = visitor.page.evaluate("records").await.unwrap();
    assert!(records["refusals"].as_u64() > Some(0), "a foreign room is refused, and the stream goes on: {records}");
    let base = usize::try_from(records["base"].as_u64().unwrap()).unwrap();
    let heard = records["events"].as_array().unwrap();
    let expected = feed.iter().skip(base).map(|event| json!({ "v": event["v"], "type": event["type"] }));
    assert_eq!(*heard, expected.collect::<Vec<_>>(), "{}", visitor.how);
    assert_eq!(heard[0]["v"], base as u64 + 1);
    eprintln!(
        "the page with {} received {} events over {} connections: 0 gaps, 0 repeats",
        visitor.how,
        heard.len(),
        records["connections"]
    );
}
