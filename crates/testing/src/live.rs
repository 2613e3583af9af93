//! A client of the live protocol.

use std::sync::Arc;

use frame_check::FrameCheck;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        ClientRequestBuilder, Error, Message,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

/// Reads the AsyncAPI description of live frames from a query-service.
pub async fn described_by(query_url: &str) -> Arc<FrameCheck> {
    let url = format!("{query_url}/asyncapi.json");
    let answer = reqwest::get(&url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    let document: Value = answer.json().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
    Arc::new(FrameCheck::new(&document))
}

/// The end of a live connection.
#[derive(Debug)]
pub enum Ended {
    /// The service closed it.
    Closed(Option<CloseFrame>),
    /// The connection broke.
    Broken(String),
}

/// The receive buffer of a client that does not read, in bytes. The system allocates a little more.
const SMALL_BUFFER: u32 = 4 * 1024;

/// A live connection. Every frame must match the description of the service.
#[derive(Debug)]
pub struct LiveClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    check: Arc<FrameCheck>,
}

impl LiveClient {
    /// Connects to a query-service's address. Sends no frame yet.
    pub async fn connect(query_url: &str, check: Arc<FrameCheck>) -> Self {
        Self::connect_with(TcpSocket::new_v4().expect("a socket"), query_url, check).await
    }

    /// Connects with a small receive buffer, so that little data is in transit to a client that does not read.
    pub async fn connect_narrow(query_url: &str, check: Arc<FrameCheck>) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(SMALL_BUFFER).expect("a small buffer");
        Self::connect_with(socket, query_url, check).await
    }

    async fn connect_with(socket: TcpSocket, query_url: &str, check: Arc<FrameCheck>) -> Self {
        let address = query_url.trim_start_matches("http://").parse().expect("an address");
        let stream = socket.connect(address).await.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        stream.set_nodelay(true).expect("a connection");
        let url = format!("{}/live", query_url.replacen("http", "ws", 1)).parse().expect("an address");
        let request = ClientRequestBuilder::new(url).with_sub_protocol("boxroom.v1");
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        let stream = MaybeTlsStream::Plain(stream);
        let connected = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
        let (socket, response) = connected.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        assert_eq!(response.headers()["sec-websocket-protocol"], "boxroom.v1");
        Self { socket, check }
    }

    /// The description of the frames.
    pub fn check(&self) -> &FrameCheck {
        &self.check
    }

    /// Sends a valid frame.
    pub async fn send(&mut self, frame: &Value) {
        self.check.client(frame).unwrap_or_else(|error| panic!("{error}"));
        let sent = self.send_message(Message::text(frame.to_string())).await;
        sent.unwrap_or_else(|error| panic!("cannot send: {error}"));
    }

    /// Sends any message.
    pub async fn send_message(&mut self, message: Message) -> Result<(), Error> {
        self.socket.send(message).await
    }

    /// Returns the next frame, or the end of the connection.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        match self.socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let frame = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                self.check.server(&frame).unwrap_or_else(|error| panic!("{error}"));
                Ok(frame)
            }
            Some(Ok(Message::Close(close))) => Err(Ended::Closed(close)),
            Some(Ok(other)) => panic!("not a frame: {other:?}"),
            Some(Err(error)) => Err(Ended::Broken(error.to_string())),
            None => Err(Ended::Broken("ended without a close frame".to_owned())),
        }
    }
}
