//! `GET /boxes`: the newest first, or the nearest first.

use axum::Json;
use domain::{BoxId, values::ZipCode};
use serde::Deserialize;
use service_kit::{auth::AsPerson, extract::Query};
use sqlx::{query_as, query_scalar};
use utoipa::IntoParams;

use crate::{
    cursor::{self, Distance, Moment},
    error::Error,
    location::Location,
    page::{Limit, Page},
    position::MinPosition,
    private_boxes::viewer,
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

/// Lists boxes. A private box is listed for its users only.
#[utoipa::path(
    get, path = "/boxes", tag = "boxes", operation_id = "list_boxes",
    params(ListBoxes, MinPosition),
    responses((status = 200, description = "A page of boxes", body = Page<BoxView>), ListProblems)
)]
pub(crate) async fn list_boxes(
    AsPerson(caller): AsPerson,
    Query(query): Query<ListBoxes>,
    reader: Reader,
) -> Result<Json<Page<BoxView>>, Error> {
    let viewer = viewer(&caller);
    match query.near {
        Some(location) => nearest_first(query, location, viewer.as_deref(), reader).await,
        None => newest_first(query, viewer.as_deref(), reader).await,
    }
}

async fn newest_first(
    query: ListBoxes,
    viewer: Option<&str>,
    mut reader: Reader,
) -> Result<Json<Page<BoxView>>, Error> {
    const LIST: &str = "boxes";
    let after: Option<(Moment, BoxId)> = cursor::decode(LIST, query.cursor.as_deref())?;
    let boxes = query_as!(
        BoxView,
        r#"
        select
            b.box_id,
            case
                when b.service = 'retired' then 'retired'
                when b.room_id is not null then 'in_use'
                when b.service = 'out_of_service' then 'out_of_service'
                else 'free'
            end as "status!: BoxStatus",
            b.room_id,
            b.out_of_service_reason,
            b.kind as "kind: BoxKind",
            null::jsonb as "users: sqlx::types::Json<Vec<String>>",
            b.zip_code,
            b.address,
            b.detailed_address,
            b.latitude,
            b.longitude,
            b.installed_at,
            null::float8 as distance_m
        from (
            -- a branch for each index: the conditions on parameters alone switch off those that do not apply
            (
                select b.box_id from boxes b
                where b.service = 'in_service' and b.room_id is null and $2::bool is not false and $1::text is null
                    and b.installed_at <= $3 and (b.installed_at < $3 or b.box_id > $4)
                    and ($6::text is null or b.kind <> 'private' or b.users ? $6)
                order by b.installed_at desc, b.box_id
                limit $5
            )
            union all
            (
                select b.box_id from boxes b
                where not (b.service = 'in_service' and b.room_id is null) and $2::bool is not true and $1::text is null
                    and b.installed_at <= $3 and (b.installed_at < $3 or b.box_id > $4)
                    and ($6::text is null or b.kind <> 'private' or b.users ? $6)
                order by b.installed_at desc, b.box_id
                limit $5
            )
            union all
            (
                select b.box_id from boxes b
                where b.service = 'in_service' and b.room_id is null and $2::bool is not false and b.zip_code = $1
                    and b.installed_at <= $3 and (b.installed_at < $3 or b.box_id > $4)
                    and ($6::text is null or b.kind <> 'private' or b.users ? $6)
                order by b.installed_at desc, b.box_id
                limit $5
            )
            union all
            (
                select b.box_id from boxes b
                where not (b.service = 'in_service' and b.room_id is null) and $2::bool is not true and b.zip_code = $1
                    and b.installed_at <= $3 and (b.installed_at < $3 or b.box_id > $4)
                    and ($6::text is null or b.kind <> 'private' or b.users ? $6)
                order by b.installed_at desc, b.box_id
                limit $5
            )
        ) as found
        join boxes b on b.box_id = found.box_id
        order by b.installed_at desc, b.box_id
        limit $5
        "#,
        query.zip_code.as_ref().map(ZipCode::as_str),
        query.free,
        after.as_ref().map_or(Moment::LAST, |(installed_at, _)| *installed_at).0,
        after.as_ref().map_or("", |(_, box_id)| box_id.as_str()),
        query.limit.rows(),
        viewer,
    )
    .fetch_all(&mut *reader)
    .await?;
    Ok(Json(Page::cut(boxes, query.limit, LIST, |last| (Moment(last.installed_at), last.box_id.clone()))))
}

