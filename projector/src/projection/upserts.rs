//! Writes rows of several tables with one statement: a batch of a few rows costs one round trip.

use sqlx::{Arguments, AssertSqlSafe, PgConnection, postgres::PgArguments, query_with};

use super::table::{NewRows, Record};

/// A statement under construction. Rows of one table must be added together, and every row at most once.
pub(crate) struct Upserts {
    arguments: PgArguments,
    /// The name of the condition, if there is one.
    source: &'static str,
    /// The parts of the `with` clause, each with its name.
    parts: Vec<String>,
}

impl Upserts {
    /// Begins a statement that writes its rows in any case.
    pub(super) fn unconditional() -> Self {
        Self { arguments: PgArguments::default(), source: "", parts: Vec::new() }
    }

    /// Begins a statement that writes nothing if its condition, a statement with these arguments, returns no row.
    pub(crate) fn only_if(condition: &str, arguments: PgArguments) -> Self {
        Self { arguments, source: "condition", parts: vec![format!("condition as ({condition})")] }
    }

    /// Adds rows of a table.
    pub(super) fn add<R: Record>(
        &mut self,
        rows: impl IntoIterator<Item = R, IntoIter: Clone>,
    ) -> Result<(), sqlx::Error> {
        let (rows, used) = (rows.into_iter(), self.arguments.len());
        let mut rest = rows.clone();
        let Some(first) = rest.next() else { return Ok(()) };
        let (form, bound) = if rest.next().is_none() {
            (NewRows::One, first.bind_one(&mut self.arguments))
        } else {
            (NewRows::Arrays, R::bind(rows, &mut self.arguments))
        };
        bound.map_err(sqlx::Error::Encode)?;
        self.parts.push(format!("written_{} as ({})", R::TABLE.name, R::TABLE.insert(form, self.source, used)));
        Ok(())
    }

    /// Writes the rows. Returns false if the condition did not hold.
    pub(crate) async fn execute(self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        if self.parts.is_empty() {
            return Ok(true);
        }
        let result = if self.source.is_empty() { "" } else { " from condition" };
        let statement = format!("with {} select{result}", self.parts.join(", "));
        let written = query_with(AssertSqlSafe(statement), self.arguments).execute(connection).await?;
        Ok(written.rows_affected() > 0)
    }
}
