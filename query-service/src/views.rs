//! The read models as clients see them.

pub(crate) use boxes::{BoxKind, BoxStatus, BoxView};
pub(crate) use events::{EventData, EventView};
pub(crate) use me::{
    AlarmKind, AlarmView, BlockView, DeviceView, Devices, LastMessage, MeView, MyRoomView, Preferences, QuietHours,
    QuietHoursView,
};
pub(crate) use messages::{MessageView, Reactions};
pub(crate) use moderated_users::{ModeratedUserRow, ModeratedUserView};
pub(crate) use moderation::{FilterView, ReportState, ReportView};
pub(crate) use rooms::{
    ClosedReason, InvitationView, LobbyRoomView, MemberView, Pins, RoomStatus, RoomView, Standing, Step,
};
pub(crate) use stores::StoreView;
pub(crate) use users::UserView;

mod boxes;
mod events;
mod me;
mod messages;
mod moderated_users;
mod moderation;
mod rooms;
mod stores;
mod users;
