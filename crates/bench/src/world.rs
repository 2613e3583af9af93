//! Rooms with members in a running Boxroom, created through the public commands.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Role, ServiceId, Stack, StackOptions, token::Bearer};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, query_as, query_scalar, raw_sql};
use tokio::time::sleep;
use url::Url;

use crate::accounting::Watch;

/// The number of concurrent commands of a set-up.
const CONCURRENCY: usize = 16;

/// The lifetime of tokens, longer than any run.
const LIFETIME: Duration = Duration::from_hours(24);

/// The time limit of a command with its repeats.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit of the projection of all that was posted.
const PROJECTION_TIMEOUT: Duration = Duration::from_mins(2);

/// The number of boxes in a row of the grid on which they stand.
const GRID: usize = 20;

/// The highest number of members that a room can be limited to.
const MAX_MEMBERS: usize = 100;

/// A running Boxroom and a client of it.
pub(crate) struct World {
    pub(crate) stack: Stack,
    http: reqwest::Client,
    operator: String,
}

/// A room with its members. The first one is the host.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) members: Vec<Member>,
}

/// A user with a token.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) user_id: String,
    pub(crate) token: String,
}

/// The rooms of one shape: all have the same number of members.
#[derive(Debug, Clone)]
pub(crate) struct Rooms(pub(crate) Arc<Vec<Room>>);

