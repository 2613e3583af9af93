//! Metrics: every metric that the alert rules, the dashboard and the documentation name is exported.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use harness::{ServiceId, StackOptions};
use reqwest::Method;
use serde_json::Value;
use system_tests::{World, pushes::PushProviders};
use testing::wait::eventually;
use tokio::time::timeout;

const SERVICES: [ServiceId; 4] =
    [ServiceId::Command(0), ServiceId::Projector(0), ServiceId::Query(0), ServiceId::Notifier(0)];

/// The metrics of all services: each name with its type and help text.
#[derive(Debug, Default)]
struct Exported {
    kinds: BTreeMap<String, String>,
    help: BTreeMap<String, String>,
    samples: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Exported {
    async fn by(world: &World) -> Self {
        let mut exported = Self::default();
        for service in SERVICES {
            for line in page(world, service).await.lines() {
                exported.read(line);
            }
        }
        exported
    }

    fn read(&mut self, line: &str) {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            self.kinds.insert(name.to_owned(), kind.to_owned());
        } else if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            self.help.insert(name.to_owned(), help.to_owned());
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
            self.samples.insert(name.to_owned());
            let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
            let keys = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
            self.labels.extend(keys);
        }
    }

    /// The names of the metrics as the documentation lists them.
    fn names(&self) -> BTreeSet<String> {
        let own = self.kinds.iter().filter(|(name, _)| name.starts_with("boxroom_"));
        own.map(|(name, kind)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        })
        .collect()
    }
}

