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
    MalformedJson 400 "malformed-json" "The body is not JSON" "The body is not JSON.";
    InvalidIdempotencyKey 400 "invalid-idempotency-key" "The Idempotency-Key is not valid"
        "The header `Idempotency-Key` does not have 1 to 64 visible ASCII characters.";
    MissingToken 401 "missing-token" "This request needs an access token" "There is no `Authorization` header.";
    InvalidToken 401 "invalid-token" "The access token is not valid" "The token is not one of ours.";
    ExpiredToken 401 "expired-token" "The access token has expired" "The token has expired; sign in again.";
    RevokedToken 401 "revoked-token" "The session of this access token has ended"
        "Somebody signed out, or a refresh token came twice; sign in again.";
    InvalidRefreshToken 401 "invalid-refresh-token" "The refresh token is not valid"
        "The token is not one of ours, or its session has ended; sign in again.";
    RefreshTokenReused 401 "refresh-token-reused" "The refresh token was used before"
        "An older token of the session came again: it may be stolen, and the session has ended; sign in again.";
    WrongCredentials 401 "wrong-credentials" "The id or the password is wrong"
        "There is no such account, or its password is another; or no such box, or its secret is another.";
    Forbidden 403 "forbidden" "You may not do this" "The caller's role does not allow this.";
    NotAMember 403 "not-a-member" "You are not a member of this room" "Only members of the room may do this.";
    NotTheHost 403 "not-the-host" "You are not the host of this room" "Only the host of the room may do this.";
    NotTheAuthor 403 "not-the-author" "You are not the author of this message"
        "Only the author of the message may do this.";
    WrongPassword 403 "wrong-password" "The room's password does not fit"
        "The room is locked, and the password is missing or another.";
    Kicked 403 "kicked" "You were kicked out of this room" "Whoever was kicked does not come back.";
    NoSession 404 "no-session" "The access token belongs to no session" "The token was printed: it ends with its time.";
    SignInElsewhere 404 "sign-in-elsewhere" "People sign in at another place"
        "The service takes tokens of an outside issuer, and has no accounts and sessions of its own.";
    NotFound 404 "not-found" "There is nothing here" "What the path names cannot exist.";
    BoxNotFound 404 "box-not-found" "There is no such box" "No box has this id.";
    RoomNotFound 404 "room-not-found" "There is no such room" "No room has this id.";
    StoreNotFound 404 "store-not-found" "There is no such store" "No store has this id.";
    UserNotFound 404 "user-not-found" "There is no such user" "The caller is no registered user, or was erased.";
    DeviceNotFound 404 "device-not-found" "There is no such device" "The caller has no device of this id.";
    MemberNotFound 404 "member-not-found" "This user is not a member of the room" "The other user is not inside.";
    EventNotFound 404 "event-not-found" "The box has no such event" "No event of this box stands at this sequence.";
    MessageNotFound 404 "message-not-found" "There is no such message in this room"
        "No message of this room has this id.";
    BoxExists 409 "box-exists" "The box id is taken" "A box with this id exists already.";
    BoxInUse 409 "box-in-use" "The box is in use" "A room is open on the box.";
    BoxOutOfService 409 "box-out-of-service" "The box is out of service" "No room can be opened on the box for now.";
    BoxRetired 409 "box-retired" "The box was retired" "The box is gone for good.";
    StoreExists 409 "store-exists" "The store id is taken" "A store with this id exists already.";
    StoreClosed 409 "store-closed" "The store takes no orders now" "No room can be opened for the store for now.";
    RoomClosed 409 "room-closed" "The room is closed" "The room was closed, or its time has passed.";
    RoomFull 409 "room-full" "The room is full" "Every seat is taken.";
    AlreadyMember 409 "already-member" "You are a member of this room already" "The caller is inside.";
    CannotKickYourself 409 "cannot-kick-yourself" "A host cannot kick themselves" "A host leaves or hands over instead.";
    TooManyKicks 409 "too-many-kicks" "No more users can be kicked out of this room"
        "500 users were kicked out of the room, which is the most; the room can be closed.";
    StepNotForward 409 "step-not-forward" "Steps only go forward" "The order is at a later step already.";
    TooManyExtensions 409 "too-many-extensions" "The room cannot be extended again" "Three extensions are the most.";
    UserExists 409 "user-exists" "The user id is taken" "Somebody has, or had, this user id.";
    NicknameTaken 409 "nickname-taken" "The nickname is taken" "Somebody is called like that, whatever the case.";
    TooManyDevices 409 "too-many-devices" "No more devices" "A user can have ten devices.";
    BodyTooSlow 408 "body-too-slow" "The body did not come in time" "The body took more than ten seconds.";
    Contended 409 "contended" "Too many commands at once" "Others changed the same thing all the time; try again.";
    BodyTooLarge 413 "body-too-large" "The body is too large" "The body has more than 64 KiB.";
    UriTooLong 414 "uri-too-long" "The address is too long" "Path and query have more than 32 KiB.";
    UnsupportedMediaType 415 "unsupported-media-type" "The body must be JSON"
        "The `Content-Type` is not `application/json`.";
    RateLimited 429 "rate-limited" "Too many requests"
        "More requests came from the user, or without a valid token from the address, than may come in this time.";
    InvalidBody 422 "invalid-body" "The body is not what this request takes"
        "A field is missing, unknown, of another type or out of its bounds.";
    IdempotencyKeyReused 422 "idempotency-key-reused" "The Idempotency-Key was used for another request"
        "The caller has used this key before on the same aggregate, with another method, path or body.";
    TooManyAttempts 429 "too-many-attempts" "Too many wrong passwords"
        "Wrong passwords came before: until the time in `Retry-After` has passed, no other one is looked at.";
    HeadersTooLarge 431 "headers-too-large" "The headers are too large" "All headers have more than 32 KiB.";
    Internal 500 "internal" "Something went wrong on our side" "A fault of ours; the request id finds it in the logs.";
    LogUnavailable 503 "log-unavailable" "The event log cannot be reached"
        "Whether the request took effect may be unknown: repeat it, a command with the same `Idempotency-Key`.";
    LogFull 503 "log-full" "The event log has no space left"
        "The server of the log has no space left, or has reached a limit. The command took no effect.";
    LogDamaged 503 "log-damaged" "The event log is not what it was"
        "A part of the log was lost, or replaced by another copy. The command took no effect.";
    ClockSkew 503 "clock-skew" "The clock of this instance is wrong"
        "The clocks of this instance and of the log differ by more than 2 s. The command took no effect; repeat it.";
    Busy 503 "busy" "Too much to do" "More passwords wait to be checked than is reasonable; try again.";
    Timeout 503 "timeout" "The request took too long" "The request took too long.";
    MalformedRequest 400 "malformed-request" "The request is not one" "Over NATS: the message is not a request.";
    UnknownCommand 404 "unknown-command" "There is no such command" "Over NATS: no command has the name in the subject.";
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
    fn every_code_stands_for_one_problem() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            let problem = code.problem();
            assert_eq!((problem.status().as_u16(), problem.code()), (code.status(), code.as_str()));
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.as_str());
        }
    }
}
