//! socket.io 4 with an insert into PostgreSQL before each broadcast.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, ensure};
use harness::{
    checkout::Scratch,
    output::Output,
    port::Port,
    process::{Launch, Process},
};
use sqlx::{Connection, PgConnection, query_scalar};
use tokio::{net::TcpStream, time::sleep};

use super::{database::Database, folder};
use crate::{
    accounting::Watch,
    load::{Mark, Target, opening::Opening},
};

/// The files of the server, with pinned versions and hashes of its packages.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../peers/socketio/package.json")),
    ("package-lock.json", include_str!("../../peers/socketio/package-lock.json")),
    ("server.js", include_str!("../../peers/socketio/server.js")),
];

/// The running server with its database. They end with this value.
pub(crate) struct SocketIo {
    process: Process,
    address: SocketAddr,
    database: Database,
    _port: Port,
    _scratch: Scratch,
}

impl SocketIo {
    /// Installs the packages if they are missing, and starts the server. Needs node and npm.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = folder::write("socketio", &FILES)?;
        folder::install(&folder, "npm", &["ci", "--no-audit", "--no-fund", "--prefer-offline"]).await?;
        let (database, scratch, port) = (Database::start().await?, Scratch::create()?, Port::reserve(None)?);
        let server = folder.join("server.js").to_string_lossy().into_owned();
        let launch = Launch::new("socketio", "node").args([server, port.number().to_string(), database.url()]);
        let launch = launch.env("NODE_ENV", "production");
        let process = Process::spawn(launch, &Output::Folder(scratch.logs())).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        while TcpStream::connect(address).await.is_err() {
            ensure!(process.exit_status().is_none(), "socket.io does not start:\n{}", process.last_output());
            sleep(Duration::from_millis(10)).await;
        }
        scratch.started();
        Ok(Self { process, address, database, _port: port, _scratch: scratch })
    }

    /// Watches the server and its database.
    pub(crate) async fn watch(&self) -> anyhow::Result<Watch> {
        let mut watch = Watch::default();
        watch.add("node", self.process.pid());
        watch.add_tree("postgres", self.database.pid().await.context("PostgreSQL does not run")?);
        Ok(watch)
    }

    /// Creates a target for one run.
    pub(crate) fn target(&self) -> SocketIoTarget {
        SocketIoTarget { address: self.address, run: rand::random() }
    }

    /// The number of stored messages.
    pub(crate) async fn stored(&self) -> anyhow::Result<u64> {
        let mut connection = PgConnection::connect(&self.database.url()).await?;
        let count: i64 = query_scalar("select count(*) from messages").fetch_one(&mut connection).await?;
        Ok(count.cast_unsigned())
    }
}

/// The server as a target of the load client.
pub(crate) struct SocketIoTarget {
    address: SocketAddr,
    /// Differs from run to run, as the rooms do.
    run: u32,
}

impl Target for SocketIoTarget {
    fn connect(&self, room: usize, _: usize) -> anyhow::Result<Opening> {
        let mut opening = Opening::connect(self.address, "/socket.io/?EIO=4&transport=websocket", None)?;
        opening.expect("0{\"sid\"")?;
        opening.send("40")?;
        opening.expect("40{\"sid\"")?;
        opening.send(&format!(r#"42["join","{:08x}-{room}"]"#, self.run))?;
        opening.expect("joined")?;
        Ok(opening)
    }

    fn post_address(&self) -> Option<SocketAddr> {
        None
    }

    fn post(&self, mark: Mark, member: usize) -> String {
        let (room, body) = (format!("{:08x}-{}", self.run, mark.room), mark.text());
        format!(r#"42["post",{{"room":"{room}","author":"user-{member}","body":"{body}"}}]"#)
    }

    fn respond(&self, frame: &[u8]) -> Option<&'static str> {
        (frame == b"2").then_some("3")
    }

    fn version(&self, _: &[u8]) -> Option<u64> {
        None
    }
}
