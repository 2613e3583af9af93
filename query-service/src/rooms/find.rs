//! The statements that find rooms: the newest, or the open ones around a location.

use domain::RoomId;
use sqlx::{PgConnection, query_as, query_scalar};

use crate::{
    cursor::{Distance, Moment},
    location::{Location, Radius},
    views::{ClosedReason, Pins, RoomStatus, RoomView, Step},
};

/// The restriction of a list to some rooms.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    /// The postal code of the box when the room was opened.
    pub(crate) zip_code: Option<&'a str>,
    /// The store.
    pub(crate) store_id: Option<&'a str>,
    /// The user whose private boxes are shown, beside all shared ones. None shows all boxes, to operators.
    pub(crate) viewer: Option<&'a str>,
}

/// A circle on the globe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around {
    /// The centre.
    pub(crate) location: Location,
    /// The radius.
    pub(crate) radius: Radius,
}

/// Returns the newest rooms after one, at most `rows`.
#[expect(clippy::too_many_lines, reason = "one statement with a branch for each index")]
pub(crate) async fn newest(
    filter: &Filter<'_>,
    status: Option<RoomStatus>,
    after: Option<&(Moment, RoomId)>,
    rows: i64,
    connection: &mut PgConnection,
) -> Result<Vec<RoomView>, sqlx::Error> {
    query_as!(
        RoomView,
        r#"
        select
            r.room_id,
            r.box_id,
            r.store_id,
            r.title,
            r.title_erased,
            r.status as "status: RoomStatus",
            r.closed_reason as "closed_reason: ClosedReason",
            r.host,
            r.member_count,
            r.max_members,
            r.locked,
            r.step as "step: Step",
            r.opened_at,
            r.closes_at,
            r.closed_at,
            r.v,
            r.slow_mode_seconds,
            null::jsonb as "pinned: Pins",
            null::float8 as distance_m
        from (
            -- a branch for each index: the conditions on parameters alone switch off those that do not apply
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'open' and ($1::text is null or $1 = 'open')
                    and $2::text is null and $3::text is null
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'open' and ($1::text is null or $1 = 'open')
                    and $2::text is null and r.store_id = $3
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'open' and ($1::text is null or $1 = 'open')
                    and r.zip_code = $2 and $3::text is null
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'open' and ($1::text is null or $1 = 'open')
                    and r.zip_code = $2 and r.store_id = $3
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'closed' and ($1::text is null or $1 = 'closed')
                    and $2::text is null and $3::text is null
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'closed' and ($1::text is null or $1 = 'closed')
                    and $2::text is null and r.store_id = $3
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'closed' and ($1::text is null or $1 = 'closed')
                    and r.zip_code = $2 and $3::text is null
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
            union all
            (
                select r.box_id, r.room_id from rooms r
                where r.status = 'closed' and ($1::text is null or $1 = 'closed')
                    and r.zip_code = $2 and r.store_id = $3
                    and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $7::text
                    )
                order by r.opened_at desc, r.room_id
                limit $6
            )
        ) as found
        join rooms r on r.box_id = found.box_id and r.room_id = found.room_id
        order by r.opened_at desc, r.room_id
        limit $6
        "#,
        status as Option<RoomStatus>,
        filter.zip_code,
        filter.store_id,
        after.map_or(Moment::LAST, |(opened_at, _)| *opened_at).0,
        after.map_or_else(String::new, |(_, room_id)| room_id.to_string()),
        rows,
        filter.viewer,
    )
    .fetch_all(connection)
    .await
}

/// Returns the nearest open rooms after one, at most `rows`.
pub(crate) async fn nearest(
    filter: &Filter<'_>,
    around: Around,
    after: Option<&(Distance, RoomId)>,
    rows: i64,
    connection: &mut PgConnection,
) -> Result<Vec<RoomView>, sqlx::Error> {
    let radius = around.radius.metres();
    let reach = reach(filter, around, after, rows, connection).await?;
    nearest_within(reach.unwrap_or(radius), filter, None, around, after, rows, connection).await
}

