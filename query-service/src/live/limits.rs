//! Limits: simultaneous connections of a user, and frames per second of a client.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::UserId;
use tokio::time::Instant;

/// The time per frame at the sustained rate: 20 frames per second.
const FRAME_EVERY: Duration = Duration::from_millis(50);

/// The number of frames that may arrive at once.
const BURST: u32 = 60;

/// The number of rejected frames after which the connection ends, unless the client pauses in between.
const PATIENCE: u32 = 60;

/// The limit of connections per user and process. One per process.
#[derive(Debug)]
pub(super) struct Crowd {
    most: u32,
    connected: Mutex<HashMap<UserId, u32>>,
}

/// A permit for one connection of a user. Returned when dropped.
#[derive(Debug)]
pub(super) struct Place {
    user: UserId,
    crowd: Arc<Crowd>,
}

impl Crowd {
    /// Creates a limiter with a maximum number of connections per user.
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, connected: Mutex::default() })
    }

    /// Returns a permit for one more connection of this user, or none if the limit is reached.
    pub(super) fn enter(self: &Arc<Self>, user: &UserId) -> Option<Place> {
        let mut connected = self.connected();
        let count = connected.entry(user.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { user: user.clone(), crowd: self.clone() })
    }

    fn connected(&self) -> MutexGuard<'_, HashMap<UserId, u32>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connected = self.crowd.connected();
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
pub(super) enum Pace {
    /// Handle it.
    Fine,
    /// Reject it: it exceeds the limit.
    TooFast,
    /// Disconnect: the client kept exceeding the limit.
    Hopeless,
}

/// The rate limit of one client's frames.
#[derive(Debug)]
pub(super) struct Metronome {
    /// The time at which the whole burst is available again.
    calm_at: Instant,
    refused: u32,
}

impl Metronome {
    /// Creates a limiter with the whole burst available.
    pub(super) fn new(now: Instant) -> Self {
        Self { calm_at: now, refused: 0 }
    }

    /// Checks a frame that arrives now.
    pub(super) fn beat(&mut self, now: Instant) -> Pace {
        if self.calm_at <= now {
            *self = Self::new(now);
        }
        if self.calm_at + FRAME_EVERY <= now + FRAME_EVERY * BURST {
            self.calm_at += FRAME_EVERY;
            return Pace::Fine;
        }
        self.refused += 1;
        if self.refused > PATIENCE { Pace::Hopeless } else { Pace::TooFast }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_places_and_no_more() {
        let crowd = Crowd::new(2);
        let (ana, ben) = ("ana".parse().unwrap(), "ben".parse().unwrap());
        let first = crowd.enter(&ana).unwrap();
        let _second = crowd.enter(&ana).unwrap();
        assert!(crowd.enter(&ana).is_none());
        assert!(crowd.enter(&ben).is_some());
        drop(first);
        assert!(crowd.enter(&ana).is_some());
        assert_eq!(crowd.connected().len(), 1, "users without connections are removed");
    }

    #[test]
    fn sixty_frames_may_come_at_once_and_twenty_a_second_for_ever() {
        let start = Instant::now();
        let mut metronome = Metronome::new(start);
        for _ in 0..BURST {
            assert_eq!(metronome.beat(start), Pace::Fine);
        }
        assert_eq!(metronome.beat(start), Pace::TooFast);
        for number in 1..PATIENCE {
            let now = start + FRAME_EVERY * number;
            assert_eq!((metronome.beat(now), metronome.beat(now)), (Pace::Fine, Pace::TooFast), "{number}");
        }
        assert_eq!(metronome.beat(start + FRAME_EVERY * (PATIENCE - 1)), Pace::Hopeless);
        // A client that pauses gets the whole burst again.
        let later = start + FRAME_EVERY * 200;
        for _ in 0..BURST {
            assert_eq!(metronome.beat(later), Pace::Fine);
        }
        assert_eq!(metronome.beat(later), Pace::TooFast);
    }

    #[test]
    fn a_steady_client_is_never_refused() {
        let start = Instant::now();
        let mut metronome = Metronome::new(start);
        for number in 0..10_000 {
            assert_eq!(metronome.beat(start + FRAME_EVERY * number), Pace::Fine);
        }
    }
}
