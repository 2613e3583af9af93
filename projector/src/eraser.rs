//! Erases deleted users from the read models and the log, and removes suspended users from open rooms. One projector
//! does so at a time. Its whole state is in the read model and the control tables, so that the next eraser continues
//! after a crash.

mod control;
mod suspensions;
mod work;

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_nats::{Client, Request};
use chrono::TimeDelta;
use domain::UserId;
use event_store::Log;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};
use wire::transient;

use crate::{
    control_changes::{ControlChanges, MAX_WAIT},
    database::Database,
    generation::{error::ChangeError, positions::Positions},
    leader_lock,
};
use control::Pending;
pub(crate) use control::report;
use suspensions::EndedSessions;

/// The pause between two rounds while users are being erased.
const TICK: Duration = Duration::from_millis(500);

/// The time after which no service accepts commands of an erased user: all of them have received the revocation and the
/// destruction of the user key.
const SETTLE_TIME: TimeDelta = TimeDelta::seconds(3);

/// Timeout of a request to the command-services.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The connection to the tables of a generation, kept between rounds: connecting again would cost more than the rest of
/// a round.
#[derive(Default)]
struct KeptConnection(Option<(i32, PgConnection)>);

impl KeptConnection {
    /// Returns the connection to a generation. Closes the one to another generation.
    async fn to(&mut self, generation: i32, database: &Database) -> Result<&mut PgConnection, sqlx::Error> {
        if let Some((_, former)) = self.0.take_if(|(number, _)| *number != generation) {
            former.close().await?;
        }
        let (_, connection) = match &mut self.0 {
            Some(kept) => kept,
            none => none.insert((generation, database.generation(generation).await?)),
        };
        Ok(connection)
    }
}

/// The eraser. It runs in every projector, and all but one wait for the lock.
pub(crate) struct Eraser {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) client: Client,
    pub(crate) partitions: u16,
    pub(crate) changes: ControlChanges,
    /// The time from the closing of a report to the removal of its texts.
    pub(crate) report_retention: TimeDelta,
}

impl Eraser {
    /// Erases until dropped.
    pub(crate) async fn run(self) -> Infallible {
        loop {
            let Err(error) = self.wait_and_erase().await;
            tracing::debug!(%error, "cannot erase users now");
            sleep(TICK).await;
        }
    }

    async fn wait_and_erase(&self) -> Result<Infallible, ChangeError> {
        let mut lock = self.database.leader_lock().await?;
        leader_lock::acquire("eraser", &mut lock).await?;
        let work = async {
            let (mut kept, mut changes) = (KeptConnection::default(), self.changes.clone());
            let mut ended = EndedSessions::default();
            loop {
                if self.run_round(&mut kept, &mut ended).await? {
                    // Closed reports are looked for from time to time.
                    let _ = timeout(self.report_retention.to_std().unwrap_or(MAX_WAIT), changes.wait()).await;
                } else {
                    sleep(TICK).await;
                }
            }
        };
        tokio::select! {
            result = work => result,
            error = leader_lock::hold(&mut lock) => Err(error.into()),
        }
    }

