//! A minimal broadcaster with axum: no storage, no tokens, no versions. It is what a delivery costs at least.
//!
//! It runs in a process of its own, so that its processor time can be told apart.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use axum::{
    Router,
    extract::{
        Query, State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
    routing::get,
    serve::ListenerExt,
};
use clap::Args;
use futures::SinkExt;
use harness::{
    checkout::Scratch,
    output::Output,
    port::Port,
    process::{Launch, Process},
};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::broadcast};

use crate::load::{Mark, Target, opening::Opening};

/// Buffers of this size cost a third of the processor time of the default ones, and a fifteenth of their memory.
const SOCKET_BUFFER: usize = 4096;

/// The number of frames that wait for a slow member.
const QUEUE: usize = 1024;

/// Options of the process.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The port to listen on
    #[arg(long)]
    port: u16,
}

/// The channel of each room.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<String, broadcast::Sender<Utf8Bytes>>>>);

/// The last id of a message.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

#[derive(Deserialize)]
struct Wanted {
    room: String,
}

#[derive(Deserialize)]
struct Post<'a> {
    room: &'a str,
    author: &'a str,
    body: &'a str,
}

#[derive(Serialize)]
struct Event<'a> {
    r#type: &'static str,
    id: u64,
    room: &'a str,
    author: &'a str,
    body: &'a str,
    at: String,
}

/// Serves until the process is ended.
pub(crate) async fn serve(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.context("the port is taken")?;
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().route("/live", get(accept)).with_state(Rooms::default());
    Ok(axum::serve(listener, router).await?)
}

async fn accept(upgrade: WebSocketUpgrade, Query(wanted): Query<Wanted>, State(rooms): State<Rooms>) -> Response {
    let upgrade = upgrade.read_buffer_size(SOCKET_BUFFER).write_buffer_size(SOCKET_BUFFER);
    upgrade.on_upgrade(async move |socket| {
        // A client that has gone needs no report.
        let _ = follow(socket, &rooms.channel(&wanted.room)).await;
    })
}

impl Rooms {
    fn channel(&self, room: &str) -> broadcast::Sender<Utf8Bytes> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(room.to_owned()).or_insert_with(|| broadcast::channel(QUEUE).0).clone()
    }
}

async fn follow(mut socket: WebSocket, channel: &broadcast::Sender<Utf8Bytes>) -> anyhow::Result<()> {
    let mut events = channel.subscribe();
    // The client posts only when it knows that it receives.
    socket.send(Message::Text("subscribed".into())).await?;
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(post))) => drop(channel.send(event(&post)?)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            event = events.recv() => {
                socket.feed(Message::Text(event?)).await?;
                while let Ok(event) = events.try_recv() {
                    socket.feed(Message::Text(event)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}

fn event(post: &str) -> anyhow::Result<Utf8Bytes> {
    let Post { room, author, body } = serde_json::from_str(post)?;
    let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
    let at = service_kit::clock::now().to_rfc3339();
    let event = Event { r#type: "message_posted", id, room, author, body, at };
    Ok(serde_json::to_string(&event)?.into())
}

/// The running process. It ends with this value.
pub(crate) struct Broadcaster {
    process: Process,
    address: SocketAddr,
    _port: Port,
    _scratch: Scratch,
}

impl Broadcaster {
    /// Starts this program again as a broadcaster, and waits until it accepts connections.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let (scratch, port) = (Scratch::create()?, Port::reserve(None)?);
        let launch = Launch::new("broadcaster", std::env::current_exe().context("this program has no path")?).args([
            "broadcaster",
            "--port",
            &port.number().to_string(),
        ]);
        let process = Process::spawn(launch, &Output::Folder(scratch.logs())).await?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let status = process.exit_status();
            anyhow::ensure!(status.is_none(), "the broadcaster does not start:\n{}", process.last_output());
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        scratch.started();
        Ok(Self { process, address, _port: port, _scratch: scratch })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Creates a target for one run.
    pub(crate) fn target(&self) -> BroadcasterTarget {
        BroadcasterTarget { address: self.address, run: rand::random() }
    }
}

/// The broadcaster as a target of the load client.
pub(crate) struct BroadcasterTarget {
    address: SocketAddr,
    /// Differs from run to run, as the rooms do.
    run: u32,
}

impl Target for BroadcasterTarget {
    fn connect(&self, room: usize, _: usize) -> anyhow::Result<Opening> {
        let mut opening = Opening::connect(self.address, &format!("/live?room={:08x}-{room}", self.run), None)?;
        opening.expect("subscribed")?;
        Ok(opening)
    }

    fn post_address(&self) -> Option<SocketAddr> {
        None
    }

    fn post(&self, mark: Mark, member: usize) -> String {
        let Mark { room, .. } = mark;
        format!(r#"{{"room":"{:08x}-{room}","author":"user-{room}-{member}","body":"{}"}}"#, self.run, mark.text())
    }

    fn respond(&self, _: &[u8]) -> Option<&'static str> {
        None
    }

    fn version(&self, _: &[u8]) -> Option<u64> {
        None
    }
}
