//! How a client connects, and from where on it follows.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;

/// Why there is no token at the moment; another try is made later.
pub type TokenError = Box<dyn std::error::Error + Send + Sync>;

/// Gives a valid token whenever one is needed.
pub(crate) type Tokens = dyn Fn() -> BoxFuture<'static, Result<String, TokenError>> + Send + Sync;

/// From where on a room is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// What happens from now on.
    Now,
    /// Everything after this version; 0 is everything.
    After(u64),
}

/// How a client connects.
pub struct Options {
    pub(crate) urls: Vec<String>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) first_delay: Duration,
    pub(crate) longest_delay: Duration,
    pub(crate) patience: Duration,
    pub(crate) capacity: usize,
}

impl Options {
    /// Query-services' addresses (`https://host:port`, `http://` without encryption), tried in turn, and where tokens come
    /// from. Certificates are checked against those that the system trusts.
    ///
    /// A token is asked for at the start, before the last one expires, and whenever that was refused. One that was
    /// refused already ends the client with an error.
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
            patience: Duration::from_secs(10),
            capacity: 256,
        }
    }

    /// The longest time between two tries to connect; 20 seconds if not given.
    #[must_use]
    pub fn longest_delay(mut self, delay: Duration) -> Self {
        self.longest_delay = delay;
        self
    }

    /// How long connecting, greeting, getting a token or sending a frame may take; 10 seconds if not given.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many incoming things wait for their reader at most; 256 if not given. When so many wait, nothing more is
    /// taken off the connection, and the server goes on from the feed later.
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
