//! Given, when, then: the notation of the rule tests.

use std::{
    fmt::Debug,
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use cqrs_es::{Aggregate, event_sink::EventSink};
use serde::{Serialize, de::DeserializeOwned};

/// An aggregate with a history.
pub(crate) struct Given<A>(A);

/// The outcome of a command.
pub(crate) struct Then<A: Aggregate>(Result<Vec<A::Event>, A::Error>);

impl<A: Aggregate<Services = ()> + Clone + PartialEq + Debug> Given<A> {
    pub(crate) fn past(events: impl IntoIterator<Item = A::Event>) -> Self {
        Self(fold(A::default(), events))
    }

    pub(crate) fn when(mut self, command: A::Command) -> Then<A> {
        Then(handle(&mut self.0, command))
    }

    /// Checks a rule that applies to many commands.
    pub(crate) fn each_refused(&self, commands: impl IntoIterator<Item = A::Command>, refusal: &A::Error)
    where
        A::Command: Clone + Debug,
        A::Error: PartialEq,
    {
        for command in commands {
            let answer = handle(&mut self.0.clone(), command.clone());
            assert_eq!(answer.as_ref().err(), Some(refusal), "{command:?} was answered by {answer:?}");
        }
    }
}

impl<A: Aggregate> Then<A> {
    pub(crate) fn then(self, expected: impl IntoIterator<Item = A::Event>) {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(self.0.expect("the command is not refused"), expected);
    }

    pub(crate) fn then_nothing(self) {
        self.then([]);
    }

    pub(crate) fn then_refused(self, refusal: &A::Error)
    where
        A::Error: PartialEq,
    {
        assert_eq!(self.0.as_ref(), Err(refusal));
    }
}

/// Returns the state after these events.
pub(crate) fn fold<A: Aggregate>(mut state: A, events: impl IntoIterator<Item = A::Event>) -> A {
    for event in events {
        state.apply(event);
    }
    state
}

/// Lets the aggregate handle a command, and checks what must hold for every command of every aggregate.
pub(crate) fn handle<A>(state: &mut A, command: A::Command) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate<Services = ()> + Clone + PartialEq + Debug,
{
    let before = state.clone();
    let sink = EventSink::default();
    let answer = ready(state.handle(command, &(), &sink));
    let events = ready(sink.collect());
    assert!(answer.is_ok() || events.is_empty(), "a refused command writes nothing");
    assert_eq!(fold(before, events.clone()), *state, "the events contain every change");
    assert_eq!(through_json(state), *state, "the state survives its stored form");
    answer.map(|()| events)
}

pub(crate) fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Returns the event types known to serde, in the order of the enum. The list is derived, so it is complete.
pub(crate) fn types_known_to_serde<E: DeserializeOwned + Debug>() -> Vec<String> {
    let refusal = serde_json::from_str::<E>(r#"{"type":"no such type","data":{}}"#).unwrap_err().to_string();
    let (_, names) = refusal.split_once("expected ").expect("serde lists the variants");
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Polls a rule's future once. Rules do no I/O, so it must be ready without a runtime.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("a rule returned a pending future"),
    }
}
