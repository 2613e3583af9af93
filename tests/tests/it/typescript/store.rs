//! The store of the TypeScript client in a real browser: rooms and drafts survive reloads and the loss of the network.

use std::path::PathBuf;

use axum::{
    Router,
    extract::Path,
    http::header,
    response::{Html, IntoResponse},
    routing::get,
};
use harness::{Browser, Page, ServiceId, StackOptions, checkout::Checkout, tools};
use rand::RngExt;
use serde_json::Value;
use system_tests::World;
use testing::{Proxy, wait::eventually};
use tokio::net::TcpListener;

/// The number of disturbances.
const ROUNDS: usize = 10;

/// The number of own messages that must be stored after a disturbance.
const PROGRESS: usize = 5;

/// Returns the state of the page, or none while it loads.
async fn state(page: &Page<'_>) -> Option<Value> {
    let state = page.evaluate("state()").await.ok().filter(Value::is_object)?;
    assert!(state["faults"].as_array().unwrap().is_empty(), "{}", state["faults"]);
    Some(state)
}

/// Returns the bodies of the page's messages of this author.
fn bodies(state: &Value, author: &str) -> Vec<String> {
    let messages = state["messages"].as_array().unwrap().iter();
    let own = messages.filter(|message| message["author"] == author);
    own.filter_map(|message| message["body"].as_str().map(str::to_owned)).collect()
}

/// Waits until more messages of the page are stored.
async fn go_on(page: &Page<'_>) {
    let last = async || {
        let state = state(page).await?;
        bodies(&state, "ana").last()?.parse::<usize>().ok()
    };
    let before = eventually("the page shows own messages", last).await;
    eventually("the page sends more", async || last().await.filter(|now| *now >= before + PROGRESS)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_drafts_survive_reloads_and_the_loss_of_the_network() {
    let package = tokio::task::spawn_blocking(|| tools::build_typescript_client(&Checkout::current()?)).await.unwrap();
    let package = package.unwrap_or_else(|error| panic!("{error:?}"));
    let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", site.local_addr().unwrap());
    let services = [ServiceId::Query(0), ServiceId::Query(1), ServiceId::Command(0)];
    let env = services.map(|service| (service, "BOXROOM_ALLOWED_ORIGINS", origin.clone())).into();
    let options = StackOptions { query_services: 2, env, ..StackOptions::default() };
    let (world, browser) = tokio::join!(World::start(options), Browser::start());
    let browser = browser.unwrap();
    let serving = tokio::spawn(axum::serve(site, pages(package)).into_future());

    let (ana, ben) = (world.person("ana"), world.person("ben"));
    let room = world.open_room(&ana, "box-1", 2).await;
    world.join(&ben, &room).await;
    world.sees_room(&ana, &room).await;
    let queries =
        [Proxy::to_service(&world.stack.query_url(0)).await, Proxy::to_service(&world.stack.query_url(1)).await];
    let command = Proxy::to_service(&world.stack.command_url(0)).await;
    let (urls, command_url, token) = (queries.each_ref().map(Proxy::url).join(","), command.url(), ana.token());
    let address = format!("{origin}/?room={room}&queries={urls}&command={command_url}&token={token}");
    let page = browser.open(&address).await.unwrap();
    go_on(&page).await;
    for round in 0..ROUNDS {
        ben.say(&room, &format!("ben {round}")).await.created();
        // Drawn before the next wait: the generator belongs to this thread.
        let (kind, query) = (rand::rng().random_range(0..4), rand::rng().random_range(0..2));
        match kind {
            0 => page.reload().await.unwrap(),
            1 => {
                page.set_offline(true).await.unwrap();
                command.cut();
                queries.iter().for_each(Proxy::cut);
                page.set_offline(false).await.unwrap();
            }
            2 => {
                command.cut();
                page.reload().await.unwrap();
            }
            _ => {
                world.stack.kill(ServiceId::Query(query)).await;
                world.stack.start_again(ServiceId::Query(query)).await.unwrap();
            }
        }
        go_on(&page).await;
    }
    page.evaluate("localStorage.setItem('stop', 'yes')").await.unwrap();
    page.reload().await.unwrap();
    let state = eventually("no draft is left", async || {
        let state = state(&page).await?;
        state["drafts"].as_array().unwrap().is_empty().then_some(state)
    })
    .await;

    let feed = world.feed(&ana, &room).await;
    assert_eq!(state["lastV"], feed.len());
    let posted = feed.iter().filter(|event| event["type"] == "message_posted");
    let stored: Vec<&Value> = posted.clone().filter(|event| event["by"] == "ana").collect();
    let numbers: Vec<String> =
        stored.iter().filter_map(|event| event["data"]["body"].as_str().map(str::to_owned)).collect();
    let expected: Vec<String> = (0..stored.len()).map(|number| number.to_string()).collect();
    assert_eq!(numbers, expected, "each draft is stored once and in order");
    let shown = bodies(&state, "ana");
    assert_eq!(shown, expected[expected.len() - shown.len()..]);
    let others: Vec<String> = (0..ROUNDS).map(|round| format!("ben {round}")).collect();
    let shown = bodies(&state, "ben");
    assert_eq!(shown, others[others.len() - shown.len()..]);
    eprintln!("the page has sent {} drafts: 0 lost, 0 doubled", stored.len());
    serving.abort();
}

/// Serves the page, and the files of the client.
fn pages(package: PathBuf) -> Router {
    let file = async move |Path(path): Path<String>| {
        assert!(!path.contains(".."), "{path}");
        let content = std::fs::read_to_string(package.join("dist/src").join(&path)).unwrap_or_default();
        ([(header::CONTENT_TYPE, "text/javascript")], content).into_response()
    };
    let page = Router::new().route("/", get(async || Html(include_str!("page.html"))));
    page.route("/client/{*path}", get(file))
}
