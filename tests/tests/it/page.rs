//! The web page in a real browser, against the whole system: the tests are in `web/e2e`.

mod actions;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use harness::{Account, ServiceId, StackOptions, checkout::Checkout, token::Bearer, tools};
use serde_json::{Value, json};
use system_tests::{World, pushes::PushProviders, world::PASSWORD};
use testing::requests::{box_details, room_details};
use tokio::{net::TcpListener, process::Command};

/// The longest time for all tests of the page.
const TIMEOUT: Duration = Duration::from_mins(20);

/// The validity of the operator's token.
const LIFETIME: Duration = Duration::from_hours(1);

/// The command-service that takes registrations by invitation and confirms them.
const STRICT: ServiceId = ServiceId::Command(1);

#[tokio::test(flavor = "multi_thread")]
async fn people_chat_on_the_page() {
    let (page, chromium) = tokio::task::spawn_blocking(|| {
        let checkout = Checkout::current().unwrap();
        (tools::build_page(&checkout).unwrap(), tools::chromium().unwrap())
    })
    .await
    .unwrap();
    let web = page.parent().map(PathBuf::from).unwrap();
    let mail = Mail::prepare();
    let providers = PushProviders::start().await;
    let options = StackOptions {
        command_services: 2,
        operator_gateways: 1,
        page: Some(page),
        env: settings(&mail),
        ..StackOptions::default()
    };
    let world = providers.world(1, options).await;
    let quarantined = quarantine(&world).await;
    let actions = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = json!({
        "page_url": format!("{}/app/", world.stack.query_url(0)),
        "command_url": world.stack.command_url(0),
        "query_url": world.stack.query_url(0),
        "gateway_url": world.stack.url(ServiceId::OperatorGateway(0)),
        "push_url": providers.sink().address(),
        "actions": actions.local_addr().unwrap().to_string(),
        "chromium": chromium,
        "tokens": {
            "operator": world.stack.token(Bearer::Operator("ops"), LIFETIME),
            "moderator": world.stack.token(Bearer::Moderator("mod"), LIFETIME),
        },
        "accounts": { "operator": account(&world).await },
        "registration": {
            "command_url": world.stack.url(STRICT),
            "invitation": invitation(&world).await,
            "links": mail.links,
        },
        "quarantined_box": quarantined,
        // All screens take minutes.
        "is_short": std::env::var_os("BOXROOM_PAGE_SCREENS").is_none_or(|screens| screens != "all"),
    });
    let mut tests: Vec<PathBuf> = fs::read_dir(web.join("e2e")).unwrap().map(|file| file.unwrap().path()).collect();
    tests.retain(|file| file.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    assert!(!tests.is_empty());
    let mut node = Command::new(tools::node().unwrap().program);
    node.args(["--test", "--test-concurrency", "1"]).args(tests);
    node.current_dir(web).env("BOXROOM_E2E", settings.to_string()).kill_on_drop(true);
    let tests = tokio::time::timeout(TIMEOUT, node.status());
    tokio::select! {
        status = tests => assert!(status.expect("the tests end in time").unwrap().success()),
        never = actions::serve(&actions, &world) => match never {},
    }
}

/// The confirmations of registrations, which a command writes into a file.
struct Mail {
    links: PathBuf,
    command: PathBuf,
    _folder: tempfile::TempDir,
}

impl Mail {
    fn prepare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [links, command] = ["links", "deliver"].map(|name| folder.path().join(name));
        fs::write(&links, "").unwrap();
        fs::write(&command, format!("#!/bin/sh\nprintf '%s\\n' \"$BOXROOM_LINK\" >> {}\n", links.display())).unwrap();
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
        Self { links, command, _folder: folder }
    }
}

/// The settings of the services that differ from those of other tests.
fn settings(mail: &Mail) -> Vec<(ServiceId, &'static str, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut settings = vec![
        (STRICT, "BOXROOM_REGISTRATION", "invitation".to_owned()),
        (STRICT, "BOXROOM_REGISTRATION_CONFIRMATION", "command".to_owned()),
        (STRICT, "BOXROOM_CONFIRMATION_COMMAND", text(&mail.command)),
        // The tests open the path of a link at the address of the page.
        (STRICT, "BOXROOM_CONFIRMATION_LINK", "https://chat.example/app/#/confirm?token=".to_owned()),
    ];
    // The page and these services have different ports, and so different origins.
    for service in [ServiceId::Command(0), STRICT, ServiceId::OperatorGateway(0)] {
        settings.push((service, "BOXROOM_ALLOWED_ORIGINS", "http://127.0.0.1:*".to_owned()));
    }
    settings
}

/// Creates the account of an operator.
async fn account(world: &World) -> Value {
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), PASSWORD).unwrap();
    let file = password.path().to_string_lossy().into_owned();
    let nats = world.stack.nats_url(Account::Command);
    let words = ["operator", "create", "--user-id", "page-operator", "--password-file", &file, "--nats-url", &nats];
    let created = world.stack.boxroomctl(&words).await.unwrap();
    assert!(created.status.success(), "{created:?}");
    json!({ "user_id": "page-operator", "password": PASSWORD })
}

/// Makes an invitation to register. Returns its token.
async fn invitation(world: &World) -> String {
    let nats = world.stack.nats_url(Account::Command);
    let created = world.stack.boxroomctl(&["invitation", "create", "--uses", "20", "--nats-url", &nats]).await.unwrap();
    assert!(created.status.success(), "{created:?}");
    String::from_utf8(created.stdout).unwrap().trim().to_owned()
}

/// Puts a box into quarantine by an event of a later release. Returns its id.
async fn quarantine(world: &World) -> &'static str {
    let box_id = "quarantined-1";
    world.operator().post("/boxes", box_details(box_id)).await.created();
    let host = world.person("quarantined-host");
    world.register_store("quarantined-store").await;
    let room = room_details("quarantined-store", 4);
    let room = host.post(format!("/boxes/{box_id}/rooms"), room).await.created();
    host.say(&room, "Hello").await.created();
    world.log().await.append_from_the_future(box_id).await;
    box_id
}