async fn nearest_first(
    query: ListBoxes,
    location: Location,
    viewer: Option<&str>,
    mut reader: Reader,
) -> Result<Json<Page<BoxView>>, Error> {
    // Distances from another location are another list.
    let list = format!("boxes near {},{}", location.latitude(), location.longitude());
    let after: Option<(Distance, BoxId)> = cursor::decode(&list, query.cursor.as_deref())?;
    // Boxes of one postal code are few, and all are compared.
    let reach = match &query.zip_code {
        Some(_) => None,
        None => reach(&query, location, after.as_ref(), viewer, &mut reader).await?,
    };
    let area = location.area(reach);
    let boxes = query_as!(
        BoxView,
        r#"
        select
            b.box_id,
            case
                when b.service = 'retired' then 'retired'
                when b.room_id is not null then 'in_use'
                when b.service = 'out_of_service' then 'out_of_service'
                else 'free'
            end as "status!: BoxStatus",
            b.room_id,
            b.out_of_service_reason,
            b.kind as "kind: BoxKind",
            null::jsonb as "users: sqlx::types::Json<Vec<String>>",
            b.zip_code,
            b.address,
            b.detailed_address,
            b.latitude,
            b.longitude,
            b.installed_at,
            distance.m as distance_m
        from (
            select f.box_id
            from unnest($8::float8[], $9::float8[]) as area (west, east)
            cross join lateral (
                (
                    select b.box_id from boxes b
                    where b.service = 'in_service' and b.room_id is null and $2::bool is not false and $1::text is null
                        and point(b.longitude, b.latitude) <@ box(point(area.west, $10), point(area.east, $11))
                )
                union all
                (
                    select b.box_id from boxes b
                    where not (b.service = 'in_service' and b.room_id is null)
                        and $2::bool is not true and $1::text is null
                        and point(b.longitude, b.latitude) <@ box(point(area.west, $10), point(area.east, $11))
                )
            ) as f
            union all
            select b.box_id from boxes b
            where b.zip_code = $1 and ($2::bool is null or (b.service = 'in_service' and b.room_id is null) = $2)
        ) as found
        join boxes b on b.box_id = found.box_id
        -- haversine on a sphere of the earth's mean radius
        cross join lateral (
            select 2 * 6371008.8 * asin(least(1, sqrt(
                sin(radians(b.latitude - $6::float8) / 2) ^ 2
                + cos(radians($6::float8)) * cos(radians(b.latitude))
                    * sin(radians(b.longitude - $7::float8) / 2) ^ 2
            ))) as m
        ) as distance
        where (distance.m, b.box_id) > ($3, $4)
            and ($12::text is null or b.kind <> 'private' or b.users ? $12)
        order by distance.m, b.box_id
        limit $5
        "#,
        query.zip_code.as_ref().map(ZipCode::as_str),
        query.free,
        after.as_ref().map_or(-1.0, |(distance, _)| distance.0),
        after.as_ref().map_or("", |(_, box_id)| box_id.as_str()),
        query.limit.rows(),
        location.latitude(),
        location.longitude(),
        &area.west,
        &area.east,
        area.south,
        area.north,
        viewer,
    )
    .fetch_all(&mut *reader)
    .await?;
    let key = |last: &BoxView| (Distance(last.distance_m.unwrap_or_default()), last.box_id.clone());
    Ok(Json(Page::cut(boxes, query.limit, &list, key)))
}

/// Returns a distance within which there is a page of boxes; none if all of them fit on one. Indexes order by distance
/// in the plane of degrees: the nearest ones in this order give the bound.
async fn reach(
    query: &ListBoxes,
    location: Location,
    after: Option<&(Distance, BoxId)>,
    viewer: Option<&str>,
    reader: &mut Reader,
) -> Result<Option<f64>, Error> {
    let reach = query_scalar!(
        r#"
        select nearest.m as "m!"
        from (
            select distinct f.box_id, f.m
            from unnest($6::float8[]) as origin (longitude)
            cross join lateral (
                (
                    select b.box_id, distance.m
                    from boxes b
                    cross join lateral (
                        select 2 * 6371008.8 * asin(least(1, sqrt(
                            sin(radians(b.latitude - $4::float8) / 2) ^ 2
                            + cos(radians($4::float8)) * cos(radians(b.latitude))
                                * sin(radians(b.longitude - $5::float8) / 2) ^ 2
                        ))) as m
                    ) as distance
                    where b.service = 'in_service' and b.room_id is null and $1::bool is not false
                        and (distance.m, b.box_id) > ($2, $3)
                        and ($8::text is null or b.kind <> 'private' or b.users ? $8)
                    order by point(b.longitude, b.latitude) <-> point(origin.longitude, $4)
                    limit $7
                )
                union all
                (
                    select b.box_id, distance.m
                    from boxes b
                    cross join lateral (
                        select 2 * 6371008.8 * asin(least(1, sqrt(
                            sin(radians(b.latitude - $4::float8) / 2) ^ 2
                            + cos(radians($4::float8)) * cos(radians(b.latitude))
                                * sin(radians(b.longitude - $5::float8) / 2) ^ 2
                        ))) as m
                    ) as distance
                    where not (b.service = 'in_service' and b.room_id is null) and $1::bool is not true
                        and (distance.m, b.box_id) > ($2, $3)
                        and ($8::text is null or b.kind <> 'private' or b.users ? $8)
                    order by point(b.longitude, b.latitude) <-> point(origin.longitude, $4)
                    limit $7
                )
            ) as f
        ) as nearest
        order by nearest.m
        offset $7 - 1
        limit 1
        "#,
        query.free,
        after.map_or(-1.0, |(distance, _)| distance.0),
        after.map_or("", |(_, box_id)| box_id.as_str()),
        location.latitude(),
        location.longitude(),
        &location.longitudes(),
        query.limit.rows(),
        viewer,
    )
    .fetch_optional(&mut **reader)
    .await?;
    Ok(reach)
}
