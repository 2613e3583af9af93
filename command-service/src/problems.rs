//! The table of all problems that this service returns.

use axum::http::StatusCode;
use service_kit::problem::Problem;

macro_rules! problems {
    ($($name:ident $status:literal $code:literal $title:literal $when:literal;)*) => {
        /// A problem, by its stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Code {
            $(#[doc = $when] $name,)*
        }

        impl Code {
            /// All codes.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            fn row(self) -> (u16, &'static str, &'static str, &'static str) {
                match self {
                    $(Self::$name => ($status, $code, $title, $when),)*
                }
            }
        }
    };
}

// The codes are part of the interface; never rename.
problems! {
    MalformedJson 400 "malformed-json" "The request body is not valid JSON" "The request body is not valid JSON.";
    InvalidQuery 400 "invalid-query" "A query parameter is not valid" "A query parameter is unknown, or not valid.";
    InvalidIdempotencyKey 400 "invalid-idempotency-key" "The Idempotency-Key is not valid"
        "The header `Idempotency-Key` must have 1 to 64 visible ASCII characters.";
    InvalidSessionHeader 400 "invalid-session-header" "The header Boxroom-Session is not valid"
        "The header `Boxroom-Session` is absent, or `cookie`.";
    MissingToken 401 "missing-token" "This request needs an access token" "There is no `Authorization` header.";
    InvalidToken 401 "invalid-token" "The access token is not valid"
        "The access token is malformed, or not issued for this service.";
    ExpiredToken 401 "expired-token" "The access token has expired" "The access token has expired; sign in again.";
    RevokedToken 401 "revoked-token" "The session of this access token has ended"
        "The session of the token has ended; sign in again.";
    InvalidRefreshToken 401 "invalid-refresh-token" "The refresh token is not valid"
        "The refresh token is malformed, or its session has ended; sign in again.";
    RefreshTokenReused 401 "refresh-token-reused" "The refresh token was used before"
        "A replaced token of the session was used again. It may be stolen, so the session has ended; sign in again.";
    WrongCredentials 401 "wrong-credentials" "Wrong id or password"
        "No account has this id and password, or no box has this id and secret.";
    InvalidResetToken 401 "invalid-reset-token" "The token for a new password is not valid"
        "The token is malformed, was used, has expired, or was replaced by a later one.";
    AccountSuspended 403 "account-suspended" "The account is suspended"
        "A moderator has suspended the account. It can neither sign in nor join, open or post.";
    RecentSignInNeeded 403 "recent-sign-in-needed" "Give the password, or sign in again"
        "The request needs the password of the account, or a token from a sign-in of at most five minutes ago.";
    Forbidden 403 "forbidden" "You may not do this" "The caller's role does not allow this.";
    NotAMember 403 "not-a-member" "You are not a member of this room" "Only members of the room may do this.";
    NotTheHost 403 "not-the-host" "You are not the host of this room"
        "Only the host may do this. Some commands are open to co-hosts, but not against the host or another co-host.";
    NotTheAuthor 403 "not-the-author" "You are not the author of this message"
        "Only the author of the message may do this.";
    WrongPassword 403 "wrong-password" "Wrong room password"
        "The room is locked, and the password is missing or wrong.";
    Muted 403 "muted" "You are muted in this room"
        "The caller cannot post, edit or react until the time in `detail`, after the seconds in `Retry-After`.";
    PrivateBox 403 "private-box" "The box is private" "The caller is not one of the users who may use the box.";
    InvalidRoomInvitation 403 "invalid-room-invitation" "The invitation is not valid"
        "The invitation to the room is unknown, revoked, expired or used up.";
    Kicked 403 "kicked" "You were kicked from this room" "A kicked user cannot join the room again.";
    Unconfirmed 403 "unconfirmed" "The registration is not confirmed yet"
        "The password is right, but the link that was sent to the contact address was not opened yet.";
    InvalidConfirmation 403 "invalid-confirmation" "The link is not valid"
        "The link is malformed, has expired, or belongs to another registration: register again.";
    RegistrationClosed 403 "registration-closed" "Registration is closed"
        "This installation takes no registrations.";
    InvalidInvitation 403 "invalid-invitation" "A valid invitation is needed"
        "Registration needs an invitation, and that of the request is missing, unknown, expired or used up.";
    NoSession 404 "no-session" "The access token has no session"
        "The token was issued without a session, and is valid until it expires.";
    SessionNotFound 404 "session-not-found" "Session not found"
        "The caller has no session with this id, or it ended more than ten minutes ago.";
    SignInElsewhere 404 "sign-in-elsewhere" "Sign in with the external issuer"
        "The service accepts tokens of an external issuer, and has no accounts and sessions of its own.";
    NotFound 404 "not-found" "Not found" "The path contains a malformed id.";
    BoxNotFound 404 "box-not-found" "Box not found" "No box has this id.";
    RoomNotFound 404 "room-not-found" "Room not found" "No room has this id.";
    StoreNotFound 404 "store-not-found" "Store not found" "No store has this id.";
    UserNotFound 404 "user-not-found" "User not found" "The caller or the named user is not registered, or was erased.";
    DeviceNotFound 404 "device-not-found" "Device not found" "The caller has no device with this id.";
    FilterNotFound 404 "filter-not-found" "Filter not found" "No filter has this id.";
    ReportNotFound 404 "report-not-found" "Report not found" "No report has this id.";
    ReportedUserNotFound 404 "reported-user-not-found" "The reported user does not exist"
        "The reported user, or the author of the message, is not registered or was erased.";
    MemberNotFound 404 "member-not-found" "Member not found" "The other user is not a member of the room.";
    InvitationNotFound 404 "invitation-not-found" "Invitation not found" "The room has no invitation with this number.";
    EventNotFound 404 "event-not-found" "Event not found" "The box has no event at this sequence.";
    MessageNotFound 404 "message-not-found" "Message not found" "No message of this room has this id.";
    BoxExists 409 "box-exists" "The box id is taken" "A box with this id exists already.";
    BoxInUse 409 "box-in-use" "The box is in use" "A room is open on the box.";
    BoxOutOfService 409 "box-out-of-service" "The box is out of service" "No room can be opened on the box now.";
    MessageDeleted 409 "message-deleted" "The message was deleted"
        "A deleted message cannot be edited, reacted to or replied to.";
    TooManyReactions 409 "too-many-reactions" "Too many reactions to this message"
        "A message has at most 20 different reactions, and 10 of one user.";
    BoxRetired 409 "box-retired" "The box is retired" "The box was retired for good.";
    StoreRetired 409 "store-retired" "The store is retired" "The store was retired for good.";
    StoreExists 409 "store-exists" "The store id is taken" "A store with this id exists already.";
    StoreClosed 409 "store-closed" "The store is closed" "No room can be opened for the store now.";
    RoomClosed 409 "room-closed" "The room is closed" "The room was closed, or its deadline has passed.";
    RoomFull 409 "room-full" "The room is full" "The room has its maximum number of members.";
    AlreadyMember 409 "already-member" "You are already a member of this room" "The caller is already a member.";
    CannotKickYourself 409 "cannot-kick-yourself" "You cannot kick yourself"
        "The host can leave the room or transfer the host's role instead.";
    CannotSuspendYourself 409 "cannot-suspend-yourself" "You cannot suspend yourself"
        "An account can neither suspend nor reinstate itself.";
    IsTheHost 409 "is-the-host" "This member is the host" "The host cannot be muted, and is no co-host.";
    TooManyCoHosts 409 "too-many-co-hosts" "Too many co-hosts" "A room has at most five co-hosts.";
    TooManyMutes 409 "too-many-mutes" "Too many muted users" "At most 200 users of a room can be muted.";
    OrderPlaced 409 "order-placed" "The order was placed"
        "Store, title, size and password of a room can be changed until its order is placed.";
    TooManyMembers 409 "too-many-members" "The room has more members"
        "The maximum number of members cannot be less than the number of members.";
    TooManyInvitations 409 "too-many-invitations" "Too many invitations"
        "A room has at most ten valid invitations: revoke one first.";
    TooManyUsers 409 "too-many-users" "Too many users of the box" "At most 500 users can be allowed to use a box.";
    TooManyKicks 409 "too-many-kicks" "Too many users were kicked from this room"
        "At most 500 users can be kicked from a room. The room can be closed.";
    StepNotForward 409 "step-not-forward" "The step must move forward" "The order is already at a later step.";
    TooManyExtensions 409 "too-many-extensions" "Too many extensions" "A room can be extended at most three times.";
    UserExists 409 "user-exists" "The user id is taken" "The user id belongs, or belonged, to an account.";
    NicknameTaken 409 "nickname-taken" "The nickname is taken"
        "Another user has this nickname, or one that looks like it.";
    CannotBlockYourself 409 "cannot-block-yourself" "You cannot block yourself" "The user of the path is the caller.";
    TooManyBlockedUsers 409 "too-many-blocked-users" "Too many blocked users"
        "A user can block at most 500 others: unblock one first.";
    TooManyFilters 409 "too-many-filters" "Too many filters" "There can be at most 500 filters: remove one first.";
    CannotReportYourself 409 "cannot-report-yourself" "You cannot report yourself"
        "The caller is the reported user, or the author of the message.";
    AlreadyReported 409 "already-reported" "You have reported this already"
        "The caller's report about the same message or user is not closed yet.";
    ReportClosed 409 "report-closed" "The report is closed" "A closed report cannot be changed.";
    ReportClaimed 409 "report-claimed" "Another moderator has claimed the report"
        "Only the moderator who has claimed the report may do this.";
    ReportNotClaimed 409 "report-not-claimed" "The report is not claimed" "Claim the report before closing it.";
    ReportHoldsNothing 409 "report-holds-nothing" "The report holds no message that can be posted"
        "A user has filed the report, the text of the message was removed, or its author may post nothing.";
    HeldTooLong 409 "held-too-long" "The message was held back too long ago"
        "A held message can be published for 23 hours.";
    TooManyDevices 409 "too-many-devices" "Too many devices" "A user can have at most ten devices.";
    BodyTooSlow 408 "body-too-slow" "The request body took too long" "The request body took more than ten seconds.";
    TooManyOpenRooms 409 "too-many-open-rooms" "You host too many open rooms"
        "The caller hosts as many open rooms as a user may open: close one first, or make another member the host.";
    TooManyJoinedRooms 409 "too-many-joined-rooms" "You are in too many open rooms"
        "The caller is in as many open rooms as a user may join: leave one of them first.";
    Contended 409 "contended" "Too many concurrent changes" "Concurrent changes of the same object won; try again.";
    BodyTooLarge 413 "body-too-large" "The request body is too large" "The request body is larger than 64 KiB.";
    UriTooLong 414 "uri-too-long" "The URI is too long" "Path and query are longer than 32 KiB.";
    UnsupportedMediaType 415 "unsupported-media-type" "The request body must be JSON"
        "The `Content-Type` is not `application/json`.";
    RateLimited 429 "rate-limited" "Too many requests"
        "The user, or an address without a valid token, has sent more requests than its rate limit allows.";
    InvalidBody 422 "invalid-body" "Invalid request body"
        "A field is missing, unknown, of the wrong type or out of its bounds.";
    RefusedByFilter 422 "refused-by-filter" "The text has a word or a link that is not allowed here"
        "The text has a word or a link that the operators have filtered.";
    InvalidReaction 422 "invalid-reaction" "Invalid reaction"
        "A reaction is one emoji, or one of the short codes of this installation.";
    UnknownPosition 422 "unknown-position" "Unknown position"
        "`up_to` is not a position of this log: read the list again.";
    IdempotencyKeyReused 422 "idempotency-key-reused" "The Idempotency-Key was used for another request"
        "The caller used this key for the same aggregate with another method, path or body.";
    TooManyAttempts 429 "too-many-attempts" "Too many wrong passwords"
        "Passwords are not checked until the time in `Retry-After` has passed.";
    TooManyRegistrations 429 "too-many-registrations" "Too many registrations"
        "Too many users have registered from the client's address, or in total, in one hour.";
    TooManyConfirmations 429 "too-many-confirmations" "The link was sent too often"
        "The link was sent a moment ago, or too often to this address or for this account.";
    TooManyRooms 429 "too-many-rooms" "Too many rooms opened" "The caller has opened too many rooms in one day.";
    TooManyMessages 429 "too-many-messages" "Too many messages"
        "The caller has posted and edited too many messages in one minute.";
    SlowMode 429 "slow-mode" "Slow mode is on"
        "The caller can post the next message after the seconds in `Retry-After`.";
    TooMuchText 429 "too-much-text" "Too much text"
        "The messages that the caller has posted and edited in one day are too large in total.";
    TooManyNicknames 429 "too-many-nicknames" "Too many changes of the nickname"
        "The caller has changed the nickname too often in one day.";
    TooManyRoomChanges 429 "too-many-room-changes" "Too many changes of rooms"
        "The caller has changed rooms too often in one minute.";
    TooManyReports 429 "too-many-reports" "Too many reports" "The caller has filed too many reports in one day.";
    TooManySignIns 429 "too-many-sign-ins" "Too many sign-ins" "The account was signed in to too often in one day.";
    HeadersTooLarge 431 "headers-too-large" "The headers are too large" "The headers are larger than 32 KiB in total.";
    Internal 500 "internal" "Internal error"
        "A server error; the logs have the details under the request id.";
    LogUnavailable 503 "log-unavailable" "The event log is unavailable"
        "It may be unknown whether the request took effect: repeat it, commands with the same `Idempotency-Key`.";
    LogFull 503 "log-full" "The event log is full"
        "The server of the log has no space left, or a limit was reached. The command took no effect.";
    LogDamaged 503 "log-damaged" "The event log is damaged"
        "A part of the log was lost, or replaced by another copy. The command took no effect.";
    ClockSkew 503 "clock-skew" "The clock of this instance is wrong"
        "The clocks of this instance and of the log differ by more than 2 s. The command took no effect; repeat it.";
    NicknamesNotReady 503 "nicknames-not-ready" "Nicknames cannot be taken yet"
        "The service prepares the nicknames of existing users after an update; try again.";
    Busy 503 "busy" "The service is busy" "Too many passwords wait to be checked; try again.";
    Timeout 503 "timeout" "The request took too long" "The request took too long.";
    MalformedRequest 400 "malformed-request" "Malformed request" "Over NATS: the message is not a valid request.";
    UnknownCommand 404 "unknown-command" "Unknown command" "Over NATS: no command has the name in the subject.";
}

impl Code {
    /// The HTTP status.
    pub(crate) fn status(self) -> u16 {
        self.row().0
    }

    /// The stable code.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().1
    }

    /// The condition under which the code is returned.
    pub(crate) fn when(self) -> &'static str {
        self.row().3
    }

    /// Builds the problem.
    pub(crate) fn problem(self) -> Problem {
        let (status, code, title, _) = self.row();
        Problem::new(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, title)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_belongs_to_one_problem() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            let problem = code.problem();
            assert_eq!((problem.status().as_u16(), problem.code()), (code.status(), code.as_str()));
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.as_str());
        }
    }
}
