//! `GET /rooms`: the newest first, or the open rooms around a location.

use std::time::Instant;

use axum::{Json, extract::State};
use domain::{RoomId, StoreId, values::ZipCode};
use serde::Deserialize;
use service_kit::{auth::AsPerson, extract::Query};
use text::search::Search;
use utoipa::IntoParams;

use crate::{
    app::App,
    cursor::{self, Distance, Moment},
    error::Error,
    location::{Location, Radius},
    page::{Limit, Page},
    position::MinPosition,
    private_boxes::viewer,
    problems::SearchProblems,
    reader::ReadModel,
    rooms::{
        by_words::RoomSearch,
        find::{Around, Filter, nearest, newest},
    },
    schemas,
    search::Words,
    views::{RoomStatus, RoomView},
};

/// The query of `GET /rooms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRooms {
    /// Returns only rooms with these words in the title or in the name of the store: up to 20 words. A word is found by
    /// its beginning. `"a phrase"`, `or` and `-not` work as in search engines.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200, example = "pizza")]
    q: Option<Words>,
    /// Returns only open or only closed rooms.
    status: Option<RoomStatus>,
    /// Returns only rooms whose box had this postal code when they were opened.
    #[param(schema_with = schemas::zip_code)]
    zip_code: Option<ZipCode>,
    /// Returns only rooms that order from this store.
    #[param(schema_with = schemas::store_id)]
    store_id: Option<StoreId>,
    /// Latitude and longitude in degrees: returns the open rooms within `radius`, the nearest first, and adds the
    /// distance.
    #[param(value_type = Option<String>, example = "51.34,12.37",
            pattern = r"^-?[0-9]{1,2}(\.[0-9]{1,15})?,-?[0-9]{1,3}(\.[0-9]{1,15})?$")]
    near: Option<Location>,
    /// The maximum distance from `near` in metres.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100_000, default = 5_000)]
    radius: Option<Radius>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// The place at which a page begins.
enum Start {
    Newest(Option<(Moment, RoomId)>),
    Nearest(Around, Option<(Distance, RoomId)>),
}

impl ListRooms {
    fn filter<'a>(&'a self, viewer: Option<&'a str>) -> Filter<'a> {
        Filter {
            zip_code: self.zip_code.as_ref().map(ZipCode::as_str),
            store_id: self.store_id.as_ref().map(StoreId::as_str),
            viewer,
        }
    }

    /// Returns the name of the list in cursors. Distances from another location are another list.
    fn list(&self) -> String {
        self.near
            .map_or_else(|| "rooms".to_owned(), |near| format!("rooms near {},{}", near.latitude(), near.longitude()))
    }

    fn start(&self) -> Result<Start, Error> {
        let (list, cursor) = (self.list(), self.cursor.as_deref());
        match (self.near, self.radius) {
            (None, None) => Ok(Start::Newest(cursor::decode(&list, cursor)?)),
            (None, Some(_)) => Err(Error::InvalidQuery("radius: only with near")),
            (Some(_), _) if self.status == Some(RoomStatus::Closed) => {
                Err(Error::InvalidQuery("near: only open rooms have a distance"))
            }
            (Some(location), radius) => {
                let around = Around { location, radius: radius.unwrap_or_default() };
                Ok(Start::Nearest(around, cursor::decode(&list, cursor)?))
            }
        }
    }

    fn page(&self, rooms: Vec<RoomView>) -> Page<RoomView> {
        let list = self.list();
        if self.near.is_some() {
            let key = |last: &RoomView| (Distance(last.distance_m.unwrap_or_default()), last.room_id.clone());
            Page::cut(rooms, self.limit, &list, key)
        } else {
            Page::cut(rooms, self.limit, &list, |last| (Moment(last.opened_at), last.room_id.clone()))
        }
    }
}

/// Lists rooms, for every signed-in user. Rooms on private boxes are listed only for their users, for moderators and
/// for operators.
///
/// With `q`, one search of a user runs at a time, searches of messages included. A second one waits for up to a second.
#[utoipa::path(
    get, path = "/rooms", tag = "rooms", operation_id = "list_rooms",
    params(ListRooms, MinPosition),
    responses((status = 200, description = "A page of rooms", body = Page<RoomView>), SearchProblems)
)]
pub(crate) async fn list_rooms(
    AsPerson(caller): AsPerson,
    Query(mut query): Query<ListRooms>,
    State(app): State<App>,
    read_model: ReadModel,
) -> Result<Json<Page<RoomView>>, Error> {
    let start = query.start()?;
    if let Some(Words(words)) = query.q.take() {
        let permit = app.searches.acquire(&caller.user_id).await?;
        let viewer = viewer(&caller);
        return permit
            .run(async move |deadline| search(&words, query, start, viewer, read_model, deadline).await)
            .await;
    }
    let mut reader = read_model.read().await?;
    let viewer = viewer(&caller);
    let (filter, rows) = (query.filter(viewer.as_deref()), query.limit.rows());
    let rooms = match start {
        Start::Newest(after) => newest(&filter, query.status, after.as_ref(), rows, &mut reader).await?,
        Start::Nearest(around, after) => nearest(&filter, around, after.as_ref(), rows, &mut reader).await?,
    };
    Ok(Json(query.page(rooms)))
}

async fn search(
    words: &Search,
    query: ListRooms,
    start: Start,
    viewer: Option<String>,
    read_model: ReadModel,
    deadline: Instant,
) -> Result<Json<Page<RoomView>>, Error> {
    let mut reader = read_model.search().await?;
    let (filter, rows) = (query.filter(viewer.as_deref()), query.limit.rows());
    let search = RoomSearch { search: words, filter, rows, deadline, connection: &mut reader };
    let rooms = match start {
        Start::Newest(after) => search.newest(query.status, after.as_ref()).await?,
        Start::Nearest(around, after) => search.nearest(around, after.as_ref()).await?,
    };
    Ok(Json(query.page(rooms)))
}
