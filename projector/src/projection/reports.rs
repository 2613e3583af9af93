//! Reports about users and messages.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{ReportEvent, ReportId, UserId};
use sqlx::{PgConnection, query};

use super::{
    cell::Cells,
    error::InvalidEvent,
    table::{Loaded, write},
    tables::ReportRow,
};

/// The category of a message that a filter has held back.
const HELD: &str = "held";

/// The result of handling a message that was held back and is posted now.
const PUBLISHED: &str = "message_published";

/// The reports that a batch changes.
#[derive(Debug, Default)]
pub(super) struct ReportRows {
    rows: BTreeMap<ReportId, ReportRow>,
    changed: BTreeSet<ReportId>,
}

impl ReportRows {
    pub(super) async fn load(connection: &mut PgConnection, ids: &[&str]) -> Result<Self, sqlx::Error> {
        let mut reports = Self::default();
        if ids.is_empty() {
            return Ok(reports);
        }
        let rows = query(ReportRow::select(&["report_id"], &["report_id"])).bind(ids).fetch_all(connection).await?;
        for mut cells in rows.iter().map(Cells::of) {
            let row = ReportRow::read(&mut cells)?;
            reports.rows.insert(cells.read()?, row);
        }
        Ok(reports)
    }

    fn insert(&mut self, report_id: &ReportId, row: ReportRow) -> Result<(), InvalidEvent> {
        if self.rows.insert(report_id.clone(), row).is_some() {
            return Err(InvalidEvent(format!("the report {report_id} cannot be filed again")));
        }
        self.changed.insert(report_id.clone());
        Ok(())
    }

    fn change(&mut self, report_id: &ReportId) -> Result<&mut ReportRow, InvalidEvent> {
        self.changed.insert(report_id.clone());
        self.rows.get_mut(report_id).ok_or_else(|| InvalidEvent(format!("there is no report {report_id}")))
    }

    pub(super) fn apply(
        &mut self,
        report_id: &ReportId,
        at: DateTime<Utc>,
        event: &ReportEvent,
    ) -> Result<(), InvalidEvent> {
        match event {
            ReportEvent::ReportFiled { reporter, user_id, room_id, message_id, text, category, note } => {
                let row = ReportRow {
                    reporter: Some(reporter.clone()),
                    room_id: room_id.clone(),
                    message_id: *message_id,
                    text: text.clone(),
                    note: note.clone(),
                    ..filed(at, user_id, category.as_str())
                };
                self.insert(report_id, row)?;
            }
            ReportEvent::MessageHeld { user_id, room_id, text, .. } => {
                let (room_id, text) = (Some(room_id.clone()), Some(text.clone()));
                self.insert(report_id, ReportRow { room_id, text, ..filed(at, user_id, HELD) })?;
            }
            ReportEvent::HeldMessagePublished { by, .. } => {
                let row = self.change(report_id)?;
                "closed".clone_into(&mut row.state);
                (row.moderator, row.closed_at) = (Some(by.clone()), Some(at));
                row.action = Some(PUBLISHED.to_owned());
            }
            ReportEvent::ReportClaimed { by } => {
                let row = self.change(report_id)?;
                "claimed".clone_into(&mut row.state);
                (row.moderator, row.claimed_at) = (Some(by.clone()), Some(at));
            }
            ReportEvent::ReportReleased { .. } => {
                let row = self.change(report_id)?;
                "open".clone_into(&mut row.state);
                (row.moderator, row.claimed_at) = (None, None);
            }
            ReportEvent::ReportResolved { by, action, note } => {
                let row = self.change(report_id)?;
                "closed".clone_into(&mut row.state);
                (row.moderator, row.closed_at) = (Some(by.clone()), Some(at));
                (row.action, row.resolution_note) = (Some(action.as_str().to_owned()), note.clone());
            }
            ReportEvent::ReportForgotten {} => {
                let row = self.change(report_id)?;
                (row.text, row.note, row.resolution_note, row.forgotten) = (None, None, None, true);
            }
        }
        Ok(())
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let rows = self.changed.iter().filter_map(|report_id| Some((report_id, self.rows.get(report_id)?)));
        write(connection, rows.collect::<Vec<_>>()).await
    }
}

/// Returns a new report about a user.
fn filed(at: DateTime<Utc>, user_id: &UserId, category: &str) -> ReportRow {
    ReportRow {
        reporter: None,
        user_id: user_id.clone(),
        room_id: None,
        message_id: None,
        text: None,
        category: category.to_owned(),
        note: None,
        filed_at: at,
        state: "open".to_owned(),
        moderator: None,
        claimed_at: None,
        closed_at: None,
        action: None,
        resolution_note: None,
        forgotten: false,
    }
}