/// Returns the nearest open rooms after one, at most `rows`, if they are all within a distance. `words` is the text of
/// a `tsquery` for title and store.
pub(crate) async fn nearest_within(
    distance: f64,
    filter: &Filter<'_>,
    words: Option<&str>,
    Around { location, radius }: Around,
    after: Option<&(Distance, RoomId)>,
    rows: i64,
    connection: &mut PgConnection,
) -> Result<Vec<RoomView>, sqlx::Error> {
    let radius = distance.min(radius.metres());
    let area = location.area(Some(radius));
    query_as!(
        RoomView,
        r#"
        select
            r.room_id,
            r.box_id,
            r.store_id,
            r.title,
            r.title_erased,
            r.status as "status: RoomStatus",
            r.closed_reason as "closed_reason: ClosedReason",
            r.host,
            r.member_count,
            r.max_members,
            r.locked,
            r.step as "step: Step",
            r.opened_at,
            r.closes_at,
            r.closed_at,
            r.v,
            r.slow_mode_seconds,
            null::jsonb as "pinned: Pins",
            distance.m as distance_m
        from unnest($8::float8[], $9::float8[]) as area (west, east)
        join boxes b on b.room_id is not null
            and point(b.longitude, b.latitude) <@ box(point(area.west, $10), point(area.east, $11))
        join rooms r on r.box_id = b.box_id and r.room_id = b.room_id
        -- haversine on a sphere of the earth's mean radius
        cross join lateral (
            select 2 * 6371008.8 * asin(least(1, sqrt(
                sin(radians(b.latitude - $6::float8) / 2) ^ 2
                + cos(radians($6::float8)) * cos(radians(b.latitude))
                    * sin(radians(b.longitude - $7::float8) / 2) ^ 2
            ))) as m
        ) as distance
        where ($1::text is null or r.zip_code = $1)
            and ($2::text is null or r.store_id = $2)
            and (distance.m, r.room_id) > ($3, $4)
            and distance.m <= $12
            and ($14::text is null or b.kind <> 'private' or b.users ? $14)
            -- a token between title and name, so that no phrase is found across them
            and ($13::text is null or (
                r.words || '''.'':1'::tsvector
                || coalesce((select s.words from stores s where s.store_id = r.store_id), '')
            ) @@ $13::text::tsquery)
        order by distance.m, r.room_id
        limit $5
        "#,
        filter.zip_code,
        filter.store_id,
        after.map_or(-1.0, |(distance, _)| distance.0),
        after.map_or_else(String::new, |(_, room_id)| room_id.to_string()),
        rows,
        location.latitude(),
        location.longitude(),
        &area.west,
        &area.east,
        area.south,
        area.north,
        radius,
        words,
        filter.viewer,
    )
    .fetch_all(connection)
    .await
}

/// Returns a distance within which there are so many rooms; none if there are fewer in all. Indexes order by distance
/// in the plane of degrees: the nearest ones in this order give the bound.
pub(crate) async fn reach(
    filter: &Filter<'_>,
    Around { location, radius }: Around,
    after: Option<&(Distance, RoomId)>,
    rows: i64,
    connection: &mut PgConnection,
) -> Result<Option<f64>, sqlx::Error> {
    let within = location.area(Some(radius.metres()));
    query_scalar!(
        r#"
        select nearest.m as "m!"
        from (
            select distinct f.room_id, f.m
            from unnest($7::float8[]) as origin (longitude)
            cross join unnest($9::float8[], $10::float8[]) as area (west, east)
            cross join lateral (
                select r.room_id, distance.m
                from boxes b
                join rooms r on r.box_id = b.box_id and r.room_id = b.room_id
                cross join lateral (
                    select 2 * 6371008.8 * asin(least(1, sqrt(
                        sin(radians(b.latitude - $5::float8) / 2) ^ 2
                        + cos(radians($5::float8)) * cos(radians(b.latitude))
                            * sin(radians(b.longitude - $6::float8) / 2) ^ 2
                    ))) as m
                ) as distance
                where b.room_id is not null
                    and point(b.longitude, b.latitude) <@ box(point(area.west, $11), point(area.east, $12))
                    and ($1::text is null or r.zip_code = $1)
                    and ($2::text is null or r.store_id = $2)
                    and ($13::text is null or b.kind <> 'private' or b.users ? $13)
                    and (distance.m, r.room_id) > ($3, $4)
                order by point(b.longitude, b.latitude) <-> point(origin.longitude, $5)
                limit $8
            ) as f
        ) as nearest
        order by nearest.m
        offset $8 - 1
        limit 1
        "#,
        filter.zip_code,
        filter.store_id,
        after.map_or(-1.0, |(distance, _)| distance.0),
        after.map_or_else(String::new, |(_, room_id)| room_id.to_string()),
        location.latitude(),
        location.longitude(),
        &location.longitudes(),
        rows,
        &within.west,
        &within.east,
        within.south,
        within.north,
        filter.viewer,
    )
    .fetch_optional(connection)
    .await
}
