//! The session of one client, from its hello to the close.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use axum::extract::ws::{Utf8Bytes, WebSocket};
use service_kit::{
    auth::{Caller, Role},
    clock,
    field_error::readable,
};
use tokio::{
    sync::watch,
    time::{Instant, Sleep, sleep_until, timeout},
};

use super::{
    close_reason::{CloseReason, Closed},
    cursor::{AlarmsFrom, StartPosition, UNKNOWN_VERSION},
    fetch::fetch,
    frames::{ClientFrame, FrameId, RoomFrom, ServerFrame},
    limits::{ConnectionPermit, FrameLimiter, Verdict},
    lobby_area::LobbyArea,
    send_queue::{Delivery, SendQueueReceiver},
    shared::Live,
    socket::Socket,
    subscriptions::{Outcome, Subscriptions},
    transport::Transport,
};
use crate::metrics::METRICS;

/// The timeout for the hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(20);

/// The delay before a failed read of a feed is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// The maximum number of deliveries that are written before a flush and the next frame of the client.
const BATCH: usize = 256;

/// The time over which the clients of a stopping process are spread when they reconnect.
const RETRY_SPREAD_MS: u128 = 5_000;

/// A connection after its hello. Owned by its task. The hub has its send queue only.
pub(super) struct Connection<'a, T> {
    live: &'a Live,
    caller: Caller,
    socket: &'a mut T,
    deliveries: SendQueueReceiver,
    subscriptions: Subscriptions,
    frame_limiter: FrameLimiter,
    ping_at: Instant,
    expires_at: Instant,
    retry_at: Option<Instant>,
    /// Ends at the earliest of these times.
    timer: Pin<Box<Sleep>>,
}

impl Connection<'_, Socket> {
    /// Serves one client until either side closes.
    pub(super) async fn serve(live: Arc<Live>, socket: WebSocket) {
        let session = clock::new_id();
        let mut stopping = live.stopping.subscribe();
        let mut socket = Socket::new(socket);
        let (closed, cursor) = match accept_hello(&live, &mut socket, &mut stopping).await {
            Ok(AcceptedHello { caller, start, permit: _permit }) => {
                tracing::debug!(session = %session, user.id = %caller.user_id, "live connection");
                let _counted = METRICS.connected("websocket");
                let log = start.incarnation.clone();
                let mut connection = Connection::new(&live, &mut socket, &caller, log);
                let Err(closed) = connection.run_connection(session.to_string(), start, None).await;
                (closed, Some(connection.cursor()))
            }
            Err(closed) => (closed, None),
        };
        tracing::debug!(session = %session, ?closed, "live connection ends");
        METRICS.closed(closed.code());
        if let Closed::ByServer(close_reason) = closed {
            socket.close(close_reason, spread_ms_of(session.as_u128()), cursor).await;
        }
    }
}

/// Returns the delay in milliseconds before this client should reconnect.
pub(super) fn spread_ms_of(session: u128) -> u64 {
    u64::try_from(session % RETRY_SPREAD_MS).unwrap_or_default()
}

/// An accepted hello.
struct AcceptedHello {
    caller: Caller,
    start: StartPosition,
    permit: ConnectionPermit,
}

