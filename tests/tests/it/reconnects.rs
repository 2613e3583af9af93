//! Five thousand connections are lost and reconnect at once, over a pool of ten, while reads continue.

mod reading;

use std::time::Instant;

use futures::{StreamExt, future::join_all, stream};
use harness::StackOptions;
use system_tests::{Live, Person, World};
use tokio::task::JoinSet;

use self::reading::Reading;

const POOL: u32 = 10;
const ROOMS: usize = 10;
const MEMBERS: usize = 50;
/// The number of connections of each member.
const EACH: usize = 10;

/// The number of messages in each room while no client is connected.
const MISSED: u64 = 20;

struct Room {
    id: String,
    members: Vec<Person>,
}

/// A connection's user and room, and the last version that it has received.
#[derive(Clone)]
struct Seat {
    url: String,
    token: String,
    room: String,
    v: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_clients_reconnect_at_once_and_catch_up_while_reads_continue() {
    let world = World::start(StackOptions { database_pool: POOL, ..StackOptions::default() }).await;
    let rooms = join_all((0..ROOMS).map(|number| fill_room(&world, number))).await;
    let url = world.stack.query_url(0);
    let v = MEMBERS as u64;
    let seats: Vec<Seat> = rooms
        .iter()
        .flat_map(|room| {
            room.members.iter().flat_map(move |member| vec![(room.id.clone(), member.token().to_owned()); EACH])
        })
        .map(|(room, token)| Seat { url: url.clone(), token, room, v })
        .collect();

    let begin = Instant::now();
    let lives: Vec<Live> = stream::iter(seats.clone()).map(come).buffer_unordered(256).collect().await;
    eprintln!("{} connections are there after {:?}", lives.len(), begin.elapsed());
    drop(lives);
    let saying = rooms.iter().map(|room| async {
        for number in 0..MISSED {
            room.members[0].say(&room.id, &format!("nobody hears {number}")).await.created();
        }
        world.sees_room(&room.members[0], &room.id).await;
    });
    join_all(saying).await;

    let paths = [format!("/rooms/{}/messages", rooms[0].id), "/boxes".to_owned(), "/me/rooms".to_owned()];
    let reading = Reading::start(&url, rooms[0].members[0].token(), paths);
    let begin = Instant::now();
    let mut coming: JoinSet<Live> = seats.into_iter().map(come_back).collect();
    let mut back = Vec::new();
    while let Some(live) = coming.join_next().await {
        back.push(live.unwrap());
    }
    let took = begin.elapsed();
    let reads = reading.finish();
    eprintln!(
        "{} are back after {took:?}; {} reads meanwhile: p50 {:?}, p99 {:?}, worst {:?}",
        back.len(),
        reads.len(),
        reads[reads.len() / 2],
        reads[reads.len() * 99 / 100],
        reads[reads.len() - 1],
    );

    for room in &rooms {
        room.members[0].say(&room.id, "welcome back").await.created();
    }
    let all = back.iter_mut().map(|live| live.until("the last word", |frame| frame["data"]["body"] == "welcome back"));
    join_all(all).await;
}

/// A room that all members have joined.
async fn fill_room(world: &World, number: usize) -> Room {
    let members = world.people(&format!("member-{number}"), MEMBERS);
    let id = world.open_room(&members[0], &format!("box-{number}"), MEMBERS).await;
    for member in &members[1..] {
        world.join(member, &id).await;
    }
    world.sees_room(&members[MEMBERS - 1], &id).await;
    Room { id, members }
}

async fn come(seat: Seat) -> Live {
    let mut live = Live::connect(&seat.url).await;
    live.hello(&seat.token, &[(&seat.room, Some(seat.v))]).await;
    assert_eq!(live.subscribed(&seat.room).await["recovered"], true);
    live
}

/// Reconnects with an old version, and checks that exactly the missed events arrive.
async fn come_back(seat: Seat) -> Live {
    let mut live = come(seat.clone()).await;
    live.until_version(&seat.room, seat.v + MISSED).await;
    assert_eq!(live.events(&seat.room).len() as u64, MISSED);
    live
}
