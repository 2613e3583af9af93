//! Rate limits: a client that exceeds one is refused, over HTTP, WebSocket and NATS. Other clients are not affected.

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::json;
use system_tests::{
    Person, World,
    api::{self, Api},
    log::Device,
};
use testing::{
    Answer,
    wait::{TIMEOUT, eventually},
};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};

/// Exceeds every limit in this test.
const TOO_MANY: usize = 60;

/// The maximum number of connections from one address to the projector.
const CONNECTIONS: usize = 5;

/// Repeats a request until it is refused, which must happen. Returns the status of the answer before, and the refusal.
async fn exhaust(world: &World, method: Method, url: &str, token: Option<&str>) -> (u16, Answer) {
    let mut before = 0;
    for _ in 0..TOO_MANY {
        let mut request = world.request(method.clone(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = Answer::read(url.to_owned(), request.send().await.unwrap()).await.unwrap();
        if answer.status == 429 {
            return (before, answer);
        }
        before = answer.status.as_u16();
    }
    panic!("{url} is never limited");
}

#[track_caller]
fn refused(answer: &Answer, limit: &str) {
    answer.refused(429, "rate-limited");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0, "{answer}");
    assert!(answer.header("ratelimit-policy").unwrap().starts_with(&format!("\"{limit}\";q=")), "{answer}");
    assert!(answer.header("ratelimit").unwrap().starts_with(&format!("\"{limit}\";r=0;t=")), "{answer}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_caller_over_the_rate_limit_is_refused() {
    let (command, query) = (ServiceId::Command(0), ServiceId::Query(0));
    let mut env = Vec::new();
    for service in [command, query] {
        env.push((service, "BOXROOM_RATE_PER_USER", "1:20".to_owned()));
        env.push((service, "BOXROOM_RATE_PER_ADDRESS", "1:10".to_owned()));
    }
    env.push((query, "BOXROOM_LIVE_RATE_PER_USER", "1:3".to_owned()));
    env.push((query, "BOXROOM_LIVE_RATE_PER_ADDRESS", "1:20".to_owned()));
    env.push((ServiceId::Projector(0), "BOXROOM_CONNECTIONS_PER_ADDRESS", CONNECTIONS.to_string()));
    let world = World::start(StackOptions { env, ..StackOptions::default() }).await;
    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 4).await;
    let (commands, queries) = (world.stack.command_url(0), world.stack.query_url(0));
    let messages = format!("{commands}/rooms/{room}/messages");
    let apis = [(&commands, Api::fetch(&world, &commands).await), (&queries, Api::fetch(&world, &queries).await)];

    let (before, answer) = exhaust(&world, Method::GET, &format!("{queries}/boxes"), Some(ana.token())).await;
    assert_eq!(before, 200);
    refused(&answer, "user");
    refused(&exhaust(&world, Method::POST, &messages, Some(ana.token())).await.1, "user");
    over_nats(&world, &ana, &ben, &room).await;
    live(&world, &ana, &ben, &queries).await;

    for url in [format!("{queries}/boxes"), messages] {
        let method = if url.ends_with("boxes") { Method::GET } else { Method::POST };
        let (before, answer) = exhaust(&world, method, &url, Some("no token of ours")).await;
        assert_eq!(before, 401);
        refused(&answer, "address");
    }
    refused(&exhaust(&world, Method::POST, &format!("{commands}/sessions"), None).await.1, "address");
    for (url, api) in &apis {
        every_operation_is_limited(&world, url, api).await;
    }
    // Signed-in users are not limited by the requests of others at the same address.
    ben.get("/boxes").await.ok();
    for url in [&commands, &queries] {
        for page in ["healthz", "readyz", "metrics"] {
            for _ in 0..TOO_MANY {
                let answer = world.request(Method::GET, &format!("{url}/{page}")).send().await.unwrap();
                assert_eq!(answer.status(), 200, "{page}");
            }
        }
        // None of these pages allows requests from other origins.
        let page = world.request(Method::GET, &format!("{url}/healthz")).header("origin", "https://a.example");
        assert_eq!(page.send().await.unwrap().headers().get("access-control-allow-origin"), None);
    }
    refusals_are_counted(&world).await;
}

/// Checks that refusals are counted by limit, and refused connections by bound.
async fn refusals_are_counted(world: &World) {
    let (command, projector, query) = (ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0));
    let count = async |service, metric: &str| {
        let page = world.request(Method::GET, &format!("{}/metrics", world.stack.url(service))).send().await.ok()?;
        let page = page.text().await.ok()?;
        let line = page.lines().find(|line| line.starts_with(metric))?;
        line.rsplit_once(' ')?.1.parse::<u64>().ok()
    };
    for (service, limits) in
        [(command, &["user", "address"][..]), (query, &["user", "address", "live-user", "live-address"])]
    {
        for limit in limits {
            let counted = count(service, &format!("boxroom_rate_limited_total{{limit=\"{limit}\"}}")).await;
            assert!(counted.is_some_and(|count| count > 0), "{service}, {limit}: {counted:?}");
        }
    }
    let port = world.stack.ports()["projector-0"];
    let connect = async || TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut connections = Vec::new();
    while connections.len() < CONNECTIONS {
        connections.push(connect().await);
    }
    let mut end = [0; 1];
    let refused = timeout(TIMEOUT, async { connect().await.read(&mut end).await }).await.expect("it is closed");
    assert!(matches!(refused, Ok(0) | Err(_)), "one connection too many");
    drop(connections);
    let counted = eventually("another connection is accepted", async || {
        count(projector, "boxroom_http_connections_refused_total{bound=\"address\"}").await
    });
    assert!(counted.await > 0);
}

