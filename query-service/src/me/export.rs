//! `GET /me/export`: all that is stored of the caller, as lines of JSON.
//!
//! The lines are read in pages, each by a short statement on a connection of its own, so an export holds no snapshot of
//! the database, and has a page in memory. A page begins where the former one has ended: after a room, a message or an
//! alarm, whose keys never change. A cursor after each chunk lets a client continue an export that was interrupted, at
//! any instance and in any generation.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use futures::{Stream, stream};
use serde::Deserialize;
use service_kit::{auth::Caller, extract::Query};
use tokio::time::Instant;
use utoipa::IntoParams;

use self::{
    limiter::ExportSlot,
    lines::{ExportLine, FORMAT},
    pages::{Page, Place},
};
use crate::{
    app::App,
    cursor,
    error::Error,
    position::MinPosition,
    problems::ExportProblems,
    reader::{ReadModel, Reader},
};

pub(crate) mod limiter;
mod lines;
mod pages;

/// The name of the list in cursors.
const LIST: &str = "export";

/// The number of lines after which a chunk is sent. A page may add more.
const CHUNK_LINES: usize = 200;

/// The time after which a chunk is sent even if it has few lines.
const CHUNK_TIME: Duration = Duration::from_millis(500);

/// The longest time of a response. The client continues with the last cursor.
const MAX_TIME: Duration = Duration::from_mins(10);

/// The query of `GET /me/export`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportMe {
    /// The last `cursor` of an interrupted export: the lines after it follow.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// Exports all data of the caller.
///
/// One line is one JSON object with a `type`: the account and its settings, then each room in which the caller ever
/// was, with the caller's messages and reactions, then the alarms. Lines of the type `cursor` are in between. An export
/// is complete if its last line has the type `end`. If the response ends before, drop the lines after the last
/// `cursor`, and continue with it. One export of a user runs at a time.
#[utoipa::path(
    get, path = "/me/export", tag = "me", operation_id = "export_me",
    params(ExportMe, MinPosition),
    responses(
        (
            status = 200, description = "The lines", content_type = "application/x-ndjson", body = ExportLine,
            example = json!({ "type": "reaction", "room_id": "box-1.1", "message_id": "42", "emoji": "👍" })
        ),
        ExportProblems
    )
)]
pub(crate) async fn export_me(
    caller: Caller,
    Query(query): Query<ExportMe>,
    State(app): State<App>,
    read_model: ReadModel,
) -> Result<Response, Error> {
    caller.require_user().map_err(Error::Caller)?;
    let from: Option<(String, Place)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let slot = app.exports.begin(&caller.user_id)?;
    let reader = read_model.read().await?;
    let incarnation = reader.incarnation();
    // Message ids of another log, restored or lost, are other messages.
    if from.as_ref().is_some_and(|(of, _)| **of != *incarnation) {
        return Err(Error::InvalidCursor);
    }
    let mut head = Vec::new();
    if from.is_none() {
        let user_id = caller.user_id.to_string();
        write(&mut head, &ExportLine::Export { format: FORMAT, user_id });
    }
    let place = from.map_or(Place::Account, |(_, place)| place);
    let ends = Instant::now() + MAX_TIME;
    let mut export = Export { app, caller, incarnation, place: Some(place), ends, _slot: slot };
    // The first chunk is read before the response begins: errors have their own status.
    export.chunk(Some(reader), &mut head).await?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(export.chunks(head))).into_response())
}

/// An export in progress.
struct Export {
    app: App,
    caller: Caller,
    incarnation: Arc<str>,
    /// The place of the next page. None at the end.
    place: Option<Place>,
    ends: Instant,
    _slot: ExportSlot,
}

impl Export {
    /// Returns the chunks of the response. An error ends the connection, so that the client notices it.
    fn chunks(self, first: Vec<u8>) -> impl Stream<Item = Result<Bytes, Error>> {
        stream::try_unfold((self, Some(first)), async |(mut export, ready)| {
            if let Some(chunk) = ready {
                return Ok(Some((chunk.into(), (export, None))));
            }
            if export.place.is_none() || Instant::now() > export.ends {
                return Ok(None);
            }
            let mut chunk = Vec::new();
            export.chunk(None, &mut chunk).await?;
            Ok(Some((chunk.into(), (export, None))))
        })
    }

    /// Adds pages to a chunk, and the cursor or the end after them.
    async fn chunk(&mut self, first: Option<Reader>, chunk: &mut Vec<u8>) -> Result<(), Error> {
        self.app.verifier.reject_revoked(&self.caller).map_err(Error::Caller)?;
        let (began, mut lines, mut reader) = (Instant::now(), 0, first);
        while let Some(place) = self.place.take() {
            let mut reader = match reader.take() {
                Some(reader) => reader,
                None => Reader::current(&self.app).await?,
            };
            if reader.incarnation() != self.incarnation {
                return Err(Error::ReadModelUnavailable);
            }
            let page = pages::read(&mut reader, &self.caller.user_id, place).await?;
            drop(reader);
            let Page { lines: found, next } = page;
            for line in &found {
                write(chunk, line);
            }
            (lines, self.place) = (lines + found.len(), next);
            if lines >= CHUNK_LINES || began.elapsed() >= CHUNK_TIME {
                break;
            }
        }
        match &self.place {
            Some(place) => {
                let cursor = cursor::encode(LIST, &(&*self.incarnation, place));
                write(chunk, &ExportLine::Cursor { cursor });
            }
            None => write(chunk, &ExportLine::End),
        }
        Ok(())
    }
}

fn write(chunk: &mut Vec<u8>, line: &ExportLine) {
    serde_json::to_writer(&mut *chunk, line).expect("a line has a JSON form");
    chunk.push(b'\n');
}
