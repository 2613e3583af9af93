//! Gives a body so much time and no more, and reads what is left of it before the request is answered: a client that is
//! still sending when the connection closes may never see the answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use futures::{StreamExt, stream};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// The most bytes that are read for nothing; whoever sends more has to live with a closed connection.
const MOST: usize = 16 << 20;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long all of a body may take, however little of it there is.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body took more than {} seconds", BODY_TIMEOUT.as_secs())]
pub(crate) struct TooSlow;

pub(super) async fn read_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Who expects to be told to go on has not begun to send.
    if body.is_end_stream() || parts.headers.contains_key(header::EXPECT) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let shared = Arc::new(Mutex::new(body.into_data_stream()));
    let deadline = Instant::now() + BODY_TIMEOUT;
    let chunks = stream::unfold(Arc::clone(&shared), move |shared| async move {
        let chunk = match timeout_at(deadline, async { shared.lock().await.next().await }).await {
            Ok(chunk) => chunk?.map_err(axum::Error::into_inner),
            Err(_) => Err(TooSlow.into()),
        };
        Some((chunk, shared))
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(chunks))).await;
    let _ = timeout_at(deadline.min(Instant::now() + PATIENCE), skip(&shared)).await;
    response
}

async fn skip(body: &Mutex<BodyDataStream>) {
    let mut body = body.lock().await;
    let mut skipped = 0;
    while let Some(Ok(chunk)) = body.next().await {
        skipped += chunk.len();
        if skipped > MOST {
            return;
        }
    }
}
