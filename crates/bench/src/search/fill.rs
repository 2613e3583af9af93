//! Generated messages in rooms that follow each other over two years, as rows of the read model.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
use text::search::Words;
use tokio::{sync::mpsc, task};

use super::served::Served;

/// The numbers of rooms of the members that search.
pub(super) const MEMBERSHIPS: [u32; 5] = [1, 20, 60, 200, 1_000];

/// The searches: words in a fifth, in a hundredth and in one of 10,000 messages, one that is not there, and several.
pub(super) const WORDS: [&str; 8] =
    ["pizza", "noodles", "saffron", "absent", "piz", "피자", "noodles pizza", "\"two pizza\" -noodles"];

const MESSAGES_PER_ROOM: u64 = 100;

/// The number of rooms that are open at a time.
const OPEN_ROOMS: u64 = 40;

/// The number of rows that are generated at a time.
const CHUNK: u64 = 5_000;

const SYLLABLES: [&str; 16] =
    ["ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ra", "se", "ti", "vo", "wa", "xe", "zu"];

/// The id of the member of this number of rooms.
pub(super) fn member(rooms: u32) -> String {
    format!("member{rooms}")
}

/// Writes rooms, members and messages. Two tasks generate rows, and a connection each writes them.
pub(super) async fn fill(served: &Served, messages: u64) -> anyhow::Result<()> {
    let rooms = messages.div_ceil(MESSAGES_PER_ROOM * OPEN_ROOMS) * OPEN_ROOMS;
    let mut sql = format!(
        "insert into members
         select 'b' || n % 1000, 'b' || n % 1000 || '.' || n, 'user' || (n * 7 + m) % 5000, 'inside', now(), m, 0
         from generate_series(0, {rooms} - 1) as n, generate_series(1, 5) as m;"
    );
    for count in MEMBERSHIPS {
        // Spread over all rooms.
        write!(
            sql,
            "insert into members
             select distinct 'b' || n % 1000, 'b' || n % 1000 || '.' || n, '{}', 'inside', now(), 9, 0
             from (select {rooms}::bigint * i / {count} as n from generate_series(0, {count} - 1) as i) as spread;",
            member(count)
        )?;
    }
    // Each room lasts as long as its messages.
    let seconds = TimeDelta::weeks(104).as_seconds_f64() / f64::from(u32::try_from(messages)?);
    write!(
        sql,
        "insert into rooms
         select 'b' || n % 1000, 'b' || n % 1000 || '.' || n, n, 'store', '10115', 'Lunch', false, 'closed', 'deadline',
             'user1', 5, 9, false, 'closed', opened_at, closed_at, closed_at, 1, {MESSAGES_PER_ROOM}, closed_at, ''
         from generate_series(0, {rooms} - 1) as n
         cross join lateral (select n / {OPEN_ROOMS} * {MESSAGES_PER_ROOM} * {OPEN_ROOMS} as first_message) as block
         cross join lateral (
             select now() - {seconds} * ({messages} - first_message) * interval '1 second' as opened_at,
                 now() - {seconds} * ({messages} - first_message - {MESSAGES_PER_ROOM} * {OPEN_ROOMS})
                     * interval '1 second' as closed_at
         ) as time;
         insert into user_rooms
         select m.user_id, r.opened_at, r.room_id, r.box_id, true, r.closed_at
         from members m join rooms r on r.box_id = m.box_id and r.room_id = m.room_id;"
    )?;
    let mut connection = served.admin().await?;
    raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    let half = messages / CHUNK / 2 * CHUNK;
    tokio::try_join!(write(served, 0..half, messages), write(served, half..messages, messages))?;
    Ok(())
}

async fn write(served: &Served, numbers: std::ops::Range<u64>, messages: u64) -> anyhow::Result<()> {
    let mut connection: PgConnection = served.admin().await?;
    let mut copy = connection.copy_in_raw("copy messages from stdin").await?;
    let (to, mut chunks) = mpsc::channel(4);
    let generator = task::spawn_blocking(move || {
        let step = TimeDelta::weeks(104) / i32::try_from(messages).unwrap_or(i32::MAX);
        let mut random = StdRng::seed_from_u64(numbers.start);
        let mut next = numbers.start;
        while next < numbers.end {
            let end = numbers.end.min(next + CHUNK);
            let mut rows = String::new();
            for number in next..end {
                let age = step * i32::try_from(messages - number).unwrap_or(i32::MAX);
                add_row(&mut rows, number, service_kit::clock::now() - age, &mut random);
            }
            next = end;
            if to.blocking_send(rows).is_err() {
                return;
            }
        }
    });
    while let Some(rows) = chunks.recv().await {
        copy.send(rows.as_bytes()).await?;
    }
    copy.finish().await?;
    Ok(generator.await?)
}

fn add_row(rows: &mut String, number: u64, posted_at: DateTime<Utc>, random: &mut StdRng) {
    let room = number / (MESSAGES_PER_ROOM * OPEN_ROOMS) * OPEN_ROOMS + number % OPEN_ROOMS;
    let (box_id, room_id) = (format!("b{}", room % 1000), format!("b{}.{room}", room % 1000));
    let body = body(random);
    let words = Words::of_message(&body, &room_id, posted_at.timestamp());
    // Writing to a string cannot fail.
    let _ = writeln!(
        rows,
        "{box_id}\t{room_id}\t{number}\t{number}\tuser{}\t{number}\t{body}\tf\t\\N\t{}\t\\N\t{{}}\t[]\tf\t\\N\t{words}",
        number % 5000,
        posted_at.to_rfc3339(),
    );
}

/// Generates a message of 3 to 12 words, a quarter of them Korean.
fn body(random: &mut StdRng) -> String {
    let is_korean = random.random_ratio(1, 4);
    let words = random.random_range(3..=12);
    let mut body = String::new();
    for _ in 0..words {
        let draw: u32 = random.random_range(0..1_000_000);
        match (draw, is_korean) {
            (0..12, _) => body.push_str("Saffron"),
            (12..1_400, _) => body.push_str("noodles,"),
            (1_400..30_000, false) => body.push_str("two Pizza"),
            (1_400..30_000, true) => body.push_str("피자를"),
            (_, false) => {
                // The smaller of two numbers: some words are more frequent than others.
                let word = random.random_range(0..4_096_usize).min(random.random_range(0..4_096));
                for place in 0..=random.random_range(0..3) {
                    body.push_str(SYLLABLES[word >> (4 * place) & 15]);
                }
            }
            (_, true) => {
                for _ in 0..random.random_range(1..4) {
                    body.extend(char::from_u32(0xac00 + 28 * random.random_range(0..399_u32)));
                }
            }
        }
        body.push(' ');
    }
    body
}
