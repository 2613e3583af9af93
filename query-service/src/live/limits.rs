//! Limits: simultaneous connections of a user, rooms of a connection, and frames per second of a client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::UserId;
use tokio::time::Instant;

/// The maximum number of rooms that one connection may follow.
pub(super) const MAX_ROOMS: usize = 200;

/// The time per frame at the sustained rate: 20 frames per second.
const FRAME_INTERVAL: Duration = Duration::from_millis(50);

/// The number of frames that may arrive at once.
const BURST: u32 = 60;

/// The number of rejected frames after which the connection ends, unless the client pauses in between.
const MAX_REJECTED: u32 = 60;

/// The limit of connections per user and process. One per process.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    max: u32,
    connected: Mutex<HashMap<UserId, u32>>,
}

/// A permit for one connection of a user. Returned when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    user: UserId,
    connection_limiter: Arc<ConnectionLimiter>,
}

impl ConnectionLimiter {
    /// Creates a limiter with a maximum number of connections per user.
    pub(super) fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max, connected: Mutex::default() })
    }

    /// Returns a permit for one more connection of this user, or none if the limit is reached.
    pub(super) fn acquire(self: &Arc<Self>, user: &UserId) -> Option<ConnectionPermit> {
        let mut connected = self.connected();
        let count = connected.entry(user.clone()).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(ConnectionPermit { user: user.clone(), connection_limiter: self.clone() })
    }

    fn connected(&self) -> MutexGuard<'_, HashMap<UserId, u32>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut connected = self.connection_limiter.connected();
        if let Some(count) = connected.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.user);
            }
        }
    }
}

/// The verdict on a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Handle it.
    Allow,
    /// Reject it: it exceeds the limit.
    Reject,
    /// Disconnect: the client kept exceeding the limit.
    Disconnect,
}

/// The rate limit of one client's frames.
#[derive(Debug)]
pub(super) struct FrameLimiter {
    /// The time at which the whole burst is available again.
    refilled_at: Instant,
    rejected: u32,
}

impl FrameLimiter {
    /// Creates a limiter with the whole burst available.
    pub(super) fn new(now: Instant) -> Self {
        Self { refilled_at: now, rejected: 0 }
    }

    /// Checks a frame that arrives now.
    pub(super) fn check(&mut self, now: Instant) -> Verdict {
        if self.refilled_at <= now {
            *self = Self::new(now);
        }
        if self.refilled_at + FRAME_INTERVAL <= now + FRAME_INTERVAL * BURST {
            self.refilled_at += FRAME_INTERVAL;
            return Verdict::Allow;
        }
        self.rejected += 1;
        if self.rejected > MAX_REJECTED { Verdict::Disconnect } else { Verdict::Reject }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_limited_per_user() {
        let connection_limiter = ConnectionLimiter::new(2);
        let (ana, ben) = ("ana".parse().unwrap(), "ben".parse().unwrap());
        let first = connection_limiter.acquire(&ana).unwrap();
        let _second = connection_limiter.acquire(&ana).unwrap();
        assert!(connection_limiter.acquire(&ana).is_none());
        assert!(connection_limiter.acquire(&ben).is_some());
        drop(first);
        assert!(connection_limiter.acquire(&ana).is_some());
        assert_eq!(connection_limiter.connected().len(), 1, "users without connections are removed");
    }

    #[test]
    fn a_burst_of_sixty_frames_and_twenty_per_second_are_allowed() {
        let start = Instant::now();
        let mut frame_limiter = FrameLimiter::new(start);
        for _ in 0..BURST {
            assert_eq!(frame_limiter.check(start), Verdict::Allow);
        }
        assert_eq!(frame_limiter.check(start), Verdict::Reject);
        for number in 1..MAX_REJECTED {
            let now = start + FRAME_INTERVAL * number;
            assert_eq!(
                (frame_limiter.check(now), frame_limiter.check(now)),
                (Verdict::Allow, Verdict::Reject),
                "{number}"
            );
        }
        assert_eq!(frame_limiter.check(start + FRAME_INTERVAL * (MAX_REJECTED - 1)), Verdict::Disconnect);
        // A client that pauses gets the whole burst again.
        let later = start + FRAME_INTERVAL * 200;
        for _ in 0..BURST {
            assert_eq!(frame_limiter.check(later), Verdict::Allow);
        }
        assert_eq!(frame_limiter.check(later), Verdict::Reject);
    }

    #[test]
    fn a_steady_client_is_never_rejected() {
        let start = Instant::now();
        let mut frame_limiter = FrameLimiter::new(start);
        for number in 0..10_000 {
            assert_eq!(frame_limiter.check(start + FRAME_INTERVAL * number), Verdict::Allow);
        }
    }
}
