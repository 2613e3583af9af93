//! The alarms that a message has caused: kept with the message, so that later events can change and withdraw them.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{AlarmKind, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The time after the first reaction of an alarm in which further reactions join it.
const REACTION_WINDOW: TimeDelta = TimeDelta::hours(1);

/// The alarms of one message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MessageAlarms {
    /// The users alarmed by the text: replied, mentioned, or after a silence. Stays after the deletion of the message,
    /// for the erasure of its author.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) posted: Vec<PostedAlarm>,
    /// The alarms about reactions, in order: at most one per hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reactions: Vec<ReactionAlarm>,
}

/// An alarm of a user about the text of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PostedAlarm {
    pub(super) user: UserId,
    pub(super) kind: AlarmKind,
    /// The sequence and the time of the edit that caused it; none if it was the posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) edit: Option<(u64, DateTime<Utc>)>,
}

/// An alarm about the reactions of one hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReactionAlarm {
    /// The sequence of the first reaction, which identifies the alarm.
    pub(super) position: u64,
    /// The time of the first reaction.
    pub(super) at: DateTime<Utc>,
    /// The reactions that were not removed, in order.
    by: Vec<Reaction>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reaction {
    user: UserId,
    emoji: String,
    position: u64,
}

impl MessageAlarms {
    /// Returns none if no alarm is left.
    pub(super) fn into_option(self) -> Option<Self> {
        Some(self).filter(|alarms| *alarms != Self::default())
    }

    /// Returns true if a reaction at this time joins an alarm of earlier reactions.
    pub(super) fn has_window(&self, at: DateTime<Utc>) -> bool {
        self.reactions.last().is_some_and(|last| at < last.at + REACTION_WINDOW)
    }

    /// Adds a reaction. Returns its alarm.
    pub(super) fn add_reaction(
        &mut self,
        user: &UserId,
        emoji: &str,
        (position, at): (u64, DateTime<Utc>),
    ) -> Option<&ReactionAlarm> {
        if !self.has_window(at) {
            // A removal can reach them no more.
            self.reactions.retain(|alarm| !alarm.by.is_empty());
            self.reactions.push(ReactionAlarm { position, at, by: Vec::new() });
        }
        let alarm = self.reactions.last_mut()?;
        alarm.by.push(Reaction { user: user.clone(), emoji: emoji.to_owned(), position });
        Some(alarm)
    }

    /// Removes a reaction. Returns its alarm if that has changed.
    pub(super) fn remove_reaction(&mut self, user: &UserId, emoji: &str) -> Option<&ReactionAlarm> {
        let is_removed = |reaction: &Reaction| reaction.user == *user && reaction.emoji == emoji;
        let alarm = self.reactions.iter_mut().find(|alarm| alarm.by.iter().any(is_removed))?;
        let before = (alarm.count(), alarm.latest());
        alarm.by.retain(|reaction| !is_removed(reaction));
        (before != (alarm.count(), alarm.latest())).then_some(alarm)
    }

    /// Removes all reactions of a user. Returns the changed alarms.
    pub(super) fn remove_user(&mut self, user: &UserId) -> impl Iterator<Item = &ReactionAlarm> {
        self.reactions.iter_mut().filter_map(move |alarm| {
            let before = alarm.by.len();
            alarm.by.retain(|reaction| reaction.user != *user);
            (alarm.by.len() < before).then_some(&*alarm)
        })
    }
}

impl ReactionAlarm {
    /// The number of users who reacted.
    pub(super) fn count(&self) -> i32 {
        let users: BTreeSet<&UserId> = self.by.iter().map(|reaction| &reaction.user).collect();
        i32::try_from(users.len()).unwrap_or(i32::MAX)
    }

    /// The users who reacted, each with the position of the latest reaction, in order of these.
    pub(super) fn users(&self) -> Value {
        let is_latest = |at: &usize, reaction: &Reaction| {
            let mut later = self.by.iter().skip(at + 1);
            !later.any(|other| other.user == reaction.user)
        };
        let latest = self.by.iter().enumerate().filter(|(at, reaction)| is_latest(at, reaction));
        latest.map(|(_, reaction)| json!({ "user": reaction.user, "position": reaction.position })).collect()
    }

    /// The latest user who reacted.
    pub(super) fn user(&self) -> Option<&UserId> {
        self.by.last().map(|reaction| &reaction.user)
    }

    /// The sequence of the latest reaction.
    pub(super) fn latest(&self) -> u64 {
        self.by.last().map_or(self.position, |reaction| reaction.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().expect("a user id")
    }

    fn add(alarms: &mut MessageAlarms, name: &str, emoji: &str, position: u64, minutes: i64) -> u64 {
        let at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        alarms.add_reaction(&user(name), emoji, (position, at)).expect("an alarm").position
    }

    fn view(alarm: &ReactionAlarm) -> (i32, Option<&str>, u64) {
        (alarm.count(), alarm.user().map(UserId::as_str), alarm.latest())
    }

    #[test]
    fn an_alarm_lasts_an_hour_from_its_first_reaction_on() {
        let mut alarms = MessageAlarms::default();
        assert_eq!(add(&mut alarms, "bob", "👍", 5, 0), 5);
        assert_eq!(add(&mut alarms, "cleo", "👍", 6, 59), 5);
        assert_eq!(add(&mut alarms, "bob", "🍜", 7, 59), 5);
        assert_eq!(view(&alarms.reactions[0]), (2, Some("bob"), 7));
        let users = json!([{"user": "cleo", "position": 6}, {"user": "bob", "position": 7}]);
        assert_eq!(alarms.reactions[0].users(), users);
        assert_eq!(add(&mut alarms, "dan", "👍", 8, 60), 8);
    }

    #[test]
    fn a_removal_changes_the_alarm_of_the_reaction() {
        let mut alarms = MessageAlarms::default();
        for (position, name, minutes) in [(5, "bob", 0), (6, "cleo", 0), (7, "dan", 70)] {
            add(&mut alarms, name, "👍", position, minutes);
        }
        assert_eq!(alarms.remove_reaction(&user("bob"), "🍜"), None);
        assert_eq!(alarms.remove_reaction(&user("cleo"), "👍").map(view), Some((1, Some("bob"), 5)));
        assert_eq!(alarms.remove_user(&user("bob")).map(view).collect::<Vec<_>>(), [(0, None, 5)]);
        assert_eq!(add(&mut alarms, "bob", "👍", 9, 80), 7);
        assert_eq!(alarms.remove_user(&user("dan")).map(view).collect::<Vec<_>>(), [(1, Some("bob"), 9)]);
    }
}
