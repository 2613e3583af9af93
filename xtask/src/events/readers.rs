//! The clients and operators that can read each event.

/// A client that sees values of an event in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A member of the room, by the event in the feed. Derived from the feed.
    Members,
    /// Any user, by the state of a box, a store or a room.
    AllUsers,
    /// A member of a room of the user, by the list of members.
    SameRoom,
    /// The user of the event, by the own account and rooms.
    User,
}

use Reader::{AllUsers, SameRoom, User};

impl Reader {
    pub(super) const ALL: [Self; 4] = [Self::Members, AllUsers, SameRoom, User];

    /// Returns the word in the tables of events.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::AllUsers => "all users",
            Self::SameRoom => "same room",
            Self::User => "the user",
        }
    }

    /// Returns the explanation of the word.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Members => "members of the room, in its feed: `GET /rooms/{room}/events`, live connections",
            Self::AllUsers => "all users and operators, as state: `GET /boxes`, `GET /stores`, `GET /rooms`",
            Self::SameRoom => "members of a room of the user, as state: `GET /rooms/{room}/members`",
            Self::User => "the user of the event, as state: `GET /me`, `GET /me/rooms`",
        }
    }
}

/// The readers of every event beside the feed of a room. An empty list leaves the feed and operators.
pub(super) const OUTSIDE_FEED: &[(&str, &[Reader])] = &[
    ("box_installed", &[AllUsers]),
    ("box_details_changed", &[AllUsers]),
    ("box_taken_out_of_service", &[AllUsers]),
    ("box_returned_to_service", &[AllUsers]),
    ("box_retired", &[AllUsers]),
    ("order_arrived", &[]),
    ("door_opened", &[]),
    ("event_dropped", &[]),
    ("user_allowed", &[]),
    ("user_disallowed", &[]),
    ("author_erased", &[]),
    ("room_opened", &[AllUsers]),
    ("member_joined", &[]),
    ("member_left", &[]),
    ("member_kicked", &[]),
    ("kick_lifted", &[]),
    ("host_transferred", &[AllUsers]),
    ("room_changed", &[AllUsers]),
    ("co_host_appointed", &[]),
    ("co_host_dismissed", &[]),
    ("member_muted", &[]),
    ("member_unmuted", &[]),
    ("slow_mode_set", &[]),
    ("message_pinned", &[]),
    ("message_unpinned", &[]),
    ("room_invitation_created", &[]),
    ("room_invitation_revoked", &[]),
    ("room_invitation_used", &[]),
    ("step_advanced", &[AllUsers]),
    ("room_extended", &[AllUsers]),
    ("room_closing_soon", &[]),
    ("room_closed", &[AllUsers]),
    ("message_posted", &[]),
    ("message_edited", &[]),
    ("message_deleted", &[]),
    ("reaction_added", &[]),
    ("reaction_removed", &[]),
    ("user_registered", &[SameRoom, User]),
    ("nickname_changed", &[SameRoom, User]),
    ("device_registered", &[User]),
    ("device_removed", &[User]),
    ("notification_preferences_set", &[User]),
    ("quiet_hours_set", &[User]),
    ("quiet_hours_removed", &[User]),
    ("read_marker_sharing_set", &[User]),
    ("room_muted", &[User]),
    ("room_unmuted", &[User]),
    ("user_blocked", &[User]),
    ("user_unblocked", &[User]),
    ("alarms_read", &[User]),
    ("user_suspended", &[]),
    ("user_reinstated", &[]),
    ("password_reset_issued", &[]),
    ("user_erased", &[SameRoom]),
    ("nickname_claimed", &[]),
    ("nickname_released", &[]),
    ("opener_claimed", &[]),
    ("store_registered", &[AllUsers]),
    ("store_changed", &[AllUsers]),
    ("store_opened", &[AllUsers]),
    ("store_closed", &[AllUsers]),
    ("store_retired", &[AllUsers]),
    ("filter_set", &[]),
    ("filter_removed", &[]),
    ("report_filed", &[]),
    ("report_claimed", &[]),
    ("report_released", &[]),
    ("report_resolved", &[]),
    ("report_forgotten", &[]),
    ("message_held", &[]),
    ("held_message_published", &[]),
    ("room_read", &[SameRoom, User]),
];
