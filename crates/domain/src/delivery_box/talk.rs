//! Decisions about messages and reactions. Only members of an open room may post and react. A muted member may still
//! delete messages and remove reactions. A moderator may delete messages of any room.

use text::{emoji, mention};

use super::{
    BoxRefusal, DeliveryBox, MAX_MENTIONS, MAX_OWN_REACTIONS, MAX_REACTIONS, MessageState, OriginalMessage, Room,
    TalkCommand, TalkEvent,
};
use crate::{
    ids::{RoomId, UserId},
    values::{Emoji, MessageBody},
};

fn in_room(original: Option<OriginalMessage>, room_id: &RoomId) -> Result<OriginalMessage, BoxRefusal> {
    original.filter(|message| message.room_id == *room_id).ok_or(BoxRefusal::MessageNotFound)
}

fn not_deleted(message: OriginalMessage) -> Result<OriginalMessage, BoxRefusal> {
    if message.state.deleted { Err(BoxRefusal::MessageDeleted) } else { Ok(message) }
}

impl DeliveryBox {
    pub(super) fn decide_talk(&self, room_id: &RoomId, command: TalkCommand) -> Result<Vec<TalkEvent>, BoxRefusal> {
        Ok(match command {
            TalkCommand::PostMessage { author, body, reply_to, at } => {
                let room = self.members_room(room_id, &author, at)?;
                room.not_muted(&author, at)?;
                let reply_to = reply_to.map(|original| not_deleted(in_room(original, room_id)?)).transpose()?;
                let reply_to = reply_to.map(|original| original.message_id);
                let (mentions, mentions_all) = room.mentions(&body, &author);
                vec![TalkEvent::MessagePosted { author, body: body.into(), reply_to, mentions, mentions_all }]
            }
            TalkCommand::EditMessage { by, original, body, at } => {
                let room = self.members_room(room_id, &by, at)?;
                let original = in_room(original, room_id)?;
                if original.author != by {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                room.not_muted(&by, at)?;
                let OriginalMessage { message_id, state, .. } = not_deleted(original)?;
                if state.text == body.as_str() {
                    return Ok(vec![]);
                }
                let (mentions, mentions_all) = room.mentions(&body, &by);
                vec![TalkEvent::MessageEdited { message_id, body: body.into(), mentions, mentions_all }]
            }
            TalkCommand::DeleteMessage { by, original, at } => {
                let room = self.members_room(room_id, &by, at)?;
                let OriginalMessage { message_id, author, state, .. } = in_room(original, room_id)?;
                // A co-host does not act against the host.
                let moderates = room.host == by || room.is_moderator(&by) && author != room.host;
                if author != by && !moderates {
                    return Err(BoxRefusal::NotTheAuthor);
                }
                if state.deleted { vec![] } else { vec![TalkEvent::MessageDeleted { message_id, by }] }
            }
            TalkCommand::RemoveMessage { original } => {
                self.room_since(room_id)?;
                let OriginalMessage { message_id, state, .. } = in_room(original, room_id)?;
                // Of a closed room, the state is not looked up: a repeated deletion has no effect on read models.
                if state.deleted {
                    vec![]
                } else {
                    vec![TalkEvent::MessageDeleted { message_id, by: UserId::system() }]
                }
            }
            TalkCommand::AddReaction { user_id, original, emoji, at } => {
                let room = self.members_room(room_id, &user_id, at)?;
                let OriginalMessage { message_id, state, .. } = not_deleted(in_room(original, room_id)?)?;
                room.not_muted(&user_id, at)?;
                if state.has_reaction(&user_id, &emoji)? {
                    return Ok(vec![]);
                }
                vec![TalkEvent::ReactionAdded { message_id, user_id, emoji: emoji.into() }]
            }
            TalkCommand::RemoveReaction { user_id, original, emoji, at } => {
                self.members_room(room_id, &user_id, at)?;
                let OriginalMessage { message_id, state, .. } = in_room(original, room_id)?;
                if state.deleted {
                    return Ok(vec![]);
                }
                // Earlier releases stored an emoji as it was sent, so a user may have several forms of it.
                let of_user = state.reactions.into_iter().filter(|(_, users)| users.contains(&user_id));
                let same = of_user.map(|(stored, _)| stored).filter(|stored| emoji::is_same(stored, emoji.as_str()));
                same.map(|emoji| TalkEvent::ReactionRemoved { message_id, user_id: user_id.clone(), emoji }).collect()
            }
        })
    }
}

impl MessageState {
    /// Returns true if the user has reacted with this emoji. Checks the limits if the user has not.
    fn has_reaction(&self, user_id: &UserId, emoji: &Emoji) -> Result<bool, BoxRefusal> {
        let of_user = || self.reactions.iter().filter(|(_, users)| users.contains(user_id));
        if of_user().any(|(stored, _)| emoji::is_same(stored, emoji.as_str())) {
            return Ok(true);
        }
        if of_user().count() >= MAX_OWN_REACTIONS {
            return Err(BoxRefusal::TooManyOwnReactions);
        }
        let is_new = !self.reactions.contains_key(emoji.as_str());
        if is_new && self.reactions.len() >= MAX_REACTIONS { Err(BoxRefusal::TooManyReactions) } else { Ok(false) }
    }
}

impl Room {
    /// Returns the members that a text mentions, in order, and true if its author mentions all of them as the host.
    fn mentions(&self, body: &MessageBody, author: &UserId) -> (Option<Vec<UserId>>, bool) {
        let (mut mentioned, mut all) = (Vec::<UserId>::new(), false);
        for mention in mention::find(body.as_str()) {
            if mention.is_all() && self.host == *author {
                all = true;
                continue;
            }
            let member = mention.names().find_map(|name| self.members.iter().find(|member| member.as_str() == name));
            let is_full = mentioned.len() >= MAX_MENTIONS;
            mentioned.extend(member.filter(|member| !is_full && !mentioned.contains(member)).cloned());
        }
        (Some(mentioned), all)
    }
}
