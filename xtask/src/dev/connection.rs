//! Addresses and tokens of the running stack: printed, and written to `.local/dev.json`.

use std::{
    fs::{OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use anyhow::{Context, ensure};
use harness::{Account, Role, Stack, token::Bearer};
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::json;

/// The validity of the printed tokens.
const LIFETIME: Duration = Duration::from_hours(24);
/// The password of the users registered here.
pub(crate) const PASSWORD: &str = "open sesame, dev";

/// The content of `.local/dev.json`.
#[derive(Serialize)]
pub(super) struct Connection {
    page_url: Option<String>,
    command_url: String,
    query_url: String,
    nats_url: String,
    operator_url: String,
    database_url: String,
    push_url: String,
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
    pub(super) fn of(stack: &Stack, push_url: &str, has_page: bool) -> Self {
        Self {
            page_url: has_page.then(|| format!("{}/app/", stack.query_url(0))),
            command_url: stack.command_url(0),
            query_url: stack.query_url(0),
            nats_url: stack.nats_url(Account::Device),
            operator_url: stack.nats_url(Account::Operator),
            database_url: stack.database_url(Role::Query),
            push_url: push_url.to_owned(),
            tokens: Tokens {
                operator: stack.token(Bearer::Operator("ops"), LIFETIME),
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
        let Self { command_url, query_url, nats_url, operator_url, database_url, push_url, tokens, .. } = self;
        let published = published.display();
        let page = self.page_url.as_ref().map(|url| format!("  page       {url}    sign in as ana or ben\n"));
        format!(
            "
Boxroom is ready.

{page}  commands   {command_url}    its page: {command_url}/docs
  queries    {query_url}    its page: {query_url}/docs
  live       {live}/live
  nats       {nats_url}
  operators  {operator_url}
  database   {database_url}
  push       {push_url}/received    all push messages

  operator ops   {operator}
  user ana       {ana}
  user ben       {ben}
  (valid for 24 hours; ana and ben may also sign in with the password {PASSWORD:?})

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
