//! The targets of events: the user, message or device that an event is about, besides the actor.

use domain::{BoxEvent, FilterEvent, OwnEvent, ReportEvent, UserEvent};
use event_store::{Decoded, RecordedCommit, log::Recorded};

/// Returns the target of each event of a commit, in order: `None` for an event without one. The result is empty for a
/// commit that this build cannot decode. Targets are ids: no texts, names or tokens.
pub(crate) fn targets(recorded: &Recorded) -> Vec<Option<String>> {
    let Ok(commit) = RecordedCommit::parse(recorded) else { return Vec::new() };
    match commit.decode() {
        Ok(Decoded::Box(events)) => events.iter().map(of_box).collect(),
        Ok(Decoded::User(events)) => events.iter().map(of_user).collect(),
        Ok(Decoded::Mark { message_id }) => vec![Some(message_id.to_string())],
        Ok(Decoded::Filters(events)) => events.iter().map(|event| Some(of_filter(event))).collect(),
        Ok(Decoded::Report(events)) => events.iter().map(of_report).collect(),
        Ok(Decoded::Claim | Decoded::Store(_)) | Err(_) => Vec::new(),
    }
}

fn of_box(event: &BoxEvent) -> Option<String> {
    match event {
        BoxEvent::Box(event) => of_box_itself(event),
        BoxEvent::Room { event, .. } => match event.message_id() {
            Some(message_id) => Some(message_id.to_string()),
            None => event.member().map(ToString::to_string),
        },
        BoxEvent::Talk { event, .. } => event.message_id().map(|message_id| message_id.to_string()),
    }
}

fn of_box_itself(event: &OwnEvent) -> Option<String> {
    match event {
        OwnEvent::UserAllowed { user_id }
        | OwnEvent::UserDisallowed { user_id }
        | OwnEvent::AuthorErased { user_id } => Some(user_id.to_string()),
        OwnEvent::EventDropped { sequence, .. } => Some(sequence.to_string()),
        OwnEvent::BoxInstalled { .. }
        | OwnEvent::BoxDetailsChanged { .. }
        | OwnEvent::BoxTakenOutOfService { .. }
        | OwnEvent::BoxReturnedToService {}
        | OwnEvent::BoxRetired {}
        | OwnEvent::OrderArrived { .. }
        | OwnEvent::DoorOpened { .. } => None,
    }
}

fn of_user(event: &UserEvent) -> Option<String> {
    match event {
        UserEvent::DeviceRegistered { device_id, .. } | UserEvent::DeviceRemoved { device_id } => {
            Some(device_id.to_string())
        }
        UserEvent::UserBlocked { user_id } | UserEvent::UserUnblocked { user_id } => Some(user_id.to_string()),
        UserEvent::UserRegistered { .. }
        | UserEvent::NicknameChanged { .. }
        | UserEvent::NotificationPreferencesSet { .. }
        | UserEvent::QuietHoursSet { .. }
        | UserEvent::QuietHoursRemoved {}
        | UserEvent::ReadMarkerSharingSet { .. }
        | UserEvent::RoomMuted { .. }
        | UserEvent::RoomUnmuted { .. }
        | UserEvent::AlarmsRead { .. }
        | UserEvent::UserSuspended { .. }
        | UserEvent::UserReinstated {}
        | UserEvent::PasswordResetIssued { .. }
        | UserEvent::UserErased {} => None,
    }
}

fn of_filter(event: &FilterEvent) -> String {
    match event {
        FilterEvent::FilterSet { filter_id, .. } | FilterEvent::FilterRemoved { filter_id } => filter_id.to_string(),
    }
}

fn of_report(event: &ReportEvent) -> Option<String> {
    match event {
        ReportEvent::ReportFiled { user_id, .. } | ReportEvent::MessageHeld { user_id, .. } => {
            Some(user_id.to_string())
        }
        ReportEvent::ReportClaimed { .. }
        | ReportEvent::ReportReleased { .. }
        | ReportEvent::ReportResolved { .. }
        | ReportEvent::HeldMessagePublished { .. }
        | ReportEvent::ReportForgotten {} => None,
    }
}