    /// Takes the next step of every pending erasure and suspension. Returns true if there is none.
    async fn run_round(&self, kept: &mut KeptConnection, ended: &mut EndedSessions) -> Result<bool, ChangeError> {
        if let Some((number, connection)) = &mut kept.0
            && control::is_idle(connection, *number).await?
            && work::reports_to_forget(connection, self.report_retention).await?.is_empty()
        {
            return Ok(true);
        }
        let active = if let Some((_, connection)) = &mut kept.0 {
            control::active(connection).await?
        } else {
            let mut connection = self.database.control().await?;
            let active = control::active(&mut connection).await?;
            connection.close().await?;
            active
        };
        let Some(active) = active else { return Ok(true) };
        let connection = kept.to(active, &self.database).await?;
        let enforced = self.enforce_suspensions(connection, ended).await?;
        control::discover(connection).await?;
        let has_reports = self.forget_reports(connection).await?;
        if control::pending(connection).await?.is_empty() {
            return Ok(enforced && !has_reports);
        }
        // The rows read below then include everything that was stored before now, by this eraser or by the users.
        let ends = Positions::ends(self.log.as_ref(), self.partitions).await?;
        if let Some(missing) = Positions::of(connection, active).await?.missing(&ends) {
            control::set_all_waiting(connection, &format!("generation {active} is behind: {missing}")).await?;
            return Ok(false);
        }
        for pending in control::pending(connection).await? {
            let user_id = pending.user_id.clone();
            let waits_for = self.advance(connection, pending, &ends).await?;
            control::set_waiting(connection, &user_id, waits_for.as_deref().unwrap_or_default()).await?;
        }
        // Closed, because its cached query plans may suit tables that were small.
        kept.0 = None;
        Ok(false)
    }

    /// Takes the next step of one user. Returns what this user's erasure waits for, or `None` when it is complete.
    async fn advance(
        &self,
        connection: &mut PgConnection,
        pending: Pending,
        ends: &Positions,
    ) -> Result<Option<String>, ChangeError> {
        let Pending { user_id, settled_for } = pending;
        if settled_for.is_some_and(|time| time < SETTLE_TIME) {
            return Ok(Some("the final check".to_owned()));
        }
        let boxes = work::affected_boxes(connection, &user_id).await?;
        if !boxes.is_empty() {
            return Ok(Some(self.erase_author(&user_id, boxes).await));
        }
        if work::has_reports(connection, &user_id).await? {
            return Ok(Some("reports, to be projected".to_owned()));
        }
        if settled_for.is_none() {
            // The final check finds content that was added in the meantime.
            if let Err(reason) = self.request("destroy_key", &json!({ "user_id": user_id })).await {
                return Ok(Some(reason));
            }
            control::mark_key_destroyed(connection, &user_id).await?;
            return Ok(Some("the final check".to_owned()));
        }
        let behind = control::behind(connection, ends).await?;
        if behind.is_none() {
            control::finish(connection, &user_id).await?;
            tracing::info!(user.id = %user_id, "erased a user");
        }
        Ok(behind)
    }

    /// Erases one box after the other to limit the load. Returns what the erasure then waits for.
    async fn erase_author(&self, user_id: &UserId, boxes: Vec<work::AffectedBox>) -> String {
        let count = boxes.len();
        for work::AffectedBox { box_id, position } in boxes {
            // While the author adds nothing, a repeat has the same key and is the same command.
            let key = format!("erase-{position}");
            let request = json!({ "user_id": user_id, "box_id": box_id, "key": key });
            if let Err(reason) = self.request("erase_author", &request).await {
                return format!("box {box_id}: {reason}");
            }
        }
        format!("{count} boxes, to be projected")
    }

    /// Lets the texts of reports be removed. Returns true if there were any.
    async fn forget_reports(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let reports = work::reports_to_forget(connection, self.report_retention).await?;
        for report_id in &reports {
            if let Err(reason) = self.request("forget_report", &json!({ "report_id": report_id })).await {
                tracing::debug!(report.id = report_id, reason, "cannot remove the texts of a report now");
            }
        }
        Ok(!reports.is_empty())
    }

    /// Sends a request to the command-services, one of which answers. Returns the problem on failure.
    async fn request(&self, verb: &str, request: &Value) -> Result<(), String> {
        let message = Request::new().payload(request.to_string().into()).timeout(Some(REQUEST_TIMEOUT));
        let answer = self.client.send_request(transient::erasure(verb), message).await;
        let answer = answer.map_err(|error| format!("no command-service answers: {error}"))?;
        match serde_json::from_slice::<Value>(&answer.payload) {
            Ok(answer) if answer == json!({}) => Ok(()),
            answer => Err(answer.map_or_else(|error| error.to_string(), |answer| answer["problem"].to_string())),
        }
    }
}
