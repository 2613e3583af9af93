//! Limits the time of a body, and reads the rest of the body before the response is sent: a client that is still
//! sending when the connection closes may never see the response.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::Request,
    http::header,
};
use futures::{StreamExt, stream};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// The maximum number of bytes read and discarded. If there are more, the connection is closed.
const MAX_DISCARDED: usize = 16 << 20;

/// The timeout of reading the rest.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of the whole body, whatever its size.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The error of a body that did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the body took more than {} seconds", BODY_TIMEOUT.as_secs())]
pub(crate) struct BodyTimeout;

/// The rest of a request's body.
pub(super) struct Rest(Option<(Arc<Mutex<BodyDataStream>>, Instant)>);

/// Limits the time of the body, and keeps what the handler leaves of it.
pub(super) fn keep(request: Request) -> (Request, Rest) {
    // A client that waits for `100 Continue` has not begun to send.
    if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
        return (request, Rest(None));
    }
    let (parts, body) = request.into_parts();
    let shared = Arc::new(Mutex::new(body.into_data_stream()));
    let deadline = Instant::now() + BODY_TIMEOUT;
    let chunks = stream::unfold(Arc::clone(&shared), move |shared| async move {
        let chunk = match timeout_at(deadline, async { shared.lock().await.next().await }).await {
            Ok(chunk) => chunk?.map_err(axum::Error::into_inner),
            Err(_) => Err(BodyTimeout.into()),
        };
        Some((chunk, shared))
    });
    (Request::from_parts(parts, Body::from_stream(chunks)), Rest(Some((shared, deadline))))
}

impl Rest {
    /// Reads the rest and discards it.
    pub(super) async fn discard(self) {
        if let Some((body, deadline)) = self.0 {
            let _ = timeout_at(deadline.min(Instant::now() + DISCARD_TIMEOUT), skip(&body)).await;
        }
    }
}

async fn skip(body: &Mutex<BodyDataStream>) {
    let mut body = body.lock().await;
    let mut skipped = 0;
    while let Some(Ok(chunk)) = body.next().await {
        skipped += chunk.len();
        if skipped > MAX_DISCARDED {
            return;
        }
    }
}
