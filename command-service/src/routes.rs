//! The route table: every command with its allowed callers, answer and problems.

mod description;

use std::sync::Arc;

use axum::{Router, middleware};
use description::{Access, Answer, command, document, session};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::App, boxes, completion, filters, moderation, problems::Code, reports, rooms, server_clock, sessions, stores,
    talk, users,
};

use Access::{Boxes, Moderators, Operators, People, Public, SignedIn, Users};
use Answer::{Created, Done, Invitation, NoContent, PasswordReset, Posted, Registered, Session, Sessions};
use Code::{
    AccountSuspended, AlreadyMember, AlreadyReported, BoxExists, BoxInUse, BoxNotFound, BoxOutOfService, BoxRetired,
    Busy, CannotBlockYourself, CannotKickYourself, CannotReportYourself, CannotSuspendYourself, DeviceNotFound,
    EventNotFound, FilterNotFound, HeldTooLong, InvalidConfirmation, InvalidInvitation, InvalidQuery, InvalidReaction,
    InvalidRefreshToken, InvalidResetToken, InvalidRoomInvitation, InvitationNotFound, IsTheHost, Kicked,
    MemberNotFound, MessageDeleted, MessageNotFound, Muted, NicknameTaken, NicknamesNotReady, NoSession, NotAMember,
    NotTheAuthor, NotTheHost, OrderPlaced, PrivateBox, RecentSignInNeeded, RefreshTokenReused, RefusedByFilter,
    RegistrationClosed, ReportClaimed, ReportClosed, ReportHoldsNothing, ReportNotClaimed, ReportNotFound,
    ReportedUserNotFound, RoomClosed, RoomFull, RoomNotFound, SessionNotFound, SignInElsewhere, SlowMode,
    StepNotForward, StoreClosed, StoreExists, StoreNotFound, StoreRetired, TooManyAttempts, TooManyBlockedUsers,
    TooManyCoHosts, TooManyConfirmations, TooManyDevices, TooManyExtensions, TooManyFilters, TooManyInvitations,
    TooManyJoinedRooms, TooManyKicks, TooManyMembers, TooManyMessages, TooManyMutes, TooManyNicknames,
    TooManyOpenRooms, TooManyReactions, TooManyRegistrations, TooManyReports, TooManyRoomChanges, TooManyRooms,
    TooManySignIns, TooManyUsers, TooMuchText, Unconfirmed, UnknownPosition, UserExists, UserNotFound,
    WrongCredentials, WrongPassword,
};

/// Builds the router and its OpenAPI description.
pub(crate) fn all(app: App) -> (Router, OpenApi) {
    let has_accounts = app.signing.is_some();
    let (router, description) = OpenApiRouter::with_openapi(document())
        .merge(if has_accounts { registration_routes() } else { external_registration_routes() })
        .merge(account_routes())
        .merge(box_and_store_routes())
        .merge(rooms())
        .merge(talk_routes())
        .merge(moderation_routes())
        .merge(report_routes())
        .split_for_parts();
    let router =
        router.route_layer(middleware::from_fn_with_state(Arc::clone(&app.clock), server_clock::require_right_clock));
    let running = app.running.clone();
    (completion::run_to_completion(router.with_state(app), running), description)
}

#[rustfmt::skip]
fn registration_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(users::register::register_user), Public, Registered,
            &[UserExists, NicknameTaken, NicknamesNotReady, RefusedByFilter, RegistrationClosed, InvalidInvitation,
                TooManyAttempts, TooManyRegistrations, TooManyConfirmations, Busy]))
        .routes(command(routes!(users::confirm::confirm_registration), Public, Created,
            &[InvalidConfirmation, NicknameTaken, NicknamesNotReady, RefusedByFilter]))
}

/// Registration of users of an external issuer: the id is in the token, and there is no password.
#[rustfmt::skip]
fn external_registration_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(users::register::register_bearer), Users, Created,
            &[UserExists, NicknameTaken, NicknamesNotReady, RefusedByFilter]))
}

