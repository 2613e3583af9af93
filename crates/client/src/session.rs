//! One connection, from its hello to its end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        ClientRequestBuilder, Message,
        http::Uri,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    frames::{ClientFrame, Frame, RoomFrom, ServerFrame},
    incoming::{Ending, Error, Incoming, Loss},
    pace::Pace,
    rooms::{Change, Rooms},
};

/// The subprotocol.
const PROTOCOL: &str = "boxroom.v1";

/// The most bytes of a frame.
const MAX_FRAME: usize = 1024 * 1024;

const SOCKET_BUFFER: usize = 4 * 1024;

/// How soon a room is asked for again that could not be followed for the moment.
const RETRY: Duration = Duration::from_secs(1);

/// How long the end of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a client's handle and its connection share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    rooms: Mutex<Rooms>,
    /// Wakes the connection when there is something to ask for.
    pub(crate) changed: Notify,
}

impl Shared {
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where to hand out what comes.
pub(crate) type Outlet = mpsc::Sender<Result<Incoming, Error>>;

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum Over {
    /// It was lost, or never came about; with the pause that the server wishes.
    Lost(Loss, Duration),
    /// Nobody reads the inbox any more.
    Unread,
}

impl From<Loss> for Over {
    fn from(loss: Loss) -> Self {
        Self::Lost(loss, Duration::ZERO)
    }
}

/// A connection whose hello was accepted.
pub(crate) struct Session {
    socket: Socket,
    shared: Arc<Shared>,
    outlet: Outlet,
    pace: Pace,
    heartbeat: Duration,
    heard_at: Instant,
    retry_at: Option<Instant>,
}

impl Session {
    /// Connects and says hello.
    pub(crate) async fn open(
        url: &Uri,
        token: String,
        shared: Arc<Shared>,
        outlet: Outlet,
        patience: Duration,
    ) -> Result<Self, Over> {
        let mut socket = Socket::connect(url, patience).await?;
        let rooms = shared.rooms().hello();
        let heartbeat = timeout(patience, greet(&mut socket, token, rooms)).await.map_err(|_| Loss::Silent)??;
        Ok(Self { socket, shared, outlet, pace: Pace::new(), heartbeat, heard_at: Instant::now(), retry_at: None })
    }

    /// Follows rooms until the connection is over.
    pub(crate) async fn follow(&mut self) -> Over {
        let Err(over) = self.converse().await;
        if matches!(over, Over::Unread | Over::Lost(Loss::Nonsense(_) | Loss::Silent, _)) {
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

    /// Asks for what has changed. Returns when to go on if that is too much at once.
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
        Ok(None)
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), Over> {
        if let Frame::Other(ServerFrame::Ping { .. }) = &frame {
            self.socket.say(&ClientFrame::Pong {}).await?;
        }
        let incoming = self.shared.rooms().hear(frame)?;
        if let Some(incoming) = incoming {
            self.hand_out(incoming).await?;
        }
        // after waiting for the reader: who does not listen hears no silence
        self.heard_at = Instant::now();
        Ok(())
    }

    async fn hand_out(&mut self, incoming: Incoming) -> Result<(), Over> {
        self.outlet.send(Ok(incoming)).await.map_err(|_| Over::Unread)
    }
}

/// Says hello; returns how often the server will be heard.
async fn greet(socket: &mut Socket, token: String, rooms: Vec<RoomFrom>) -> Result<Duration, Over> {
    socket.say(&ClientFrame::Hello { token, rooms }).await?;
    loop {
        // an error is explained by the good-bye after it
        if let Frame::Other(ServerFrame::Welcome { heartbeat_ms }) = socket.receive().await? {
            return Ok(Duration::from_millis(heartbeat_ms.max(1)));
        }
    }
}

/// A WebSocket that speaks in frames.
struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
    patience: Duration,
}

impl Socket {
    async fn connect(url: &Uri, patience: Duration) -> Result<Self, Loss> {
        let request = ClientRequestBuilder::new(url.clone()).with_sub_protocol(PROTOCOL);
        let config = WebSocketConfig::default()
            .read_buffer_size(SOCKET_BUFFER)
            .write_buffer_size(SOCKET_BUFFER)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        match timeout(patience, connect_async_with_config(request, Some(config), true)).await {
            Ok(Ok((inner, _))) => Ok(Self { inner, patience }),
            Ok(Err(error)) => Err(Loss::Unreachable(error.to_string())),
            Err(_) => Err(Loss::Unreachable(format!("no answer within {patience:?}"))),
        }
    }

    async fn say(&mut self, frame: &ClientFrame) -> Result<(), Over> {
        match timeout(self.patience, self.inner.send(Message::text(frame.encode()))).await {
            Ok(Ok(())) => Ok(()),
            // why it ended may still be to be read
            Ok(Err(error)) => Err(self.last_words().await.unwrap_or(Loss::Broken(error.to_string()).into())),
            Err(_) => Err(Loss::Broken(format!("it takes nothing for {:?}", self.patience)).into()),
        }
    }

    async fn last_words(&mut self) -> Option<Over> {
        timeout(LAST_WORDS, async {
            loop {
                if let Err(over) = self.receive().await {
                    return over;
                }
            }
        })
        .await
        .ok()
    }

    /// The next frame that is not the last one. Safe to cancel.
    async fn receive(&mut self) -> Result<Frame, Over> {
        loop {
            let message = match self.inner.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Loss::Broken(error.to_string()).into()),
                None => return Err(Loss::Broken("it ended".to_owned()).into()),
            };
            match message {
                Message::Text(text) => match Frame::decode(&text) {
                    Ok(Frame::Other(ServerFrame::Bye { code, retry_ms, reason })) => {
                        return Err(Over::Lost(Loss::Closed { code, reason }, Duration::from_millis(retry_ms)));
                    }
                    Ok(frame) => return Ok(frame),
                    Err(error) => return Err(Loss::Nonsense(error.to_string()).into()),
                },
                Message::Close(close) => return Err(closed(close).into()),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    async fn close(&mut self) {
        // a service that does not answer has lost the connection anyway
        let _ = timeout(LAST_WORDS, self.inner.close(None)).await;
    }
}

fn closed(close: Option<CloseFrame>) -> Loss {
    match close {
        Some(close) => Loss::Closed { code: close.code.into(), reason: close.reason.to_string() },
        None => Loss::Broken("it was closed without a reason".to_owned()),
    }
}
