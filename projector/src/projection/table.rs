//! A table of the read model, described once: statements, writing and reading take their columns from here.

use sqlx::{
    AssertSqlSafe, PgConnection,
    error::BoxDynError,
    postgres::{PgArguments, PgTypeInfo},
    query_with,
};

use super::{cell::Cells, copy::Rows};

/// A table with its columns in the order of the DDL.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) type_info: fn() -> PgTypeInfo,
    /// Compared with the DDL.
    #[cfg(test)]
    pub(crate) is_nullable: bool,
    /// True for words of the system. Other texts are content, names or secrets, and reports hide them.
    pub(crate) is_shown: bool,
}

/// The form of the parameters with new rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewRows {
    /// One row, and a parameter for each column. Cheaper than arrays of one element.
    One,
    /// Any number of rows, and an array for each column.
    Arrays,
}

/// The behaviour of a column when its row is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Identifies the row. Statements look rows up by it.
    Key,
    /// Completes the key. Statements look rows up by the other columns of the key.
    Suffix,
    /// Keeps its first value. Statements look rows up by it.
    Lookup,
    /// Keeps its first value.
    Fixed,
    /// Takes the new value.
    Changing,
}

/// A row to write: references to its values.
pub(super) trait Record: Copy {
    const TABLE: &'static Table;

    /// Adds an array parameter for each column.
    fn bind(rows: impl Iterator<Item = Self> + Clone, arguments: &mut PgArguments) -> Result<(), BoxDynError>;

    /// Adds a parameter for each column.
    fn bind_one(self, arguments: &mut PgArguments) -> Result<(), BoxDynError>;

    /// Adds a row with all columns.
    fn copy(self, to: &mut Rows<'_>);
}

/// A row in memory that can be read from its table.
pub(super) trait Loaded: Sized {
    const TABLE: &'static Table;

    /// The columns that [`read`](Self::read) expects, in this order.
    const COLUMNS: &'static [&'static str];

    fn read(cells: &mut Cells<'_>) -> Result<Self, sqlx::Error>;

    /// Selects the rows with certain values in the columns `by`: one array parameter for each. The columns of `keys`
    /// follow those of [`read`](Self::read).
    fn select(keys: &[&str], by: &[&str]) -> AssertSqlSafe<String> {
        AssertSqlSafe(Self::TABLE.select(&[Self::COLUMNS, keys].concat(), by))
    }
}

/// Writes rows, at most one for each key. A row that exists takes the values of changing columns.
pub(super) async fn write<R: Record>(
    connection: &mut PgConnection,
    rows: impl IntoIterator<Item = R, IntoIter: Clone>,
) -> Result<(), sqlx::Error> {
    let rows = rows.into_iter();
    if rows.clone().next().is_none() {
        return Ok(());
    }
    let mut arguments = PgArguments::default();
    R::bind(rows, &mut arguments).map_err(sqlx::Error::Encode)?;
    let statement = R::TABLE.insert(NewRows::Arrays, "", 0);
    query_with(AssertSqlSafe(statement), arguments).execute(connection).await?;
    Ok(())
}

/// Writes rows that are certainly new.
pub(super) async fn copy<R: Record>(
    connection: &mut PgConnection,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), sqlx::Error> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut copy = Rows::begin(connection, &R::TABLE.copy(), R::TABLE.columns.len()).await?;
    for row in rows {
        row.copy(&mut copy);
        copy.end_row().await?;
    }
    copy.finish().await
}

/// Returns the statement that renews the statistics of tables.
pub(crate) fn analyze(tables: &[&Table]) -> AssertSqlSafe<String> {
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    AssertSqlSafe(format!("analyze {}", names.join(", ")))
}

/// Returns the statement that renews the statistics of the columns by which rows are looked up.
pub(crate) fn analyze_lookups(tables: &[&Table]) -> AssertSqlSafe<String> {
    let lookups: Vec<String> = tables.iter().map(|table| table.lookups()).collect();
    AssertSqlSafe(format!("analyze {}", lookups.join(", ")))
}

impl Table {
    /// Lists the columns by which rows are looked up.
    fn lookups(&self) -> String {
        let columns = self.names(|column| matches!(column.role, Role::Key | Role::Lookup));
        format!("{} ({})", self.name, columns.join(", "))
    }

