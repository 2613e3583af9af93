//! The positions of a generation's streams, in any schema.

use std::collections::BTreeMap;

use event_store::{Log, LogError};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use wire::streams;

/// Sequences by stream label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Positions(pub BTreeMap<String, u64>);

impl Positions {
    /// Reads the checkpoints of a generation.
    pub async fn of(connection: &mut PgConnection, generation: i32) -> Result<Self, sqlx::Error> {
        // A schema name cannot be a parameter; a number is safe to interpolate.
        let sql = AssertSqlSafe(format!("select stream, position from read_g{generation}.checkpoints"));
        let rows = sqlx::query(sql).fetch_all(connection).await?;
        let position = |row: &sqlx::postgres::PgRow| Ok((row.try_get("stream")?, row.try_get::<i64, _>("position")?));
        rows.iter()
            .map(|row| position(row).map(|(stream, position)| (stream, position.cast_unsigned())))
            .collect::<Result<_, sqlx::Error>>()
            .map(Self)
    }

    /// Reads the ends of the log's streams.
    pub(crate) async fn ends(log: &dyn Log, partitions: u16) -> Result<Self, LogError> {
        let mut ends = Self::default();
        for stream in streams(partitions) {
            ends.0.insert(stream.label(), log.state(stream).await?.last_sequence);
        }
        Ok(ends)
    }

    /// Describes the streams that have not reached these positions; `None` if all have.
    pub fn missing(&self, others: &Self) -> Option<String> {
        let behind = others.0.iter().filter_map(|(stream, position)| {
            let reached = self.0.get(stream).copied().unwrap_or_default();
            (reached < *position).then(|| format!("{stream} by {}", position - reached))
        });
        let behind: Vec<String> = behind.collect();
        (!behind.is_empty()).then(|| behind.join(", "))
    }
}

/// Returns true if two generations are built from the same incarnation of every stream. Otherwise their positions are
/// not comparable.
pub(super) async fn same_log(connection: &mut PgConnection, one: i32, other: i32) -> Result<bool, sqlx::Error> {
    // A schema name cannot be a parameter; a number is safe to interpolate.
    let sql = AssertSqlSafe(format!(
        "select count(*) = 0 as same
         from read_g{one}.checkpoints as one
         full join read_g{other}.checkpoints as other using (stream, incarnation)
         where one.stream is null or other.stream is null"
    ));
    sqlx::query(sql).fetch_one(connection).await?.try_get("same")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(list: &[(&str, u64)]) -> Positions {
        Positions(list.iter().map(|(stream, position)| ((*stream).to_owned(), *position)).collect())
    }

    #[test]
    fn missing_positions_are_named() {
        let one = positions(&[("box-0", 5), ("user", 7)]);
        assert_eq!(one.missing(&positions(&[("box-0", 5), ("user", 6)])), None);
        assert_eq!(one.missing(&positions(&[("box-0", 9), ("user", 8)])).unwrap(), "box-0 by 4, user by 1");
        assert_eq!(one.missing(&positions(&[("store", 2)])).unwrap(), "store by 2");
    }
}
