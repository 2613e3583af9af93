//! Finds rooms by words of their titles and of their stores' names.
//!
//! Common words are found among the first rooms of a list, which are compared one by one. Rare ones are looked up in
//! the indexes of words.

use std::time::Instant;

use domain::RoomId;
use sqlx::{PgConnection, query, query_as, query_scalar};
use text::search::{Search, store_lexeme};

use crate::{
    cursor::{Distance, Moment},
    error::Error,
    rooms::find::{Around, Filter, nearest_within, reach},
    search::over_budget,
    views::{ClosedReason, Pins, RoomStatus, RoomView, Step},
};

/// The numbers of rooms, the first of a list, that are compared one by one before the indexes are asked.
const COMPARED: [i64; 2] = [1_000, 20_000];

/// The number of nearest rooms that are compared before all within the radius are.
const COMPARED_NEARBY: i64 = 1_000;

/// The number of stores that the index is asked for at once: its effort grows with the square.
const STORES_AT_ONCE: usize = 20;

/// The maximum number of stores whose rooms are looked up.
const MAX_STORES: usize = 500;

/// A search for rooms, in one connection.
pub(crate) struct RoomSearch<'a> {
    pub(crate) search: &'a Search,
    pub(crate) filter: Filter<'a>,
    /// The maximum number of rooms that are returned.
    pub(crate) rows: i64,
    /// The end of the search.
    pub(crate) deadline: Instant,
    pub(crate) connection: &'a mut PgConnection,
}

/// The result of comparing the first rooms of a list.
struct Compared {
    /// True if there are no further rooms.
    is_all: bool,
    room_ids: Vec<String>,
}

