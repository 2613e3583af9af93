//! `GET /rooms`: the newest first, or the open rooms around a location.

use axum::Json;
use domain::{StoreId, values::ZipCode};
use serde::Deserialize;
use service_kit::{auth::AsPerson, extract::Query};
use utoipa::IntoParams;

use crate::{
    cursor::{self, Distance, Moment},
    error::Error,
    location::{Location, Radius},
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    rooms::find::{Around, Filter, nearest, newest},
    schemas,
    views::{RoomStatus, RoomView},
};

/// The query of `GET /rooms`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListRooms {
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

impl ListRooms {
    fn filter(&self) -> Filter<'_> {
        Filter {
            zip_code: self.zip_code.as_ref().map(ZipCode::as_str),
            store_id: self.store_id.as_ref().map(StoreId::as_str),
        }
    }
}

/// Lists rooms, for every signed-in user.
#[utoipa::path(
    get, path = "/rooms", tag = "rooms", operation_id = "list_rooms",
    params(ListRooms, MinPosition),
    responses((status = 200, description = "A page of rooms", body = Page<RoomView>), ListProblems)
)]
pub(crate) async fn list_rooms(
    _: AsPerson,
    Query(query): Query<ListRooms>,
    reader: Reader,
) -> Result<Json<Page<RoomView>>, Error> {
    match query.near {
        Some(location) => nearest_first(query, location, reader).await,
        None => newest_first(query, reader).await,
    }
}

async fn newest_first(query: ListRooms, mut reader: Reader) -> Result<Json<Page<RoomView>>, Error> {
    const LIST: &str = "rooms";
    if query.radius.is_some() {
        return Err(Error::InvalidQuery("radius: only with near"));
    }
    let after = cursor::decode(LIST, query.cursor.as_deref())?;
    let rooms = newest(&query.filter(), query.status, after.as_ref(), query.limit.rows(), &mut reader).await?;
    Ok(Json(Page::cut(rooms, query.limit, LIST, |last| (Moment(last.opened_at), last.room_id.clone()))))
}

async fn nearest_first(
    query: ListRooms,
    location: Location,
    mut reader: Reader,
) -> Result<Json<Page<RoomView>>, Error> {
    if query.status == Some(RoomStatus::Closed) {
        return Err(Error::InvalidQuery("near: only open rooms have a distance"));
    }
    // Distances from another location are another list.
    let list = format!("rooms near {},{}", location.latitude(), location.longitude());
    let after = cursor::decode(&list, query.cursor.as_deref())?;
    let around = Around { location, radius: query.radius.unwrap_or_default() };
    let rooms = nearest(&query.filter(), around, after.as_ref(), query.limit.rows(), &mut reader).await?;
    let key = |last: &RoomView| (Distance(last.distance_m.unwrap_or_default()), last.room_id.clone());
    Ok(Json(Page::cut(rooms, query.limit, &list, key)))
}
