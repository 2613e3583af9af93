//! The reasons why the server closes a connection. 40xx: reconnect and resume, 41xx: begin a new session, 42xx: get a
//! new token first, 43xx: do not connect again.

/// Defines each reason once: its meaning, its variant, its code and its name on the wire.
macro_rules! close_reasons {
    ($(#[doc = $meaning:literal] $name:ident = $code:literal, $reason:literal;)+) => {
        /// The reason why the server closes a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum CloseReason {
            $(#[doc = $meaning] $name,)+
        }

        impl CloseReason {
            /// All reasons.
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// Returns the close code. On the wire: never change.
            pub(super) fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// Returns the name on the wire. Never rename.
            pub(super) fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)+
                }
            }

            /// Returns the description for people.
            pub(super) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning.trim_ascii(),)+
                }
            }
        }
    };
}

close_reasons! {
    /// The process is stopping.
    Stopping = 4000, "stopping";
    /// The client reads too slowly.
    TooSlow = 4001, "too-slow";
    /// The client does not answer pings.
    Silent = 4002, "silent";
    /// The feeds cannot be read at the moment.
    Unavailable = 4003, "unavailable";
    /// The user has reached the limit of connections.
    TooManyConnections = 4004, "too-many-connections";
    /// The user connects too often.
    RateLimited = 4005, "rate-limited";
    /// The log was restored or replaced: versions and positions are not valid any more.
    OtherLog = 4006, "other-log";
    /// The newer token belongs to another user.
    OtherUser = 4100, "other-user";
    /// The token has expired.
    ExpiredToken = 4200, "expired-token";
    /// The token is not valid.
    InvalidToken = 4201, "invalid-token";
    /// The session of the token has ended.
    RevokedToken = 4202, "revoked-token";
    /// The first frame was not a hello, or did not arrive in time.
    NoHello = 4300, "hello-expected";
    /// A frame was too large.
    FrameTooLarge = 4301, "frame-too-large";
    /// The client kept exceeding the limit of frames.
    TooManyFrames = 4302, "too-many-frames";
    /// Only users may connect, not operators or boxes.
    Forbidden = 4303, "forbidden";
}

impl CloseReason {
    /// Returns the delay in milliseconds before the client should reconnect: 0 if it needs another token, else
    /// `spread_ms`; none if it should not reconnect.
    pub(super) fn retry_ms(self, spread_ms: u64) -> Option<u64> {
        match self.code() / 100 {
            40 | 41 => Some(spread_ms),
            42 => Some(0),
            _ => None,
        }
    }

    /// Returns the advice for the client, by the class of the code.
    pub(super) fn advice(self) -> &'static str {
        match self.code() / 100 {
            40 => "connect again and resume",
            41 => "begin a new session",
            42 => "get a new token first",
            _ => "do not connect again",
        }
    }
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// The client has disconnected.
    ByPeer,
    /// The server closes, for this reason.
    ByServer(CloseReason),
}

impl Closed {
    /// Returns the close code; 0 if the client has disconnected.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::ByPeer => 0,
            Self::ByServer(close_reason) => close_reason.code(),
        }
    }
}
