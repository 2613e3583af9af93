//! What one user and one connection may take: connections of a user at the same time, frames of a client in a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::UserId;
use tokio::time::Instant;

/// How long the place of one frame takes to come back: 20 frames a second.
const FRAME_EVERY: Duration = Duration::from_millis(50);

/// How many frames may come at once.
const BURST: u32 = 60;

/// How many frames are refused before the connection ends, unless the client is quiet in between.
const PATIENCE: u32 = 60;

/// The connections of each user to this process. One for the process.
#[derive(Debug)]
pub(super) struct Crowd {
    most: u32,
    connected: Mutex<HashMap<UserId, u32>>,
}

/// A connection's place among those of its user; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    user: UserId,
    crowd: Arc<Crowd>,
}

impl Crowd {
    /// With so many connections for each user.
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, connected: Mutex::default() })
    }

    /// A place for one more connection of this user; none if there are too many.
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

/// What is to be done with a client's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is heard.
    Fine,
    /// It came too soon.
    TooFast,
    /// So many came too soon that the client does not seem to care.
    Hopeless,
}

/// How fast one client's frames come.
#[derive(Debug)]
pub(super) struct Metronome {
    /// When the places of all frames so far are free again.
    calm_at: Instant,
    refused: u32,
}

impl Metronome {
    /// For a client who has said nothing yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { calm_at: now, refused: 0 }
    }

    /// Judges a frame that comes now.
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
        assert_eq!(crowd.connected().len(), 1, "who has gone is forgotten");
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
        // a client that pauses is forgiven
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
