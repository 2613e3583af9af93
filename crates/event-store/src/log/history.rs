//! Messages of the log about one source or between two positions, for operators who examine a difference.

use wire::{Source, StreamName};

use crate::{
    codec::envelope::header,
    log::{Log, LogError, Range, Recorded},
};

/// The number of messages read at a time.
const PAGE: usize = 500;

/// The approximate number of bytes read at a time.
const PAGE_BYTES: usize = 4 << 20;

/// Returns at most `most` messages of one source from a sequence on. Slow on a large stream.
pub async fn history(
    log: &dyn Log,
    source: &Source,
    partitions: u16,
    from: u64,
    most: usize,
) -> Result<Vec<Recorded>, LogError> {
    let Some(subject) = source.subject(partitions) else { return Ok(Vec::new()) };
    let mut found: Vec<Recorded> = Vec::new();
    while found.len() < most {
        let from = found.last().map_or(from, |last| last.sequence + 1);
        let max_messages = PAGE.min(most - found.len());
        let stream = source.stream(partitions);
        let range = Range { stream, from, subject: Some(&subject), max_messages, max_bytes: PAGE_BYTES };
        let page = log.read(range).await?;
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    Ok(found)
}

/// Returns the sources of the messages after one sequence up to another. Messages that the log no longer keeps are
/// omitted.
pub async fn sources_between(log: &dyn Log, stream: StreamName, after: u64, to: u64) -> Result<Vec<Source>, LogError> {
    let mut found = Vec::new();
    let mut from = after + 1;
    while from <= to {
        let range = Range { stream, from, subject: None, max_messages: PAGE, max_bytes: PAGE_BYTES };
        let page = log.read(range).await?;
        let Some(last) = page.last().map(|recorded| recorded.sequence) else {
            if stream.is_dense() {
                return Err(LogError::Unavailable(format!("a replica of {stream} is behind")));
            }
            break;
        };
        from = last + 1;
        let within = page.iter().filter(|recorded| recorded.sequence <= to);
        found.extend(within.filter_map(|recorded| Source::parse(&recorded.subject)));
    }
    Ok(found)
}

/// Returns the types of a message's events without decoding it.
pub fn event_types(recorded: &Recorded) -> Vec<String> {
    let types = recorded.header(header::EVENT_TYPES).unwrap_or_default();
    types.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
