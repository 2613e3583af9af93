//! `POST /reports`

use axum::extract::State;
use domain::{
    MessageId, ReportCategory, ReportCommand, ReportId, ReportRefusal, ReportedMessage, RoomId, UserId,
    values::ReportNote,
};
use eserde::Deserialize;
use event_store::CommandError;
use service_kit::{auth::AsUser, extract::invalid_field, problem::Problem};
use utoipa::ToSchema;

use crate::{
    answer::Created, app::App, error::Error, problems::Code, request::Command, rooms::reader::require_reader, schemas,
};

/// The number of reports of a user about the same target, one after the other.
const MAX_REPEATS: u16 = 20;

/// The length of the part of an id that stands for the reporter and the target.
const TARGET_CHARS: usize = 24;

/// A report about a message, or about a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "user_id": "ben", "category": "harassment", "note": "He threatens me" }))]
pub(crate) struct FileReport {
    /// The room of the message.
    #[schema(value_type = Option<schemas::RoomId>)]
    #[serde(default)]
    #[eserde(compat)]
    room_id: Option<RoomId>,
    /// The message, with `room_id`.
    #[schema(value_type = Option<schemas::MessageId>)]
    #[serde(default)]
    #[eserde(compat)]
    message_id: Option<MessageId>,
    /// The user, in place of a message.
    #[schema(value_type = Option<schemas::UserId>)]
    #[serde(default)]
    #[eserde(compat)]
    user_id: Option<UserId>,
    /// The reason.
    #[schema(value_type = schemas::ReportCategory)]
    #[eserde(compat)]
    category: ReportCategory,
    /// The words of the reporter.
    #[schema(value_type = Option<schemas::ReportNote>)]
    #[serde(default)]
    #[eserde(compat)]
    note: Option<ReportNote>,
}

/// The target of a report.
enum Target {
    Message(RoomId, MessageId),
    User(UserId),
}

impl Target {
    fn of(room_id: Option<RoomId>, message_id: Option<MessageId>, user_id: Option<UserId>) -> Result<Self, Problem> {
        match (room_id, message_id, user_id) {
            (Some(room_id), Some(message_id), None) => Ok(Self::Message(room_id, message_id)),
            (None, None, Some(user_id)) => Ok(Self::User(user_id)),
            (None, Some(_), None) => Err(invalid_field("/room_id", "is required with a message".to_owned())),
            (Some(_), None, None) => Err(invalid_field("/message_id", "is required with a room".to_owned())),
            (None, None, None) => Err(invalid_field("/user_id", "is required without a message".to_owned())),
            (_, _, Some(_)) => Err(invalid_field("/user_id", "is not allowed with a message".to_owned())),
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Message(room_id, message_id) => format!("{room_id} {message_id}"),
            Self::User(user_id) => user_id.to_string(),
        }
    }
}

/// Reports a message or another user to the moderators
///
/// A message can be reported by the members of its room, also after it was deleted. The report keeps the text of the
/// message as it is now. A user has one open report about each message and each user.
#[utoipa::path(post, path = "/reports", tag = "reports", request_body = FileReport)]
pub(crate) async fn file_report(
    State(app): State<App>,
    AsUser(reporter): AsUser,
    Command { body: FileReport { room_id, message_id, user_id, category, note }, stamp }: Command<FileReport>,
) -> Result<Created, Error> {
    let target = Target::of(room_id, message_id, user_id)?;
    if app.users.load(&reporter).await?.0.is_erased() {
        return Err(Code::UserNotFound.into());
    }
    let (user_id, message) = look_up(&app, &target, &reporter).await?;
    if user_id == reporter {
        return Err(Code::CannotReportYourself.into());
    }
    let hash = app.secret.hash(&[b"report", reporter.as_str().as_bytes(), target.key().as_bytes()]).to_string();
    let hash: String = hash.chars().take(TARGET_CHARS).collect();
    for number in 1..=MAX_REPEATS {
        let report_id: ReportId = format!("{hash}-{number}").parse().map_err(|_| Code::Internal)?;
        let command = ReportCommand::FileReport {
            reporter: reporter.clone(),
            user_id: user_id.clone(),
            message: message.clone(),
            category,
            note: note.clone(),
        };
        let admission = app.quotas.report(&reporter);
        let context = stamp.by(&reporter);
        let result = app.reports.execute_prepared(&report_id, command, context, &admission.preparation()).await;
        if matches!(result, Err(CommandError::Refused(ReportRefusal::AlreadyReported)))
            && app.reports.load_latest(&report_id).await?.0.is_closed()
        {
            // A repeat of an earlier report was answered before.
            continue;
        }
        return Ok(Created::of(&admission.conclude(result)?, &report_id));
    }
    Err(Code::AlreadyReported.into())
}

/// Returns the reported user, and the message.
async fn look_up(app: &App, target: &Target, reporter: &UserId) -> Result<(UserId, Option<ReportedMessage>), Error> {
    match target {
        Target::User(user_id) => {
            let (user, _) = app.users.load_latest(user_id).await?;
            if user.nickname().is_none() {
                return Err(Code::ReportedUserNotFound.into());
            }
            Ok((user_id.clone(), None))
        }
        Target::Message(room_id, message_id) => {
            let is_earlier = require_reader(app, room_id, reporter).await?;
            let message = app.boxes.message_with_text(room_id.box_id(), *message_id, !is_earlier).await?;
            let message = message.filter(|message| message.room_id == *room_id).ok_or(Code::MessageNotFound)?;
            if is_earlier {
                let members = app.boxes.members_at_closing(room_id, message_id.sequence()).await?;
                // Other users do not learn that the room has the message.
                members.contains(reporter).then_some(()).ok_or(Code::MessageNotFound)?;
            }
            if app.users.load_latest(&message.author).await?.0.is_erased() {
                return Err(Code::ReportedUserNotFound.into());
            }
            let (room_id, message_id, text) = (room_id.clone(), *message_id, message.state.text);
            Ok((message.author, Some(ReportedMessage { room_id, message_id, text })))
        }
    }
}
