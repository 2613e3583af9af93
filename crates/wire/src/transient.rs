//! Subjects of messages that are not stored: notifications after a commit, signals, commands and other requests.

use domain::{RoomId, UserId};

/// New feed rows of one room, written by this generation of the read models.
pub fn live_room(generation: i64, room_id: &RoomId) -> String {
    format!("live.g{generation}.room.{room_id}")
}

/// New alarms of one user, written by this generation.
pub fn live_user(generation: i64, user_id: &UserId) -> String {
    format!("live.g{generation}.user.{user_id}")
}

/// The users whose own view of their rooms changed in a batch of this stream. `stream` is its label.
pub fn room_changes(generation: i64, stream: &str) -> String {
    format!("live.g{generation}.touched.{stream}")
}

/// The [`room_changes`] subjects of every stream in a generation.
pub fn all_room_changes(generation: i64) -> String {
    format!("live.g{generation}.touched.*")
}

/// The rooms whose public details changed in a batch of this stream. `stream` is its label.
pub fn lobby_changes(generation: i64, stream: &str) -> String {
    format!("live.g{generation}.lobby.{stream}")
}

/// The [`lobby_changes`] subjects of every stream in a generation.
pub fn all_lobby_changes(generation: i64) -> String {
    format!("live.g{generation}.lobby.*")
}

/// The checkpoint of a stream moved. `stream` is its label in positions and checkpoints.
pub fn projected(generation: i64, stream: &str) -> String {
    format!("projected.g{generation}.{stream}")
}

/// The [`live_room`], [`live_user`], [`room_changes`] and [`lobby_changes`] subjects of a generation.
pub fn all_live(generation: i64) -> String {
    format!("live.g{generation}.>")
}

/// The [`projected`] subjects of every stream in a generation.
pub fn all_projected(generation: i64) -> String {
    format!("projected.g{generation}.*")
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

/// The pattern of every subject of rows, alarms and users in any generation, for permissions.
pub const LIVE: &str = "live.>";

/// The pattern of every subject about checkpoints and activations, for permissions.
pub const PROJECTED: &str = "projected.>";

/// The pattern of every signal, for permissions.
pub const SIGNALS: &str = "signal.>";

/// The pattern of everything that may become a command, for permissions.
pub const COMMANDS: &str = "cmd.>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_the_generation_that_wrote_it() {
        let room = "b1.3".parse().unwrap();
        assert_eq!(live_room(2, &room), "live.g2.room.b1.3");
        assert_eq!(live_user(2, &"ann".parse().unwrap()), "live.g2.user.ann");
        assert_eq!(room_changes(2, "box-1"), "live.g2.touched.box-1");
        assert_eq!(lobby_changes(2, "box-1"), "live.g2.lobby.box-1");
        assert_eq!(projected(2, "box-1"), "projected.g2.box-1");
        assert_eq!(signal_room(&room), "signal.room.b1.3");
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
