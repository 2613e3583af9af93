//! The filters of the installation, applied to texts of users before they are stored.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{
    FilterAction, FilterKind, Filters, FiltersId,
    values::{MessageBody, Nickname, Title},
};
use event_store::{EventStoreError, Executor};
use text::filter::{Action, Matcher, Pattern, Verdict};

use crate::metrics::{Filtering, METRICS};

/// The time after which the version of the filters is compared with the leader's, because a replica may have been
/// behind when they were read.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(30);

/// The filters, prepared for texts when they have changed.
pub(crate) struct TextFilter {
    filters: Executor<Filters>,
    prepared: Mutex<Prepared>,
}

/// The prepared filters. There are none at version 0.
#[derive(Default)]
struct Prepared {
    version: u64,
    matcher: Arc<Matcher>,
    /// The time at which the leader was asked.
    confirmed_at: Option<Instant>,
}

/// A text after the filters.
#[derive(Debug)]
pub(crate) struct Filtered<T> {
    /// The text to store, masked where the filters want it.
    pub(crate) text: T,
    /// True if the text must not be stored.
    pub(crate) is_refused: bool,
    /// True if a moderator may let a refused text be stored later.
    pub(crate) is_held: bool,
}

impl TextFilter {
    /// Creates the filter of texts with these filters.
    pub(crate) fn new(filters: Executor<Filters>) -> Self {
        Self { filters, prepared: Mutex::default() }
    }

    /// Executes commands to the filters.
    pub(crate) fn filters(&self) -> &Executor<Filters> {
        &self.filters
    }

    /// Applies the filters to the text of a message.
    pub(crate) async fn message(&self, text: MessageBody) -> Result<Filtered<MessageBody>, EventStoreError> {
        self.apply(text, MessageBody::as_str).await
    }

    /// Applies the filters to the title of a room.
    pub(crate) async fn title(&self, text: Title) -> Result<Filtered<Title>, EventStoreError> {
        self.apply(text, Title::as_str).await
    }

    /// Returns true if the filters have a match in a nickname. A masked name would be the name of others too.
    pub(crate) async fn refuses_nickname(&self, nickname: &Nickname) -> Result<bool, EventStoreError> {
        let is_refused = self.matcher().await?.check(nickname.as_str()) != Verdict::Pass;
        if is_refused {
            METRICS.count_filtered(Filtering::Refused);
        }
        Ok(is_refused)
    }

    async fn apply<T: TryFrom<String>>(
        &self,
        text: T,
        as_str: impl Fn(&T) -> &str,
    ) -> Result<Filtered<T>, EventStoreError> {
        let matcher = self.matcher().await?;
        let (text, outcome) = match matcher.check(as_str(&text)) {
            Verdict::Pass => return Ok(Filtered { text, is_refused: false, is_held: false }),
            Verdict::Refused => (text, Filtering::Refused),
            Verdict::Held => (text, Filtering::Held),
            // A masked text is within the limits of the text.
            Verdict::Masked(masked) => match T::try_from(masked) {
                Ok(masked) => (masked, Filtering::Masked),
                Err(_) => (text, Filtering::Refused),
            },
        };
        METRICS.count_filtered(outcome);
        Ok(Filtered { text, is_refused: outcome != Filtering::Masked, is_held: outcome == Filtering::Held })
    }

    /// Returns the prepared filters. They include all changes that the tail has read.
    async fn matcher(&self) -> Result<Arc<Matcher>, EventStoreError> {
        let confirmed_at = self.prepared().confirmed_at;
        if confirmed_at.is_none_or(|at| at.elapsed() >= CONFIRM_INTERVAL) {
            match self.filters.load_latest(&FiltersId).await {
                Ok(_) => self.prepared().confirmed_at = Some(Instant::now()),
                Err(error) if confirmed_at.is_none() => return Err(error),
                // The known filters apply until the leader answers again.
                Err(error) => tracing::debug!(?error, "the filters cannot be confirmed now"),
            }
        }
        let (filters, version) = self.filters.load(&FiltersId).await?;
        let mut prepared = self.prepared();
        if prepared.version != version {
            (prepared.version, prepared.matcher) = (version, Arc::new(matcher_of(&filters)));
        }
        Ok(Arc::clone(&prepared.matcher))
    }

    fn prepared(&self) -> MutexGuard<'_, Prepared> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matcher_of(filters: &Filters) -> Matcher {
    let patterns = filters.iter().filter_map(|filter| {
        let action = match filter.action {
            FilterAction::Refuse => Action::Refuse,
            FilterAction::Mask => Action::Mask,
            FilterAction::Hold => Action::Hold,
        };
        let pattern = match filter.kind {
            FilterKind::Word => Pattern::words(&filter.pattern),
            FilterKind::Link => Pattern::host(&filter.pattern),
        };
        // A pattern of an earlier release may have no word by the rules of this one.
        Some((pattern?, action))
    });
    Matcher::new(patterns)
}
