//! The web page in a real browser, against the whole system: the tests are in `web/e2e`.

use std::{path::PathBuf, time::Duration};

use harness::{ServiceId, StackOptions, checkout::Checkout, token::Bearer, tools};
use serde_json::json;
use system_tests::World;
use tokio::process::Command;

/// The longest time for all tests of the page.
const TIMEOUT: Duration = Duration::from_mins(10);

/// The validity of the operator's token.
const LIFETIME: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn people_chat_on_the_page() {
    let (page, chromium) = tokio::task::spawn_blocking(|| {
        let checkout = Checkout::current().unwrap();
        (tools::build_page(&checkout).unwrap(), tools::chromium().unwrap())
    })
    .await
    .unwrap();
    let web = page.parent().map(PathBuf::from).unwrap();
    // The page and the command-service have different ports, and so different origins.
    let origins = (ServiceId::Command(0), "BOXROOM_ALLOWED_ORIGINS", "http://127.0.0.1:*".to_owned());
    let world = World::start(StackOptions { page: Some(page), env: vec![origins], ..StackOptions::default() }).await;
    let settings = json!({
        "page_url": format!("{}/app/", world.stack.query_url(0)),
        "command_url": world.stack.command_url(0),
        "query_url": world.stack.query_url(0),
        "chromium": chromium,
        "tokens": { "operator": world.stack.token(Bearer::Operator("ops"), LIFETIME) },
    });
    let mut tests: Vec<PathBuf> =
        std::fs::read_dir(web.join("e2e")).unwrap().map(|file| file.unwrap().path()).collect();
    tests.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    assert!(!tests.is_empty());
    let mut node = Command::new(tools::node().unwrap().program);
    node.args(["--test", "--test-concurrency", "1"]).args(tests);
    node.current_dir(web).env("BOXROOM_E2E", settings.to_string()).kill_on_drop(true);
    let status = tokio::time::timeout(TIMEOUT, node.status()).await.expect("the tests end in time").unwrap();
    assert!(status.success());
}