impl RoomSearch<'_> {
    /// Returns the newest rooms after one.
    pub(crate) async fn newest(
        mut self,
        status: Option<RoomStatus>,
        after: Option<&(Moment, RoomId)>,
    ) -> Result<Vec<RoomView>, Error> {
        for limit in COMPARED {
            let Compared { is_all, room_ids } = self.compare_newest(status, after, limit).await?;
            if is_all || is_page(&room_ids, self.rows) {
                return self.views(&room_ids).await;
            }
        }
        let room_ids = match self.conditions().await? {
            Some(conditions) => self.look_up(&conditions, status, after).await?,
            None => self.compare_newest(status, after, i64::MAX).await?.room_ids,
        };
        self.views(&room_ids).await
    }

    /// Returns the nearest open rooms after one.
    pub(crate) async fn nearest(
        self,
        around: Around,
        after: Option<&(Distance, RoomId)>,
    ) -> Result<Vec<RoomView>, Error> {
        let words = self.search.tsquery();
        let Self { filter, rows, deadline, connection, .. } = self;
        let reach = reach(&filter, around, after, COMPARED_NEARBY, connection).await.map_err(over_budget)?;
        let mut found = Vec::new();
        for distance in reach.into_iter().chain([around.radius.metres()]) {
            require_time(deadline)?;
            let within = nearest_within(distance, &filter, Some(&words), around, after, rows, connection);
            found = within.await.map_err(over_budget)?;
            if is_page(&found, rows) {
                break;
            }
        }
        Ok(found)
    }

    /// Compares the newest rooms after one. The connection plans with the values of parameters, so that conditions
    /// that do not apply vanish and the index of those that do gives the order.
    async fn compare_newest(
        &mut self,
        status: Option<RoomStatus>,
        after: Option<&(Moment, RoomId)>,
        limit: i64,
    ) -> Result<Compared, Error> {
        require_time(self.deadline)?;
        let found = query!(
            r#"
            with compared as materialized (
                select r.room_id, r.store_id, r.opened_at, r.words
                from (
                    (
                        select * from rooms r
                        where r.status = 'open' and ($1::text is null or $1 = 'open')
                            and ($2::text is null or r.zip_code = $2) and ($3::text is null or r.store_id = $3)
                            and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                            and not exists (
                                select from boxes b
                                where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $9::text
                            )
                        order by r.opened_at desc, r.room_id
                        limit $6
                    )
                    union all
                    (
                        select * from rooms r
                        where r.status = 'closed' and ($1::text is null or $1 = 'closed')
                            and ($2::text is null or r.zip_code = $2) and ($3::text is null or r.store_id = $3)
                            and r.opened_at <= $4 and (r.opened_at < $4 or r.room_id > $5)
                            and not exists (
                                select from boxes b
                                where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $9::text
                            )
                        order by r.opened_at desc, r.room_id
                        limit $6
                    )
                ) as r
                order by r.opened_at desc, r.room_id
                limit $6
            )
            select
                (select count(*) from compared) < $6 as "is_all!",
                array(
                    select c.room_id
                    from compared c
                    -- a token between title and name, so that no phrase is found across them
                    where (
                        c.words || '''.'':1'::tsvector
                        || coalesce((select s.words from stores s where s.store_id = c.store_id), '')
                    ) @@ $7::text::tsquery
                    order by c.opened_at desc, c.room_id
                    limit $8
                ) as "room_ids!"
            "#,
            status as Option<RoomStatus>,
            self.filter.zip_code,
            self.filter.store_id,
            after.map_or(Moment::LAST, |(opened_at, _)| *opened_at).0,
            after.map_or_else(String::new, |(_, room_id)| room_id.to_string()),
            limit,
            self.search.tsquery(),
            self.rows,
            self.filter.viewer,
        )
        .fetch_one(&mut *self.connection)
        .await
        .map_err(over_budget)?;
        Ok(Compared { is_all: found.is_all, room_ids: found.room_ids })
    }

    /// Returns conditions on the lexemes of rooms, as `tsquery`s. A room that is searched for fulfils at least one of
    /// them. `None` if that would hold for all rooms, because too many stores have the words in their names.
    async fn conditions(&mut self) -> Result<Option<Vec<String>>, Error> {
        require_time(self.deadline)?;
        let alternatives = self.search.required_terms();
        let terms = alternatives.concat();
        let mut stores = vec![vec![]; terms.len()];
        let found = query!(
            r#"
            select term.place as "place!", named.store_id as "store_id!"
            from unnest($1::text[]) with ordinality as term (words, place)
            cross join lateral (
                select s.store_id from stores s where s.words @@ term.words::tsquery limit $2
            ) as named
            "#,
            &terms,
            i64::try_from(MAX_STORES).unwrap_or(i64::MAX) + 1,
        )
        .fetch_all(&mut *self.connection)
        .await
        .map_err(over_budget)?;
        for row in found {
            let place = usize::try_from(row.place - 1).unwrap_or_default();
            stores[place].push(format!("'{}'", store_lexeme(&row.store_id)));
        }
        let mut rest = terms.into_iter().zip(stores);
        let conditions: Option<Vec<Vec<String>>> = alternatives
            .iter()
            .map(|alternative| conditions_of(&rest.by_ref().take(alternative.len()).collect::<Vec<_>>()))
            .collect();
        let with_store = |condition: String| match self.filter.store_id {
            Some(store_id) => format!("({condition}) & '{}'", store_lexeme(&store_id)),
            None => condition,
        };
        Ok(conditions.map(|conditions| conditions.concat().into_iter().map(with_store).collect()))
    }

    /// Looks up the newest rooms after one that fulfil a condition and have the words.
    async fn look_up(
        &mut self,
        conditions: &[String],
        status: Option<RoomStatus>,
        after: Option<&(Moment, RoomId)>,
    ) -> Result<Vec<String>, Error> {
        require_time(self.deadline)?;
        query_scalar!(
            r#"
            with found as materialized (
                select r.room_id, r.opened_at
                from unnest($1::text[]) as condition (words)
                cross join lateral (
                    select * from rooms r
                    where r.status = 'open' and ($2::text is null or $2 = 'open')
                        and r.words @@ condition.words::tsquery
                    union all
                    select * from rooms r
                    where r.status = 'closed' and ($2::text is null or $2 = 'closed')
                        and r.words @@ condition.words::tsquery
                ) as r
                -- expressions, so that only the indexes of words are used
                where ($3::text is null or r.zip_code || '' = $3) and ($4::text is null or r.store_id || '' = $4)
                    and r.opened_at <= $5 and (r.opened_at < $5 or r.room_id > $6)
                    and not exists (
                        select from boxes b
                        where b.box_id = r.box_id and b.kind = 'private' and not b.users ? $9::text
                    )
                    and (
                        r.words || '''.'':1'::tsvector
                        || coalesce((select s.words from stores s where s.store_id = r.store_id), '')
                    ) @@ $7::text::tsquery
            )
            select distinct on (opened_at, room_id) room_id as "room_id!"
            from found
            order by opened_at desc, room_id
            limit $8
            "#,
            conditions,
            status as Option<RoomStatus>,
            self.filter.zip_code,
            self.filter.store_id,
            after.map_or(Moment::LAST, |(opened_at, _)| *opened_at).0,
            after.map_or_else(String::new, |(_, room_id)| room_id.to_string()),
            self.search.tsquery(),
            self.rows,
            self.filter.viewer,
        )
        .fetch_all(&mut *self.connection)
        .await
        .map_err(over_budget)
    }

    /// Returns rooms in the order of their ids.
    async fn views(self, room_ids: &[String]) -> Result<Vec<RoomView>, Error> {
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
            from unnest($1::text[]) with ordinality as found (room_id, place)
            -- a room id begins with its box id
            join rooms r on r.box_id = split_part(found.room_id, '.', 1) and r.room_id = found.room_id
            order by found.place
            "#,
            room_ids,
        )
        .fetch_all(self.connection)
        .await
        .map_err(over_budget)
    }
}

