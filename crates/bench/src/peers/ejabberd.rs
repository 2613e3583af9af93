//! Debian's ejabberd 23: rooms over XMPP, whose messages are archived in PostgreSQL.
//!
//! The packages are unpacked into a folder, not installed, so nothing on the machine changes.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use harness::{
    checkout::Scratch,
    output::Output,
    port::Port,
    process::{Launch, Process},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar, raw_sql};
use tokio::{net::TcpStream, time::sleep};
use url::Url;

use super::{database::Database, folder};
use crate::{
    accounting::Watch,
    load::{Framing, Mark, Target, opening::Opening},
};

/// The packages, in Debian 12's versions. The versions of the others follow from them.
const PACKAGES: [&str; 2] = ["ejabberd=23.01-1", "erlang-p1-pgsql=1.1.20-1"];

const CONFIG: &str = include_str!("../../peers/ejabberd/ejabberd.yml");

/// The time limit of a start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit for the last messages to be archived.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The beginning of a stream.
const STREAM: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// The running server with its database. They end with this value.
pub(crate) struct Ejabberd {
    process: Process,
    address: SocketAddr,
    database: Database,
    _port: Port,
    _scratch: Scratch,
}

impl Ejabberd {
    /// Fetches the packages if they are missing, and starts the server. Needs Debian 12.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let root = unpack().await?;
        let (database, scratch, port) = (Database::start().await?, Scratch::create()?, Port::reserve(None)?);
        let schema = fs::read_to_string(root.join("usr/share/ejabberd/sql/pg.sql")).context("no schema")?;
        raw_sql(AssertSqlSafe(schema)).execute(&mut PgConnection::connect(&database.url()).await?).await?;
        fs::write(scratch.path().join("ejabberd.yml"), config(&Url::parse(&database.url())?, port.number()))?;
        let process = Process::spawn(launch(&root, scratch.path())?, &Output::Folder(scratch.logs())).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).await.is_err() {
            let fails = process.exit_status().is_some() || Instant::now() > deadline;
            ensure!(!fails, "ejabberd does not start:\n{}", process.last_output());
            sleep(Duration::from_millis(50)).await;
        }
        scratch.started();
        Ok(Self { process, address, database, _port: port, _scratch: scratch })
    }

    /// Watches the server and its database.
    pub(crate) async fn watch(&self) -> anyhow::Result<Watch> {
        let mut watch = Watch::default();
        watch.add("ejabberd", self.process.pid());
        watch.add_tree("postgres", self.database.pid().await.context("PostgreSQL does not run")?);
        Ok(watch)
    }

    /// Creates a target for one run.
    pub(crate) fn target(&self) -> EjabberdTarget {
        EjabberdTarget { address: self.address, run: rand::random() }
    }

    /// The number of archived messages, once it has reached a number.
    pub(crate) async fn stored(&self, expected: u64) -> anyhow::Result<u64> {
        let mut connection = PgConnection::connect(&self.database.url()).await?;
        let deadline = Instant::now() + ARCHIVE_TIMEOUT;
        loop {
            let count: i64 = query_scalar("select count(*) from archive").fetch_one(&mut connection).await?;
            if count.cast_unsigned() >= expected || Instant::now() > deadline {
                return Ok(count.cast_unsigned());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Unpacks the packages. Returns the root of their files.
async fn unpack() -> anyhow::Result<PathBuf> {
    let folder = folder::write("ejabberd", &[("packages.txt", &PACKAGES.join("\n"))])?;
    let (root, draft) = (folder.join("root"), folder.join("draft"));
    if root.exists() {
        return Ok(root);
    }
    let _ = fs::remove_dir_all(&draft);
    fs::create_dir_all(&draft)?;
    let mut simulate = vec!["install", "--simulate", "--no-install-recommends"];
    simulate.extend(PACKAGES);
    let plan = folder::install(&draft, "apt-get", &simulate).await?;
    let packages: Vec<String> = plan.lines().filter_map(package).collect();
    let mut download = vec!["download"];
    download.extend(packages.iter().map(String::as_str));
    folder::install(&draft, "apt-get", &download).await?;
    for file in fs::read_dir(&draft)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            folder::install(&draft, "dpkg-deb", &["-x", &file.to_string_lossy(), "root"]).await?;
        }
    }
    fs::rename(draft.join("root"), &root).context("no packages were fetched")?;
    Ok(root)
}

/// Returns the package and version of a line like `Inst erlang-base (1:25.2.3 Debian:12 [amd64])`.
fn package(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    Some(format!("{}={}", name.split(' ').next()?, rest.split(' ').next()?))
}

fn config(database: &Url, port: u16) -> String {
    let values = [
        ("SQL_PORT", database.port().unwrap_or(5432).to_string()),
        ("SQL_DATABASE", database.path().trim_start_matches('/').to_owned()),
        ("SQL_USERNAME", database.username().to_owned()),
        ("SQL_PASSWORD", database.password().unwrap_or_default().to_owned()),
        ("XMPP_PORT", port.to_string()),
    ];
    values.iter().fold(CONFIG.to_owned(), |config, (name, value)| config.replace(name, value))
}

/// Starts the Erlang machine as Debian's script does, but from another root, and without its network of nodes.
fn launch(root: &Path, folder: &Path) -> anyhow::Result<Launch> {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let erlang = root.join("usr/lib/erlang");
    let entries = fs::read_dir(&erlang).context("Erlang is not among the packages")?.flatten();
    let machine = entries.map(|entry| entry.path().join("bin")).find(|bin| bin.join("erlexec").is_file());
    let machine = machine.context("there is no Erlang machine")?;
    let path = |path: &Path| path.to_string_lossy().into_owned();
    let modules = path(&libraries.join("ejabberd-23.01-1/ebin"));
    let tables = format!("\"{}\"", path(&folder.join("spool")));
    fs::create_dir_all(folder.join("spool"))?;
    Ok(Launch::new("ejabberd", machine.join("erlexec"))
        .args(["-noinput", "-pa", &modules, "-mnesia", "dir", &tables])
        .args(["+K", "true", "+P", "250000", "+Q", "20000", "-s", "ejabberd"])
        .env("ROOTDIR", &erlang)
        .env("BINDIR", &machine)
        .env("EMU", "beam")
        .env("PROGNAME", "erl")
        .env("HOME", folder.join("spool"))
        .env("SPOOL_DIR", folder.join("spool"))
        .env("LD_LIBRARY_PATH", &libraries)
        .env("ERL_MAX_PORTS", "20000")
        .env("EJABBERD_CONFIG_PATH", folder.join("ejabberd.yml"))
        .env("EJABBERD_LOG_PATH", folder.join("ejabberd.log")))
}

/// The server as a target of the load client.
pub(crate) struct EjabberdTarget {
    address: SocketAddr,
    /// Differs from run to run, as the rooms do.
    run: u32,
}

impl EjabberdTarget {
    fn room(&self, room: usize) -> String {
        format!("r{room}x{:08x}@conference.localhost", self.run)
    }
}

impl Target for EjabberdTarget {
    fn framing(&self) -> Framing {
        Framing::Xml
    }

    fn connect(&self, room: usize, member: usize) -> anyhow::Result<Opening> {
        let user = format!("u{room}x{member}x{:08x}", self.run);
        let credentials = STANDARD.encode(format!("\0{user}\0password"));
        let mut opening = Opening::connect_plain(self.address)?;
        opening.exchange_plain(STREAM, "</stream:features>")?;
        let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>";
        opening.exchange_plain(&format!("{auth}{credentials}</auth>"), "<success")?;
        opening.exchange_plain(STREAM, "</stream:features>")?;
        let bind = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        opening.exchange_plain(bind, "</iq>")?;
        let (to, muc) = (self.room(room), "http://jabber.org/protocol/muc");
        let join = format!("<presence to='{to}/n{member}'><x xmlns='{muc}'><history maxstanzas='0'/></x></presence>");
        opening.exchange_plain(&join, "<subject")?;
        Ok(opening)
    }

    fn post_address(&self) -> Option<SocketAddr> {
        None
    }

    fn post(&self, mark: Mark, _: usize) -> String {
        let (to, id) = (self.room(mark.room), format!("m{}x{}", mark.room, mark.number));
        format!("<message to='{to}' type='groupchat' id='{id}'><body>{}</body></message>", mark.text())
    }

    fn respond(&self, _: &[u8]) -> Option<&'static str> {
        None
    }

    fn version(&self, _: &[u8]) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_that_would_be_installed() {
        let line = "Inst erlang-base (1:25.2.3+dfsg-1 Debian:12.9/stable [amd64]) []";
        assert_eq!(package(line).unwrap(), "erlang-base=1:25.2.3+dfsg-1");
        assert_eq!(package("Conf erlang-base (1:25.2.3+dfsg-1 Debian:12.9/stable [amd64])"), None);
    }
}
