//! Sample data, created through the public commands.

mod client;
mod data;

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use futures::{StreamExt, TryStreamExt, stream};
use harness::{Stack, token::Bearer};
use serde_json::json;

use self::{
    client::Client,
    data::{Line, Room},
};
use crate::console::{self, Progress};

/// The number of concurrent commands.
const CONCURRENCY: usize = 8;
/// The validity of the seeder's tokens.
const LIFETIME: Duration = Duration::from_hours(1);
/// The limit of attempts per box. Each closed room of an earlier run takes one.
const ROOMS_TRIED: usize = 1_000;

/// Creates the sample data. A repeat changes nothing, except that closed rooms are opened again.
pub(crate) async fn fill(stack: &Stack) -> anyhow::Result<()> {
    let seeder = Seeder::new(stack)?;
    let rooms = data::rooms();
    let conversations: usize = rooms.iter().map(|room| room.guests.len() + room.lines.len() + 1).sum();
    let steps = data::boxes().len() + data::STORES.len() + data::USERS.len() + conversations;
    let (seeder, progress) = (&seeder, &Progress::new(u64::try_from(steps)?));
    progress.stage("boxes");
    each(data::boxes(), async |install| seeder.install(install).await.map(|()| progress.step())).await?;
    progress.stage("stores");
    each(data::STORES, async |store| seeder.register_store(store).await.map(|()| progress.step())).await?;
    progress.stage("users");
    each(data::USERS, async |user| seeder.register_user(user).await.map(|()| progress.step())).await?;
    progress.stage("rooms");
    each(rooms, async |room| seeder.fill_room(&room, progress).await).await?;
    console::print(&format!(
        "sample data: {} boxes, {} stores, {} users and {} open rooms",
        data::boxes().len(),
        data::STORES.len(),
        data::USERS.len(),
        data::rooms().len()
    ));
    Ok(())
}

async fn each<T>(
    things: impl IntoIterator<Item = T>,
    work: impl AsyncFn(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let work = &work;
    stream::iter(things).map(async |thing| work(thing).await).buffer_unordered(CONCURRENCY).try_collect().await
}

/// The clients of the services, and a token for each user.
struct Seeder {
    client: Client,
    operator: String,
    tokens: HashMap<&'static str, String>,
}

impl Seeder {
    fn new(stack: &Stack) -> anyhow::Result<Self> {
        let token = |(id, _): &(&'static str, _)| (*id, stack.token(Bearer::User(id), LIFETIME));
        Ok(Self {
            client: Client::new(stack.command_url(0), stack.query_url(0))?,
            operator: stack.token(Bearer::Operator("ops"), LIFETIME),
            tokens: data::USERS.iter().map(token).collect(),
        })
    }

    async fn install(&self, install: data::Install) -> anyhow::Result<()> {
        let body = json!({
            "box_id": install.box_id, "kind": "shared", "zip_code": install.zip_code, "address": install.address,
            "detailed_address": install.detail, "latitude": install.latitude, "longitude": install.longitude,
        });
        self.client.ensure("/boxes", Some(&self.operator), &format!("seed-box-{}", install.box_id), &body).await
    }

    async fn register_store(&self, (id, name, zip_code, category): data::Store) -> anyhow::Result<()> {
        let body = json!({ "store_id": id, "name": name, "zip_code": zip_code, "category": category });
        self.client.ensure("/stores", Some(&self.operator), &format!("seed-store-{id}"), &body).await
    }

    async fn register_user(&self, (id, nickname): data::User) -> anyhow::Result<()> {
        let body = json!({ "user_id": id, "password": format!("{id} of the town"), "nickname": nickname });
        self.client.ensure("/users", None, &format!("seed-user-{id}"), &body).await
    }

    /// Opens a room, adds its guests and posts its conversation.
    async fn fill_room(&self, room: &Room, progress: &Progress) -> anyhow::Result<()> {
        let Some(room_id) = self.open(room).await? else {
            // The box is occupied by a room that the seeder does not own.
            (0..=room.guests.len() + room.lines.len()).for_each(|_| progress.step());
            return Ok(());
        };
        progress.step();
        for guest in &room.guests {
            let path = format!("/rooms/{room_id}/members");
            self.client.ensure(&path, self.token(guest)?, &format!("seed-{room_id}-{guest}"), &json!({})).await?;
            progress.step();
        }
        for (number, Line(author, body)) in room.lines.iter().enumerate() {
            let path = format!("/rooms/{room_id}/messages");
            let key = format!("seed-{room_id}-{number}");
            self.client.ensure(&path, self.token(author)?, &key, &json!({ "body": body })).await?;
            progress.step();
        }
        Ok(())
    }

    /// Returns the id of the seeder's open room on this box; `None` if another room is open there.
    async fn open(&self, room: &Room) -> anyhow::Result<Option<String>> {
        let path = format!("/boxes/{}/rooms", room.box_id);
        let body = json!({ "store_id": room.store_id, "title": room.title, "max_members": room.max_members });
        let host = self.token(room.host)?;
        // A repeated key returns the room of an earlier run. If that has closed, its successor has a key of its own.
        let mut key = format!("seed-{}", room.box_id);
        for _ in 0..ROOMS_TRIED {
            let Some(opened) = self.client.create(&path, host, &key, &body).await? else { return Ok(None) };
            if self.client.is_open(&opened, host).await? {
                return Ok(Some(opened.id));
            }
            key = format!("seed-after-{}", opened.id);
        }
        anyhow::bail!("every new room of the box {} is closed already", room.box_id)
    }

    fn token(&self, user: &str) -> anyhow::Result<Option<&str>> {
        self.tokens.get(user).map(|token| Some(token.as_str())).with_context(|| format!("unknown user {user}"))
    }
}
