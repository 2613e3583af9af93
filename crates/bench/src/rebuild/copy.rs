//! The lower limit of the time: a bare copy of a generation's rows into fresh tables.

use std::path::Path;

use anyhow::{Context, ensure};
use futures::TryStreamExt;
use projector::generation::{self, Origin};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar, raw_sql};
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufReader, BufWriter},
};

use super::{Part, Servers, timed};
use crate::cpu::Processes;

const CHUNK: usize = 1 << 20;

/// The tables of each connection; the two large ones are apart.
const TABLES: [&[&str]; 2] =
    [&["room_events"], &["messages", "boxes", "rooms", "members", "user_rooms", "alarms", "users", "stores"]];

/// The result of a copy.
pub(crate) struct Copied {
    pub(crate) count: u64,
    pub(crate) rows: Part,
    pub(crate) indexes: Part,
}

/// Copies a generation into a fresh one. Only the writing is timed.
pub(crate) async fn copy(
    servers: &Servers,
    (generation, to): (i32, i32),
    origins: &[Origin],
    processes: Processes,
) -> anyhow::Result<Copied> {
    let admin = servers.admin();
    let mut connection = PgConnection::connect(&admin).await?;
    let quarantined = format!("select count(*) from read_g{generation}.quarantined_boxes");
    let quarantined: i64 = query_scalar(AssertSqlSafe(quarantined)).fetch_one(&mut connection).await?;
    ensure!(quarantined == 0, "{quarantined} boxes are in quarantine: the figures would be meaningless");
    for table in TABLES.concat() {
        export(&mut connection, generation, table, &servers.folder().join(table)).await?;
    }
    let database = servers.database()?;
    generation::create(&database, to, origins).await?;
    let all = async {
        let [one, other] = TABLES.map(|tables| Box::pin(import(&admin, to, tables, servers.folder())));
        let (one, other) = tokio::try_join!(one, other)?;
        Ok(one + other)
    };
    let (count, rows) = timed(processes, all).await?;
    let ((), indexes) = timed(processes, async { Ok(projector::complete(&database, to).await?) }).await?;
    Ok(Copied { count, rows, indexes })
}

async fn export(connection: &mut PgConnection, generation: i32, table: &str, path: &Path) -> anyhow::Result<()> {
    let file = File::create(path).await.with_context(|| format!("cannot create {}", path.display()))?;
    // The server sends small chunks, row by row.
    let mut file = BufWriter::with_capacity(CHUNK, file);
    let statement = format!("copy read_g{generation}.{table} to stdout (format binary)");
    let mut rows = connection.copy_out_raw(&statement).await?;
    while let Some(chunk) = rows.try_next().await? {
        file.write_all(&chunk).await?;
    }
    Ok(file.flush().await?)
}

async fn import(admin: &str, to: i32, tables: &[&str], folder: &Path) -> anyhow::Result<u64> {
    let mut connection = PgConnection::connect(admin).await?;
    raw_sql("set synchronous_commit = off").execute(&mut connection).await?;
    let mut count = 0;
    for table in tables {
        let file = BufReader::with_capacity(CHUNK, File::open(folder.join(table)).await?);
        let mut copy = connection.copy_in_raw(&format!("copy read_g{to}.{table} from stdin (format binary)")).await?;
        copy.read_from(file).await?;
        count += copy.finish().await?;
    }
    Ok(count)
}
