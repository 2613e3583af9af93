//! Look-ups in the log that commands to a box need before they are decided.

use domain::{BoxEvent, BoxId, DeliveryBox, EventSequence, MessageId, MessageState, OriginalMessage, TalkEvent};

use super::Executor;
use crate::{codec::envelope::RecordedCommit, executor::error::EventStoreError};
use wire::Source;

impl Executor<DeliveryBox> {
    /// Returns a message as it was posted. None if the box has no such message.
    pub async fn message(
        &self,
        box_id: &BoxId,
        message_id: MessageId,
    ) -> Result<Option<OriginalMessage>, EventStoreError> {
        let Some(recorded) = self.recorded(box_id, message_id.sequence()).await? else { return Ok(None) };
        let commit = RecordedCommit::parse(&recorded)?;
        if commit.source != (Source::Talk { box_id: box_id.clone() }) {
            return Ok(None);
        }
        match commit.events::<BoxEvent>()?.pop() {
            Some(BoxEvent::Talk { room_id, event: TalkEvent::MessagePosted { author, body, .. } }) => {
                let state = MessageState { text: body, ..MessageState::default() };
                Ok(Some(OriginalMessage { message_id, room_id, author, state }))
            }
            _ => Ok(None),
        }
    }

    /// Returns a message with its last text, also if it was deleted. `is_last` is true if its room is the last one of
    /// the box: of an earlier room the text is the one that was posted.
    pub async fn message_with_text(
        &self,
        box_id: &BoxId,
        message_id: MessageId,
        is_last: bool,
    ) -> Result<Option<OriginalMessage>, EventStoreError> {
        let Some(mut message) = self.message(box_id, message_id).await? else { return Ok(None) };
        if is_last {
            let changes = self.talk.message(&message.room_id, message_id).await?;
            if let Some(sequence) = changes.edited
                && let Some(recorded) = self.recorded(box_id, sequence).await?
                && let Some(BoxEvent::Talk { event: TalkEvent::MessageEdited { body, .. }, .. }) =
                    RecordedCommit::parse(&recorded)?.events()?.pop()
            {
                message.state.text = body;
            }
        }
        Ok(Some(message))
    }

    /// Returns the sequence of a commit that is to be dropped, if it is one of this box. If such commits make the state
    /// of the box unreadable, the state is folded from the other commits, so that the box accepts this command. The
    /// state is stored with it.
    pub async fn commit_of(
        &self,
        box_id: &BoxId,
        sequence: EventSequence,
    ) -> Result<Option<EventSequence>, EventStoreError> {
        let Some(recorded) = self.recorded(box_id, sequence.sequence()).await? else { return Ok(None) };
        match Source::parse(&recorded.subject) {
            Some(Source::Room { box_id: of } | Source::Talk { box_id: of }) if of == *box_id => {}
            _ => return Ok(None),
        }
        let slot = self.slot(box_id).await;
        if let Err(EventStoreError::Corrupt { .. }) = self.known(box_id, &slot).await {
            slot.update(self.store.load_readable(box_id).await?);
        }
        Ok(Some(sequence))
    }
}
