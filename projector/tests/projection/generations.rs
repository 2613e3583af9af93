//! Generations: created once, readable by the query role only, and the same when they are built anew.

use std::sync::Arc;

use domain::{
    BoxCommand, BoxId, DeliveryBox, MessageId, RoomId, Store, StoreCommand, User, UserCommand, UserId,
    values::{BoxKind, Coordinates, MaxMembers},
};
use event_store::{CommandContext, Executor, ExecutorOptions, Log, Marks, MemoryLog, RequestHash, streams};
use projector::{
    catch_up,
    generation::{self, Generation, Origin},
};
use sqlx::Connection;

use crate::{
    story::{time, user},
    world::{PARTITIONS, World, everything, origins},
};

#[tokio::test]
async fn projectors_that_start_together_create_one_generation() {
    let world = World::start().await;
    let mut control = world.database.control().await.expect("a connection");
    sqlx::raw_sql("delete from control.generations; drop schema read_g1 cascade")
        .execute(&mut control)
        .await
        .expect("nothing is left");
    let start = async || {
        generation::migrate(&world.database).await.expect("migrated");
        generation::ensure(&world.database, &origins()).await.expect("ensured");
    };
    tokio::join!(start(), start(), start());
    let written = generation::written(&mut control).await.expect("generations");
    assert_eq!(written, [Generation { number: 1, active: true }]);
}

#[tokio::test]
async fn a_later_read_model_is_built_beside_the_active_one() {
    let world = World::start().await;
    let mut control = world.database.control().await.expect("a connection");
    // As if another build had made it.
    sqlx::raw_sql("update control.generations set model_version = 'another'")
        .execute(&mut control)
        .await
        .expect("the version is changed");
    assert!(generation::written(&mut control).await.expect("generations").is_empty());
    generation::ensure(&world.database, &origins()).await.expect("ensured");
    let written = generation::written(&mut control).await.expect("generations");
    assert_eq!(written, [Generation { number: 2, active: false }]);
}

#[tokio::test]
async fn the_query_role_reads_and_does_not_write() {
    let world = World::start().await;
    let mut query = sqlx::PgConnection::connect(&world.url(harness::Role::Query)).await.expect("a connection");
    // What keeps it from writing must not be a setting that it can change.
    sqlx::raw_sql("set default_transaction_read_only = off").execute(&mut query).await.expect("a setting");
    for table in ["read_g1.boxes", "read_g1.checkpoints", "read_g1.room_events", "control.generations"] {
        let count = format!("select count(*) from {table}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(count)).execute(&mut query).await.expect(table);
        let delete = format!("delete from {table}");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(delete)).execute(&mut query).await;
        let code = refused.expect_err(table).as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("42501"), "{table}");
    }
}

/// A log with a little of everything, written by the rules themselves.
struct Town {
    log: Arc<dyn Log>,
    boxes: Executor<DeliveryBox>,
    users: Executor<User>,
    stores: Executor<Store>,
}

impl Town {
    fn new() -> Self {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::default());
        let options = ExecutorOptions {
            partitions: PARTITIONS,
            idempotency_window: chrono::TimeDelta::hours(24),
            now: time(0),
            cached_states: 100,
        };
        Self {
            boxes: Executor::start(Arc::clone(&log), options),
            users: Executor::start(Arc::clone(&log), options),
            stores: Executor::start(Arc::clone(&log), options),
            log,
        }
    }

    async fn on(&self, box_id: &BoxId, actor: &UserId, command: BoxCommand) -> u64 {
        self.boxes.execute(box_id, command, context(actor)).await.expect("the box does it").sequence
    }

    async fn settle(&self) {
        let ops = user("ops");
        let store_id = "s1".parse().expect("a store id");
        let register = StoreCommand::RegisterStore {
            store_id: "s1".parse().expect("a store id"),
            name: "Thai".to_owned().try_into().expect("a name"),
            zip_code: "04109".to_owned().try_into().expect("a zip code"),
            category: None,
        };
        self.stores.execute(&store_id, register, context(&ops)).await.expect("the store is registered");
        for id in ["ann", "bob"] {
            let nickname = id.to_uppercase().try_into().expect("a nickname");
            let register = UserCommand::RegisterUser { user_id: user(id), nickname };
            self.users.execute(&user(id), register, context(&user(id))).await.expect("the user is registered");
        }
    }

    /// A room on a box of its own, with a conversation.
    async fn meet(&self, box_id: &str) {
        let box_id: BoxId = box_id.parse().expect("a box id");
        let (ann, at) = (user("ann"), time(0));
        let install = BoxCommand::InstallBox {
            box_id: box_id.clone(),
            kind: BoxKind::Shared,
            zip_code: "04109".to_owned().try_into().expect("a zip code"),
            address: "Market 1".to_owned().try_into().expect("an address"),
            detailed_address: "left".to_owned().try_into().expect("an address"),
            coordinates: Coordinates::new(1.0, 2.0).expect("a place"),
        };
        self.on(&box_id, &user("ops"), install).await;
        let open = BoxCommand::OpenRoom {
            host: ann.clone(),
            store_id: "s1".parse().expect("a store id"),
            store_open: true,
            title: "Noodles".to_owned().try_into().expect("a title"),
            max_members: MaxMembers::try_from(4).expect("a number"),
            password_hash: None,
            at,
            lifetime: chrono::TimeDelta::hours(3),
        };
        self.on(&box_id, &ann, open).await;
        let room_id = RoomId::new(box_id.clone(), 1);
        let mut last = 0;
        for n in 0..20 {
            let body = format!("message {n}").try_into().expect("a body");
            let post =
                BoxCommand::PostMessage { room_id: room_id.clone(), author: ann.clone(), body, reply_to: None, at };
            last = self.on(&box_id, &ann, post).await;
        }
        let marks = Marks::new(Arc::clone(&self.log), PARTITIONS);
        for message in [last - 1, last] {
            marks.mark(&room_id, &ann, MessageId::new(message), &context(&ann)).await.expect("marked");
        }
    }
}

fn context(actor: &UserId) -> CommandContext {
    CommandContext {
        command_id: None,
        request_hash: RequestHash::keyed(b"secret", &[]),
        actor: actor.clone(),
        at: time(0),
        traceparent: None,
    }
}

#[tokio::test]
async fn a_rebuilt_generation_equals_the_one_that_grew() {
    let town = Town::new();
    let mut origins = Vec::new();
    for stream in streams(PARTITIONS) {
        let incarnation = town.log.state(stream).await.expect("a state").incarnation;
        origins.push(Origin { stream, incarnation });
    }
    let world = World::start_from(&origins).await;
    let follow = async |number| {
        catch_up(&world.database, &town.log, number, &streams(PARTITIONS)).await.expect("caught up");
    };
    follow(1).await;
    town.settle().await;
    for n in 0..5 {
        town.meet(&format!("b{n}")).await;
        follow(1).await;
    }
    generation::create(&world.database, 2, &origins).await.expect("a generation is created");
    follow(2).await;
    let mut grown = world.database.generation(1).await.expect("a connection");
    let mut rebuilt = world.database.generation(2).await.expect("a connection");
    let (grown, rebuilt) = (everything(&mut grown).await, everything(&mut rebuilt).await);
    assert_eq!(grown["messages"].len(), 100);
    assert_eq!(grown["read_markers"].len(), 5);
    assert_eq!(grown["users"].len(), 2);
    assert_eq!(grown, rebuilt);
}