    fn names(&self, which: impl Fn(&Column) -> bool) -> Vec<&'static str> {
        self.columns.iter().filter(|column| which(column)).map(|column| column.name).collect()
    }

    /// Lists parameters for these columns, after the first `used` parameters. Their types end with `suffix`.
    fn parameters(&self, columns: &[&str], used: usize, suffix: &str) -> String {
        let kind = |name: &&str| self.columns.iter().find(|column| column.name == *name).map(Column::kind);
        let kinds = columns.iter().filter_map(kind).zip(used + 1..);
        kinds.map(|(kind, place)| format!("${place}::{kind}{suffix}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns the statement that writes rows, for each row of `source` if it is not empty. The first `used` parameters
    /// belong to that.
    pub(super) fn insert(&self, rows: NewRows, source: &str, used: usize) -> String {
        let Self { name, .. } = self;
        let columns = self.names(|_| true);
        let select = match (rows, source) {
            (NewRows::One, "") => format!("select {}", self.parameters(&columns, used, "")),
            (NewRows::One, source) => format!("select {} from {source}", self.parameters(&columns, used, "")),
            (NewRows::Arrays, source) => {
                let separator = if source.is_empty() { "" } else { ", " };
                let arrays = self.parameters(&columns, used, "[]");
                format!("select written.* from {source}{separator}unnest({arrays}) as written")
            }
        };
        let insert = format!("insert into {name} ({}) {select}", columns.join(", "));
        let changing = self.names(|column| column.role == Role::Changing);
        if changing.is_empty() {
            return insert;
        }
        let key = self.names(|column| matches!(column.role, Role::Key | Role::Suffix)).join(", ");
        let changes: Vec<String> = changing.iter().map(|column| format!("{column} = excluded.{column}")).collect();
        format!("{insert} on conflict ({key}) do update set {}", changes.join(", "))
    }

    fn copy(&self) -> String {
        format!("copy {} ({}) from stdin (format binary)", self.name, self.names(|_| true).join(", "))
    }

    fn select(&self, columns: &[&str], by: &[&str]) -> String {
        let (columns, name, arrays) = (columns.join(", "), self.name, self.parameters(by, 0, "[]"));
        let select = format!("select {columns} from {name}");
        if let [key] = by {
            return format!("{select} where {key} = any({arrays})");
        }
        let by = by.join(", ");
        format!("{select} join unnest({arrays}) as wanted ({by}) using ({by})")
    }
}

impl Column {
    /// Returns the name of the type in the database.
    pub(crate) fn kind(&self) -> String {
        (self.type_info)().to_string().to_ascii_lowercase()
    }
}

/// Describes a table: its name, the form of its rows when they are written, and its columns in the order of the DDL.
/// `with` declares a struct that holds a row in memory. A column is `role name: type`, with `= value` if it is not a
/// field of that struct, and with `, shown` if [`Column::is_shown`].
macro_rules! table {
    // A table whose rows are in memory as a struct of their own, which is declared here.
    (
        $(#[$meta:meta])*
        $table:ident = $name:literal as $pattern:tt: $record:ty, with $row:ident: $struct:ident { $($columns:tt)* }
    ) => {
        table!(@split { $(#[$meta])* $table $name $pattern { $record } $row $struct } [] [] $($columns)*);
    };
    // A table whose columns all name their values.
    ($table:ident = $name:literal as $pattern:tt: $record:ty {
        $($role:ident $column:ident: $type:ty = $value:expr $(, $shown:ident)?;)*
    }) => {
        pub(crate) static $table: Table = Table {
            name: $name,
            columns: &[$(Column {
                name: stringify!($column),
                role: table!(@role $role),
                type_info: <<$type as Cell>::Stored as Type<Postgres>>::type_info,
                #[cfg(test)]
                is_nullable: <$type as Cell>::NULLABLE,
                is_shown: table!(@shown $($shown)?),
            }),*],
        };

        impl Record for $record {
            const TABLE: &'static Table = &$table;

            fn bind(
                rows: impl Iterator<Item = Self> + Clone,
                arguments: &mut PgArguments,
            ) -> Result<(), BoxDynError> {
                $(
                    arguments.add(rows.clone().map(|$pattern| {
                        // Some columns need only some of the values.
                        let _ = $pattern;
                        let value: $type = $value;
                        Element(value)
                    }).bind_iter())?;
                )*
                Ok(())
            }

            fn bind_one(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
                let $pattern = self;
                $(
                    let value: $type = $value;
                    arguments.add(Element(value))?;
                )*
                Ok(())
            }

            fn copy(self, to: &mut Rows<'_>) {
                let $pattern = self;
                to.row();
                $(
                    let value: $type = $value;
                    to.cell(&value);
                )*
            }
        }
    };
    // A column with a value.
    (@split $head:tt [$($fields:tt)*] [$($all:tt)*]
        $role:ident $column:ident: $type:ty = $value:expr $(, $shown:ident)?; $($rest:tt)*
    ) => {
        table!(@split $head [$($fields)*] [$($all)* $role $column: $type = $value $(, $shown)?;] $($rest)*);
    };
    // A column that is a field.
    (@split { $(#[$meta:meta])* $table:ident $name:literal $pattern:tt $record:tt $row:ident $struct:ident }
        [$($fields:tt)*] [$($all:tt)*]
        $(#[$doc:meta])* $role:ident $column:ident: $type:ty $(, $shown:ident)?; $($rest:tt)*
    ) => {
        table!(@split { $(#[$meta])* $table $name $pattern $record $row $struct }
            [$($fields)* { $(#[$doc])* $column: $type }]
            [$($all)* $role $column: &$type = &$row.$column $(, $shown)?;]
            $($rest)*);
    };
    (@split { $(#[$meta:meta])* $table:ident $name:literal $pattern:tt { $record:ty } $row:ident $struct:ident }
        [$({ $(#[$doc:meta])* $field:ident: $type:ty })*] [$($all:tt)*]
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub(super) struct $struct {
            $($(#[$doc])* pub(super) $field: $type,)*
        }

        impl Loaded for $struct {
            const TABLE: &'static Table = &$table;

            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];

            fn read(cells: &mut Cells<'_>) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: cells.read()?),* })
            }
        }

        table!($table = $name as $pattern: $record { $($all)* });
    };
    (@role key) => { Role::Key };
    (@role suffix) => { Role::Suffix };
    (@role lookup) => { Role::Lookup };
    (@role fixed) => { Role::Fixed };
    (@role changing) => { Role::Changing };
    (@shown shown) => { true };
    (@shown) => { false };
}
pub(super) use table;
