//! A WebSocket that sends and receives frames.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        ClientRequestBuilder, Message,
        http::Uri,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    frames::{ClientFrame, Frame, ServerFrame},
    incoming::Loss,
};

/// The subprotocol.
const PROTOCOL: &str = "boxroom.v1";

/// The maximum size of a frame in bytes.
const MAX_FRAME: usize = 1024 * 1024;

const SOCKET_BUFFER: usize = 4 * 1024;

/// The timeout for closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The reason why a connection ended.
#[derive(Debug)]
pub(crate) enum Disconnect {
    /// Lost or never established, with the delay that the server asks for and the cursor to resume from, if any.
    Lost(Loss, Duration, Option<String>),
    /// The inbox was dropped.
    InboxDropped,
}

impl From<Loss> for Disconnect {
    fn from(loss: Loss) -> Self {
        Self::Lost(loss, Duration::ZERO, None)
    }
}

/// Returns a TLS connector that trusts the certificate authorities of the system.
pub(crate) fn connector() -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Connector::Rustls(Arc::new(config))
}

/// A WebSocket that sends and receives frames.
pub(crate) struct Socket {
    inner: WebSocketStream<MaybeTlsStream<TcpStream>>,
    time_limit: Duration,
}

impl Socket {
    pub(crate) async fn connect(url: &Uri, connector: Option<Connector>, time_limit: Duration) -> Result<Self, Loss> {
        let request = ClientRequestBuilder::new(url.clone()).with_sub_protocol(PROTOCOL);
        let config = WebSocketConfig::default()
            .read_buffer_size(SOCKET_BUFFER)
            .write_buffer_size(SOCKET_BUFFER)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        match timeout(time_limit, connect_async_tls_with_config(request, Some(config), true, connector)).await {
            Ok(Ok((inner, _))) => Ok(Self { inner, time_limit }),
            Ok(Err(error)) => Err(Loss::Unreachable(error.to_string())),
            Err(_) => Err(Loss::Unreachable(format!("no answer within {time_limit:?}"))),
        }
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) -> Result<(), Disconnect> {
        match timeout(self.time_limit, self.inner.send(Message::text(frame.encode()))).await {
            Ok(Ok(())) => Ok(()),
            // The reason for the close may still be unread.
            Ok(Err(error)) => Err(self.close_reason().await.unwrap_or(Loss::Broken(error.to_string()).into())),
            Err(_) => Err(Loss::Broken(format!("cannot send for {:?}", self.time_limit)).into()),
        }
    }

    async fn close_reason(&mut self) -> Option<Disconnect> {
        timeout(CLOSE_TIMEOUT, async {
            loop {
                if let Err(disconnect) = self.receive().await {
                    return disconnect;
                }
            }
        })
        .await
        .ok()
    }

    /// Returns the next frame. A bye or a close frame is an error. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Result<Frame, Disconnect> {
        loop {
            let message = match self.inner.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(Loss::Broken(error.to_string()).into()),
                None => return Err(Loss::Broken("the stream ended".to_owned()).into()),
            };
            match message {
                Message::Text(text) => match Frame::decode(&text) {
                    Ok(Frame::Other(ServerFrame::Bye { code, retry_ms, reason, cursor })) => {
                        let retry = Duration::from_millis(retry_ms.unwrap_or_default());
                        return Err(Disconnect::Lost(Loss::Closed { code, reason }, retry, cursor));
                    }
                    Ok(frame) => return Ok(frame),
                    Err(error) => return Err(Loss::ProtocolViolation(error.to_string()).into()),
                },
                Message::Close(close) => return Err(closed(close).into()),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    pub(crate) async fn close(&mut self) {
        // A service that does not answer has lost the connection anyway.
        let _ = timeout(CLOSE_TIMEOUT, self.inner.close(None)).await;
    }
}

fn closed(close: Option<CloseFrame>) -> Loss {
    match close {
        Some(close) => Loss::Closed { code: close.code.into(), reason: close.reason.to_string() },
        None => Loss::Broken("closed without a reason".to_owned()),
    }
}
