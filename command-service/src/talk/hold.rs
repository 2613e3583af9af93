//! Messages that a filter holds back until a moderator has seen them.

use domain::{HeldMessage, MessageId, Report, ReportCommand, ReportId, RoomId, UserId};
use event_store::CommandContext;
use service_kit::clock;

use crate::{
    answer::{Done, HeldMessage as Answer, Posted},
    app::App,
    error::Error,
    problems::Code,
    stamp::Stamp,
};

/// The length of the part of a report's id that stands for the author's command.
const COMMAND_CHARS: usize = 24;

/// Holds a message back. A repeat of the author's command gets the first answer. The number of held messages of a user
/// is limited like that of reports: more are refused.
pub(super) async fn hold(
    app: &App,
    author: &UserId,
    (room_id, text, reply_to): (RoomId, String, Option<MessageId>),
    stamp: &Stamp,
) -> Result<Posted, Error> {
    let report_id = report_id(app, author, &room_id, stamp)?;
    let context = stamp.by(author);
    let command_id = stamp.key.clone().unwrap_or_else(|| format!("held-{report_id}"));
    let request_hash = context.request_hash.to_string();
    let message = HeldMessage { room_id, text, reply_to, command_id, request_hash, at: stamp.at };
    let command = ReportCommand::HoldMessage { author: author.clone(), message };
    let admission = app.quotas.report(author);
    let result = app.reports.execute_prepared(&report_id, command, context, &admission.preparation()).await;
    let committed = admission
        .conclude(result)
        .map_err(|error| if error.is(Code::TooManyReports) { Code::RefusedByFilter.into() } else { error })?;
    // The key is remembered for a day, and the report for good.
    if committed.events.is_empty() && !is_of(&app.reports.load_latest(&report_id).await?.0, &stamp.by(author)) {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let report = Answer { report_id: report_id.to_string() };
    Ok(Posted::Held { report, done: Done::of(&committed) })
}

/// Returns true if the report is about the message of this request.
fn is_of(report: &Report, context: &CommandContext) -> bool {
    report.held().is_some_and(|(_, held)| held.request_hash == context.request_hash.to_string())
}

/// Returns the id of the report about a held message: the same for each repeat of a command with a key.
fn report_id(app: &App, author: &UserId, room_id: &RoomId, stamp: &Stamp) -> Result<ReportId, Error> {
    let random = clock::new_id().to_string();
    let command = stamp.key.as_deref().unwrap_or(&random);
    let box_id = room_id.box_id().as_str().as_bytes();
    let hash = app.secret.hash(&[b"held", author.as_str().as_bytes(), box_id, command.as_bytes()]).to_string();
    let hash: String = hash.chars().take(COMMAND_CHARS).collect();
    Ok(format!("{hash}-1").parse().map_err(|_| Code::Internal)?)
}
