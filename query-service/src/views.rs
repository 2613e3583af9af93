//! The read models as clients see them.

pub(crate) use boxes::{BoxKind, BoxStatus, BoxView};
pub(crate) use events::{EventData, EventView};
pub(crate) use me::{
    AlarmKind, AlarmView, BlockView, DeviceView, Devices, LastMessage, MeView, MyRoomView, Preferences, QuietHours,
    QuietHoursView,
};
pub(crate) use messages::{MessageView, Reactions};
pub(crate) use moderation::{ModeratedUserRow, ModeratedUserView};
pub(crate) use rooms::{ClosedReason, LobbyRoomView, MemberView, RoomStatus, RoomView, Standing, Step};
pub(crate) use stores::StoreView;
pub(crate) use users::UserView;

mod boxes;
mod events;
mod me;
mod messages;
mod moderation;
mod rooms;
mod stores;
mod users;
