//! Who is told of an alarm by a push message: a pure function of the alarm, its recipient and the time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::quiet_hours::QuietHours;

/// The kind of an alarm about the removal of its recipient, who is not a member any more.
const KICKED: &str = "kicked";

/// The kinds of alarms about messages of others. They are read with the message.
const ABOUT_MESSAGES: [&str; 3] = ["reply", "mention", "message_after_silence"];

/// An alarm, as the read model shows it now. The actor of an event has no alarm of it.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    /// The stored name of the kind.
    pub(crate) kind: String,
    /// The message that it is about.
    pub(crate) message_id: Option<i64>,
    /// False if its cause does not exist any more.
    pub(crate) stands: bool,
    /// True if the user has marked it as read.
    pub(crate) is_read: bool,
    /// True if only users that the user has blocked have caused it.
    pub(crate) is_by_blocked: bool,
}

/// The user of the alarm, in the room that it is about.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) is_erased: bool,
    /// True if the user is in the room, or was when it closed.
    pub(crate) is_inside: bool,
    pub(crate) is_muted: bool,
    /// The kinds that the user wants. An absent kind is wanted.
    pub(crate) preferences: BTreeMap<String, bool>,
    pub(crate) quiet_hours: Option<QuietHours>,
    /// The last message of the room that the user has read.
    pub(crate) read_up_to: Option<i64>,
}

/// The reason why a user is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The user does not exist any more.
    Erased,
    /// The cause does not exist any more.
    Withdrawn,
    /// The user has blocked those who have caused it.
    Blocked,
    /// The user has read it.
    Read,
    /// The user has left the room or was kicked, and may not know of it.
    NotMember,
    /// The user does not want this kind.
    Unwanted,
    /// The user has muted the room.
    Muted,
    /// It is within the user's quiet hours.
    QuietHours,
    /// The room is on a screen of the user.
    OnScreen,
}

impl Reason {
    /// The stored name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Withdrawn => "withdrawn",
            Self::Blocked => "blocked",
            Self::Read => "read",
            Self::NotMember => "not_member",
            Self::Unwanted => "unwanted",
            Self::Muted => "muted",
            Self::QuietHours => "quiet_hours",
            Self::OnScreen => "on_screen",
        }
    }
}

/// Returns the reason not to tell a user of an alarm, or none. `present` are the users who are connected to the room.
pub(crate) fn reason_against(
    alarm: &Alarm,
    user_id: &str,
    recipient: &Recipient,
    present: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Option<Reason> {
    let is_read_message = ABOUT_MESSAGES.contains(&alarm.kind.as_str())
        && alarm.message_id.is_some_and(|message| recipient.read_up_to.is_some_and(|read| message <= read));
    let reasons = [
        (recipient.is_erased, Reason::Erased),
        (!alarm.stands, Reason::Withdrawn),
        (alarm.is_by_blocked, Reason::Blocked),
        (alarm.is_read || is_read_message, Reason::Read),
        (!recipient.is_inside && alarm.kind != KICKED, Reason::NotMember),
        (recipient.preferences.get(&alarm.kind) == Some(&false), Reason::Unwanted),
        (recipient.is_muted, Reason::Muted),
        (recipient.quiet_hours.as_ref().is_some_and(|quiet| quiet.contain(now)), Reason::QuietHours),
        (present.contains(user_id), Reason::OnScreen),
    ];
    reasons.into_iter().find_map(|(applies, reason)| applies.then_some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(kind: &str) -> Alarm {
        Alarm { kind: kind.to_owned(), message_id: Some(7), stands: true, is_read: false, is_by_blocked: false }
    }

    fn recipient() -> Recipient {
        Recipient {
            is_erased: false,
            is_inside: true,
            is_muted: false,
            preferences: BTreeMap::new(),
            quiet_hours: None,
            read_up_to: None,
        }
    }

    fn against(alarm: &Alarm, recipient: &Recipient) -> Option<Reason> {
        reason_against(alarm, "ana", recipient, &BTreeSet::new(), "2026-03-29T00:30:00Z".parse().unwrap())
    }

    #[test]
    fn a_member_is_told_by_default() {
        for kind in ["reply", "mention", "reaction", "kicked", "made_host", "room_closed", "order_arrived"] {
            assert_eq!(against(&alarm(kind), &recipient()), None, "{kind}");
        }
    }

    #[test]
    fn each_reason_counts_alone() {
        let of = |change: fn(&mut Recipient)| {
            let mut recipient = recipient();
            change(&mut recipient);
            against(&alarm("reply"), &recipient)
        };
        assert_eq!(of(|recipient| recipient.is_erased = true), Some(Reason::Erased));
        assert_eq!(of(|recipient| recipient.is_inside = false), Some(Reason::NotMember));
        assert_eq!(of(|recipient| recipient.is_muted = true), Some(Reason::Muted));
        assert_eq!(of(|recipient| recipient.read_up_to = Some(7)), Some(Reason::Read));
        assert_eq!(of(|recipient| recipient.read_up_to = Some(6)), None);
        let unwanted =
            |recipient: &mut Recipient| recipient.preferences = BTreeMap::from([("reply".to_owned(), false)]);
        assert_eq!(of(unwanted), Some(Reason::Unwanted));
        let quiet = |recipient: &mut Recipient| {
            let stored = r#"{"time_zone":"Europe/Berlin","from":"22:00","to":"07:00"}"#;
            recipient.quiet_hours = Some(serde_json::from_str(stored).unwrap());
        };
        assert_eq!(of(quiet), Some(Reason::QuietHours));
        assert_eq!(against(&Alarm { stands: false, ..alarm("reply") }, &recipient()), Some(Reason::Withdrawn));
        assert_eq!(against(&Alarm { is_by_blocked: true, ..alarm("reply") }, &recipient()), Some(Reason::Blocked));
        assert_eq!(against(&Alarm { is_read: true, ..alarm("reply") }, &recipient()), Some(Reason::Read));
    }

    #[test]
    fn a_kicked_user_is_told_of_the_kick_only() {
        let outside = Recipient { is_inside: false, ..recipient() };
        assert_eq!(against(&alarm("kicked"), &outside), None);
        assert_eq!(against(&alarm("mention"), &outside), Some(Reason::NotMember));
    }

    #[test]
    fn a_read_message_does_not_hide_a_later_reaction_to_it() {
        let reader = Recipient { read_up_to: Some(9), ..recipient() };
        assert_eq!(against(&alarm("reaction"), &reader), None);
    }

    #[test]
    fn nothing_is_told_of_a_room_on_screen() {
        let present = BTreeSet::from(["ana".to_owned()]);
        let now = service_kit::clock::now();
        assert_eq!(reason_against(&alarm("reply"), "ana", &recipient(), &present, now), Some(Reason::OnScreen));
        assert_eq!(reason_against(&alarm("reply"), "ben", &recipient(), &present, now), None);
    }
}
