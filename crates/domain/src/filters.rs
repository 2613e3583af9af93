//! The aggregate of the filters of an installation: words and links that texts of users must not have.

use std::collections::BTreeMap;

use cqrs_es::{Aggregate, DomainEvent, event_sink::EventSink};
use serde::{Deserialize, Serialize};

use crate::{ids::FilterId, named_events::named_events, values::FilterPattern};

#[cfg(test)]
mod tests;

/// The maximum number of filters.
pub const MAX_FILTERS: usize = 500;

/// The kinds of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    /// A word, or words that follow each other.
    Word,
    /// Links to a host and to the hosts below it.
    Link,
}

impl FilterKind {
    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Link => "link",
        }
    }
}

/// The consequences of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterAction {
    /// The text is refused.
    Refuse,
    /// The place is masked.
    Mask,
    /// A message is held back until a moderator has seen it. Other texts are refused.
    Hold,
}

impl FilterAction {
    /// All actions.
    pub const ALL: [Self; 3] = [Self::Refuse, Self::Mask, Self::Hold];

    /// The stored name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Mask => "mask",
            Self::Hold => "hold",
        }
    }
}

/// A command to the filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterCommand {
    /// Adds a filter, or replaces the one with this id.
    SetFilter {
        /// The chosen id.
        filter_id: FilterId,
        /// The pattern to look for.
        pattern: FilterPattern,
        /// The consequence of a match.
        action: FilterAction,
    },
    /// Removes a filter.
    RemoveFilter {
        /// The id of the filter.
        filter_id: FilterId,
    },
}

named_events! {
    /// An event of the filters. The serde names of variants and fields are stored; never rename.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(tag = "type", content = "data", rename_all = "snake_case")]
    FilterEvent {
        /// A filter was added, or replaced the one with this id.
        FilterSet = "filter_set" {
            /// The chosen id.
            filter_id: FilterId,
            /// The kind of the pattern.
            kind: FilterKind,
            /// The word or the host to look for.
            pattern: String,
            /// The consequence of a match.
            action: FilterAction,
        }
        /// A filter was removed.
        FilterRemoved = "filter_removed" {
            /// The id of the filter.
            filter_id: FilterId,
        }
    }
}

impl DomainEvent for FilterEvent {
    fn event_type(&self) -> String {
        self.name().to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

/// A refusal. Its text is safe to show to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterRefusal {
    /// No such filter.
    #[error("there is no such filter")]
    FilterNotFound,
    /// There are at most 500 filters.
    #[error("there can be at most 500 filters: remove one first")]
    TooManyFilters,
}

/// A filter in the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The kind of the pattern.
    pub kind: FilterKind,
    /// The word or the host to look for.
    pub pattern: String,
    /// The consequence of a match.
    pub action: FilterAction,
}

/// All filters of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Filters {
    filters: BTreeMap<FilterId, Filter>,
}

impl Filters {
    /// Returns all filters.
    pub fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.filters.values()
    }

    /// Decides which events a command causes. Returns none if the requested state already holds.
    pub fn decide(&self, command: FilterCommand) -> Result<Vec<FilterEvent>, FilterRefusal> {
        match command {
            FilterCommand::SetFilter { filter_id, pattern, action } => {
                let (kind, pattern) = (pattern.kind(), pattern.into());
                let filter = Filter { kind, pattern, action };
                match self.filters.get(&filter_id) {
                    Some(known) if *known == filter => return Ok(vec![]),
                    None if self.filters.len() >= MAX_FILTERS => return Err(FilterRefusal::TooManyFilters),
                    Some(_) | None => {}
                }
                let Filter { kind, pattern, action } = filter;
                Ok(vec![FilterEvent::FilterSet { filter_id, kind, pattern, action }])
            }
            FilterCommand::RemoveFilter { filter_id } if !self.filters.contains_key(&filter_id) => {
                Err(FilterRefusal::FilterNotFound)
            }
            FilterCommand::RemoveFilter { filter_id } => Ok(vec![FilterEvent::FilterRemoved { filter_id }]),
        }
    }
}

impl Aggregate for Filters {
    const TYPE: &'static str = "filters";
    type Command = FilterCommand;
    type Event = FilterEvent;
    type Error = FilterRefusal;
    type Services = ();

    async fn handle(&mut self, command: FilterCommand, (): &(), sink: &EventSink<Self>) -> Result<(), FilterRefusal> {
        for event in self.decide(command)? {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: FilterEvent) {
        match event {
            FilterEvent::FilterSet { filter_id, kind, pattern, action } => {
                self.filters.insert(filter_id, Filter { kind, pattern, action });
            }
            FilterEvent::FilterRemoved { filter_id } => {
                self.filters.remove(&filter_id);
            }
        }
    }
}
