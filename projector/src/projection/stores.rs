//! The store catalogue, and what shares its stream: filters and reports.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{StoreEvent, StoreId};
use sqlx::{PgConnection, query};

use super::{
    cell::Cells,
    error::{InvalidEvent, ProjectionError, foreign_commit},
    filters::FilterRows,
    outcome::Changes,
    reports::ReportRows,
    table::{Loaded, write},
    tables::StoreRow,
};
use crate::commit::{Commit, Content};

#[derive(Debug, Default)]
struct Stores {
    rows: BTreeMap<StoreId, StoreRow>,
    changed: BTreeSet<StoreId>,
}

pub(super) async fn project_stores(
    connection: &mut PgConnection,
    commits: &[Commit],
) -> Result<Changes, ProjectionError> {
    let (mut store_ids, mut report_ids) = (BTreeSet::new(), BTreeSet::new());
    for commit in commits {
        match &commit.content {
            Content::Store { store_id, .. } => _ = store_ids.insert(store_id.as_str()),
            Content::Report { report_id, .. } => _ = report_ids.insert(report_id.as_str()),
            Content::Filters { .. } => {}
            Content::Box { .. }
            | Content::User { .. }
            | Content::Claim
            | Content::Mark { .. }
            | Content::Unreadable { .. } => return Err(foreign_commit(commit)),
        }
    }
    let mut stores = Stores::load(connection, &store_ids.into_iter().collect::<Vec<_>>()).await?;
    let mut reports = ReportRows::load(connection, &report_ids.into_iter().collect::<Vec<_>>()).await?;
    let mut filters = FilterRows::default();
    for commit in commits {
        let applied = match &commit.content {
            Content::Store { store_id, events } => {
                events.iter().try_for_each(|event| stores.apply(store_id, commit.at, event))
            }
            Content::Report { report_id, events } => {
                events.iter().try_for_each(|event| reports.apply(report_id, commit.at, event))
            }
            Content::Filters { events } => {
                for event in events {
                    filters.apply(commit.at, event);
                }
                Ok(())
            }
            Content::Box { .. }
            | Content::User { .. }
            | Content::Claim
            | Content::Mark { .. }
            | Content::Unreadable { .. } => Ok(()),
        };
        applied.map_err(|error| ProjectionError::Stuck { sequence: commit.sequence, reason: error.to_string() })?;
    }
    stores.write(connection).await?;
    filters.write(connection).await?;
    reports.write(connection).await?;
    Ok(Changes::default())
}

impl Stores {
    async fn load(connection: &mut PgConnection, ids: &[&str]) -> Result<Self, sqlx::Error> {
        let mut stores = Self::default();
        let rows = query(StoreRow::select(&["store_id"], &["store_id"])).bind(ids).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let row = StoreRow::read(&mut cells)?;
            stores.rows.insert(cells.read()?, row);
        }
        Ok(stores)
    }

    fn change(&mut self, store_id: &StoreId) -> Result<&mut StoreRow, InvalidEvent> {
        self.changed.insert(store_id.clone());
        self.rows.get_mut(store_id).ok_or_else(|| InvalidEvent(format!("there is no store {store_id}")))
    }

    fn apply(&mut self, store_id: &StoreId, at: DateTime<Utc>, event: &StoreEvent) -> Result<(), InvalidEvent> {
        match event {
            StoreEvent::StoreRegistered { store_id: registered, name, zip_code, category } => {
                if registered != store_id || self.rows.contains_key(store_id) {
                    return Err(InvalidEvent(format!("the store {store_id} cannot be registered as {registered}")));
                }
                let row = StoreRow {
                    name: name.clone(),
                    zip_code: zip_code.clone(),
                    category: category.clone(),
                    open: true,
                    retired: false,
                    registered_at: at,
                };
                self.rows.insert(store_id.clone(), row);
                self.changed.insert(store_id.clone());
            }
            StoreEvent::StoreChanged { name, zip_code, category } => {
                let row = self.change(store_id)?;
                if let Some(name) = name {
                    row.name.clone_from(name);
                }
                if let Some(zip_code) = zip_code {
                    row.zip_code.clone_from(zip_code);
                }
                if category.is_some() {
                    row.category.clone_from(category);
                }
            }
            StoreEvent::StoreOpened {} => self.change(store_id)?.open = true,
            StoreEvent::StoreClosed {} => self.change(store_id)?.open = false,
            StoreEvent::StoreRetired {} => {
                let row = self.change(store_id)?;
                (row.open, row.retired) = (false, true);
            }
        }
        Ok(())
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.iter().filter_map(|store_id| Some((store_id, self.rows.get(store_id)?)));
        let rows: Vec<_> = rows.collect();
        write(connection, rows).await
    }
}
