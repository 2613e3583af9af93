//! The comparison of a snapshot's tables: piece by piece by sums of row hashes, and row by row where these differ.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow, query_as, query_scalar};
use tokio::time::{Instant, sleep_until};

use super::{
    error::VerifyError,
    limits::Limits,
    report::Difference,
    snapshot::{Groups, Selection, Snapshot},
    table::Table,
};

/// The number of rows in a piece.
const PIECE: usize = 20_000;

/// The table whose pending changes the log cannot list completely.
const MARKERS: &str = "read_markers";

/// The comparison and its results so far.
pub(super) struct Comparison {
    generations: [i32; 2],
    limits: Limits,
    pub(super) rows: BTreeMap<String, u64>,
    pub(super) total: u64,
    pub(super) differences: Vec<Difference>,
    pub(super) partitions: u16,
}

/// A piece of a table: the keys after `after` and up to `to`, as texts.
#[derive(Debug, Clone, Default)]
struct Part {
    after: Option<Vec<String>>,
    to: Option<Vec<String>>,
}

/// An SQL condition and its arguments: first the ids, then the keys.
struct Condition {
    sql: String,
    ids: Vec<String>,
    keys: Vec<String>,
}

#[derive(FromRow)]
struct Sums {
    rows_a: i64,
    rows_b: i64,
    same: bool,
}

#[derive(FromRow)]
struct Pair {
    total: i64,
    key: Vec<String>,
    a: Option<Value>,
    b: Option<Value>,
}

impl Comparison {
    pub(super) fn new(generations: [i32; 2], limits: Limits) -> Self {
        Self { generations, limits, rows: BTreeMap::new(), total: 0, differences: Vec::new(), partitions: 0 }
    }

    /// Compares the selected rows. Returns the groups to compare again.
    pub(super) async fn compare(
        &mut self,
        snapshot: &mut Snapshot,
        selection: &Selection,
    ) -> Result<Groups, VerifyError> {
        self.partitions = snapshot.partitions();
        if matches!(selection, Selection::AllBut(_)) {
            let others = snapshot.other_commits();
            self.total += others.len() as u64;
            self.differences.extend(others);
        }
        let mut unsure = Groups::default();
        for table in snapshot.tables.clone() {
            let Some((condition, ids)) = selection.condition(table.scope) else { continue };
            let mut part = Part::default();
            loop {
                let begin = Instant::now();
                part.to = self.end(snapshot, &table, &condition, &ids, &part).await?;
                let within = part.condition(&table, &condition, &ids);
                let sums = self.sums(snapshot, &table, &within).await?;
                *self.rows.entry(table.name.clone()).or_default() += sums.rows_a.cast_unsigned();
                if !sums.same && table.name == MARKERS && snapshot.markers_move() {
                    unsure.merge(self.differing_boxes(snapshot, &table, &within).await?);
                } else if !sums.same {
                    self.find_differences(snapshot, &table, &within).await?;
                }
                self.pause(begin, sums.rows_a.max(sums.rows_b)).await;
                match part.to.take() {
                    Some(end) => part.after = Some(end),
                    None => break,
                }
            }
        }
        Ok(unsure)
    }

    /// Waits as needed to keep the rate limit.
    async fn pause(&self, begin: Instant, rows: i64) {
        if let Some(rate) = self.limits.max_rate {
            let rows = u32::try_from(rows).unwrap_or(u32::MAX);
            sleep_until(begin + Duration::from_secs_f64(f64::from(rows) / f64::from(rate))).await;
        }
    }

    fn piece_rows(&self) -> usize {
        // The pause after a piece must stay shorter than the idle timeout of the transaction.
        self.limits.max_rate.map_or(PIECE, |rate| PIECE.min(rate as usize * 10).max(1))
    }

    /// Returns the last key of the piece; `None` if it extends to the end of the table.
    async fn end(
        &self,
        snapshot: &mut Snapshot,
        table: &Table,
        condition: &str,
        ids: &[String],
        part: &Part,
    ) -> Result<Option<Vec<String>>, VerifyError> {
        let within = Part { after: part.after.clone(), to: None }.condition(table, condition, ids);
        let sql = format!(
            "select array[{}] from read_g{}.{} as t where {} order by {} offset {} limit 1",
            table.texts("t."),
            self.generations[0],
            table.name,
            within.sql,
            table.keys("t."),
            self.piece_rows() - 1,
        );
        let mut end = query_scalar(AssertSqlSafe(sql)).bind(&within.ids);
        for key in &within.keys {
            end = end.bind(key);
        }
        Ok(end.fetch_optional(&mut snapshot.connection).await?)
    }