/// Receives the hello, checks its token and applies the limits of connections.
async fn accept_hello(
    live: &Live,
    socket: &mut Socket,
    stopping: &mut watch::Receiver<bool>,
) -> Result<AcceptedHello, Closed> {
    let no_hello = |_| Closed::ByServer(CloseReason::NoHello);
    let hello = tokio::select! {
        hello = timeout(HELLO_TIMEOUT, socket.receive_hello()) => hello.map_err(no_hello)??,
        () = stop_requested(stopping) => return Err(Closed::ByServer(CloseReason::Stopping)),
    };
    let (token, cursor, rooms) = match serde_json::from_str(&hello) {
        Ok(ClientFrame::Hello { token, cursor, rooms }) => (token, cursor, rooms),
        Ok(_) => return reject_hello(socket, "the first frame must be a `hello`").await,
        Err(error) => return reject_hello(socket, &error.to_string()).await,
    };
    let caller = live.verifier.check(&token).await.and_then(|caller| caller.require_user().map(|()| caller));
    match caller {
        Ok(caller) => {
            if let Err(refusal) = live.rates().count_caller(&caller) {
                socket.send(error_frame(refusal.code(), refusal.detail_text())).await?;
                return Err(Closed::ByServer(CloseReason::RateLimited));
            }
            let Some(permit) = live.connection_limiter.acquire(&caller.user_id) else {
                socket.send(error_frame("too-many-connections", "the user has no connection left")).await?;
                return Err(Closed::ByServer(CloseReason::TooManyConnections));
            };
            let log = match live.feeds.incarnation() {
                Ok(log) => log,
                Err(error) => {
                    let problem = error.into_problem();
                    socket.send(error_frame(problem.code(), problem.detail_text())).await?;
                    return Err(Closed::ByServer(CloseReason::Unavailable));
                }
            };
            let start = StartPosition::of(cursor.as_deref(), &caller.user_id, rooms, log);
            Ok(AcceptedHello { caller, start, permit })
        }
        Err(problem) => {
            let (code, detail) = (problem.code(), problem.detail_text());
            socket.send(ServerFrame::Error { id: None, room_id: None, code, detail }).await?;
            Err(Closed::ByServer(match code {
                "expired-token" => CloseReason::ExpiredToken,
                "forbidden" => CloseReason::Forbidden,
                "revoked-token" => CloseReason::RevokedToken,
                _ => CloseReason::InvalidToken,
            }))
        }
    }
}

async fn stop_requested(stopping: &mut watch::Receiver<bool>) {
    // Fails only if the sender is gone, and the process with it.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn reject_hello<T>(socket: &mut Socket, detail: &str) -> Result<T, Closed> {
    socket.send(invalid_frame(detail)).await?;
    Err(Closed::ByServer(CloseReason::NoHello))
}

fn invalid_frame(detail: &str) -> ServerFrame<'_> {
    error_frame("invalid-frame", detail)
}

