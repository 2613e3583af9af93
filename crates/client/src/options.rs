//! Options of a client, and the starting point of a room.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

/// The reason why there is no token at the moment. The client tries again later.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// A source of valid tokens.
pub(crate) type Tokens = dyn Fn() -> BoxFuture<'static, Result<String, TokenError>> + Send + Sync;

/// The starting point in a room's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// New events only.
    Now,
    /// All events after this version; 0 means all events.
    After(u64),
}

/// The options of a client.
pub struct Options {
    pub(crate) urls: Vec<String>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) first_delay: Duration,
    pub(crate) longest_delay: Duration,
    pub(crate) time_limit: Duration,
    pub(crate) capacity: usize,
}

impl Options {
    /// Takes the addresses of query-services (`https://host:port`, or `http://` without encryption), tried in turn, and
    /// the source of tokens. The certificate authorities of the system are trusted.
    ///
    /// A token is requested at the start, before the last one expires, and after a refusal. If the source returns a
    /// token that was refused already, the client stops with an error.
    pub fn new<T>(
        urls: impl IntoIterator<Item = impl Into<String>>,
        tokens: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self
    where
        T: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            tokens: Arc::new(move || Box::pin(tokens())),
            first_delay: Duration::from_millis(250),
            longest_delay: Duration::from_secs(20),
            time_limit: Duration::from_secs(10),
            capacity: 256,
        }
    }

    /// Sets the longest delay between two attempts to connect. Default: 20 seconds.
    #[must_use]
    pub fn longest_delay(mut self, delay: Duration) -> Self {
        self.longest_delay = delay;
        self
    }

    /// Sets the timeout for connecting, the welcome, getting a token and sending a frame. Default: 10 seconds.
    #[must_use]
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Sets the capacity of the inbox in items. Default: 256. While it is full, the client reads nothing from the
    /// connection, and the server continues from the feed later.
    #[must_use]
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Options").field("urls", &self.urls).finish_non_exhaustive()
    }
}
