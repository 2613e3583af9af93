//! One connection, from hello to close.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{Connector, tungstenite::http::Uri};

use crate::{
    fetches::Fetches,
    frames::{ClientFrame, Frame, ServerFrame},
    incoming::{Ending, Error, Incoming, Loss},
    mine::Mine,
    options::Options,
    pace::Pace,
    renewal::Renewal,
    rooms::{Change, Rooms},
    socket::{Over, Socket},
};

/// The id of requests that send a new token. Other ids are greater.
const AUTH_ID: u64 = 0;

/// The delay before a temporarily refused room is requested again.
const RETRY: Duration = Duration::from_secs(1);

/// The state that a client's handle and its connection share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    rooms: Mutex<Rooms>,
    mine: Mutex<Mine>,
    fetches: Mutex<Fetches>,
    /// Wakes the connection when there is a request to send.
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mine(&self) -> MutexGuard<'_, Mine> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fetches(&self) -> MutexGuard<'_, Fetches> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sender of the client's inbox.
pub(crate) type Outlet = mpsc::Sender<Result<Incoming, Error>>;

/// A connection whose hello was accepted.
pub(crate) struct Session {
    socket: Socket,
    shared: Arc<Shared>,
    outlet: Outlet,
    pace: Pace,
    heartbeat: Duration,
    heard_at: Instant,
    retry_at: Option<Instant>,
    renewal: Renewal,
}

impl Session {
    /// Connects, sends the hello and waits for the welcome.
    pub(crate) async fn open(
        url: &Uri,
        connector: Option<Connector>,
        token: String,
        (shared, outlet): (Arc<Shared>, Outlet),
        options: &Options,
    ) -> Result<Self, Over> {
        let patience = options.patience;
        let mut socket = Socket::connect(url, connector, patience).await?;
        let (cursor, rooms) = (shared.mine().cursor(), shared.rooms().hello());
        shared.fetches().begin_anew();
        let hello = ClientFrame::Hello { token: token.clone(), cursor, rooms };
        let welcome = timeout(patience, greet(&mut socket, hello)).await.map_err(|_| Loss::Silent)??;
        shared.mine().note_cursor(welcome.cursor);
        let renewal = Renewal::new(options.tokens.clone(), patience, token, welcome.expires_in);
        let (pace, heartbeat, heard_at) = (Pace::new(), welcome.heartbeat, Instant::now());
        Ok(Self { socket, shared, outlet, pace, heartbeat, heard_at, retry_at: None, renewal })
    }

    /// The last token that the service has accepted.
    pub(crate) fn token(&self) -> &str {
        self.renewal.token()
    }

    /// Follows rooms until the connection ends.
    pub(crate) async fn follow(&mut self) -> Over {
        let Err(over) = self.converse().await;
        if matches!(over, Over::Unread | Over::Lost(Loss::Nonsense(_) | Loss::Silent, ..)) {
            self.socket.close().await;
        }
        over
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Over> {
        loop {
            let go_on_at = self.ask().await?;
            if self.retry_at.is_none() && self.shared.rooms().any_postponed() {
                self.retry_at = Some(Instant::now() + RETRY);
            }
            let silent_at = self.heard_at + self.heartbeat * 2;
            let wake_at = [go_on_at, self.retry_at].into_iter().flatten().fold(silent_at, Instant::min);
            tokio::select! {
                frame = self.socket.receive() => self.hear(frame?).await?,
                () = self.shared.changed.notified() => {}
                () = self.outlet.closed() => return Err(Over::Unread),
                token = self.renewal.next() => self.socket.say(&ClientFrame::Auth { id: AUTH_ID, token }).await?,
                () = sleep_until(wake_at) => self.on_time(silent_at)?,
            }
        }
    }

    fn on_time(&mut self, silent_at: Instant) -> Result<(), Over> {
        let now = Instant::now();
        if now >= silent_at {
            return Err(Loss::Silent.into());
        }
        if self.retry_at.is_some_and(|retry_at| now >= retry_at) {
            self.retry_at = None;
            self.shared.rooms().retry();
        }
        Ok(())
    }

    /// Sends pending requests. Returns the time to continue if the rate limit is reached.
    async fn ask(&mut self) -> Result<Option<Instant>, Over> {
        while self.shared.rooms().is_changed() {
            if let Err(later) = self.pace.take() {
                return Ok(Some(later));
            }
            let change = self.shared.rooms().next_change();
            match change {
                Some(Change::Subscribe(frame)) => self.socket.say(&frame).await?,
                Some(Change::End(room)) => {
                    self.socket.say(&ClientFrame::Unsubscribe { room: room.clone() }).await?;
                    self.hand_out(Incoming::Ended { room, reason: Ending::Requested }).await?;
                }
                None => {}
            }
        }
        while self.shared.fetches().any_wanted() {
            if let Err(later) = self.pace.take() {
                return Ok(Some(later));
            }
            let frame = self.shared.fetches().next_frame();
            if let Some(frame) = frame {
                self.socket.say(&frame).await?;
            }
        }
        Ok(None)
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), Over> {
        let incoming = match frame {
            Frame::Other(frame) => self.hear_other(frame).await?,
            // A page may come from any part of the feed, so that it is no gap.
            Frame::Event(event) if self.shared.fetches().keep(&event) && !self.shared.rooms().expects(&event) => None,
            Frame::Event(_) => self.shared.rooms().hear(frame)?,
        };
        if let Some(incoming) = incoming {
            self.hand_out(incoming).await?;
        }
        // Set after delivery: while the inbox is full, nothing is read, and silence means nothing.
        self.heard_at = Instant::now();
        Ok(())
    }

    async fn hear_other(&mut self, frame: ServerFrame) -> Result<Option<Incoming>, Over> {
        match &frame {
            ServerFrame::Ping { cursor, .. } => {
                self.shared.mine().note_cursor(cursor.clone());
                self.socket.say(&ClientFrame::Pong {}).await?;
            }
            ServerFrame::Authorized { id: Some(AUTH_ID), expires_in_ms } => {
                self.renewal.accepted(expires_in_ms.map(Duration::from_millis));
            }
            ServerFrame::Fetched { .. } | ServerFrame::Error { .. } => self.shared.fetches().hear(&frame),
            ServerFrame::Signal { .. }
            | ServerFrame::Alarm(_)
            | ServerFrame::MyRooms { .. }
            | ServerFrame::Membership { .. }
            | ServerFrame::Unread { .. }
            | ServerFrame::Reset { room: None, .. } => return Ok(self.shared.mine().hear(frame)),
            _ => {}
        }
        Ok(self.shared.rooms().hear(Frame::Other(frame))?)
    }

    async fn hand_out(&mut self, incoming: Incoming) -> Result<(), Over> {
        self.outlet.send(Ok(incoming)).await.map_err(|_| Over::Unread)
    }
}

/// The contents of the welcome.
struct Welcome {
    /// The interval of the server's pings.
    heartbeat: Duration,
    /// The lifetime of the token.
    expires_in: Option<Duration>,
    /// The cursor at which the connection begins.
    cursor: Option<String>,
}

async fn greet(socket: &mut Socket, hello: ClientFrame) -> Result<Welcome, Over> {
    socket.say(&hello).await?;
    loop {
        // An error frame is followed by a bye with the reason.
        if let Frame::Other(ServerFrame::Welcome { heartbeat_ms, expires_in_ms, cursor }) = socket.receive().await? {
            let heartbeat = Duration::from_millis(heartbeat_ms.max(1));
            return Ok(Welcome { heartbeat, expires_in: expires_in_ms.map(Duration::from_millis), cursor });
        }
    }
}