impl World {
    /// Starts a stack with the settings of production and one process of each service.
    pub(crate) async fn start(env: Vec<(ServiceId, &'static str, String)>) -> anyhow::Result<Self> {
        let options = StackOptions { notifiers: 1, durable: true, env, ..StackOptions::default() };
        let stack = Box::pin(Stack::start(options)).await?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?;
        let operator = stack.token(Bearer::Operator("ops"), LIFETIME);
        let world = Self { stack, http, operator };
        let store = json!({ "store_id": "noodles", "name": "Noodle Bar", "zip_code": "10115" });
        world.command(Method::POST, "/stores", &world.operator, store).await?;
        Ok(world)
    }

    /// Watches all processes.
    pub(crate) async fn watch(&self) -> anyhow::Result<Watch> {
        Watch::of(&self.stack).await
    }

    /// The address of the command-service.
    pub(crate) fn command_address(&self) -> anyhow::Result<SocketAddr> {
        address(&self.stack.command_url(0))
    }

    /// The address of the query-service.
    pub(crate) fn query_address(&self) -> anyhow::Result<SocketAddr> {
        address(&self.stack.query_url(0))
    }

    /// A user with a token.
    pub(crate) fn member(&self, user_id: String) -> Member {
        Member { token: self.stack.token(Bearer::User(&user_id), LIFETIME), user_id }
    }

    /// Opens rooms with members of their own, and waits until the read model shows them. `name` begins all ids.
    pub(crate) async fn open_rooms(&self, name: &str, rooms: usize, members: usize) -> anyhow::Result<Rooms> {
        let members = |room: usize| (0..members).map(move |member| format!("{name}-{room}-{member}"));
        self.open_rooms_of(name, (0..rooms).map(|room| members(room).collect()).collect()).await
    }

    /// Opens a room for each group of users.
    pub(crate) async fn open_rooms_of(&self, name: &str, groups: Vec<Vec<String>>) -> anyhow::Result<Rooms> {
        let open = async |(number, users): (usize, Vec<String>)| {
            self.open_room(
                &format!("{name}-{number}"),
                number,
                users.into_iter().map(|user| self.member(user)).collect(),
            )
            .await
        };
        let rooms = stream::iter(groups.into_iter().enumerate()).map(open).buffered(CONCURRENCY).try_collect().await?;
        Ok(Rooms(Arc::new(rooms)))
    }

    async fn open_room(&self, box_id: &str, number: usize, members: Vec<Member>) -> anyhow::Result<Room> {
        // On a grid with some hundred metres between neighbours.
        let [row, column] = [number / GRID, number % GRID].map(|step| f64::from(u32::try_from(step).unwrap_or(0)));
        let body = json!({
            "box_id": box_id, "kind": "shared", "zip_code": "10115", "address": "Torstrasse 1",
            "detailed_address": "left of the door", "latitude": 52.5 + 0.004 * row, "longitude": 13.4 + 0.006 * column,
        });
        self.command(Method::POST, "/boxes", &self.operator, body).await?;
        let (host, guests) = members.split_first().context("a room has members")?;
        let max_members = members.len().clamp(2, MAX_MEMBERS);
        let body = json!({ "store_id": "noodles", "title": "Lunch", "max_members": max_members });
        let opened = self.command(Method::POST, &format!("/boxes/{box_id}/rooms"), &host.token, body).await?;
        let mut position = position(&opened)?;
        let id = opened.json::<Value>().await?["id"].as_str().context("a room without an id")?.to_owned();
        for guest in guests {
            let path = format!("/rooms/{id}/members");
            position = self::position(&self.command(Method::POST, &path, &guest.token, json!({})).await?)?;
        }
        self.until_shown(&format!("/rooms/{id}/members?limit=1"), &host.token, &position).await?;
        Ok(Room { id, members })
    }

    /// Posts a message by the host of a room. Returns its id and its position.
    pub(crate) async fn say(&self, room: &Room, body: Value) -> anyhow::Result<(String, String)> {
        let path = format!("/rooms/{}/messages", room.id);
        let response = self.command(Method::POST, &path, &room.members[0].token, body).await?;
        let position = position(&response)?;
        let id = response.json::<Value>().await?["id"].as_str().context("a message without an id")?.to_owned();
        Ok((id, position))
    }

    /// Registers all members of rooms, with a phone each.
    pub(crate) async fn register_phones(&self, rooms: &Rooms) -> anyhow::Result<()> {
        let register = async |member: &Member| {
            let Member { user_id, token } = member;
            let body = json!({ "user_id": user_id, "password": "correct horse", "nickname": user_id });
            self.command(Method::POST, "/users", token, body).await?;
            let body = json!({ "token": format!("phone-of-{user_id}"), "locale": "en" });
            self.command(Method::PUT, "/users/me/devices/phone", token, body).await.map(drop)
        };
        let members = rooms.0.iter().flat_map(|room| &room.members);
        stream::iter(members).map(register).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Sends a command until it succeeds. It is repeated, as clients do, while the service is not available.
    pub(crate) async fn command(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> anyhow::Result<Response> {
        let (key, deadline) = (format!("{:032x}", rand::random::<u128>()), Instant::now() + COMMAND_TIMEOUT);
        loop {
            let request = self.http.request(method.clone(), format!("{}{path}", self.stack.command_url(0)));
            let response = request.bearer_auth(token).header("idempotency-key", &key).json(&body).send().await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if status != StatusCode::SERVICE_UNAVAILABLE || Instant::now() > deadline {
                bail!("{path}: {status} {}", response.text().await?);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads a page, and returns its items.
    pub(crate) async fn items(&self, path: &str, token: &str) -> anyhow::Result<Vec<Value>> {
        let response = self.http.get(format!("{}{path}", self.stack.query_url(0))).bearer_auth(token).send().await?;
        ensure!(response.status() == StatusCode::OK, "{path}: {}", response.text().await?);
        let mut page: Value = response.json().await?;
        serde_json::from_value(page["items"].take()).context("a page without items")
    }

    /// Waits until a read shows a position.
    pub(crate) async fn until_shown(&self, path: &str, token: &str, position: &str) -> anyhow::Result<Value> {
        loop {
            let request = self.http.get(format!("{}{path}", self.stack.query_url(0))).bearer_auth(token);
            let response = request.header("min-position", position).send().await?;
            match response.status() {
                StatusCode::OK => return Ok(response.json().await?),
                StatusCode::SERVICE_UNAVAILABLE => {}
                status => bail!("{path}: {status} {}", response.text().await?),
            }
        }
    }

    /// Opens a connection of the superuser to the read model.
    pub(crate) async fn database(&self) -> anyhow::Result<PgConnection> {
        let mut connection = PgConnection::connect(&self.stack.database_url(Role::Admin)).await?;
        raw_sql("set search_path = read_g1, control").execute(&mut connection).await?;
        Ok(connection)
    }

    /// Waits until the read model has this number of messages.
    pub(crate) async fn until_projected(&self, messages: u64) -> anyhow::Result<()> {
        let (mut database, deadline) = (self.database().await?, Instant::now() + PROJECTION_TIMEOUT);
        loop {
            let projected: i64 = query_scalar("select coalesce(sum(last_ordinal), 0)::bigint from rooms")
                .fetch_one(&mut database)
                .await?;
            if projected.cast_unsigned() >= messages {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{projected} of {messages} messages are projected");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Compares the rows with the posted messages: nothing is missing, and the versions of each feed are 1, 2, 3 …
    /// `posted` has the number of messages by room.
    pub(crate) async fn check_rows(&self, posted: &HashMap<String, u64>) -> anyhow::Result<()> {
        self.until_projected(posted.values().sum()).await?;
        let feeds: Vec<(String, i64, i64, i64, i64)> = query_as(
            "select room_id, count(*), min(v), max(v), count(*) filter (where type = 'message_posted')
             from room_events group by room_id",
        )
        .fetch_all(&mut self.database().await?)
        .await?;
        for (room, events, first, last, messages) in &feeds {
            ensure!((*first, *last) == (1, *events), "{room} has {events} events with the versions {first} to {last}");
            let expected = posted.get(room).copied().unwrap_or_default();
            ensure!(messages.cast_unsigned() == expected, "{room} has {messages} messages instead of {expected}");
        }
        let missing = posted.keys().find(|room| feeds.iter().all(|feed| feed.0 != **room));
        ensure!(missing.is_none(), "there is no feed of {missing:?}");
        Ok(())
    }
}

/// Returns the position of a command's response.
fn position(response: &Response) -> anyhow::Result<String> {
    let value = response.headers().get("event-position").context("no Event-Position")?;
    Ok(value.to_str()?.to_owned())
}

fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let addresses = Url::parse(url)?.socket_addrs(|| None)?;
    addresses.into_iter().next().context("a service without an address")
}
