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
    options::Options,
    rate_limiter::RateLimiter,
    renewal::Renewal,
    rooms::{Change, Rooms},
    socket::{Disconnect, Socket},
    user_items::UserItems,
};

/// The id of requests that send a new token. Other ids are greater.
const AUTH_ID: u64 = 0;

/// The delay before a temporarily refused room is requested again.
const RETRY: Duration = Duration::from_secs(1);

/// The state that a client's handle and its connection share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    rooms: Mutex<Rooms>,
    user_items: Mutex<UserItems>,
    fetches: Mutex<Fetches>,
    /// Wakes the connection when there is a request to send.
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn user_items(&self) -> MutexGuard<'_, UserItems> {
        self.user_items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fetches(&self) -> MutexGuard<'_, Fetches> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sender of the client's inbox.
pub(crate) type InboxSender = mpsc::Sender<Result<Incoming, Error>>;

/// A connection whose hello was accepted.
pub(crate) struct Session {
    socket: Socket,
    shared: Arc<Shared>,
    sender: InboxSender,
    rate_limiter: RateLimiter,
    heartbeat: Duration,
    last_received_at: Instant,
    retry_at: Option<Instant>,
    renewal: Renewal,
}

impl Session {
    /// Connects, sends the hello and waits for the welcome.
    pub(crate) async fn open(
        url: &Uri,
        connector: Option<Connector>,
        token: String,
        (shared, sender): (Arc<Shared>, InboxSender),
        options: &Options,
    ) -> Result<Self, Disconnect> {
        let time_limit = options.time_limit;
        let mut socket = Socket::connect(url, connector, time_limit).await?;
        let (cursor, rooms) = (shared.user_items().cursor(), shared.rooms().hello());
        shared.fetches().requeue();
        let hello = ClientFrame::Hello { token: token.clone(), cursor, rooms };
        let welcome = timeout(time_limit, handshake(&mut socket, hello)).await.map_err(|_| Loss::Silent)??;
        shared.user_items().set_cursor(welcome.cursor);
        let renewal = Renewal::new(options.tokens.clone(), time_limit, token, welcome.expires_in);
        let (rate_limiter, heartbeat, last_received_at) = (RateLimiter::new(), welcome.heartbeat, Instant::now());
        Ok(Self { socket, shared, sender, rate_limiter, heartbeat, last_received_at, retry_at: None, renewal })
    }

    /// The last token that the service has accepted.
    pub(crate) fn token(&self) -> &str {
        self.renewal.token()
    }

    /// Follows rooms until the connection ends.
    pub(crate) async fn follow(&mut self) -> Disconnect {
        let Err(disconnect) = self.run_loop().await;
        if matches!(
            disconnect,
            Disconnect::InboxDropped | Disconnect::Lost(Loss::ProtocolViolation(_) | Loss::Silent, ..)
        ) {
            self.socket.close().await;
        }
        disconnect
    }

    async fn run_loop(&mut self) -> Result<std::convert::Infallible, Disconnect> {
        loop {
            let go_on_at = self.send_pending().await?;
            if self.retry_at.is_none() && self.shared.rooms().any_postponed() {
                self.retry_at = Some(Instant::now() + RETRY);
            }
            let silence_deadline = self.last_received_at + self.heartbeat * 2;
            let wake_at = [go_on_at, self.retry_at].into_iter().flatten().fold(silence_deadline, Instant::min);
            tokio::select! {
                frame = self.socket.receive() => self.on_frame(frame?).await?,
                () = self.shared.changed.notified() => {}
                () = self.sender.closed() => return Err(Disconnect::InboxDropped),
                token = self.renewal.next() => self.socket.send(&ClientFrame::Auth { id: AUTH_ID, token }).await?,
                () = sleep_until(wake_at) => self.on_timer(silence_deadline)?,
            }
        }
    }