async fn page(world: &World, service: ServiceId) -> String {
    let url = format!("{}/metrics", world.stack.url(service));
    let response = world.request(Method::GET, &url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

/// The value of the first sample that begins with this name and these labels.
async fn sample(world: &World, service: ServiceId, begins: &str) -> Option<f64> {
    let page = page(world, service).await;
    let line = page.lines().find(|line| line.starts_with(begins))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// The sum of a metric's samples that have all these labels.
async fn total(world: &World, service: ServiceId, name: &str, labels: &[&str]) -> u64 {
    let page = page(world, service).await;
    let samples = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    let fits = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
    fits.filter_map(|line| line.rsplit_once(' ')?.1.trim_end_matches(".0").parse::<u64>().ok()).sum()
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("boxroom_") || word.starts_with("process_"));
    metrics.filter(|name| *name != "process_").map(str::to_owned).collect()
}

fn expressions(value: &Value, found: &mut String) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match (name.as_str(), value) {
            ("expr", Value::String(expression)) => found.extend([expression, "\n"]),
            _ => expressions(value, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

/// Causes every kind of event that is counted, so that all counters are exported.
async fn work(world: &World) {
    let ana = world.user("ana").await;
    let room = world.open_room(&ana, "box-1", 4).await;
    let mut live = world.follow(&ana, &room, 0).await;
    let said = ana.say(&room, "hello").key("once").await;
    ana.say(&room, "hello").key("once").await.created();
    ana.say("box-9.1", "nobody").await.refused(404, "room-not-found");
    live.message(&room, "hello").await;
    ana.remember_position(&said);
    ana.get(&format!("/rooms/{room}/messages")).await.items();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_monitored_metric_is_exported_and_documented() {
    let providers = PushProviders::start().await;
    let world = providers.world(1, StackOptions::default()).await;
    work(&world).await;
    let dashboard: Value = serde_json::from_str(&file("deploy/dashboard.json")).unwrap();
    let (mut watched, rules) = (String::new(), file("deploy/alerts.yaml"));
    expressions(&dashboard, &mut watched);
    let of_rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    of_rules.for_each(|expression| watched.extend([expression, "\n"]));
    assert!(named(&watched).len() > 40, "{watched}");

    let exported = eventually("everything is exported", async || {
        let exported = Exported::by(&world).await;
        named(&watched).is_subset(&exported.samples).then_some(exported)
    });
    let Ok(exported) = timeout(Duration::from_secs(10), exported).await else {
        let exported = Exported::by(&world).await.samples;
        panic!("not exported: {:?}", named(&watched).difference(&exported).collect::<Vec<_>>());
    };
    for label in ["room", "room_id", "user", "user_id", "box", "box_id", "path"] {
        assert!(!exported.labels.contains(label), "a label that grows for ever: {label}");
    }
    for name in exported.kinds.keys() {
        assert!(exported.help.get(name).is_some_and(|help| help.len() > 9), "{name} has no help text");
    }
    let manual = file("docs/operations.md");
    let table = manual.lines().filter(|line| line.starts_with("| `boxroom_")).filter_map(|line| line.split('`').nth(1));
    let table: BTreeSet<String> = table.map(str::to_owned).collect();
    assert_eq!(table, exported.names(), "docs/operations.md and the exported metrics");
}

#[test]
fn every_alert_has_instructions() {
    let (rules, manual) = (file("deploy/alerts.yaml"), file("docs/operations.md"));
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = alerts.collect();
    let count = |what: &str| rules.matches(what).count();
    assert_eq!((count("summary: "), count("runbook: ")), (alerts.len(), alerts.len()));
    for alert in &alerts {
        assert!(manual.contains(&format!("\n### {alert}\n")), "{alert} has no runbook");
        let link = format!("runbook: docs/operations.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&link), "{alert} has no link");
    }
    let explained = manual.lines().filter_map(|line| line.strip_prefix("### Boxroom")).count();
    assert_eq!(explained, alerts.len(), "every runbook has a rule");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_match_the_executed_commands() {
    let world = World::start(StackOptions::default()).await;
    work(&world).await;
    let [command, projector, query, _] = SERVICES;
    let posted =
        |outcome| format!(r#"boxroom_commands_total{{operation="post_message",transport="http",outcome="{outcome}"}}"#);
    for outcome in ["done", "replayed", "room-not-found"] {
        assert_eq!(sample(&world, command, &posted(outcome)).await, Some(1.0), "{outcome}");
    }
    for _ in 0..5 {
        world.sign_in("ana", "a wrong password").await.refused(401, "wrong-credentials");
    }
    world.sign_in("ana", "a wrong password").await.refused(429, "too-many-attempts");
    let guessed = r#"boxroom_commands_total{operation="open_session",transport="http",outcome="too-many-attempts"}"#;
    assert_eq!(sample(&world, command, guessed).await, Some(1.0));
    let of_boxes = ["stream=\"box-"];
    let acknowledged = ["stream=\"box-", "outcome=\"acknowledged\""];
    assert_eq!(total(&world, command, "boxroom_appends_total", &acknowledged).await, 3, "a box, a room, a message");
    eventually("the projector has caught up", async || {
        let position = total(&world, projector, "boxroom_projection_position", &of_boxes).await;
        let lag = total(&world, projector, "boxroom_projection_lag_commits", &of_boxes).await;
        ((position, lag) == (3, 0)).then_some(())
    })
    .await;
    assert_eq!(total(&world, projector, "boxroom_projection_commits_total", &of_boxes).await, 3);
    assert_eq!(total(&world, projector, "boxroom_projection_lease_held", &of_boxes).await, 4);
    assert_eq!(sample(&world, query, "boxroom_live_deliveries_total{kind=\"event\"}").await, Some(1.0));
    assert_eq!(sample(&world, query, "boxroom_served_generation").await, Some(1.0));

    let mut live = world.live(0).await;
    live.hello(world.person("ana").token(), &[]).await;
    assert_eq!(sample(&world, query, "boxroom_live_connections{transport=\"websocket\"}").await, Some(1.0));
    drop(live);
    eventually("the connection is gone", async || {
        let open = sample(&world, query, "boxroom_live_connections{transport=\"websocket\"}").await;
        (open == Some(0.0)).then_some(())
    })
    .await;
    let path = world.request(Method::GET, &format!("{}/rooms/box-1.1/never", world.stack.url(query)));
    path.send().await.unwrap();
    let unmatched = "boxroom_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"}";
    assert_eq!(sample(&world, query, unmatched).await, Some(1.0));
}
