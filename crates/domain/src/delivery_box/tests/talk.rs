//! Conversations: messages, replies, edits, deletions and reactions.

use super::*;

const SEVEN: MessageId = MessageId::new(7);

/// Message 7, as ben posted it in the room.
fn bens() -> OriginalMessage {
    let state = MessageState { text: "hm".into(), ..MessageState::default() };
    OriginalMessage { message_id: SEVEN, room_id: room(1), author: user("ben"), state }
}

/// Message 7 with these reactions.
fn bens_with(reactions: impl IntoIterator<Item = (String, &'static str)>) -> OriginalMessage {
    let mut message = bens();
    for (emoji, by) in reactions {
        message.state.reactions.entry(emoji).or_default().insert(user(by));
    }
    message
}

/// Message 7 after its deletion.
fn bens_deleted() -> OriginalMessage {
    let mut message = bens();
    message.state.deleted = true;
    message
}

/// Message 7, posted in another room of the same box.
fn elsewhere() -> OriginalMessage {
    OriginalMessage { room_id: room(2), ..bens() }
}

fn post(author: &str, body: &str) -> BoxCommand {
    TalkCommand::PostMessage { author: user(author), body: text(body), reply_to: None, at: minute(1) }.in_room(room(1))
}

fn reply(author: &str, original: Option<OriginalMessage>) -> BoxCommand {
    let (room_id, author, reply_to, at) = (room(1), user(author), Some(original), minute(1));
    TalkCommand::PostMessage { author, body: text(" hi "), reply_to, at }.in_room(room_id)
}

fn edit(by: &str, original: Option<OriginalMessage>) -> BoxCommand {
    edit_to(by, original, "hello")
}

fn edit_to(by: &str, original: Option<OriginalMessage>, body: &str) -> BoxCommand {
    TalkCommand::EditMessage { by: user(by), original, body: text(body), at: minute(1) }.in_room(room(1))
}

fn edited(body: &str, mentions: &[&str], mentions_all: bool) -> BoxEvent {
    let mentions = Some(mentions.iter().map(|name| user(name)).collect());
    TalkEvent::MessageEdited { message_id: SEVEN, body: body.into(), mentions, mentions_all }.in_room(room(1))
}

fn delete(by: &str, original: Option<OriginalMessage>) -> BoxCommand {
    TalkCommand::DeleteMessage { by: user(by), original, at: minute(1) }.in_room(room(1))
}

fn deleted(by: &str) -> BoxEvent {
    TalkEvent::MessageDeleted { message_id: SEVEN, by: user(by) }.in_room(room(1))
}

fn react(by: &str, original: Option<OriginalMessage>) -> BoxCommand {
    TalkCommand::AddReaction { user_id: user(by), original, emoji: text("👍"), at: minute(1) }.in_room(room(1))
}

fn take_reaction_back(by: &str, original: Option<OriginalMessage>) -> BoxCommand {
    take_back(by, original, "👍")
}

fn take_back(by: &str, original: Option<OriginalMessage>, emoji: &str) -> BoxCommand {
    TalkCommand::RemoveReaction { user_id: user(by), original, emoji: text(emoji), at: minute(1) }.in_room(room(1))
}

fn reaction_removed(by: &str, emoji: &str) -> BoxEvent {
    TalkEvent::ReactionRemoved { message_id: SEVEN, user_id: user(by), emoji: emoji.into() }.in_room(room(1))
}

#[test]
fn members_post_messages() {
    given(room_with(&["ben"])).when(post("ben", " hi ")).then([posted("ben", "hi", None)]);
}

#[test]
fn members_reply_to_messages_of_their_room() {
    given(room_with(&["ben"])).when(reply("ann", Some(bens()))).then([posted("ann", "hi", Some(SEVEN))]);
}

#[test]
fn commands_on_a_message_of_another_room_are_refused() {
    let past = given(room_with(&["ben"]));
    for original in [None, Some(elsewhere())] {
        let commands = [
            reply("ben", original.clone()),
            edit("ben", original.clone()),
            delete("ben", original.clone()),
            delete("ann", original.clone()),
            react("ben", original.clone()),
            take_reaction_back("ben", original),
        ];
        past.each_refused(commands, &BoxRefusal::MessageNotFound);
    }
}

#[test]
fn non_members_neither_post_nor_edit_nor_delete_nor_react() {
    given(room_with(&[])).each_refused(talk_commands(&room(1), "ben", 1), &BoxRefusal::NotAMember);
}

#[test]
fn authors_edit_their_messages() {
    given(room_with(&["ben"])).when(edit("ben", Some(bens()))).then([edited("hello", &[], false)]);
}

#[test]
fn only_the_author_edits_a_message() {
    let past = given(room_with(&["ben", "cho"]));
    past.each_refused([edit("ann", Some(bens())), edit("cho", Some(bens()))], &BoxRefusal::NotTheAuthor);
}

#[test]
fn authors_and_the_host_delete_messages() {
    given(room_with(&["ben"])).when(delete("ben", Some(bens()))).then([deleted("ben")]);
    given(room_with(&["ben"])).when(delete("ann", Some(bens()))).then([deleted("ann")]);
}

#[test]
fn other_members_cannot_delete_messages() {
    given(room_with(&["ben", "cho"])).when(delete("cho", Some(bens()))).then_refused(&BoxRefusal::NotTheAuthor);
}

#[test]
fn a_former_host_deletes_only_own_messages() {
    let past = room_with_and(&["ben"], [host_changed("ann", "ben", HostChange::Transferred)]);
    given(past).when(delete("ann", Some(bens()))).then_refused(&BoxRefusal::NotTheAuthor);
}

#[test]
fn the_host_deletes_messages_of_former_members() {
    given(room_with_and(&["ben"], [left("ben")])).when(delete("ann", Some(bens()))).then([deleted("ann")]);
}

#[test]
fn members_add_and_remove_reactions() {
    let added = TalkEvent::ReactionAdded { message_id: SEVEN, user_id: user("ann"), emoji: "👍".into() };
    let past = || given(room_with(&["ben"]));
    past().when(react("ann", Some(bens()))).then([added.in_room(room(1))]);
    let reacted = || Some(bens_with([("👍".into(), "ann")]));
    past().when(react("ann", reacted())).then_nothing();
    past().when(take_reaction_back("ann", reacted())).then([reaction_removed("ann", "👍")]);
    past().when(take_reaction_back("ben", reacted())).then_nothing();
}

#[test]
fn an_emoji_is_one_reaction_in_all_its_stored_forms() {
    let past = || given(room_with(&["ben"]));
    let old = || Some(bens_with([("👍\u{FE0F}".into(), "ann"), ("👍".into(), "ann"), ("<b>".into(), "ann")]));
    past().when(react("ann", Some(bens_with([("👍\u{FE0F}".into(), "ann")])))).then_nothing();
    let both = ["👍", "👍\u{FE0F}"].map(|form| reaction_removed("ann", form));
    past().when(take_reaction_back("ann", old())).then(both);
    past().when(take_back("ann", old(), "<b>")).then([reaction_removed("ann", "<b>")]);
}

#[test]
fn a_message_has_a_limited_number_of_different_reactions() {
    let reactions = |count: u32| (0..count).map(|number| (format!(":code_{number}:"), "ben"));
    let past = || given(room_with(&["ben", "cho"]));
    past().when(react("ann", Some(bens_with(reactions(20))))).then_refused(&BoxRefusal::TooManyReactions);
    let with_thumb = bens_with(reactions(19).chain([("👍".into(), "cho")]));
    let added = TalkEvent::ReactionAdded { message_id: SEVEN, user_id: user("ann"), emoji: "👍".into() };
    past().when(react("ann", Some(with_thumb))).then([added.in_room(room(1))]);
    past().when(react("ben", Some(bens_with(reactions(10))))).then_refused(&BoxRefusal::TooManyOwnReactions);
}

#[test]
fn a_deleted_message_accepts_no_changes() {
    let past = given(room_with(&["ben"]));
    let refused =
        [edit("ben", Some(bens_deleted())), react("ann", Some(bens_deleted())), reply("ann", Some(bens_deleted()))];
    past.each_refused(refused, &BoxRefusal::MessageDeleted);
    past.each_refused([edit("ann", Some(bens_deleted()))], &BoxRefusal::NotTheAuthor);
    for command in [delete("ben", Some(bens_deleted())), take_reaction_back("ann", Some(bens_deleted()))] {
        given(room_with(&["ben"])).when(command).then_nothing();
    }
}

#[test]
fn an_edit_to_the_same_text_has_no_effect() {
    given(room_with(&["ben"])).when(edit_to("ben", Some(bens()), " hm ")).then_nothing();
}

#[test]
fn a_text_mentions_members_in_order() {
    let mentioned = |body: &str, expected: &[&str], all: bool| {
        let past = room_with_and(&["ben", "cho"], [left("cho")]);
        given(past).when(edit_to("ben", Some(bens()), body)).then([edited(body, expected, all)]);
    };
    mentioned("@cho @Ben, @dan ＠ann @ben", &["ben", "ann"], false);
    mentioned("`@ann` ann@example.org @ann-", &["ann"], false);
    mentioned("@all", &[], false);
    for body in ["@all @ben", "@ALL- @ben"] {
        let hosts = TalkEvent::MessagePosted {
            author: user("ann"),
            body: body.into(),
            reply_to: None,
            mentions: Some(vec![user("ben")]),
            mentions_all: true,
        };
        given(room_with(&["ben"])).when(post("ann", body)).then([hosts.in_room(room(1))]);
    }
}

#[test]
fn a_text_mentions_at_most_20_members() {
    let names: Vec<String> = (0..25).map(|number| format!("user{number}")).collect();
    let past = room_with_and(&["ben"], names.iter().map(|name| joined(name)));
    let body: Vec<String> = names.iter().map(|name| format!("@{name}")).collect();
    let body = body.join(" ");
    let first: Vec<&str> = names.iter().map(String::as_str).take(20).collect();
    given(past).when(edit_to("ben", Some(bens()), &body)).then([edited(&body, &first, false)]);
}

fn remove(original: Option<OriginalMessage>) -> BoxCommand {
    TalkCommand::RemoveMessage { original }.in_room(room(1))
}

#[test]
fn a_moderator_removes_a_message_of_an_open_or_a_closed_room() {
    let closed = || room_with_and(&["ben"], [closed(1, RoomClosedReason::Host)]);
    let next = closed().into_iter().chain([opened(2, "cho", 5)]).collect();
    for past in [room_with(&["ben"]), closed(), next] {
        given(past.clone()).when(remove(Some(bens()))).then([deleted("system")]);
        given(past.clone()).when(remove(Some(bens_deleted()))).then_nothing();
        given(past.clone()).when(remove(None)).then_refused(&BoxRefusal::MessageNotFound);
        given(past).when(remove(Some(elsewhere()))).then_refused(&BoxRefusal::MessageNotFound);
    }
    given([installed()]).when(remove(Some(bens()))).then_refused(&BoxRefusal::RoomNotFound);
}

#[test]
fn the_state_of_a_message_is_looked_up_for_a_moderator_while_its_room_is_open() {
    let looked_up = |past: Vec<BoxEvent>| {
        let state = crate::scenario::fold(DeliveryBox::default(), past);
        state.look_up(&mut remove(Some(bens()))).is_some()
    };
    assert!(looked_up(room_with(&["ben"])));
    assert!(!looked_up(room_with_and(&["ben"], [closed(1, RoomClosedReason::Host)])));
}
