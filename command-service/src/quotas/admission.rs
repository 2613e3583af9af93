//! The check of quotas before a command is stored.

use std::sync::{Mutex, MutexGuard, PoisonError};

use event_store::{CommandError, EventStoreError};
use futures::{FutureExt, future::BoxFuture};

use super::counter::Taken;
use crate::{error::Error, problems::Code};

/// A quota that a command is checked against. Returns what it has taken.
type Check<'a> = Box<dyn Fn() -> Result<Option<Taken>, Error> + Send + Sync + 'a>;

/// The quotas of one command. They are checked when the command is about to be stored: after the rules of its
/// aggregate, and not for a repeat. What the command has taken is given back if it is not stored.
pub(crate) struct Admission<'a> {
    checks: Vec<Check<'a>>,
    verdict: Mutex<Verdict>,
}

#[derive(Debug, Default)]
enum Verdict {
    #[default]
    Unchecked,
    Admitted(Vec<Taken>),
    Rejected(Error),
}

impl<'a> Admission<'a> {
    pub(super) fn new(checks: Vec<Check<'a>>) -> Self {
        Self { checks, verdict: Mutex::default() }
    }

    /// The admission of a command without quotas.
    pub(crate) fn free() -> Self {
        Self::new(vec![])
    }

    fn verdict(&self) -> MutexGuard<'_, Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rejects the command if the filters refuse its text.
    pub(crate) fn unless_refused(mut self, is_refused: bool) -> Self {
        if is_refused {
            self.checks.insert(0, Box::new(|| Err(Code::RefusedByFilter.into())));
        }
        self
    }

    /// Checks the quotas for a commit with these events, once for all attempts to store it. A commit without events is
    /// free.
    pub(crate) fn require<E>(&self, events: &[E]) -> Result<(), EventStoreError> {
        let mut verdict = self.verdict();
        if events.is_empty() || matches!(*verdict, Verdict::Admitted(_)) {
            return Ok(());
        }
        let taken: Result<Vec<_>, Error> = self.checks.iter().map(|check| check()).collect();
        match taken {
            Ok(taken) => {
                *verdict = Verdict::Admitted(taken.into_iter().flatten().collect());
                Ok(())
            }
            Err(error) => {
                *verdict = Verdict::Rejected(error);
                Err(EventStoreError::NotPrepared)
            }
        }
    }

    /// Rejects the command, and returns the error for the executor.
    pub(crate) fn reject(&self, error: impl Into<Error>) -> EventStoreError {
        *self.verdict() = Verdict::Rejected(error.into());
        EventStoreError::NotPrepared
    }

    /// Returns the preparation of a command that needs nothing else.
    pub(crate) fn preparation<'s, E>(&'s self) -> impl Fn(&[E]) -> BoxFuture<'s, Result<(), EventStoreError>> {
        |events| std::future::ready(self.require(events)).boxed()
    }

    /// Returns the result of the command, with the reason if a quota has rejected it.
    pub(crate) fn conclude<T, R: std::error::Error>(self, result: Result<T, CommandError<R>>) -> Result<T, Error>
    where
        Error: From<CommandError<R>>,
    {
        let verdict = self.verdict.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (result, verdict) {
            (Ok(done), Verdict::Admitted(taken)) => {
                taken.into_iter().for_each(Taken::keep);
                Ok(done)
            }
            (Err(CommandError::NotPrepared), Verdict::Rejected(error)) => Err(error),
            (result, _) => Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{BoxRefusal, UserId};

    use super::*;
    use crate::{problems::Code, quotas::counter::Quota};

    #[test]
    fn quotas_are_taken_once_and_by_stored_commands_only() {
        let (quota, ana) = (Quota::new(2, Duration::from_mins(1), Code::TooManyMessages), "ana".parse().unwrap());
        let admission = |amount| {
            let (quota, ana): (&Quota, &UserId) = (&quota, &ana);
            Admission::new(vec![Box::new(move || quota.take(ana, amount))])
        };
        let refused = admission(2);
        refused.require(&["event"]).unwrap();
        refused.conclude(Err::<(), _>(CommandError::Refused(BoxRefusal::RoomFull))).unwrap_err();

        let unchanged = admission(3);
        unchanged.require::<()>(&[]).unwrap();
        unchanged.conclude(Ok::<_, CommandError<BoxRefusal>>(())).unwrap();

        let stored = admission(1);
        for _ in 0..5 {
            stored.require(&["event"]).unwrap();
        }
        stored.conclude(Ok::<_, CommandError<BoxRefusal>>(())).unwrap();

        let too_many = admission(2);
        too_many.require(&["event"]).unwrap_err();
        let error = too_many.conclude(Err::<(), CommandError<BoxRefusal>>(CommandError::NotPrepared)).unwrap_err();
        assert_eq!(error.into_problem().code(), "too-many-messages");
        admission(1).require(&["event"]).unwrap();
    }

    #[test]
    fn a_rejection_is_the_answer() {
        let admission = Admission::new(vec![]);
        let error: CommandError<BoxRefusal> = admission.reject(Error::detailed(Code::TooManyOpenRooms, "one")).into();
        let problem = admission.conclude(Err::<(), _>(error)).unwrap_err().into_problem();
        assert_eq!((problem.code(), problem.detail_text()), ("too-many-open-rooms", "one"));
    }
}