    fn on_timer(&mut self, silence_deadline: Instant) -> Result<(), Disconnect> {
        let now = Instant::now();
        if now >= silence_deadline {
            return Err(Loss::Silent.into());
        }
        if self.retry_at.is_some_and(|retry_at| now >= retry_at) {
            self.retry_at = None;
            self.shared.rooms().retry();
        }
        Ok(())
    }

    /// Sends pending requests. Returns the time to continue if the rate limit is reached.
    async fn send_pending(&mut self) -> Result<Option<Instant>, Disconnect> {
        while self.shared.rooms().is_changed() {
            if let Err(later) = self.rate_limiter.take() {
                return Ok(Some(later));
            }
            let change = self.shared.rooms().next_change();
            match change {
                Some(Change::Subscribe(frame)) => self.socket.send(&frame).await?,
                Some(Change::End(room)) => {
                    self.socket.send(&ClientFrame::Unsubscribe { room_id: room.clone() }).await?;
                    self.deliver(Incoming::Ended { room, reason: Ending::Requested }).await?;
                }
                None => {}
            }
        }
        while self.shared.fetches().any_wanted() {
            if let Err(later) = self.rate_limiter.take() {
                return Ok(Some(later));
            }
            let frame = self.shared.fetches().next_frame();
            if let Some(frame) = frame {
                self.socket.send(&frame).await?;
            }
        }
        Ok(None)
    }

    async fn on_frame(&mut self, frame: Frame) -> Result<(), Disconnect> {
        let incoming = match frame {
            Frame::Other(frame) => self.on_other_frame(frame).await?,
            // A page may come from any part of the feed, so that it is no gap.
            Frame::Event(event) if self.shared.fetches().collect(&event) && !self.shared.rooms().is_next(&event) => {
                None
            }
            Frame::Event(_) => self.shared.rooms().on_frame(frame)?,
        };
        if let Some(incoming) = incoming {
            self.deliver(incoming).await?;
        }
        // Set after delivery: while the inbox is full, nothing is read, and silence means nothing.
        self.last_received_at = Instant::now();
        Ok(())
    }

    async fn on_other_frame(&mut self, frame: ServerFrame) -> Result<Option<Incoming>, Disconnect> {
        match &frame {
            ServerFrame::Ping { cursor, .. } => {
                self.shared.user_items().set_cursor(cursor.clone());
                self.socket.send(&ClientFrame::Pong {}).await?;
            }
            ServerFrame::Authorized { id: Some(AUTH_ID), expires_in_ms } => {
                self.renewal.accepted(expires_in_ms.map(Duration::from_millis));
            }
            ServerFrame::Fetched { .. } | ServerFrame::Error { .. } => self.shared.fetches().on_frame(&frame),
            ServerFrame::Signal { .. }
            | ServerFrame::Alarm(_)
            | ServerFrame::AlarmWithdrawn { .. }
            | ServerFrame::AlarmsWithdrawn { .. }
            | ServerFrame::Alarms { .. }
            | ServerFrame::Blocks { .. }
            | ServerFrame::MyRooms { .. }
            | ServerFrame::Membership { .. }
            | ServerFrame::Unread { .. }
            | ServerFrame::Reset { room_id: None, .. } => return Ok(self.shared.user_items().on_frame(frame)),
            _ => {}
        }
        Ok(self.shared.rooms().on_frame(Frame::Other(frame))?)
    }

    async fn deliver(&mut self, incoming: Incoming) -> Result<(), Disconnect> {
        self.sender.send(Ok(incoming)).await.map_err(|_| Disconnect::InboxDropped)
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

async fn handshake(socket: &mut Socket, hello: ClientFrame) -> Result<Welcome, Disconnect> {
    socket.send(&hello).await?;
    loop {
        // An error frame is followed by a bye with the reason.
        if let Frame::Other(ServerFrame::Welcome { heartbeat_ms, expires_in_ms, cursor }) = socket.receive().await? {
            let heartbeat = Duration::from_millis(heartbeat_ms.max(1));
            return Ok(Welcome { heartbeat, expires_in: expires_in_ms.map(Duration::from_millis), cursor });
        }
    }
}
