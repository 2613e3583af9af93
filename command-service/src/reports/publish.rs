//! `PUT /reports/{report}/publication`

use axum::extract::State;
use domain::{BoxEvent, HeldMessage, ReportCommand, TalkCommand, values::MessageBody};
use event_store::{ActorRole, CommandContext, RequestHash};
use futures::FutureExt;
use service_kit::{auth::AsModerator, extract::Path};

use crate::{
    answer::Done, app::App, error::Error, moderation, paths::ReportPath, problems::Code, quotas::Admission,
    request::BareCommand,
};

/// Posts the message that a filter has held back, and closes the report
///
/// The caller has claimed the report. The message is posted now, for its author, if the room still takes messages of
/// the author. If the answer does not arrive, repeat the request: the message is posted once.
#[utoipa::path(put, path = "/reports/{report}/publication", tag = "reports", params(ReportPath))]
pub(crate) async fn publish_held_message(
    State(app): State<App>,
    AsModerator(caller): AsModerator,
    Path(ReportPath { report_id }): Path<ReportPath>,
    BareCommand(stamp): BareCommand,
) -> Result<Done, Error> {
    let context = moderation::context_without_reason(&app, &caller, &stamp).await?;
    let publish = || {
        let (by, at, window) = (caller.user_id.clone(), stamp.at, app.publication_window);
        // Without a key: the state decides about repeats, and how long they are possible.
        let context = CommandContext { command_id: None, ..context.clone() };
        app.reports.execute(&report_id, ReportCommand::PublishMessage { by, at, window }, context)
    };
    let (report, _) = app.reports.load_latest(&report_id).await?;
    let Some((author, held)) = report.held() else { return Ok(Done::of(&publish().await?)) };
    let HeldMessage { room_id, text, reply_to, command_id, request_hash, .. } = held.clone();
    // The last state, because the report is closed before the message is stored.
    app.boxes.load_latest(room_id.box_id()).await?;
    let original = match reply_to {
        Some(message_id) => Some(app.original(&room_id, message_id).await?),
        None => None,
    };
    let body = MessageBody::try_from(text).map_err(|_| Code::Internal)?;
    let command = TalkCommand::PostMessage { author: author.clone(), body, reply_to: original, at: stamp.at };
    let posting = CommandContext {
        command_id: Some(command_id),
        request_hash: RequestHash::parse(&request_hash).ok_or(Code::Internal)?,
        actor: author.clone(),
        role: ActorRole::User,
        ..context.clone()
    };
    // The report is closed when the rules of the room have accepted the message, and before it is stored. A process
    // that ends in between leaves a message that the next request posts, and none that is posted twice.
    let admission = Admission::free();
    let prepare = |_: &[BoxEvent]| {
        let (closing, admission) = (publish(), &admission);
        async move { closing.await.map(drop).map_err(|error| admission.reject(error)) }.boxed()
    };
    let posted = app.prepared_in_room(&room_id, command.in_room(room_id.clone()), posting, &prepare).await;
    let posted = admission.conclude(posted).map_err(of_author)?;
    // The author has repeated the command after the filter was removed: the report is still open.
    let closed = publish().await?;
    Ok(Done::of(&closed).and_at(posted.position))
}

/// Returns the problem for the moderator if the command of the author is refused because of the author.
fn of_author(error: Error) -> Error {
    let reasons = [
        (Code::AccountSuspended, "The author is suspended."),
        (Code::UserNotFound, "The author has deleted the account."),
        (Code::IdempotencyKeyReused, "The author has used the key of the message for another command."),
    ];
    match reasons.into_iter().find(|(code, _)| error.is(*code)) {
        Some((_, reason)) => Error::detailed(Code::ReportHoldsNothing, reason),
        None => error,
    }
}
