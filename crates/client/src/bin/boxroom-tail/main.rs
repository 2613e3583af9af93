//! `boxroom-tail`: prints what happens in rooms, over any interruption.

mod line;

use std::{
    collections::BTreeSet,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::bail;
use clap::Parser;
use client::{Client, Ending, Inbox, Incoming, Options, Since};
use domain::RoomId;

const EXAMPLES: &str = "\
Examples:
  boxroom-tail --token $ANA locker-7.1                      what happens from now on
  boxroom-tail --token $ANA --from 0 locker-7.1 locker-9.4  everything, from the first event on
  boxroom-tail --from 41 --json locker-7.1 | jq .data       what follows version 41, as JSON
  boxroom-tail --url http://a:8081 --url http://b:8081 locker-7.1   the second when the first is away

Events go to standard output, everything else to standard error: your alarms, where you come in and get out, and
how the connection is. It ends when there is no room left to follow:
with status 0 if you left or were kicked, with 1 if you may not follow it.

With https:// it believes the authorities that the system trusts, or in their place those in the file SSL_CERT_FILE.";

/// Print what happens in rooms that you are a member of, one line an event, and what concerns you in any room
#[derive(Debug, Parser)]
#[command(name = "boxroom-tail", after_help = EXAMPLES)]
struct Arguments {
    /// The rooms
    #[arg(required = true, value_name = "ROOM")]
    rooms: Vec<RoomId>,
    /// The address of a query-service; several are tried in turn
    #[arg(long = "url", env = "BOXROOM_QUERY_URL", value_delimiter = ',', default_value = "http://127.0.0.1:8081")]
    urls: Vec<String>,
    /// Your access token
    #[arg(long, env = "BOXROOM_TOKEN", hide_env_values = true)]
    token: String,
    /// From where on: the first event (0), now, or what follows a version
    #[arg(long, default_value = "now", value_name = "0|now|V", value_parser = since)]
    from: Since,
    /// Print events as JSON, as they come
    #[arg(long)]
    json: bool,
    /// Print nothing but events, and what went wrong
    #[arg(long, short)]
    quiet: bool,
}

fn since(text: &str) -> Result<Since, &'static str> {
    match text {
        "now" => Ok(Since::Now),
        _ => text.parse().map(Since::After).map_err(|_| "must be `now`, 0 or a version"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        // whoever reads this has seen enough
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("boxroom-tail: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { rooms, urls, token, from, json, quiet } = arguments;
    let (client, inbox) = Client::connect(Options::new(urls, move || std::future::ready(Ok(token.clone()))))?;
    let rooms: BTreeSet<RoomId> = rooms.into_iter().collect();
    for room in &rooms {
        client.subscribe(room.clone(), from);
    }
    follow(inbox, rooms, json, quiet).await
}

async fn follow(mut inbox: Inbox, mut rooms: BTreeSet<RoomId>, json: bool, quiet: bool) -> anyhow::Result<ExitCode> {
    let note = |line: String| {
        if !quiet {
            eprintln!("{line}");
        }
    };
    let mut code = ExitCode::SUCCESS;
    while !rooms.is_empty() {
        let Some(incoming) = inbox.next().await else { bail!("the connection has ended") };
        match incoming? {
            Incoming::Event(event) if json => print(&serde_json::to_string(&event)?)?,
            Incoming::Event(event) => print(&line::of(&event))?,
            Incoming::Subscribed { room, head_v, .. } => note(format!("{room}: following, at version {head_v}")),
            Incoming::Ended { room, reason: reason @ Ending::Refused { .. } } => {
                eprintln!("{room}: {reason}");
                code = ExitCode::FAILURE;
                rooms.remove(&room);
            }
            Incoming::Ended { room, reason } => {
                note(format!("{room}: {reason}"));
                rooms.remove(&room);
            }
            Incoming::Reset { room, reason, head_v } => {
                eprintln!("{room}: begins anew after version {head_v} ({reason})");
            }
            Incoming::Alarm(alarm) => note(line::of_alarm(&alarm)),
            Incoming::AlarmsReset { .. } => note("you may have missed alarms; the list has them all".to_owned()),
            Incoming::Membership { room, standing, .. } => note(line::of_membership(&room, standing)),
            Incoming::Connected { url } => note(format!("connected to {url}")),
            Incoming::Disconnected { reason, retry_in } => note(format!("{reason}; next try in {retry_in:.1?}")),
            Incoming::MyRooms(_) | Incoming::Unread { .. } | Incoming::Signal { .. } => {}
        }
    }
    Ok(code)
}

/// Prints a line at once, also into a pipe.
fn print(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
