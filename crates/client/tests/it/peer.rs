//! A scripted query-service: it sends what the test asks for, in any order.

use std::time::Duration;

use client::{Ending, Error, Event, Inbox, Incoming};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// The timeout of every step.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The room of these tests.
pub(crate) const ROOM: &str = "b.1";

/// A listener for clients.
pub(crate) struct Server(TcpListener);

/// The server side of a connection with a client.
pub(crate) struct Peer<S = TcpStream>(WebSocketStream<S>);

impl Server {
    pub(crate) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Accepts the next client.
    pub(crate) async fn call(&self) -> Peer {
        timeout(PATIENCE, async { Peer::shake_hands(self.accept().await).await }).await.expect("no client connects")
    }

    /// Accepts the next TCP connection, before the handshake.
    pub(crate) async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// Performs the WebSocket handshake on this stream.
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    pub(crate) async fn shake_hands(stream: S) -> Self {
        let protocol = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            assert_eq!(protocol, "boxroom.v1");
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        Self(accept_hdr_async(stream, protocol).await.unwrap())
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn welcome(&mut self, heartbeat_ms: u64) {
        self.say(json!({ "type": "welcome", "session": "s", "heartbeat_ms": heartbeat_ms })).await;
    }

    pub(crate) async fn subscribed(&mut self, id: &Value, head_v: u64) {
        let frame = json!({ "type": "subscribed", "id": id, "room_id": ROOM, "head_v": head_v, "recovered": true });
        self.say(frame).await;
    }

    pub(crate) async fn events(&mut self, versions: impl IntoIterator<Item = u64>) {
        for v in versions {
            let at = "2026-01-02T03:04:05.678Z";
            self.say(json!({ "room_id": ROOM, "v": v, "type": "x", "at": at, "by": "ana", "data": {} })).await;
        }
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let close = CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        // After a bye the client may have closed the connection already.
        let _ = self.0.close(Some(close)).await;
    }

    /// Returns the next frame of the client.
    pub(crate) async fn next(&mut self) -> Value {
        match timeout(PATIENCE, self.0.next()).await.expect("the client sends nothing").unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// Waits until the client has closed the connection.
    pub(crate) async fn until_gone(&mut self) {
        let gone = async { while let Some(Ok(Message::Text(_))) = self.0.next().await {} };
        timeout(PATIENCE, gone).await.expect("the client is still connected");
    }
}

/// Returns the next item of a client.
pub(crate) async fn heard(inbox: &mut Inbox) -> Result<Incoming, Error> {
    timeout(PATIENCE, inbox.next()).await.expect("no item arrives").expect("the inbox has ended")
}

/// Returns the next item that fits.
pub(crate) async fn until<T>(inbox: &mut Inbox, mut fits: impl FnMut(Incoming) -> Option<T>) -> T {
    loop {
        if let Some(found) = fits(heard(inbox).await.unwrap()) {
            return found;
        }
    }
}

/// Returns the next event.
pub(crate) async fn next_event(inbox: &mut Inbox) -> Event {
    until(inbox, |incoming| match incoming {
        Incoming::Event(event) => Some(event),
        _ => None,
    })
    .await
}

/// Checks the versions of the next events.
pub(crate) async fn expect(inbox: &mut Inbox, versions: impl IntoIterator<Item = u64>) {
    for v in versions {
        assert_eq!(next_event(inbox).await.v, v);
    }
}

/// Returns the reason of the next [`Incoming::Ended`].
pub(crate) async fn ended(inbox: &mut Inbox) -> Ending {
    until(inbox, |incoming| match incoming {
        Incoming::Ended { reason, .. } => Some(reason),
        _ => None,
    })
    .await
}