/// Checks all operations of the OpenAPI document, including those that are added later.
async fn every_operation_is_limited(world: &World, url: &str, api: &Api) {
    let described = api.operations().map(|operation| (operation.method.clone(), api::fill(&operation.path, &[])));
    let pages = ["/docs/", "/openapi.json"].map(|page| (Method::GET, page.to_owned()));
    for (method, path) in described.chain(pages) {
        let answer = world.request(method.clone(), &format!("{url}{path}")).send().await.unwrap();
        let is_live = ["/live", "/events", "/live-tickets"].contains(&path.as_str());
        let policy = if is_live { "\"live-address\";q=20;w=20" } else { "\"address\";q=10;w=10" };
        let said = answer.headers().get("ratelimit-policy").and_then(|value| value.to_str().ok());
        assert_eq!(said, Some(policy), "{method} {path}");
    }
}

async fn over_nats(world: &World, ana: &Person, ben: &Person, room: &str) {
    let nats = Device::connect(&world.stack).await;
    let say = |person: &Person| {
        let body = json!({ "body": "hi" });
        json!({ "token": person.token(), "path": { "room": room }, "body": body })
    };
    let mut reply = json!(null);
    for _ in 0..TOO_MANY {
        reply = nats.send("post_message", &say(ana)).await;
        if reply["status"] == 429 {
            break;
        }
    }
    assert_eq!((&reply["status"], &reply["problem"]["code"]), (&json!(429), &json!("rate-limited")), "{reply}");
    assert!(reply["retry_after"].as_u64().unwrap() > 0, "{reply}");
    let reply = nats.send("post_message", &say(ben)).await;
    assert_eq!(reply["problem"]["code"], "not-a-member", "{reply}");
}

async fn live(world: &World, ana: &Person, ben: &Person, queries: &str) {
    let hello = |person: &Person| json!({ "type": "hello", "token": person.token(), "rooms": [] });
    let mut is_refused = false;
    for _ in 0..TOO_MANY {
        let mut live = world.live(0).await;
        live.send(&hello(ana)).await;
        let frame = live.next().await.unwrap();
        if frame["type"] == "error" {
            assert_eq!(frame["code"], "rate-limited", "{frame}");
            let bye = live.next().await.unwrap();
            assert_eq!((&bye["type"], &bye["code"]), (&json!("bye"), &json!(4005)), "{bye}");
            is_refused = true;
            break;
        }
    }
    assert!(is_refused, "ana's connections are never limited");
    let mut live = world.live(0).await;
    live.send(&hello(ben)).await;
    assert_eq!(live.next().await.unwrap()["type"], "welcome");
    refused(&exhaust(world, Method::POST, &format!("{queries}/live-tickets"), Some(ana.token())).await.1, "live-user");
    refused(&exhaust(world, Method::GET, &format!("{queries}/live"), None).await.1, "live-address");
}
