//! Lookups of names. Each one occupies a thread of the runtime's blocking pool until the system's resolver gives up.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, time::timeout};

use super::limits::Limits;

/// The maximum number of concurrent lookups.
const MAX_LOOKUPS: usize = 16;

/// The maximum number of concurrent lookups below one domain. Its owner can make all of them slow.
const MAX_LOOKUPS_PER_DOMAIN: usize = 2;

/// The error of a name without addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct LookupError(pub(super) &'static str);

const FAILED: LookupError = LookupError("the name cannot be resolved");
const TIMED_OUT: LookupError = LookupError("the name took too long to resolve");

/// Looks names up within limits.
pub(super) struct Lookups {
    limits: Limits,
    timeout: Duration,
}

impl Lookups {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { limits: Limits::new(MAX_LOOKUPS, MAX_LOOKUPS_PER_DOMAIN), timeout }
    }

    /// Returns the addresses of a name.
    pub(super) async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, LookupError> {
        let domain = domain(&name);
        self.limited(&domain, async move { Ok(lookup_host((name.as_str(), 0)).await?.collect()) }).await
    }

    /// Awaits a lookup. Its permit stays in use until the lookup ends, even if the caller does not wait for it.
    async fn limited<T: Send + 'static>(
        &self,
        domain: &str,
        lookup: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> Result<T, LookupError> {
        let limited = async {
            let permit = self.limits.acquire(domain).await;
            let lookup = tokio::spawn(async move {
                let found = lookup.await;
                drop(permit);
                found
            });
            lookup.await.ok().and_then(Result::ok).ok_or(FAILED)
        };
        timeout(self.timeout, limited).await.unwrap_or(Err(TIMED_OUT))
    }
}

/// Returns the last two labels of a name.
fn domain(name: &str) -> String {
    let name = name.trim_end_matches('.');
    let start = name.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
    name[start..].to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::{future, time::Instant};

    use futures::future::join_all;

    use super::*;

    #[test]
    fn a_domain_has_two_labels() {
        for (name, expected) in
            [("a.b.Push.Example", "push.example"), ("push.example.", "push.example"), ("localhost", "localhost")]
        {
            assert_eq!(domain(name), expected);
        }
    }

    #[tokio::test]
    async fn slow_names_of_a_domain_delay_no_other_name() {
        let lookups = Lookups::new(Duration::from_millis(200));
        let slow = (0..1000).map(|_| lookups.limited("slow.example", future::pending::<io::Result<()>>()));
        let failed = join_all(slow).await;
        assert!(failed.iter().all(|failed| *failed == Err(TIMED_OUT)));
        // The slow lookups go on, so their domain has no permit.
        let slow = lookups.limited("slow.example", async { Ok(()) }).await;
        assert_eq!(slow, Err(TIMED_OUT));
        assert_eq!(lookups.limited("push.example", async { Ok(()) }).await, Ok(()));
    }

    #[tokio::test]
    async fn lookups_are_limited_in_total() {
        let lookups = Lookups::new(Duration::from_millis(200));
        let domains: Vec<_> = (0..MAX_LOOKUPS).map(|domain| format!("{domain}.example")).collect();
        let slow = domains.iter().map(|domain| lookups.limited(domain, future::pending::<io::Result<()>>()));
        join_all(slow).await;
        let started = Instant::now();
        assert_eq!(lookups.limited("push.example", async { Ok(()) }).await, Err(TIMED_OUT));
        assert!(started.elapsed() >= Duration::from_millis(200));
    }
}
