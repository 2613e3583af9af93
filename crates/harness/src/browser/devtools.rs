//! The protocol of Chromium's developer tools: calls over a WebSocket, one at a time.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

/// The time limit of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a browser.
#[derive(Debug)]
pub(super) struct DevTools(Mutex<DevToolsSession>);

#[derive(Debug)]
struct DevToolsSession {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
}

impl DevTools {
    pub(super) async fn connect(address: &str) -> anyhow::Result<Self> {
        let connected = tokio_tungstenite::connect_async(address).await;
        let (socket, _) = connected.with_context(|| format!("cannot connect to Chromium at {address}"))?;
        Ok(Self(Mutex::new(DevToolsSession { socket, calls: 0 })))
    }

    /// Calls a method of the browser, or of the page with this session.
    pub(super) async fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> anyhow::Result<Value> {
        let mut devtools_session = self.0.lock().await;
        let call = timeout(CALL_TIMEOUT, devtools_session.call(session, method, parameters));
        call.await
            .unwrap_or_else(|_| bail!("no answer in {CALL_TIMEOUT:?}"))
            .with_context(|| format!("{method} failed"))
    }
}

impl DevToolsSession {
    async fn call(&mut self, session: Option<&str>, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.calls += 1;
        let mut request = json!({ "id": self.calls, "method": method, "params": parameters });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        self.socket.send(Message::text(request.to_string())).await?;
        // Events may come before the answer, and late answers to calls that timed out.
        loop {
            let Message::Text(text) = self.socket.next().await.context("Chromium disconnected")?? else { continue };
            let mut answer: Value = serde_json::from_str(&text)?;
            if answer["id"] != self.calls {
                continue;
            }
            if let Some(error) = answer.get("error") {
                bail!("{error}");
            }
            return Ok(answer["result"].take());
        }
    }
}
