//! Addresses and tokens of the running stack: printed, and written to `.local/dev.json`.

use std::{
    fs::{OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, ensure};
use harness::{Account, Role, ServiceId, Stack, token::Bearer};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::json;
use tokio::{io::AsyncWriteExt, process::Command};

use super::provider::Provider;

/// The operator of the printed token.
const OPERATOR: &str = "ops";

/// The validity of the printed tokens.
const LIFETIME: Duration = Duration::from_hours(24);
/// The password of the users registered here, and of the operator.
pub(crate) const PASSWORD: &str = "open sesame, dev";

/// The content of `.local/dev.json`.
#[derive(Serialize)]
pub(super) struct Connection {
    page_url: Option<String>,
    command_url: String,
    query_url: String,
    gateway_url: String,
    nats_url: String,
    operator_url: String,
    database_url: String,
    push_url: String,
    web_push_key: String,
    tokens: Tokens,
    admin: Admin,
}

#[derive(Serialize)]
struct Tokens {
    operator: String,
    ana: String,
    ben: String,
}

#[derive(Serialize)]
struct Admin {
    nats_url: String,
    database_url: String,
}

impl Connection {
    pub(super) fn of(stack: &Stack, provider: &Provider, has_page: bool) -> Self {
        Self {
            page_url: has_page.then(|| format!("{}/app/", stack.query_url(0))),
            command_url: stack.command_url(0),
            query_url: stack.query_url(0),
            gateway_url: stack.url(ServiceId::OperatorGateway(0)),
            nats_url: stack.nats_url(Account::Device),
            operator_url: stack.nats_url(Account::Operator),
            database_url: stack.database_url(Role::Query),
            push_url: provider.sink.address().to_owned(),
            web_push_key: provider.web_push_key.clone(),
            tokens: Tokens {
                operator: stack.token(Bearer::Operator(OPERATOR), LIFETIME),
                ana: stack.token(Bearer::User("ana"), LIFETIME),
                ben: stack.token(Bearer::User("ben"), LIFETIME),
            },
            admin: Admin { nats_url: stack.nats_url(Account::Admin), database_url: stack.database_url(Role::Admin) },
        }
    }

    /// Registers the users of the printed tokens, unless they exist.
    pub(super) async fn register_people(&self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(15)).no_proxy().build()?;
        for (id, nickname) in [("ana", "Ana"), ("ben", "Ben")] {
            let user = json!({ "user_id": id, "password": PASSWORD, "nickname": nickname });
            let answer = client
                .post(format!("{}/users", self.command_url))
                .json(&user)
                .send()
                .await
                .with_context(|| format!("cannot register {id}"))?;
            let status = answer.status();
            // The user exists since an earlier run.
            let known = status == StatusCode::CONFLICT;
            ensure!(
                known || status.is_success(),
                "cannot register {id}: {status} {}",
                answer.text().await.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// Writes the file atomically.
    pub(super) fn publish(&self, path: &Path) -> anyhow::Result<()> {
        let content = serde_json::to_string_pretty(self)? + "\n";
        let draft = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(content.as_bytes())?;
            std::fs::rename(&draft, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// Describes addresses and tokens as text.
    pub(super) fn describe(&self, published: &Path) -> String {
        let Self {
            command_url, query_url, gateway_url, nats_url, operator_url, database_url, push_url, tokens, ..
        } = self;
        let published = published.display();
        let page =
            self.page_url.as_ref().map(|url| format!("  page       {url}    sign in as ana or ben, or as ops\n"));
        format!(
            "
Boxroom is ready.

{page}  commands   {command_url}    its page: {command_url}/docs
  queries    {query_url}    its page: {query_url}/docs
  gateway    {gateway_url}    requests of operators; its page: {gateway_url}/docs
  live       {live}/live
  nats       {nats_url}
  operators  {operator_url}
  database   {database_url}
  push       {push_url}/received    all push messages

  operator ops   {operator}
  user ana       {ana}
  user ben       {ben}
  (valid for 24 hours; all three may also sign in with the password {PASSWORD:?})

All of this is in {published}. Try:

  BOXROOM_OPERATOR_URL={operator_url} cargo run -p boxroomctl -- status
  curl -s {query_url}/boxes -H \"Authorization: Bearer $(jq -r .tokens.ana {published})\"
",
            page = page.unwrap_or_default(),
            live = query_url.replacen("http", "ws", 1),
            operator = tokens.operator,
            ana = tokens.ana,
            ben = tokens.ben,
        )
    }
}

/// Creates the account of the operator, unless it exists.
pub(super) async fn create_operator(boxroomctl: &Path, stack: &Stack) -> anyhow::Result<()> {
    let mut child = Command::new(boxroomctl)
        .args(["operator", "create", "--user-id", OPERATOR, "--nats-url", &stack.nats_url(Account::Command)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot run {}", boxroomctl.display()))?;
    let mut input = child.stdin.take().context("no standard input")?;
    input.write_all(format!("{PASSWORD}\n").as_bytes()).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot create the operator {OPERATOR}: {reason}");
    Ok(())
}
