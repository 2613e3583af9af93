//! `boxroom-tail`: prints the events of rooms and reconnects after every interruption.

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
  boxroom-tail --token $ANA locker-7.1                      new events only
  boxroom-tail --token $ANA --from 0 locker-7.1 locker-9.4  all events, from the first one
  boxroom-tail --from 41 --json locker-7.1 | jq .data       the events after version 41, as JSON
  boxroom-tail --url http://a:8081 --url http://b:8081 locker-7.1   the second service if the first is down

Events go to standard output. Alarms, changes of your memberships and the state of the connection go to
standard error.
The command ends when no room is left to follow:
with status 0 if you left or were kicked, with status 1 if you may not follow a room.

With https:// the certificate authorities of the system are trusted, or those in the file SSL_CERT_FILE instead.";

/// Print the events of rooms that you are a member of, one per line, and your alarms
#[derive(Debug, Parser)]
#[command(name = "boxroom-tail", after_help = EXAMPLES)]
struct Arguments {
    /// Rooms to follow
    #[arg(required = true, value_name = "ROOM")]
    rooms: Vec<RoomId>,
    /// Address of a query-service; several are tried in turn
    #[arg(long = "url", env = "BOXROOM_QUERY_URL", value_delimiter = ',', default_value = "http://127.0.0.1:8081")]
    urls: Vec<String>,
    /// Your access token
    #[arg(long, env = "BOXROOM_TOKEN", hide_env_values = true)]
    token: String,
    /// First event to print: the first of the room (0), the next new one (now), or the one after version V
    #[arg(long, default_value = "now", value_name = "0|now|V", value_parser = since)]
    from: Since,
    /// Print events as JSON, unchanged
    #[arg(long)]
    json: bool,
    /// Print only events and errors
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
        // The reader of the output has closed it.
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
                eprintln!("{room}: continues after version {head_v} ({reason})");
            }
            Incoming::Alarm(alarm) => note(line::of_alarm(&alarm)),
            Incoming::AlarmsReset { .. } => note("alarms may have been missed; the list has all of them".to_owned()),
            Incoming::Membership { room, standing, .. } => note(line::of_membership(&room, standing)),
            Incoming::Connected { url } => note(format!("connected to {url}")),
            Incoming::Disconnected { reason, retry_in } => note(format!("{reason}; next try in {retry_in:.1?}")),
            Incoming::Blocks(_)
            | Incoming::MyRooms(_)
            | Incoming::Unread { .. }
            | Incoming::UnreadAlarms { .. }
            | Incoming::AlarmWithdrawn { .. }
            | Incoming::AlarmsWithdrawn { .. }
            | Incoming::Signal { .. } => {}
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
