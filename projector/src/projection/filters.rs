//! The filters of the installation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{FilterEvent, FilterId};
use sqlx::{PgConnection, query};

use super::{table::write, tables::FilterRow};

/// The filters that a batch changes; `None` if removed.
#[derive(Debug, Default)]
pub(super) struct FilterRows(BTreeMap<FilterId, Option<FilterRow>>);

impl FilterRows {
    pub(super) fn apply(&mut self, at: DateTime<Utc>, event: &FilterEvent) {
        match event {
            FilterEvent::FilterSet { filter_id, kind, pattern, action } => {
                let (kind, action) = (kind.as_str().to_owned(), action.as_str().to_owned());
                let row = FilterRow { kind, pattern: pattern.clone(), action, changed_at: at };
                self.0.insert(filter_id.clone(), Some(row));
            }
            FilterEvent::FilterRemoved { filter_id } => {
                self.0.insert(filter_id.clone(), None);
            }
        }
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let removed: BTreeSet<&str> =
            self.0.iter().filter(|(_, row)| row.is_none()).map(|(filter_id, _)| filter_id.as_str()).collect();
        if !removed.is_empty() {
            let removed: Vec<&str> = removed.into_iter().collect();
            query!("delete from filters where filter_id = any($1)", &removed as &[&str])
                .execute(&mut *connection)
                .await?;
        }
        let rows = self.0.iter().filter_map(|(filter_id, row)| Some((filter_id, row.as_ref()?)));
        write(connection, rows.collect::<Vec<_>>()).await
    }
}
