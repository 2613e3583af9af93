//! Subjects of messages that are not stored: notifications after a commit, signals, commands and other requests.

use domain::RoomId;

/// What a committed batch of this stream changed in a generation of the read models. `stream` is its label.
pub fn changes(generation: i64, stream: &str) -> String {
    format!("live.g{generation}.{stream}")
}

/// The [`changes`] subjects of every stream in a generation.
pub fn all_changes(generation: i64) -> String {
    format!("live.g{generation}.*")
}

/// Alarms of this stream are new or have changed in some generation. `stream` is its label. See [`alarms_stream`].
pub fn alarms(stream: &str) -> String {
    format!("projected.alarms.{stream}")
}

/// Returns the label of the stream in an [`alarms`] subject.
pub fn alarms_stream(subject: &str) -> Option<&str> {
    subject.strip_prefix("projected.alarms.")
}

/// Another generation of some version of the read model was activated.
pub const ACTIVATED: &str = "projected.activated";

/// Typing and presence in a room, from one query-service to the others.
pub fn signal_room(room_id: &RoomId) -> String {
    format!("signal.room.{room_id}")
}

/// The [`signal_room`] subjects of every room.
pub const ALL_SIGNALS: &str = "signal.room.>";

/// The subjects of all commands as requests. See [`command_name`].
pub const ALL_COMMANDS: &str = "cmd.*";

/// The subject of a command as a request, by its name.
pub fn command(name: &str) -> String {
    format!("cmd.{name}")
}

/// Returns the command name in a request subject.
pub fn command_name(subject: &str) -> Option<&str> {
    subject.strip_prefix("cmd.")
}

/// The subject of an operator's request to the projectors. See [`operation_verb`].
pub fn operation(verb: &str) -> String {
    format!("ops.projector.{verb}")
}

/// The subjects of every [`operation`].
pub const ALL_OPERATIONS: &str = "ops.projector.*";

/// Returns the verb in the subject of an operator's request.
pub fn operation_verb(subject: &str) -> Option<&str> {
    subject.strip_prefix("ops.projector.")
}

/// The subject of an operator's request to the notifiers. See [`notifier_operation_verb`].
pub fn notifier_operation(verb: &str) -> String {
    format!("ops.notifier.{verb}")
}

/// The subjects of every [`notifier_operation`].
pub const ALL_NOTIFIER_OPERATIONS: &str = "ops.notifier.*";

/// Returns the verb in the subject of an operator's request to the notifiers.
pub fn notifier_operation_verb(subject: &str) -> Option<&str> {
    subject.strip_prefix("ops.notifier.")
}

/// The subject of a projector's request to the command-services during an erasure. See [`erasure_verb`].
pub fn erasure(verb: &str) -> String {
    format!("erasure.{verb}")
}

/// The subjects of every [`erasure`].
pub const ALL_ERASURES: &str = "erasure.*";

/// Returns the verb in the subject of an erasure request.
pub fn erasure_verb(subject: &str) -> Option<&str> {
    subject.strip_prefix("erasure.")
}

/// The subject of a notifier's question to the query-services: who is connected to these rooms.
pub const ASK_PRESENCE: &str = "presence.ask";

/// The subject of a notifier's request to the command-services: remove devices that do not exist any more.
pub const REMOVE_DEVICE: &str = "devices.remove";

/// The pattern of the [`changes`] subjects of every generation, for permissions.
pub const LIVE: &str = "live.>";

/// The pattern of every subject about alarms and activations, for permissions.
pub const PROJECTED: &str = "projected.>";

/// The pattern of every signal, for permissions.
pub const SIGNALS: &str = "signal.>";

/// The pattern of everything that may become a command, for permissions.
pub const COMMANDS: &str = "cmd.>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_generation_that_was_changed() {
        assert_eq!(changes(2, "box-1"), "live.g2.box-1");
        assert_eq!(alarms_stream(&alarms("box-1")), Some("box-1"));
        assert_eq!(alarms_stream(ACTIVATED), None);
        assert_eq!(signal_room(&"b1.3".parse().unwrap()), "signal.room.b1.3");
    }

    #[test]
    fn a_request_names_its_command() {
        assert_eq!(command("post_message"), "cmd.post_message");
        assert_eq!(command_name("cmd.post_message"), Some("post_message"));
        assert_eq!(command_name("live.g1.x"), None);
        assert_eq!(operation_verb(&operation("status")), Some("status"));
        assert_eq!(operation_verb("cmd.status"), None);
        assert_eq!(notifier_operation_verb(&notifier_operation("webhook_list")), Some("webhook_list"));
        assert_eq!(notifier_operation_verb(&operation("status")), None);
        assert_eq!(erasure_verb(&erasure("destroy_key")), Some("destroy_key"));
    }
}
