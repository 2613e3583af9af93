//! Sample commands to boxes, rooms, stores and users, and their contexts.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    BoxCommand, BoxId, BoxRefusal, DeliveryBox, OwnCommand, RoomCommand, RoomId, StoreCommand, TalkCommand,
    UserCommand, UserId,
    delivery_box::PasswordProof,
    values::{BoxKind, Coordinates},
};
use event_store::{
    ActorRole, CommandContext, CommandError, Committed, Executor, ExecutorOptions, Log, RequestHash, StoredAggregate,
};

/// The time of all commands.
pub fn noon() -> DateTime<Utc> {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// Starts an executor with the settings of a process.
pub fn executor<A: StoredAggregate>(log: &Arc<impl Log>) -> Arc<Executor<A>> {
    let options = ExecutorOptions { partitions: 4, idempotency_window: TimeDelta::hours(24), cached_states: 1000 };
    Arc::new(Executor::start(log.clone(), options))
}

/// Returns the context of a user's command without a key.
pub fn by(actor: &str) -> CommandContext {
    static REQUESTS: AtomicU32 = AtomicU32::new(0);
    let request = REQUESTS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    CommandContext {
        command_id: None,
        request_hash: RequestHash::keyed(b"secret", &[&request]),
        actor: actor.parse().unwrap(),
        role: ActorRole::User,
        at: noon(),
        traceparent: None,
        reason: None,
    }
}

/// Returns the context of a user's command with a key.
pub fn keyed(actor: &str, key: &str, body: &str) -> CommandContext {
    CommandContext {
        command_id: Some(key.to_owned()),
        request_hash: RequestHash::keyed(b"secret", &[body.as_bytes()]),
        ..by(actor)
    }
}

/// The result of a command to a box.
pub type Answer = Result<Committed<DeliveryBox>, CommandError<BoxRefusal>>;

/// Returns the id of the sample box.
pub fn box_id() -> BoxId {
    "b1".parse().unwrap()
}

/// Returns the id of the first room of the sample box.
pub fn room_id() -> RoomId {
    RoomId::new(box_id(), 1)
}

/// Parses the id of a user.
pub fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

/// Installs the sample box.
pub fn install() -> BoxCommand {
    install_box(box_id())
}

/// Installs a box.
pub fn install_box(box_id: BoxId) -> BoxCommand {
    BoxCommand::Box(OwnCommand::InstallBox {
        box_id,
        kind: BoxKind::Shared,
        zip_code: "06236".to_owned().try_into().unwrap(),
        address: "1 Teheran-ro".to_owned().try_into().unwrap(),
        detailed_address: "lobby".to_owned().try_into().unwrap(),
        coordinates: Coordinates::new(37.5, 127.0).unwrap(),
    })
}

/// Opens a room without a password.
pub fn open(host: &str) -> BoxCommand {
    BoxCommand::Box(OwnCommand::OpenRoom {
        host: user(host),
        store_id: "s1".parse().unwrap(),
        store_open: true,
        title: "Lunch".to_owned().try_into().unwrap(),
        max_members: 100.try_into().unwrap(),
        password_hash: None,
        lifetime: domain::delivery_box::ROOM_LIFETIME,
        at: noon(),
    })
}

/// Joins the sample room.
pub fn join(name: &str) -> BoxCommand {
    RoomCommand::JoinRoom { user_id: user(name), password: PasswordProof::Missing, invitation: None, at: noon() }
        .in_room(room_id())
}

/// Leaves the sample room.
pub fn leave(name: &str) -> BoxCommand {
    RoomCommand::LeaveRoom { user_id: user(name), at: noon() }.in_room(room_id())
}

/// Closes the sample room.
pub fn close(host: &str) -> BoxCommand {
    RoomCommand::CloseRoom { by: user(host), at: noon() }.in_room(room_id())
}

/// Posts a message in the sample room.
pub fn say(author: &str, body: &str) -> BoxCommand {
    post(room_id(), author, body)
}

/// Posts a message in a room.
pub fn post(room_id: RoomId, author: &str, body: &str) -> BoxCommand {
    TalkCommand::PostMessage {
        author: user(author),
        body: body.to_owned().try_into().unwrap(),
        reply_to: None,
        at: noon(),
    }
    .in_room(room_id)
}

/// Registers a user.
pub fn register_user(user_id: &str, nickname: &str) -> UserCommand {
    UserCommand::RegisterUser { user_id: user(user_id), nickname: nickname.to_owned().try_into().unwrap() }
}

/// Registers a store.
pub fn register_store(store_id: &str) -> StoreCommand {
    StoreCommand::RegisterStore {
        store_id: store_id.parse().unwrap(),
        name: "Thai".to_owned().try_into().unwrap(),
        zip_code: "04109".to_owned().try_into().unwrap(),
        category: None,
    }
}

/// Installs a box and opens a room in it with Ann as host.
pub async fn open_room(boxes: &Executor<DeliveryBox>) {
    boxes.execute(&box_id(), install(), by("ops")).await.unwrap();
    boxes.execute(&box_id(), open("ann"), by("ann")).await.unwrap();
}