#[rustfmt::skip]
fn account_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(session(routes!(sessions::open::open_session), Public, Session,
            &[WrongCredentials, AccountSuspended, Unconfirmed, SignInElsewhere, TooManyAttempts, TooManySignIns,
                Busy]))
        .routes(command(routes!(sessions::of_box::open_box_session), Public, Session,
            &[WrongCredentials, SignInElsewhere, TooManyAttempts, Busy]))
        .routes(session(routes!(sessions::refresh::refresh_session), Public, Session,
            &[InvalidRefreshToken, RefreshTokenReused, SignInElsewhere]))
        .routes(command(routes!(sessions::list::list_sessions), SignedIn, Sessions, &[SignInElsewhere, InvalidQuery]))
        .routes(command(routes!(sessions::list::end_session), SignedIn, NoContent, &[SessionNotFound, SignInElsewhere]))
        .routes(session(routes!(sessions::sign_out::close_session), SignedIn, NoContent, &[NoSession]))
        .routes(session(routes!(sessions::sign_out::close_all_sessions), SignedIn, NoContent, &[]))
        .routes(command(routes!(users::password::change_password), People, NoContent,
            &[WrongCredentials, SignInElsewhere, TooManyAttempts, Busy]))
        .routes(command(routes!(users::nickname::change_nickname), Users, Done,
            &[UserNotFound, AccountSuspended, NicknameTaken, NicknamesNotReady, RefusedByFilter, TooManyNicknames]))
        .routes(command(routes!(users::erase::erase_user), Users, Done,
            &[UserNotFound, WrongCredentials, RecentSignInNeeded, TooManyAttempts, Busy]))
        .routes(command(routes!(users::devices::register_device), Users, Done, &[UserNotFound, TooManyDevices]))
        .routes(command(routes!(users::devices::remove_device), Users, Done, &[UserNotFound, DeviceNotFound]))
        .routes(command(routes!(users::preferences::set_notification_preferences), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::quiet_hours::set_quiet_hours), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::quiet_hours::remove_quiet_hours), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::read_marker_sharing::share_read_markers), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::muted_rooms::mute_room), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::muted_rooms::unmute_room), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::blocks::block_user), Users, Done,
            &[UserNotFound, CannotBlockYourself, TooManyBlockedUsers]))
        .routes(command(routes!(users::blocks::unblock_user), Users, Done, &[UserNotFound]))
        .routes(command(routes!(users::alarms::read_alarms), Users, Done, &[UserNotFound, UnknownPosition]))
}

#[rustfmt::skip]
fn box_and_store_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(boxes::install::install_box), Operators, Created, &[BoxExists]))
        .routes(command(routes!(boxes::change::change_box_details), Operators, Done, &[BoxNotFound, BoxRetired]))
        .routes(command(routes!(boxes::retire::retire_box), Operators, Done, &[BoxNotFound, BoxRetired, BoxInUse]))
        .routes(command(routes!(boxes::retirement::retire_used_box), Operators, Done, &[BoxNotFound, BoxRetired]))
        .routes(command(routes!(boxes::credentials::set_credentials), Operators, NoContent,
            &[BoxNotFound, BoxRetired, SignInElsewhere, Busy]))
        .routes(command(routes!(boxes::credentials::remove_credentials), Operators, NoContent, &[BoxNotFound]))
        .routes(command(routes!(boxes::service_state::set_service_state), Operators, Done, &[BoxNotFound, BoxRetired]))
        .routes(command(routes!(boxes::reports::record_arrival), Boxes, Created, &[BoxNotFound, BoxRetired]))
        .routes(command(routes!(boxes::reports::record_door_opening), Boxes, Created, &[BoxNotFound, BoxRetired]))
        .routes(command(routes!(boxes::users::allow_user), Operators, Done,
            &[BoxNotFound, BoxRetired, UserNotFound, TooManyUsers]))
        .routes(command(routes!(boxes::users::disallow_user), Operators, Done, &[BoxNotFound]))
        .routes(command(routes!(boxes::drop_event::drop_event), Operators, Created, &[BoxNotFound, EventNotFound]))
        .routes(command(routes!(stores::register::register_store), Operators, Created, &[StoreExists]))
        .routes(command(routes!(stores::change::change_store), Operators, Done, &[StoreNotFound, StoreRetired]))
        .routes(command(routes!(stores::availability::set_availability), Operators, Done,
            &[StoreNotFound, StoreRetired]))
        .routes(command(routes!(stores::retire::retire_store), Operators, Done, &[StoreNotFound]))
}

#[rustfmt::skip]
fn rooms() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(rooms::open::open_room), Users, Created,
            &[BoxNotFound, AccountSuspended, StoreNotFound, BoxInUse, BoxOutOfService, BoxRetired, StoreClosed,
                PrivateBox, TooManyOpenRooms, TooManyRooms, RefusedByFilter, Busy]))
        .routes(command(routes!(rooms::join::join_room), Users, Created,
            &[RoomNotFound, AccountSuspended, RoomClosed, RoomFull, AlreadyMember, WrongPassword, Kicked,
                InvalidRoomInvitation, PrivateBox, TooManyJoinedRooms, TooManyAttempts, Busy]))
        .routes(command(routes!(rooms::change::change_room), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, OrderPlaced, TooManyMembers,
                StoreNotFound, StoreClosed, RefusedByFilter, Busy, TooManyRoomChanges]))
        .routes(command(routes!(rooms::co_host::appoint_co_host), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, MemberNotFound, IsTheHost,
                TooManyCoHosts, TooManyRoomChanges]))
        .routes(command(routes!(rooms::co_host::dismiss_co_host), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyRoomChanges]))
        .routes(command(routes!(rooms::mute::mute_member), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, MemberNotFound, IsTheHost,
                TooManyMutes, TooManyRoomChanges]))
        .routes(command(routes!(rooms::mute::unmute_member), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyRoomChanges]))
        .routes(command(routes!(rooms::slow_mode::set_slow_mode), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyRoomChanges]))
        .routes(command(routes!(rooms::pin::pin_message), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, MessageNotFound, MessageDeleted,
                TooManyRoomChanges]))
        .routes(command(routes!(rooms::pin::unpin_message), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyRoomChanges]))
        .routes(command(routes!(rooms::invitation::create_room_invitation), Users, Invitation,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyInvitations,
                TooManyRoomChanges]))
        .routes(command(routes!(rooms::invitation::revoke_room_invitation), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, InvitationNotFound,
                TooManyRoomChanges]))
        .routes(command(routes!(rooms::leave::leave_room), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember]))
        .routes(command(routes!(rooms::kick::kick_member), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, MemberNotFound, CannotKickYourself,
                TooManyKicks]))
        .routes(command(routes!(rooms::host::transfer_host), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, MemberNotFound, TooManyRoomChanges]))
        .routes(command(routes!(rooms::step::advance_step), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, StepNotForward]))
        .routes(command(routes!(rooms::extend::extend_room), Users, Created,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost, TooManyExtensions]))
        .routes(command(routes!(rooms::close::close_room), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, NotTheHost]))
        .routes(command(routes!(rooms::read_marker::move_read_marker), Users, Done,
            &[RoomNotFound, NotAMember, MessageNotFound]))
}

