//! `GET /boxes`: the newest first, or the nearest first.

use axum::Json;
use domain::{
    BoxId,
    values::{Coordinates, ZipCode},
};
use serde::Deserialize;
use service_kit::{auth::AsPerson, extract::Query};
use sqlx::query_as;
use utoipa::IntoParams;

use crate::{
    cursor::{self, Distance, Moment},
    error::Error,
    page::{Limit, Page},
    position::MinPosition,
    problems::ListProblems,
    reader::Reader,
    schemas,
    views::{BoxKind, BoxStatus, BoxView},
};

/// The query of `GET /boxes`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListBoxes {
    /// Returns only boxes with this postal code.
    #[param(schema_with = schemas::zip_code)]
    zip_code: Option<ZipCode>,
    /// True: only boxes on which a room can be opened now. False: only the others.
    free: Option<bool>,
    /// Latitude and longitude in degrees: sorts by distance, the nearest first, and adds the distance.
    #[param(value_type = Option<String>, example = "51.34,12.37",
            pattern = r"^-?[0-9]{1,2}(\.[0-9]{1,15})?,-?[0-9]{1,3}(\.[0-9]{1,15})?$")]
    near: Option<Location>,
    /// The maximum number of items.
    #[serde(default)]
    #[param(schema_with = schemas::limit)]
    limit: Limit,
    /// The `next` of the previous page.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// A location, written `latitude,longitude`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Location(Coordinates);

impl TryFrom<String> for Location {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let refused = "must be latitude,longitude in degrees: -90 to 90 and -180 to 180";
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        let (latitude, longitude) = text.split_once(',').filter(|(a, b)| plain(a) && plain(b)).ok_or(refused)?;
        let (latitude, longitude) = (latitude.parse().map_err(|_| refused)?, longitude.parse().map_err(|_| refused)?);
        Coordinates::new(latitude, longitude).map(Self).map_err(|_| refused)
    }
}

/// Lists boxes.
#[utoipa::path(
    get, path = "/boxes", tag = "boxes", operation_id = "list_boxes",
    params(ListBoxes, MinPosition),
    responses((status = 200, description = "A page of boxes", body = Page<BoxView>), ListProblems)
)]
pub(crate) async fn list_boxes(
    _: AsPerson,
    Query(query): Query<ListBoxes>,
    reader: Reader,
) -> Result<Json<Page<BoxView>>, Error> {
    match query.near {
        Some(Location(location)) => nearest_first(query, location, reader).await,
        None => newest_first(query, reader).await,
    }
}

async fn newest_first(query: ListBoxes, mut reader: Reader) -> Result<Json<Page<BoxView>>, Error> {
    const LIST: &str = "boxes";
    let after: Option<(Moment, BoxId)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let boxes = query_as!(
        BoxView,
        r#"
        select
            box_id,
            case
                when service = 'retired' then 'retired'
                when room_id is not null then 'in_use'
                when service = 'out_of_service' then 'out_of_service'
                else 'free'
            end as "status!: BoxStatus",
            room_id,
            out_of_service_reason,
            kind as "kind: BoxKind",
            zip_code,
            address,
            detailed_address,
            latitude,
            longitude,
            installed_at,
            null::float8 as distance_m
        from boxes
        where ($1::text is null or zip_code = $1)
            and ($2::bool is null or (service = 'in_service' and room_id is null) = $2)
            and ($3::timestamptz is null or installed_at <= $3 and (installed_at < $3 or box_id > $4))
        order by installed_at desc, box_id
        limit $5
        "#,
        query.zip_code.as_ref().map(ZipCode::as_str),
        query.free,
        after.as_ref().map(|(installed_at, _)| installed_at.0),
        after.as_ref().map(|(_, box_id)| box_id.as_str()),
        query.limit.rows(),
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(boxes, query.limit, LIST, |last| (Moment(last.installed_at), last.box_id.clone()))))
}

async fn nearest_first(
    query: ListBoxes,
    location: Coordinates,
    mut reader: Reader,
) -> Result<Json<Page<BoxView>>, Error> {
    // Distances from another location are another list.
    let list = format!("boxes near {},{}", location.latitude(), location.longitude());
    let after: Option<(Distance, BoxId)> = cursor::decode(&list, query.cursor.as_deref())?;
    let boxes = query_as!(
        BoxView,
        r#"
        select
            box_id,
            case
                when service = 'retired' then 'retired'
                when room_id is not null then 'in_use'
                when service = 'out_of_service' then 'out_of_service'
                else 'free'
            end as "status!: BoxStatus",
            room_id,
            out_of_service_reason,
            kind as "kind: BoxKind",
            zip_code,
            address,
            detailed_address,
            latitude,
            longitude,
            installed_at,
            distance.m as distance_m
        from boxes
        -- haversine on a sphere of the earth's mean radius
        cross join lateral (
            select 2 * 6371008.8 * asin(least(1, sqrt(
                sin(radians(latitude - $6::float8) / 2) ^ 2
                + cos(radians($6::float8)) * cos(radians(latitude)) * sin(radians(longitude - $7::float8) / 2) ^ 2
            ))) as m
        ) as distance
        where ($1::text is null or zip_code = $1)
            and ($2::bool is null or (service = 'in_service' and room_id is null) = $2)
            and ($3::float8 is null or (distance.m, box_id) > ($3, $4))
        order by distance.m, box_id
        limit $5
        "#,
        query.zip_code.as_ref().map(ZipCode::as_str),
        query.free,
        after.as_ref().map(|(distance, _)| distance.0),
        after.as_ref().map(|(_, box_id)| box_id.as_str()),
        query.limit.rows(),
        location.latitude(),
        location.longitude(),
    )
    .fetch_all(&mut *reader)
    .await?;
    let key = |last: &BoxView| (Distance(last.distance_m.unwrap_or_default()), last.box_id.clone());
    Ok(Json(Page::cut(boxes, query.limit, &list, key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_two_plain_numbers_on_the_globe() {
        assert!(Location::try_from("51.34,12.37".to_owned()).is_ok());
        assert!(Location::try_from("-90,-180".to_owned()).is_ok());
        for bad in ["", ",", "1", "1,", "1,2,3", "91,0", "0,181", "nan,0", "inf,0", "1e1,0", " 1,2", "1-2,3"] {
            assert!(Location::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
