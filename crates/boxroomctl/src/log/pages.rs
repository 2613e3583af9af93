//! The messages of a few sources in the order of the log, page by page.

use event_store::{
    Log, LogError,
    log::{Recorded, history::history},
};
use wire::Source;

/// The maximum number of messages of each source in a page.
const PAGE: usize = 200;

/// Reads the messages of sources that share a stream. Holds one page in memory.
pub(super) struct Pages<'a> {
    log: &'a dyn Log,
    sources: Vec<Source>,
    partitions: u16,
    /// The first sequence of the next page; `None` after the last page.
    from: Option<u64>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(log: &'a dyn Log, sources: Vec<Source>, partitions: u16, from: u64) -> Self {
        Self { log, sources, partitions, from: Some(from) }
    }

    /// Returns the next page, in order; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Recorded>>, LogError> {
        let Some(from) = self.from.take() else { return Ok(None) };
        let mut found = Vec::new();
        let mut last = u64::MAX;
        for source in &self.sources {
            let page = history(self.log, source, self.partitions, from, PAGE).await?;
            if let (PAGE, Some(end)) = (page.len(), page.last()) {
                last = last.min(end.sequence);
            }
            found.extend(page);
        }
        // Beyond the end of a full page, its source may have messages between those of the others.
        found.retain(|recorded| recorded.sequence <= last);
        found.sort_by_key(|recorded| recorded.sequence);
        self.from = last.checked_add(1);
        Ok(Some(found))
    }

    /// Returns true if the log has any message of these sources.
    pub(super) async fn has_any(&self) -> Result<bool, LogError> {
        for source in &self.sources {
            if !history(self.log, source, self.partitions, 1, 1).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::BoxId;
    use event_store::{
        MemoryLog,
        log::{Attempt, NewMessage},
    };
    use wire::StreamName;

    use super::*;

    async fn append(log: &MemoryLog, lane: &str) {
        let message = NewMessage {
            stream: StreamName::Box(0),
            subject: format!("box.0.b1.{lane}"),
            message_id: None,
            guard: None,
            headers: async_nats::HeaderMap::new(),
            payload: "{}".into(),
        };
        let attempt = log.attempt(&[message], Duration::from_secs(1)).await;
        assert!(matches!(attempt, Attempt::Stored { .. }), "{attempt:?}");
    }

    #[tokio::test]
    async fn pages_of_two_lanes_are_in_order_and_complete() {
        let log = MemoryLog::default();
        let count = 3 * PAGE as u64;
        for number in 1..=count {
            append(&log, if number % 5 == 0 { "room" } else { "talk" }).await;
        }
        let box_id: BoxId = "b1".parse().unwrap();
        let sources = vec![Source::Room { box_id: box_id.clone() }, Source::Talk { box_id }];
        let mut pages = Pages::new(&log, sources.clone(), 1, 3);
        let mut sequences = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            assert!(page.len() <= 2 * PAGE);
            sequences.extend(page.iter().map(|recorded| recorded.sequence));
        }
        assert_eq!(sequences, (3..=count).collect::<Vec<_>>());
        let mut beyond = Pages::new(&log, sources, 1, count + 1);
        assert!(beyond.next().await.unwrap().unwrap().is_empty());
        assert!(beyond.next().await.unwrap().is_none());
        assert!(beyond.has_any().await.unwrap());
    }
}
