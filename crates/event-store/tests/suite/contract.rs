//! The contract of every log, tested on the one in memory and on a real server.

pub(crate) mod appending;
pub(crate) mod executing;
pub(crate) mod following;
pub(crate) mod marking;
pub(crate) mod reading;
pub(crate) mod registering;
pub(crate) mod repeating;
pub(crate) mod settling;
mod storing;

use std::{sync::Arc, time::Duration};

use async_nats::HeaderMap;
use event_store::{
    Log, StreamName,
    envelope::header,
    log::{Attempt, Guard, NewMessage},
};

/// Runs the functions as tests, once for each log.
macro_rules! contract {
    ($($module:ident :: $name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$module::$name(std::sync::Arc::new(event_store::MemoryLog::default())).await;
            })*
        }
        mod jetstream {
            $(#[tokio::test]
            async fn $name() {
                let nats = harness::Nats::start(crate::server::PARTITIONS).await.unwrap();
                super::$module::$name(crate::server::log(&nats).await).await;
            })*
        }
    };
}

contract! {
    appending::appends_get_dense_sequences,
    appending::a_guard_admits_only_the_next,
    appending::a_guard_on_another_subject_holds,
    appending::a_known_id_is_not_stored_again,
    appending::a_known_id_is_known_on_another_subject_too,
    appending::a_batch_is_stored_whole_or_not_at_all,
    appending::a_batch_with_a_known_id_is_refused,
    reading::the_last_message_of_a_subject_is_found,
    reading::a_message_is_found_by_its_sequence,
    reading::pages_respect_their_limits,
    reading::one_subject_can_be_read_alone,
    reading::a_time_finds_its_sequence,
    following::a_follower_reads_what_was_there_and_what_comes,
    following::a_follower_starts_where_it_is_told,
    following::a_follower_says_once_that_nothing_is_there,
    following::a_follower_loses_nothing_when_it_is_interrupted,
    following::a_follower_keeps_order_while_many_append,
    following::a_follower_passes_the_holes_of_markers,
    following::a_position_after_the_end_is_damage,
    executing::a_command_answers_with_its_events_and_their_position,
    executing::a_wish_that_is_fulfilled_appends_nothing,
    executing::one_of_many_opens_the_room,
    executing::everybody_comes_in_once,
    executing::messages_do_not_contend,
    executing::a_repeat_gets_the_first_answer,
    executing::a_repeat_gets_the_first_answer_after_the_room_has_moved_on,
    executing::simultaneous_repeats_are_carried_out_once,
    executing::a_cache_that_is_behind_refuses_nobody,
    executing::the_events_lead_to_the_state_that_commits_carry,
    executing::commits_name_who_and_when,
    executing::what_cannot_be_decoded_is_left_to_the_reader,
    executing::a_box_goes_on_after_an_event_that_cannot_be_decoded,
    executing::a_box_whose_state_cannot_be_read_takes_commands_again_when_the_event_is_given_up,
    executing::only_an_event_of_the_box_can_be_given_up,
    repeating::a_keyed_command_that_changes_nothing_is_remembered,
    repeating::a_keyed_command_that_changes_nothing_of_a_user_is_remembered,
    repeating::a_keyed_command_that_changes_nothing_of_a_store_is_remembered,
    repeating::the_scope_of_a_key_is_the_principal_and_the_aggregate,
    repeating::commits_name_the_role_of_the_actor,
    registering::an_id_and_a_nickname_are_given_once,
    registering::one_of_many_gets_the_nickname,
    registering::a_nickname_that_was_given_up_can_be_taken,
    registering::a_registration_can_be_repeated,
    registering::simultaneous_repeats_register_once,
    registering::many_registrations_and_changes_of_nicknames_at_once_all_succeed,
    settling::a_lost_answer_is_found_by_sending_again,
    settling::a_lost_answer_behind_ones_own_guard_is_found,
    settling::a_lost_answer_is_found_among_later_messages,
    settling::a_lost_request_is_sent_again,
    settling::a_conflict_after_a_lost_request_is_a_conflict,
    settling::an_id_of_the_same_request_is_a_repeat,
    settling::an_id_of_another_request_is_taken,
    settling::a_batch_whose_answer_was_lost_is_found,
    settling::a_log_that_never_answers_leaves_the_outcome_open,
    settling::a_log_without_connection_got_nothing,
    settling::a_log_that_is_always_busy_got_nothing,
    settling::a_refusal_after_a_lost_answer_is_none,
    settling::a_refusal_after_a_lost_request_leaves_the_outcome_open,
    storing::the_interface_of_cqrs_es_is_served,
    storing::the_slower_of_two_conflicts,
    storing::the_framework_runs_on_it,
    marking::a_marker_only_moves_forward,
    marking::the_furthest_of_many_markers_stays,
    marking::a_key_stands_for_one_move_of_a_marker,
    marking::a_marker_remembers_eight_keys,
}

/// The timeout of everything in the tests.
const PATIENCE: Duration = Duration::from_secs(10);

/// The stream of the tests that need no other.
pub(crate) const STREAM: StreamName = StreamName::Box(0);

fn room(box_id: &str) -> String {
    format!("box.0.{box_id}.room")
}

pub(crate) fn talk(box_id: &str) -> String {
    format!("box.0.{box_id}.talk")
}

pub(crate) fn message(subject: &str, body: &str) -> NewMessage {
    let mut headers = HeaderMap::new();
    headers.insert(header::COMMIT_ID, body);
    headers.insert(header::SCHEMA, "1");
    headers.insert(header::ACTOR, "ann");
    headers.insert(header::OCCURRED_AT, "2026-11-21T12:00:00.000Z");
    headers.insert(header::REQUEST_HASH, "000102030405060708090a0b0c0d0e0f");
    NewMessage {
        stream: STREAM,
        subject: subject.to_owned(),
        message_id: None,
        guard: None,
        headers,
        payload: body.to_owned().into(),
    }
}

fn guarded(subject: &str, body: &str, sequence: u64) -> NewMessage {
    NewMessage { guard: Some(Guard { subject: None, sequence }), ..message(subject, body) }
}

async fn attempt(log: &Arc<impl Log + ?Sized>, message: NewMessage) -> Attempt {
    log.attempt(&[message], PATIENCE).await
}

pub(crate) async fn stored(log: &Arc<impl Log + ?Sized>, message: NewMessage) -> u64 {
    match attempt(log, message).await {
        Attempt::Stored { sequence } => sequence,
        other => panic!("not stored: {other:?}"),
    }
}
