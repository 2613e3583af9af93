//! Thousands of live connections, while a few database connections answer the reads.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures::{StreamExt, future::join_all, stream};
use harness::{Role, StackOptions};
use sqlx::{Connection, PgConnection};
use system_tests::{Live, Person, World};

const POOL: u32 = 5;
const ROOMS: usize = 10;
const MEMBERS: usize = 10;
const CONNECTIONS: usize = 2_000;

struct Room {
    id: String,
    members: Vec<Person>,
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_share_a_pool_of_five_connections_while_reads_continue() {
    let world = World::start(StackOptions { database_pool: POOL, ..StackOptions::default() }).await;
    let rooms = join_all((0..ROOMS).map(|number| fill_room(&world, number))).await;
    let mut database = PgConnection::connect(&world.stack.database_url(Role::Admin)).await.unwrap();

    let reader = &rooms[0].members[0];
    let all_connected = AtomicBool::new(false);
    let reads = keep_reading(reader, &rooms[0].id, &all_connected);
    let connecting = async {
        let lives = stream::iter(0..CONNECTIONS).map(|number| follow(&world, &rooms[number % ROOMS], number));
        let lives: Vec<Live> = lives.buffer_unordered(64).collect().await;
        all_connected.store(true, Ordering::Relaxed);
        lives
    };
    let (reads, mut lives) = tokio::join!(reads, connecting);
    assert!(reads > 20, "only {reads} reads while the clients connected");
    assert_eq!(lives.len(), CONNECTIONS);

    let open = "select count(*) from pg_stat_activity where usename = 'query'";
    let open: i64 = sqlx::query_scalar(open).fetch_one(&mut database).await.unwrap();
    // The watcher of generations has one more connection.
    assert!(open <= i64::from(POOL) + 1, "{open} database connections");

    for room in &rooms {
        room.members[0].say(&room.id, "to everybody").await.created();
    }
    let all_told = AtomicBool::new(false);
    let telling = async {
        // Each connection follows one room and receives its message.
        join_all(lives.iter_mut().map(|live| async {
            live.until("the message", |frame| frame["data"]["body"] == "to everybody").await;
        }))
        .await;
        all_told.store(true, Ordering::Relaxed);
    };
    tokio::join!(telling, keep_reading(reader, &rooms[0].id, &all_told));
}

/// A room that all members have joined, with one message.
async fn fill_room(world: &World, number: usize) -> Room {
    let members = world.people(&format!("member-{number}"), MEMBERS);
    let id = world.open_room(&members[0], &format!("box-{number}"), MEMBERS).await;
    for member in &members[1..] {
        world.join(member, &id).await;
    }
    let last = members[0].say(&id, "first").await;
    for member in &members {
        member.remember_position(&last);
        member.get(&format!("/rooms/{id}/members")).await.ok();
    }
    Room { id, members }
}

async fn follow(world: &World, room: &Room, number: usize) -> Live {
    let member = &room.members[number / ROOMS % MEMBERS];
    let mut live = world.follow(member, &room.id, 0).await;
    live.until_version(&room.id, MEMBERS as u64 + 1).await;
    live
}

/// Reads until `enough` is set. Every read must succeed in time.
async fn keep_reading(person: &Person, room: &str, enough: &AtomicBool) -> usize {
    let mut reads = 0;
    while !enough.load(Ordering::Relaxed) {
        let asked = std::time::Instant::now();
        for path in [format!("/rooms/{room}/messages"), "/boxes".to_owned(), "/me/rooms".to_owned()] {
            person.get(&path).await.ok();
            reads += 1;
        }
        assert!(asked.elapsed() < Duration::from_secs(5), "three reads took {:?}", asked.elapsed());
    }
    reads
}
