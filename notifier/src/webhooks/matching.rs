//! The events of a page of the log that webhooks get.

use std::sync::Arc;

use event_store::{DecodeError, RecordedCommit};
use wire::Source;

use super::{deliveries::Planned, registry::Active};

/// The commits of boxes in a page, up to the first one that only a newer release can read.
pub(crate) struct Page<'a> {
    /// All commits before that one.
    pub(crate) commits: &'a [RecordedCommit],
    /// Why that one cannot be read.
    pub(crate) problem: Option<String>,
    /// The types of the events of each commit. A damaged one has none: its box is in quarantine.
    types: Vec<Vec<String>>,
}

impl<'a> Page<'a> {
    /// Reads the types of the events.
    pub(crate) fn read(commits: &'a [RecordedCommit]) -> Self {
        let (mut types, mut problem) = (Vec::with_capacity(commits.len()), None);
        for commit in commits {
            match commit.event_types() {
                Ok(found) => types.push(found),
                Err(error @ DecodeError::UnknownSchema(_)) => {
                    problem = Some(format!("{error}: {} needs a newer notifier", commit.sequence));
                    break;
                }
                Err(error) => {
                    let position = commit.sequence;
                    tracing::warn!(stream.position = position, %error, "a damaged commit is left out of webhooks");
                    types.push(Vec::new());
                }
            }
        }
        Self { commits: commits.get(..types.len()).unwrap_or_default(), problem, types }
    }
}

/// Returns the events up to a position that the webhooks get.
pub(crate) fn matching(page: &Page<'_>, to: i64, webhooks: &[Arc<Active>]) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (commit, types) in page.commits.iter().zip(&page.types) {
        let position = i64::try_from(commit.sequence).unwrap_or(i64::MAX);
        let (Source::Room { box_id } | Source::Talk { box_id }) = &commit.source else { continue };
        if position > to {
            break;
        }
        for (event_type, index) in types.iter().zip(0..) {
            let wanted = webhooks.iter().filter(|webhook| webhook.wants(event_type, box_id.as_str()));
            planned.extend(wanted.map(|webhook| Planned {
                webhook_id: webhook.webhook_id.clone(),
                box_id: box_id.to_string(),
                position,
                index,
            }));
        }
    }
    planned
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use async_nats::HeaderMap;
    use chrono::DateTime;
    use event_store::{codec::envelope::header, log::Recorded};
    use wire::StreamName;

    use super::*;

    fn commit(sequence: u64, schema: &str, payload: &str) -> RecordedCommit {
        let mut headers = HeaderMap::new();
        headers.insert(header::SCHEMA, schema);
        let recorded = Recorded {
            stream: StreamName::Box(0),
            sequence,
            subject: "box.0.b1.room".to_owned(),
            headers: headers.into(),
            payload: payload.to_owned().into(),
            stored_at: DateTime::UNIX_EPOCH,
        };
        RecordedCommit::parse(&recorded).unwrap()
    }

    const ARRIVED: &str = r#"{"events":[{"version":1,"type":"order_arrived","data":{}}]}"#;

    fn positions(page: &Page<'_>, to: i64) -> Vec<i64> {
        let types = BTreeSet::from(["*".to_owned()]);
        let webhook = Arc::new(Active { webhook_id: "wh-1".to_owned(), types, box_id: None });
        matching(page, to, &[webhook]).iter().map(|planned| planned.position).collect()
    }

    #[test]
    fn a_page_ends_before_a_commit_of_a_newer_release() {
        let commits = [commit(4, "1", ARRIVED), commit(5, "2", r#"{"facts":[]}"#), commit(6, "1", ARRIVED)];
        let page = Page::read(&commits);
        assert_eq!((page.commits.len(), positions(&page, 9)), (1, vec![4]));
        let problem = "the envelope schema 2 is not supported by this release: 5 needs a newer notifier";
        assert_eq!(page.problem.as_deref(), Some(problem));
        assert_eq!(Page::read(&commits[1..]).commits.len(), 0);
    }

    #[test]
    fn a_damaged_commit_has_no_events() {
        let commits = [commit(4, "1", "not JSON"), commit(5, "x", ARRIVED), commit(6, "1", ARRIVED)];
        let page = Page::read(&commits);
        assert_eq!((page.commits.len(), page.problem.as_deref()), (3, None));
        assert_eq!((positions(&page, 9), positions(&page, 5)), (vec![5, 6], vec![5]));
    }
}