    async fn sums(&self, snapshot: &mut Snapshot, table: &Table, within: &Condition) -> Result<Sums, VerifyError> {
        let side = |generation: i32| {
            format!(
                "select count(*) as rows, sum(hashtextextended(t::text, 0)) as hashes
                 from read_g{generation}.{} as t where {}",
                table.name, within.sql
            )
        };
        let [first, second] = self.generations.map(side);
        let sql = format!(
            "select a.rows as rows_a, b.rows as rows_b,
                    a.rows = b.rows and a.hashes is not distinct from b.hashes as same
             from ({first}) as a, ({second}) as b"
        );
        let mut sums = query_as(AssertSqlSafe(sql)).bind(&within.ids);
        for key in &within.keys {
            sums = sums.bind(key);
        }
        Ok(sums.fetch_one(&mut snapshot.connection).await?)
    }

    /// Builds the SQL that joins both sides of the piece by key and selects rows that differ.
    fn differing(&self, table: &Table, within: &Condition) -> String {
        let side = |generation: i32| {
            format!(
                "select t as whole, hashtextextended(t::text, 0) as hash, {} from read_g{generation}.{} as t where {}",
                table.keys("t."),
                table.name,
                within.sql
            )
        };
        let [first, second] = self.generations.map(side);
        format!(
            "from ({first}) as a full join ({second}) as b using ({}) where a.hash is distinct from b.hash",
            table.keys("")
        )
    }

    async fn find_differences(
        &mut self,
        snapshot: &mut Snapshot,
        table: &Table,
        within: &Condition,
    ) -> Result<(), VerifyError> {
        let room = self.limits.shown.saturating_sub(self.differences.len());
        let sql = format!(
            "select count(*) over () as total, array[{}] as key, to_jsonb(a.whole) as a, to_jsonb(b.whole) as b
             {} order by {} limit {}",
            table.texts(""),
            self.differing(table, within),
            table.keys(""),
            room.max(1)
        );
        let mut pairs = query_as(AssertSqlSafe(sql)).bind(&within.ids);
        for key in &within.keys {
            pairs = pairs.bind(key);
        }
        let pairs: Vec<Pair> = pairs.fetch_all(&mut snapshot.connection).await?;
        self.total += pairs.first().map_or(0, |pair| pair.total.cast_unsigned());
        self.differences.extend(pairs.into_iter().take(room).map(|pair| {
            let key = table.key.iter().map(|column| column.name.clone()).zip(pair.key.into_iter().map(Value::from));
            Difference::between(&table.name, key.collect(), pair.a, pair.b)
        }));
        Ok(())
    }

    async fn differing_boxes(
        &self,
        snapshot: &mut Snapshot,
        table: &Table,
        within: &Condition,
    ) -> Result<Groups, VerifyError> {
        let sql = format!("select distinct {} {}", table.scope.id(), self.differing(table, within));
        let mut boxes = query_scalar(AssertSqlSafe(sql)).bind(&within.ids);
        for key in &within.keys {
            boxes = boxes.bind(key);
        }
        let boxes: Vec<String> = boxes.fetch_all(&mut snapshot.connection).await?;
        Ok(Groups::of_boxes(boxes))
    }
}

impl Part {
    fn condition(&self, table: &Table, condition: &str, ids: &[String]) -> Condition {
        let mut sql = condition.to_owned();
        let mut keys = Vec::new();
        for (sign, bound) in [(">", &self.after), ("<=", &self.to)] {
            if let Some(bound) = bound {
                let (columns, values) = (table.keys("t."), table.arguments(keys.len() + 2));
                sql = format!("{sql} and ({columns}) {sign} ({values})");
                keys.extend(bound.iter().cloned());
            }
        }
        Condition { sql, ids: ids.to_vec(), keys }
    }
}