fn error_frame<'a>(code: &'static str, detail: &'a str) -> ServerFrame<'a> {
    ServerFrame::Error { id: None, room_id: None, code, detail }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the expiry of a caller's token on the monotonic clock.
fn expiry_of(caller: &Caller) -> Instant {
    Instant::now() + (caller.expires_at - clock::now()).to_std().unwrap_or_default()
}

impl<'a, T: Transport> Connection<'a, T> {
    pub(super) fn new(live: &'a Live, socket: &'a mut T, caller: &Caller, log: Arc<str>) -> Self {
        let now = Instant::now();
        let deliveries = SendQueueReceiver::new();
        let send_queue = deliveries.send_queue().clone();
        Self {
            live,
            caller: caller.clone(),
            socket,
            subscriptions: Subscriptions::new(
                caller.user_id.clone(),
                live.hub.clone(),
                live.feeds.clone(),
                send_queue,
                log,
            ),
            deliveries,
            frame_limiter: FrameLimiter::new(now),
            ping_at: now + live.heartbeat,
            expires_at: expiry_of(caller),
            retry_at: None,
            timer: Box::pin(sleep_until(now)),
        }
    }

    /// Returns the cursor of the last frame that was written.
    pub(super) fn cursor(&self) -> String {
        self.subscriptions.cursor()
    }

    pub(super) async fn run_connection(
        &mut self,
        session: String,
        start: StartPosition,
        lobby: Option<LobbyArea>,
    ) -> Result<Infallible, Closed> {
        let StartPosition { rooms, alarms, .. } = start;
        let send_queue = self.deliveries.send_queue().clone();
        let unknown = alarms == AlarmsFrom::Unknown;
        let mut registration = self.live.users.register(&self.caller.user_id, &send_queue, alarms).await;
        // Later changes arrive in the send queue.
        self.check()?;
        self.subscriptions.set_start(&rooms, registration.alarms.take());
        let heartbeat_ms = millis(self.live.heartbeat);
        let expires_in_ms = millis(self.expires_at.saturating_duration_since(Instant::now()));
        let resumed = rooms
            .iter()
            .filter_map(|RoomFrom { room_id, v }| Some((room_id, v.filter(|v| *v < UNKNOWN_VERSION)?)))
            .collect();
        let cursor = self.cursor();
        self.socket.mark(|| cursor.clone()).await?;
        self.socket
            .feed(ServerFrame::Welcome { session, heartbeat_ms, expires_in_ms, cursor, resumed }.encode())
            .await?;
        if unknown {
            METRICS.resets.inc();
            let reset = ServerFrame::Reset { room_id: None, reason: "unknown-cursor", head_v: None };
            self.socket.feed(reset.encode()).await?;
        }
        for RoomFrom { room_id, v } in rooms {
            let outcome = self.subscriptions.subscribe(self.socket, None, &room_id, v).await?;
            if outcome == Outcome::Unavailable {
                return Err(Closed::ByServer(CloseReason::Unavailable));
            }
        }
        if let Some(area) = lobby {
            self.subscriptions.subscribe_lobby(self.socket, None, area, &self.live.lobby).await?;
        }
        self.socket.flush().await?;
        loop {
            self.step().await?;
        }
    }

    /// Waits for one event and handles it.
    async fn step(&mut self) -> Result<(), Closed> {
        let wake_at = self.ping_at.min(self.expires_at).min(self.retry_at.unwrap_or(self.ping_at));
        if self.timer.deadline() != wake_at {
            self.timer.as_mut().reset(wake_at);
        }
        tokio::select! {
            // Frames of a client are few, because their rate is limited.
            biased;
            frame = self.socket.receive() => self.on_frame(&frame?).await?,
            () = &mut self.timer => self.on_timer().await?,
            Some(delivery) = self.deliveries.next() => {
                self.deliver(delivery).await?;
                for _ in 1..BATCH {
                    let Some(delivery) = self.deliveries.try_next() else { break };
                    self.deliver(delivery).await?;
                }
            }
        }
        self.socket.flush().await?;
        if self.retry_at.is_none() && self.subscriptions.any_behind() {
            self.retry_at = Some(Instant::now() + RETRY);
        }
        Ok(())
    }

    async fn deliver(&mut self, delivery: Delivery) -> Result<(), Closed> {
        match delivery {
            Delivery::Check => self.check(),
            delivery => self.subscriptions.deliver(self.socket, delivery).await,
        }
    }

    async fn on_frame(&mut self, frame: &Utf8Bytes) -> Result<(), Closed> {
        match (self.frame_limiter.check(Instant::now()), serde_json::from_str(frame)) {
            (Verdict::Allow, Ok(frame)) => self.handle(frame).await,
            (Verdict::Allow, Err(error)) => {
                let id = FrameId::of(frame);
                let (code, detail) = ("invalid-frame", &readable(&error.to_string()));
                self.socket.feed(ServerFrame::Error { id: id.as_ref(), room_id: None, code, detail }.encode()).await
            }
            (Verdict::Reject, _) => {
                let refusal = error_frame("too-many-frames", "at most 20 frames per second; this frame was ignored");
                self.socket.feed(refusal.encode()).await
            }
            (Verdict::Disconnect, _) => Err(Closed::ByServer(CloseReason::TooManyFrames)),
        }
    }

    async fn handle(&mut self, frame: ClientFrame) -> Result<(), Closed> {
        match frame {
            ClientFrame::Subscribe { id, room_id, v } => {
                self.subscriptions.subscribe(self.socket, id.as_ref(), &room_id, v).await.map(|_| ())
            }
            ClientFrame::Unsubscribe { id, room_id } => {
                self.subscriptions.unsubscribe(self.socket, id.as_ref(), &room_id).await
            }
            ClientFrame::Fetch { id, room_id, after_v } => {
                fetch(&self.live.feeds, &self.caller.user_id, self.socket, (id.as_ref(), &room_id, after_v)).await
            }
            ClientFrame::Typing { room_id } => self.subscriptions.typing(self.socket, &room_id).await,
            ClientFrame::SubscribeLobby { id, zip_code, near, radius } => match LobbyArea::of(zip_code, near, radius) {
                Ok(area) => self.subscriptions.subscribe_lobby(self.socket, id.as_ref(), area, &self.live.lobby).await,
                Err(detail) => {
                    let (id, code) = (id.as_ref(), "invalid-frame");
                    self.socket.feed(ServerFrame::Error { id, room_id: None, code, detail }.encode()).await
                }
            },
            ClientFrame::UnsubscribeLobby { id } => {
                self.subscriptions.unsubscribe_lobby(self.socket, id.as_ref()).await
            }
            ClientFrame::Auth { id, token } => self.renew(id.as_ref(), &token).await,
            ClientFrame::Pong {} => Ok(()),
            ClientFrame::Hello { .. } => self.socket.feed(invalid_frame("`hello` is allowed once only").encode()).await,
        }
    }

    /// Extends the connection to the expiry of a newer token of the same user.
    async fn renew(&mut self, id: Option<&FrameId>, token: &str) -> Result<(), Closed> {
        let answer = match self.live.verifier.check(token).await {
            Ok(caller) if caller.user_id != self.caller.user_id || caller.role != Role::User => {
                return Err(Closed::ByServer(CloseReason::OtherUser));
            }
            Ok(caller) => {
                let expires_in_ms = millis(expiry_of(&caller).saturating_duration_since(Instant::now()));
                let authorized = ServerFrame::Authorized { id, expires_at: caller.expires_at, expires_in_ms }.encode();
                if expiry_of(&caller) > self.expires_at {
                    self.expires_at = expiry_of(&caller);
                    self.caller = caller;
                }
                authorized
            }
            Err(problem) => {
                let (code, detail) = (problem.code(), problem.detail_text());
                ServerFrame::Error { id, room_id: None, code, detail }.encode()
            }
        };
        self.socket.feed(answer).await
    }

    /// Ends the connection if it may not continue.
    fn check(&self) -> Result<(), Closed> {
        if self.live.verifier.reject_revoked(&self.caller).is_err() {
            return Err(Closed::ByServer(CloseReason::RevokedToken));
        }
        if self.subscriptions.is_log_replaced() {
            return Err(Closed::ByServer(CloseReason::OtherLog));
        }
        if *self.live.stopping.borrow() {
            return Err(Closed::ByServer(CloseReason::Stopping));
        }
        Ok(())
    }

    async fn on_timer(&mut self) -> Result<(), Closed> {
        let now = Instant::now();
        if now >= self.expires_at {
            return Err(Closed::ByServer(CloseReason::ExpiredToken));
        }
        if self.retry_at.is_some_and(|retry_at| now >= retry_at) {
            self.retry_at = None;
            self.subscriptions.retry(self.socket).await?;
        }
        if now >= self.ping_at {
            // Two pings without an answer.
            if self.socket.last_received_at().elapsed() > self.live.heartbeat * 2 {
                return Err(Closed::ByServer(CloseReason::Silent));
            }
            self.ping_at = now + self.live.heartbeat;
            let (cursor, heads) = (self.subscriptions.cursor(), self.subscriptions.heads());
            self.socket.feed(ServerFrame::Ping { cursor, heads }.encode()).await?;
        }
        Ok(())
    }
}
