//! `GET /events`: the same frames as server-sent events, for clients that only listen.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use domain::{RoomId, values::ZipCode};
use serde::Deserialize;
use service_kit::{auth::Caller, clock, extract::Query, problem::Problem};
use utoipa::IntoParams;

use super::{
    close_reason::Closed,
    connection::{Connection, spread_ms_of},
    cursor::StartPosition,
    frames::RoomFrom,
    limits::{ConnectionPermit, MAX_ROOMS},
    lobby_area::LobbyArea,
    shared::Live,
};
use crate::{
    app::App,
    error::Error,
    location::{Location, Radius},
    metrics::METRICS,
    problems::EventsProblems,
    schemas,
};
use stream::EventStream;

mod stream;

/// The header in which an `EventSource` sends the last id that it has received.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query of `GET /events`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OpenEvents {
    /// Ids of the rooms to follow, separated by commas; at most 200.
    #[serde(default)]
    #[param(schema_with = schemas::room_ids)]
    rooms: Rooms,
    /// Follows the open rooms of this postal code.
    #[param(schema_with = schemas::zip_code)]
    lobby_zip_code: Option<ZipCode>,
    /// Latitude and longitude in degrees: follows the open rooms within `lobby_radius`, in place of those of a postal
    /// code.
    #[param(value_type = Option<String>, example = "51.34,12.37",
            pattern = r"^-?[0-9]{1,2}(\.[0-9]{1,15})?,-?[0-9]{1,3}(\.[0-9]{1,15})?$")]
    lobby_near: Option<Location>,
    /// The maximum distance from `lobby_near` in metres.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100_000, default = 5_000)]
    lobby_radius: Option<Radius>,
    /// The last id of an earlier stream. A `Last-Event-ID` header takes precedence.
    cursor: Option<String>,
    /// A ticket from `POST /live-tickets`, in place of an `Authorization` header.
    ticket: Option<String>,
}

impl OpenEvents {
    /// Returns the area of the lobby to follow.
    fn take_lobby(&mut self) -> Result<Option<LobbyArea>, Error> {
        match (self.lobby_zip_code.take(), self.lobby_near, self.lobby_radius) {
            (None, None, None) => Ok(None),
            (zip_code, near, radius) => LobbyArea::of(zip_code, near, radius)
                .map(Some)
                .map_err(|_| Error::InvalidQuery("either lobby_zip_code, or lobby_near with or without lobby_radius")),
        }
    }
}

/// A set of rooms.
#[derive(Debug, Default, Deserialize)]
#[serde(try_from = "String")]
struct Rooms(BTreeSet<RoomId>);

impl TryFrom<String> for Rooms {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rooms = text.split(',').map(str::parse).collect::<Result<BTreeSet<RoomId>, _>>();
        let rooms = rooms.map_err(|error| format!("rooms: each {error}"))?;
        if rooms.len() > MAX_ROOMS { Err(format!("rooms: at most {MAX_ROOMS}")) } else { Ok(Self(rooms)) }
    }
}

/// Opens a stream of server-sent events with live events.
///
/// The `data` of each event is a frame of `boxroom.v1` as `/live` sends it, and its `event` is that frame's `type`:
/// `welcome` first, then `subscribed` or `error` for each room, then `lobby_subscribed` and `lobby` if the stream
/// follows a lobby, then events. An `id` comes with every frame that has a `v`. It also comes alone where a room
/// begins, and when all alarms up to it were sent. It is a cursor: as `Last-Event-ID` or as `cursor`, it resumes the
/// stream at any instance. A cursor of another feed or of another user causes a `reset` of each room and of the alarms.
/// Comments fill pauses. `bye` is the last event before the server ends the response.
#[utoipa::path(
    get, path = "/events", tag = "live", operation_id = "open_events",
    params(OpenEvents, ("Last-Event-ID" = Option<String>, Header, description = "The last id of an earlier stream")),
    responses(
        (status = 200, description = "A stream that lasts until either side closes", content_type = "text/event-stream",
            body = String),
        EventsProblems,
    )
)]
pub(crate) async fn open_events(
    State(app): State<App>,
    Query(mut wanted): Query<OpenEvents>,
    caller: Result<Caller, Problem>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let lobby = wanted.take_lobby().map_err(Error::into_problem)?;
    let caller = if let Some(ticket) = &wanted.ticket {
        app.tickets.redeem(ticket).await.map_err(Error::into_problem)?
    } else {
        let caller = caller?;
        caller.require_user()?;
        caller
    };
    let live = app.live.clone();
    // The session may have ended after the ticket was issued.
    live.verifier.reject_revoked(&caller)?;
    let log = live.feeds.incarnation().map_err(Error::into_problem)?;
    let permit =
        live.connection_limiter.acquire(&caller.user_id).ok_or_else(|| Error::TooManyConnections.into_problem())?;
    let last_id = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?")).or(wanted.cursor.as_deref());
    // An `EventSource` without an id sends an empty header.
    let rooms = wanted.rooms.0.into_iter().map(|room_id| RoomFrom { room_id, v: None }).collect();
    let start = StartPosition::of(last_id.filter(|id| !id.is_empty()), &caller.user_id, rooms, log);
    Ok(serve_stream(live, caller, permit, start, lobby))
}

/// Returns a response with a stream, and serves it until either side closes.
fn serve_stream(
    live: Arc<Live>,
    caller: Caller,
    permit: ConnectionPermit,
    start: StartPosition,
    lobby: Option<LobbyArea>,
) -> Response {
    let session = clock::new_id();
    let spread_ms = spread_ms_of(session.as_u128());
    let (mut stream, body) = EventStream::open(spread_ms, live.heartbeat);
    let stopping = live.stopping.subscribe();
    let shared = live.clone();
    shared.threads.spawn(async move {
        let (_permit, _stopping) = (permit, stopping);
        let _counted = METRICS.connected("events");
        tracing::debug!(session = %session, user.id = %caller.user_id, "event stream");
        let mut connection = Connection::new(&live, &mut stream, &caller, start.incarnation.clone());
        let Err(closed) = connection.run_connection(session.to_string(), start, lobby).await;
        let cursor = connection.cursor();
        drop(connection);
        tracing::debug!(session = %session, ?closed, "event stream ends");
        METRICS.closed(closed.code());
        if let Closed::ByServer(close_reason) = closed {
            stream.close(close_reason, spread_ms, Some(cursor)).await;
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // Keeps proxies from buffering.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}
