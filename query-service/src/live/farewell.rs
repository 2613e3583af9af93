//! Why the server closes a connection: 40xx reconnect and resume, 41xx begin a new session, 42xx new token first, 43xx do
//! not come back.

/// Writes down each reason once: its name, its meaning, its code and its name on the wire.
macro_rules! farewells {
    ($(#[doc = $meaning:literal] $name:ident = $code:literal, $reason:literal;)+) => {
        /// Why the server closes a connection.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Farewell {
            $(#[doc = $meaning] $name,)+
        }

        impl Farewell {
            /// Every reason.
            pub(super) const ALL: &[Self] = &[$(Self::$name),+];

            /// The close code. On the wire; never change.
            pub(super) fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The name on the wire; never rename.
            pub(super) fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)+
                }
            }

            /// What a person may read.
            pub(super) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning.trim_ascii(),)+
                }
            }
        }
    };
}

farewells! {
    /// The process stops; another one is there.
    Stopping = 4000, "stopping";
    /// The client takes nothing off its connection.
    TooSlow = 4001, "too-slow";
    /// The client does not answer pings.
    Silent = 4002, "silent";
    /// The feeds cannot be read at the moment.
    Unavailable = 4003, "unavailable";
    /// The user has as many connections as one may have.
    TooManyConnections = 4004, "too-many-connections";
    /// The user connects too often.
    RateLimited = 4005, "rate-limited";
    /// The log was restored or exchanged: versions and positions mean something else now.
    OtherLog = 4006, "other-log";
    /// The newer token is another user's.
    OtherUser = 4100, "other-user";
    /// The token has expired.
    ExpiredToken = 4200, "expired-token";
    /// The token is not valid.
    InvalidToken = 4201, "invalid-token";
    /// The session of the token has ended.
    RevokedToken = 4202, "revoked-token";
    /// The first frame was no hello, or none came in time.
    NoHello = 4300, "hello-expected";
    /// A frame was too large.
    FrameTooLarge = 4301, "frame-too-large";
    /// Frames kept coming too fast.
    TooManyFrames = 4302, "too-many-frames";
    /// Only users have something to follow; operators and boxes have not.
    Forbidden = 4303, "forbidden";
}

impl Farewell {
    /// Milliseconds after which the client is to come back: at once with another token, else when it is its turn;
    /// none if it is not to come back.
    pub(super) fn retry_ms(self, turn: u64) -> Option<u64> {
        match self.code() / 100 {
            40 | 41 => Some(turn),
            42 => Some(0),
            _ => None,
        }
    }

    /// What the client is to do, by the class of the code.
    pub(super) fn advice(self) -> &'static str {
        match self.code() / 100 {
            40 => "connect again and resume",
            41 => "begin a new session",
            42 => "get a new token first",
            _ => "do not come back",
        }
    }
}
