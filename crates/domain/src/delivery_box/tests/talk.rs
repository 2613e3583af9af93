//! Conversations: messages, replies, edits, deletions and reactions.

use super::*;

const SEVEN: MessageId = MessageId::new(7);

/// Message 7, as ben posted it in the room.
fn bens() -> OriginalMessage {
    OriginalMessage { message_id: SEVEN, room_id: room(1), author: user("ben") }
}

/// Message 7, posted in another room of the same box.
fn elsewhere() -> OriginalMessage {
    OriginalMessage { room_id: room(2), ..bens() }
}

fn post(author: &str) -> BoxCommand {
    TalkCommand::PostMessage { author: user(author), body: text(" hi "), reply_to: None, at: minute(1) }
        .in_room(room(1))
}

fn reply(author: &str, original: Option<OriginalMessage>) -> BoxCommand {
    let (room_id, author, reply_to, at) = (room(1), user(author), Some(original), minute(1));
    TalkCommand::PostMessage { author, body: text(" hi "), reply_to, at }.in_room(room_id)
}

fn posted(author: &str, reply_to: Option<MessageId>) -> BoxEvent {
    TalkEvent::MessagePosted { author: user(author), body: "hi".into(), reply_to }.in_room(room(1))
}

fn edit(by: &str, original: Option<OriginalMessage>) -> BoxCommand {
    TalkCommand::EditMessage { by: user(by), original, body: text("hello"), at: minute(1) }.in_room(room(1))
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
    TalkCommand::RemoveReaction { user_id: user(by), original, emoji: text("👍"), at: minute(1) }.in_room(room(1))
}

#[test]
fn members_post_messages() {
    given(room_with(&["ben"])).when(post("ben")).then([posted("ben", None)]);
}

#[test]
fn members_reply_to_messages_of_their_room() {
    given(room_with(&["ben"])).when(reply("ann", Some(bens()))).then([posted("ann", Some(SEVEN))]);
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
    let edited = TalkEvent::MessageEdited { message_id: SEVEN, body: "hello".into() }.in_room(room(1));
    given(room_with(&["ben"])).when(edit("ben", Some(bens()))).then([edited]);
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
    let (room_id, message_id, user_id, emoji) = (|| room(1), SEVEN, || user("ann"), || "👍".to_owned());
    let added = TalkEvent::ReactionAdded { message_id, user_id: user_id(), emoji: emoji() }.in_room(room_id());
    let removed = TalkEvent::ReactionRemoved { message_id, user_id: user_id(), emoji: emoji() }.in_room(room_id());
    given(room_with(&["ben"])).when(react("ann", Some(bens()))).then([added]);
    given(room_with(&["ben"])).when(take_reaction_back("ann", Some(bens()))).then([removed]);
}
