//! The number of a user's unread alarms, and the token that marks what the user can have seen as read.

use std::collections::{BTreeMap, HashMap};

use domain::{Position, PositionVector};
use sqlx::{PgConnection, query};

use crate::error::Error;

/// The greatest number of unread alarms that is counted.
pub(crate) const MAX_UNREAD: i64 = 1000;

/// Returns the checkpoints of the streams of boxes.
pub(crate) async fn checkpoints(connection: &mut PgConnection) -> Result<Vec<Position>, Error> {
    let rows = query!("select stream, incarnation, position from checkpoints where stream like 'box-%'")
        .fetch_all(connection)
        .await?;
    let position = |sequence: i64| sequence.cast_unsigned();
    let checkpoints = rows.into_iter().map(|row| Position {
        stream: row.stream,
        incarnation: row.incarnation,
        sequence: position(row.position),
    });
    Ok(checkpoints.collect())
}

/// The unread alarms of one user.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// The number, at most [`MAX_UNREAD`].
    pub(crate) count: i64,
    /// The sequence in each stream from which on alarms of quarantined boxes of the user are missing.
    missing_from: BTreeMap<String, u64>,
}

impl Unread {
    /// Returns the unread alarms of each user.
    pub(crate) async fn of(connection: &mut PgConnection, users: &[String]) -> Result<HashMap<String, Self>, Error> {
        let rows = query!(
            r#"
            select asking.user_id as "user_id!", (
                select count(*)
                from (
                    select
                    from checkpoints c
                    left join alarms_read r on r.user_id = asking.user_id and r.stream = c.stream
                    cross join lateral (
                        select
                        from shown_alarms a
                        where a.user_id = asking.user_id
                            and a.stream = c.stream
                            and a.latest_of_all > coalesce(r.up_to, 0)
                            and a.latest > coalesce(r.up_to, 0)
                            and a.withdrawn is null
                            and a.is_shown
                        limit $2
                    ) as unread
                    where c.stream like 'box-%'
                    limit $2
                ) as unread
            ) as "count!"
            from unnest($1::text[]) as asking (user_id)
            "#,
            users,
            MAX_UNREAD,
        )
        .fetch_all(&mut *connection)
        .await?;
        let of_user = |count| Self { count, ..Self::default() };
        let mut found: HashMap<String, Self> = rows.into_iter().map(|row| (row.user_id, of_user(row.count))).collect();
        let missing = query!(
            r#"
            select mine.user_id, q.stream, min(q.position) as "position!"
            from quarantined_boxes q
            join user_rooms mine on mine.box_id = q.box_id
            where mine.user_id = any($1)
            group by mine.user_id, q.stream
            "#,
            users,
        )
        .fetch_all(connection)
        .await?;
        for row in missing {
            let unread = found.entry(row.user_id).or_default();
            unread.missing_from.insert(row.stream, row.position.cast_unsigned());
        }
        Ok(found)
    }

    /// Returns the token that marks all alarms up to these positions as read, but none that the user cannot have seen.
    pub(crate) fn up_to(&self, positions: impl IntoIterator<Item = Position>) -> Option<PositionVector> {
        let readable = positions.into_iter().map(|position| match self.missing_from.get(&position.stream) {
            Some(missing) => Position { sequence: position.sequence.min(missing.saturating_sub(1)), ..position },
            None => position,
        });
        PositionVector::new(readable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_before_the_events_of_a_quarantined_box() {
        let position = |stream: &str, sequence| Position { stream: stream.into(), incarnation: "i".into(), sequence };
        let unread = Unread { count: 0, missing_from: BTreeMap::from([("box-1".to_owned(), 5)]) };
        let token = |sequence| unread.up_to([position("box-0", 9), position("box-1", sequence)]).unwrap().to_string();
        assert_eq!(token(9), "box-0.i.9_box-1.i.4");
        assert_eq!(token(3), "box-0.i.9_box-1.i.3");
    }
}
