//! Reads what is left of a body before the request is answered: a client that is still sending when the connection
//! closes may never see the answer.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use futures::{StreamExt, stream};
use tokio::{sync::Mutex, time::timeout};

/// The most bytes that are read for nothing; whoever sends more has to live with a closed connection.
const MOST: usize = 16 << 20;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn read_rest(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // Who expects to be told to go on has not begun to send.
    if body.is_end_stream() || parts.headers.contains_key(header::EXPECT) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let shared = Arc::new(Mutex::new(body.into_data_stream()));
    let chunks = stream::unfold(Arc::clone(&shared), |shared| async move {
        let chunk = shared.lock().await.next().await?;
        Some((chunk, shared))
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(chunks))).await;
    let _ = timeout(PATIENCE, skip(&shared)).await;
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