#[rustfmt::skip]
fn talk_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(talk::post::post_message), Users, Posted,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, MessageNotFound, MessageDeleted, Muted,
                RefusedByFilter, SlowMode, TooManyMessages, TooMuchText]))
        .routes(command(routes!(talk::edit::edit_message), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, MessageNotFound, MessageDeleted, NotTheAuthor,
                Muted, RefusedByFilter, TooManyMessages, TooMuchText]))
        .routes(command(routes!(talk::delete::delete_message), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, MessageNotFound, NotTheAuthor]))
        .routes(command(routes!(talk::react::add_reaction), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, MessageNotFound, MessageDeleted, Muted,
                TooManyReactions, InvalidReaction]))
        .routes(command(routes!(talk::react::remove_reaction), Users, Done,
            &[RoomNotFound, AccountSuspended, RoomClosed, NotAMember, MessageNotFound, InvalidReaction]))
}

#[rustfmt::skip]
fn moderation_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(moderation::close_room::close_any_room), Moderators, Done,
            &[RoomNotFound, RoomClosed, AccountSuspended]))
        .routes(command(routes!(moderation::remove_message::remove_message), Moderators, Done,
            &[RoomNotFound, MessageNotFound, AccountSuspended]))
        .routes(command(routes!(moderation::lift_kick::lift_kick), Moderators, Done,
            &[RoomNotFound, RoomClosed, AccountSuspended]))
        .routes(command(routes!(moderation::suspension::suspend_user), Moderators, Done,
            &[UserNotFound, CannotSuspendYourself, AccountSuspended]))
        .routes(command(routes!(moderation::suspension::reinstate_user), Moderators, Done,
            &[UserNotFound, CannotSuspendYourself, AccountSuspended]))
        .routes(command(routes!(moderation::erase_user::erase_any_user), Operators, Done, &[UserNotFound]))
        .routes(command(routes!(moderation::password_reset::issue_password_reset), Operators, PasswordReset,
            &[UserNotFound, SignInElsewhere]))
        .routes(command(routes!(moderation::password_reset::redeem_password_reset), Public, NoContent,
            &[InvalidResetToken, SignInElsewhere, TooManyAttempts, Busy]))
}

#[rustfmt::skip]
fn report_routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(command(routes!(filters::set::set_filter), Operators, Done, &[TooManyFilters]))
        .routes(command(routes!(filters::remove::remove_filter), Operators, Done, &[FilterNotFound]))
        .routes(command(routes!(reports::file::file_report), Users, Created,
            &[UserNotFound, RoomNotFound, NotAMember, MessageNotFound, ReportedUserNotFound, CannotReportYourself,
                AlreadyReported, TooManyReports]))
        .routes(command(routes!(reports::claim::claim_report), Moderators, Done,
            &[ReportNotFound, AccountSuspended, ReportClosed, ReportClaimed]))
        .routes(command(routes!(reports::claim::release_report), Moderators, Done,
            &[ReportNotFound, AccountSuspended, ReportClosed, ReportClaimed]))
        .routes(command(routes!(reports::resolve::resolve_report), Moderators, Done,
            &[ReportNotFound, AccountSuspended, ReportClosed, ReportClaimed, ReportNotClaimed]))
        .routes(command(routes!(reports::publish::publish_held_message), Moderators, Done,
            &[ReportNotFound, AccountSuspended, ReportClosed, ReportClaimed, ReportNotClaimed, ReportHoldsNothing,
                HeldTooLong, RoomNotFound, RoomClosed, NotAMember, Muted, MessageNotFound, MessageDeleted]))
}
