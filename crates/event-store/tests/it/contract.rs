//! The contract of every log, tested on the one in memory and on a real server.

pub(crate) mod appending;
pub(crate) mod claiming;
pub(crate) mod executing;
pub(crate) mod following;
pub(crate) mod marking;
pub(crate) mod opening;
pub(crate) mod reading;
pub(crate) mod registering;
pub(crate) mod repeating;
pub(crate) mod settling;
mod storing;
pub(crate) mod talking;

use std::{sync::Arc, time::Duration};

use async_nats::HeaderMap;
use event_store::{
    Log,
    codec::envelope::header,
    log::{Attempt, Guard, NewMessage},
};
use wire::StreamName;

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
                let nats = harness::Nats::start(testing::server::PARTITIONS).await.unwrap();
                super::$module::$name(testing::server::log(&nats).await).await;
            })*
        }
    };
}

contract! {
    appending::appends_get_dense_sequences,
    appending::a_guard_accepts_only_the_expected_sequence,
    appending::a_guard_on_another_subject_holds,
    appending::a_known_id_is_not_stored_again,
    appending::a_known_id_is_detected_on_another_subject_too,
    appending::a_batch_is_stored_atomically,
    appending::a_batch_with_a_known_id_is_refused,
    reading::the_last_message_of_a_subject_is_found,
    reading::a_message_is_found_by_its_sequence,
    reading::pages_respect_their_limits,
    reading::one_subject_can_be_read_alone,
    reading::a_time_finds_its_sequence,
    following::a_follower_reads_existing_and_new_messages,
    following::a_follower_starts_at_the_given_position,
    following::a_follower_reports_once_that_it_has_caught_up,
    following::an_interrupted_follower_loses_nothing,
    following::a_follower_keeps_order_during_concurrent_appends,
    following::a_follower_skips_the_holes_of_markers,
    following::a_position_after_the_end_is_damage,
    executing::a_command_returns_its_events_and_their_position,
    executing::a_command_without_effect_appends_nothing,
    executing::the_members_at_the_closing_of_an_earlier_room_are_found,
    executing::one_of_many_users_opens_the_room,
    executing::each_user_joins_once,
    executing::messages_do_not_contend,
    executing::a_repeat_gets_the_first_answer,
    executing::a_repeat_gets_the_first_answer_in_a_changed_room,
    executing::concurrent_repeats_are_executed_once,
    executing::a_stale_cache_causes_no_refusal,
    executing::the_events_yield_the_state_stored_with_the_commits,
    executing::a_state_without_a_kind_is_folded,
    executing::commits_name_actor_and_time,
    executing::an_undecodable_event_is_passed_to_the_reader,
    executing::a_box_continues_after_an_undecodable_event,
    executing::a_box_with_an_unreadable_state_accepts_commands_again_once_the_event_is_dropped,
    executing::only_an_event_of_the_box_can_be_dropped,
    repeating::a_keyed_command_without_effect_is_remembered,
    repeating::a_keyed_user_command_without_effect_is_remembered,
    repeating::a_keyed_store_command_without_effect_is_remembered,
    repeating::the_scope_of_a_key_is_the_principal_and_the_aggregate,
    repeating::commits_name_the_role_of_the_actor,
    registering::an_id_and_a_nickname_are_used_once,
    registering::one_of_many_users_gets_the_nickname,
    registering::a_released_nickname_can_be_claimed,
    registering::a_registration_can_be_repeated,
    registering::concurrent_repeats_register_once,
    registering::concurrent_registrations_and_changes_of_nicknames_all_succeed,
    claiming::names_that_look_alike_are_one_name,
    claiming::one_of_many_users_gets_a_name_and_all_that_look_like_it,
    claiming::a_name_is_released_for_all_that_look_like_it,
    claiming::users_of_earlier_releases_get_their_claims,
    claiming::the_oldest_of_the_users_whose_names_look_alike_gets_the_claim,
    claiming::an_interrupted_migration_continues_where_it_was,
    claiming::concurrent_migrations_claim_once,
    claiming::changes_by_an_earlier_release_are_noticed,
    claiming::a_claim_under_a_changed_name_does_not_count,
    opening::a_user_opens_as_many_of_many_rooms_as_there_are_slots,
    opening::a_slot_is_free_when_its_room_is_closed_or_has_another_host,
    opening::a_claim_without_its_room_expires,
    opening::a_claim_on_a_room_that_another_user_has_opened_is_free,
    settling::a_lost_answer_is_found_by_sending_again,
    settling::a_lost_answer_behind_its_own_guard_is_found,
    settling::a_lost_answer_is_found_among_later_messages,
    settling::a_lost_request_is_sent_again,
    settling::a_conflict_after_a_lost_request_is_a_conflict,
    settling::an_id_of_the_same_request_is_a_repeat,
    settling::an_id_of_another_request_is_taken,
    settling::a_batch_with_a_lost_answer_is_found,
    settling::a_log_that_never_answers_leaves_the_outcome_open,
    settling::an_append_without_a_connection_is_not_stored,
    settling::an_append_to_a_busy_log_is_not_stored,
    settling::a_refusal_after_a_lost_answer_counts_as_success,
    settling::a_refusal_after_a_lost_request_leaves_the_outcome_open,
    storing::the_store_implements_the_interface_of_cqrs_es,
    storing::the_slower_of_two_writers_conflicts,
    storing::the_cqrs_framework_runs_on_the_store,
    talking::a_deletion_by_another_process_is_known,
    talking::an_edit_without_a_change_is_decided_on_the_newest_text,
    talking::repeats_of_commands_on_messages_get_the_first_answer,
    talking::concurrent_reactions_exceed_the_limit_by_those_in_flight_only,
    talking::a_user_reacts_once_with_an_emoji,
    talking::a_talk_state_is_that_of_the_open_room,
    marking::a_marker_only_moves_forward,
    marking::the_furthest_of_many_markers_stays,
    marking::a_key_identifies_one_move_of_a_marker,
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
