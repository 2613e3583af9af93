//! Invariants of a box and its rooms, checked after every command of random sequences.

use std::collections::BTreeSet;

use cqrs_es::Aggregate;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use super::*;
use crate::scenario::handle;
use history::History;
use wish::{Wish, wishes};

mod history;
mod wish;

/// Runs the commands one after the other, accepted or refused, and checks each commit against the history so far.
fn live(wishes: &[Wish], mut seen: impl FnMut(&Result<Vec<BoxEvent>, BoxRefusal>)) -> Result<(), TestCaseError> {
    let (mut state, mut history, mut now) = (DeliveryBox::default(), History::default(), 0);
    for wish in wishes {
        now += wish.minutes;
        let command = wish.command(&state, now);
        let answer = handle(&mut state, command.clone());
        if let Ok(events) = &answer {
            history.commit(&command, events, now)?;
        }
        history.must_hold(&state)?;
        seen(&answer);
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { max_shrink_iters: 20_000, ..Config::with_cases(500) })]

    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(wishes in wishes()) {
        live(&wishes, |_| ())?;
    }

    #[test]
    fn folding_all_events_yields_the_state_after_the_commands(wishes in wishes()) {
        let (mut state, mut folded, mut now) = (DeliveryBox::default(), DeliveryBox::default(), 0);
        for wish in &wishes {
            now += wish.minutes;
            let command = wish.command(&state, now);
            for event in handle(&mut state, command).unwrap_or_default() {
                folded.apply(event);
            }
        }
        prop_assert_eq!(folded, state);
    }
}

/// Guards the properties above, which would also hold if no command were ever accepted.
#[test]
fn the_sequences_reach_every_event_and_every_refusal() {
    let (mut happened, mut refused) = (BTreeSet::<&str>::new(), BTreeSet::<u32>::new());
    let mut runner = TestRunner::deterministic();
    // All refusals but those of limits that need more users or reactions than a sequence has.
    let all = || (BoxEvent::TYPES.iter().copied().collect(), (0..30).collect());
    for _ in 0..10_000 {
        if (happened.clone(), refused.clone()) == all() {
            return;
        }
        let wishes = wishes().new_tree(&mut runner).unwrap().current();
        live(&wishes, |answer| match answer {
            Ok(events) => happened.extend(events.iter().map(BoxEvent::name)),
            Err(refusal) => _ = refused.insert(kind(refusal)),
        })
        .unwrap();
    }
    assert_eq!((happened, refused), all());
}

/// Numbers the refusals. The match is exhaustive, so that a new refusal must be added here.
fn kind(refusal: &BoxRefusal) -> u32 {
    match refusal {
        BoxRefusal::BoxExists => 0,
        BoxRefusal::BoxNotFound => 1,
        BoxRefusal::BoxInUse => 2,
        BoxRefusal::BoxOutOfService => 3,
        BoxRefusal::BoxRetired => 4,
        BoxRefusal::StoreClosed => 5,
        BoxRefusal::RoomNotFound => 6,
        BoxRefusal::RoomClosed => 7,
        BoxRefusal::RoomFull => 8,
        BoxRefusal::WrongPassword => 9,
        BoxRefusal::Kicked => 10,
        BoxRefusal::AlreadyMember => 11,
        BoxRefusal::NotAMember => 12,
        BoxRefusal::NotTheHost => 13,
        BoxRefusal::MemberNotFound => 14,
        BoxRefusal::CannotKickYourself => 15,
        BoxRefusal::StepNotForward(_) => 16,
        BoxRefusal::TooManyExtensions => 17,
        BoxRefusal::MessageNotFound => 18,
        BoxRefusal::NotTheAuthor => 19,
        BoxRefusal::EventNotFound => 20,
        BoxRefusal::MessageDeleted => 21,
        BoxRefusal::NotAModerator => 22,
        BoxRefusal::IsTheHost => 23,
        BoxRefusal::Muted { .. } => 24,
        BoxRefusal::OrderPlaced => 25,
        BoxRefusal::TooManyMembers(_) => 26,
        BoxRefusal::InvalidInvitation => 27,
        BoxRefusal::InvitationNotFound => 28,
        BoxRefusal::PrivateBox => 29,
        BoxRefusal::TooManyKicks => 30,
        BoxRefusal::TooManyReactions => 31,
        BoxRefusal::TooManyOwnReactions => 32,
        BoxRefusal::TooManyCoHosts => 33,
        BoxRefusal::TooManyMutes => 34,
        BoxRefusal::TooManyInvitations => 35,
        BoxRefusal::TooManyUsers => 36,
    }
}
