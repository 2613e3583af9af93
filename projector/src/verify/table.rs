//! The tables of a generation, read from the database catalog so that new tables are included.

use std::{collections::BTreeMap, fmt::Write};

use sqlx::{PgConnection, query};

use super::error::VerifyError;

/// The table of checkpoints, which is compared separately.
const CHECKPOINTS: &str = "checkpoints";

/// A table that is compared row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The primary key, in its order.
    pub(super) key: Vec<Column>,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
}

/// The kind of aggregate whose events a row depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Box,
    User,
    Store,
    Filters,
    Report,
}

impl Scope {
    /// Returns the column that rows of this scope have.
    fn column(self) -> &'static str {
        match self {
            Self::Box => "box_id",
            Self::User => "user_id",
            Self::Store => "store_id",
            Self::Filters => "filter_id",
            Self::Report => "report_id",
        }
    }

    /// Returns the SQL expression of the aggregate's id. All filters are one aggregate.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Filters => "'filters'",
            Self::Box | Self::User | Self::Store | Self::Report => self.column(),
        }
    }
}

/// Returns every table of a generation except the checkpoints.
pub(super) async fn tables(connection: &mut PgConnection, generation: i32) -> Result<Vec<Table>, VerifyError> {
    let rows = query!(
        r#"select relname::text as "table!", attname::text as "column!",
                  format_type(atttypid, atttypmod) as "kind!",
                  array_position(indkey::int2[], attnum) as key_place
           from pg_class
           join pg_namespace on pg_namespace.oid = relnamespace
           join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
           left join pg_index on indrelid = pg_class.oid and indisprimary
           where nspname = $1
             and relkind = 'r'
             and relname <> $2
           order by relname, attnum"#,
        format!("read_g{generation}"),
        CHECKPOINTS
    )
    .fetch_all(connection)
    .await?;
    let mut tables: BTreeMap<String, Vec<(Option<i32>, Column)>> = BTreeMap::new();
    for row in rows {
        let column = Column { name: row.column, kind: row.kind };
        tables.entry(row.table).or_default().push((row.key_place, column));
    }
    if tables.is_empty() {
        return Err(VerifyError::Refused(format!("there is no generation {generation}, or its tables are gone")));
    }
    tables.into_iter().map(|(name, columns)| Table::new(name, columns)).collect()
}

impl Table {
    /// Creates a table from its columns in order, each with its place in the primary key.
    fn new(name: String, placed: Vec<(Option<i32>, Column)>) -> Result<Self, VerifyError> {
        let mut key: Vec<(i32, Column)> =
            placed.iter().filter_map(|(place, column)| Some(((*place)?, column.clone()))).collect();
        let columns: Vec<Column> = placed.into_iter().map(|(_, column)| column).collect();
        let has = |scope: &Scope| columns.iter().any(|column| column.name == scope.column());
        // Rows with both a box and a user come from the box's stream, and those with a report from the report.
        let scopes = [Scope::Report, Scope::Filters, Scope::Box, Scope::User, Scope::Store];
        let scope = scopes.into_iter().find(has);
        let Some(scope) = scope.filter(|_| !key.is_empty()) else {
            return Err(VerifyError::Refused(format!("the table {name} has no key to compare by")));
        };
        key.sort_by_key(|(place, _)| *place);
        let key = key.into_iter().map(|(_, column)| column).collect();
        Ok(Self { name, columns, key, scope })
    }

    /// Lists the key's columns with a prefix.
    pub(super) fn keys(&self, before: &str) -> String {
        let columns: Vec<String> = self.key.iter().map(|column| format!("{before}{}", column.name)).collect();
        columns.join(", ")
    }

    /// Lists the key's columns as texts with a prefix.
    pub(super) fn texts(&self, before: &str) -> String {
        let columns: Vec<String> = self.key.iter().map(|column| format!("{before}{}::text", column.name)).collect();
        columns.join(", ")
    }

    /// Lists the text arguments from this number on, cast to the key's types.
    pub(super) fn arguments(&self, first: usize) -> String {
        let mut list = String::new();
        for (place, column) in (first..).zip(&self.key) {
            let comma = if list.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(list, "{comma}${place}::text::{}", column.kind);
        }
        list
    }
}