/// Returns the conditions of the required terms of an alternative, each with the lexemes of the stores that have it in
/// their names.
fn conditions_of(terms: &[(String, Vec<String>)]) -> Option<Vec<String>> {
    let of_few_stores: Vec<String> = terms
        .iter()
        .filter(|(_, stores)| stores.len() <= STORES_AT_ONCE)
        .map(|(term, stores)| format!("({})", [std::slice::from_ref(term), stores].concat().join(" | ")))
        .collect();
    if !of_few_stores.is_empty() {
        return Some(vec![of_few_stores.join(" & ")]);
    }
    // Each store needs the look-up of a term in vain, so one term must do.
    let (term, stores) = terms.iter().min_by_key(|(_, stores)| stores.len())?;
    let of_stores = stores.chunks(STORES_AT_ONCE).map(|stores| stores.join(" | "));
    (stores.len() <= MAX_STORES).then(|| std::iter::once(term.clone()).chain(of_stores).collect())
}

fn is_page<T>(found: &[T], rows: i64) -> bool {
    i64::try_from(found.len()).is_ok_and(|found| found >= rows)
}

fn require_time(deadline: Instant) -> Result<(), Error> {
    if Instant::now() > deadline { Err(Error::SearchBusy) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(term: &str, stores: usize) -> (String, Vec<String>) {
        (term.to_owned(), (0..stores).map(|store| format!("s{store}")).collect())
    }

    #[test]
    fn terms_of_few_stores_are_required_together() {
        let terms = [term("a", 0), term("b", MAX_STORES + 1), term("c", 2)];
        assert_eq!(conditions_of(&terms).unwrap(), ["(a) & (c | s0 | s1)"]);
    }

    #[test]
    fn stores_of_a_common_term_are_looked_up_a_few_at_once() {
        let conditions = conditions_of(&[term("a", MAX_STORES + 1), term("b", MAX_STORES)]).unwrap();
        assert_eq!(conditions.len(), 1 + MAX_STORES / STORES_AT_ONCE);
        assert_eq!(conditions[0], "b");
        assert!(conditions[1].starts_with("s0 | s1 | "), "{}", conditions[1]);
        assert_eq!(conditions_of(&[term("a", MAX_STORES + 1)]), None);
    }
}
