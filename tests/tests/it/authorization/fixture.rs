//! A box with a room, and users in every relation to the room.

use serde_json::json;
use system_tests::{Person, World};
use testing::requests::{box_details, room_details};

use super::callers::Caller;

/// The target of a request.
pub(super) struct Fixture {
    pub(super) box_id: String,
    /// Another box, to which no request is sent.
    pub(super) other_box: String,
    pub(super) room: String,
    /// A message of the member.
    pub(super) message: String,
    /// An operator of this fixture only, because signing out everywhere revokes the operator's tokens.
    pub(super) operator: Person,
    /// A moderator of this fixture only, likewise.
    pub(super) moderator: Person,
    pub(super) host: Person,
    pub(super) co_host: Person,
    pub(super) member: Person,
    /// A member who is blocked by the host and by the author of the message.
    pub(super) blocked: Person,
    pub(super) kicked: Person,
    /// A user who has left the room.
    pub(super) parted: Person,
    /// A user with an invitation to the room.
    pub(super) invited: Person,
    /// A user who was never a member.
    pub(super) other: Person,
}

impl Fixture {
    /// Creates the box and the room, and what makes these callers what they are. Other users than the callers may be
    /// without it, because a fixture for each request takes time.
    pub(super) async fn build(world: &World, number: usize, callers: &[Caller]) -> Self {
        let mut fixture = Self::imagine(world, number);
        let Self { box_id, host, co_host, member, blocked, kicked, parted, .. } = &fixture;
        world.operator().post("/boxes", box_details(box_id)).await.created();
        let opened = host.post(format!("/boxes/{box_id}/rooms"), room_details("pizzeria", 9)).await;
        let room = opened.created();
        for person in [kicked, member, co_host] {
            world.join(person, &room).await;
        }
        if callers.contains(&Caller::Parted) {
            world.join(parted, &room).await;
            parted.delete(format!("/rooms/{room}/members/me")).await.done();
        }
        if callers.contains(&Caller::Blocked) {
            world.join(blocked, &room).await;
            for person in [host, member] {
                world.user(person.id()).await;
                person.put(format!("/users/me/blocks/{}", blocked.id()), json!({})).await.done();
            }
        }
        if callers.contains(&Caller::Invited) {
            let invitation = host.post(format!("/rooms/{room}/invitations"), json!({ "uses": 1, "minutes": 60 })).await;
            assert_eq!(invitation.status, 201, "{invitation}");
        }
        let message = member.say(&room, "Hello").await.created();
        let kick = host.delete(format!("/rooms/{room}/members/{}", kicked.id())).await;
        kick.done();
        let appointment = host.put(format!("/rooms/{room}/co-hosts/{}", co_host.id()), json!({})).await;
        appointment.done();
        for person in [member, blocked, kicked, parted, co_host] {
            person.remember_position(&appointment);
        }
        (fixture.room, fixture.message) = (room, message);
        fixture
    }

    /// Returns a fixture of which only the names exist, for requests that do not concern a box.
    pub(super) fn imagine(world: &World, number: usize) -> Self {
        let person = |name: &str| world.person(&format!("{name}-{number}"));
        Self {
            box_id: format!("box-{number}"),
            other_box: format!("elsewhere-{number}"),
            operator: world.operator_called(&format!("ops-{number}")),
            moderator: world.moderator_called(&format!("mod-{number}")),
            room: format!("box-{number}.1"),
            message: "1".to_owned(),
            host: person("host"),
            co_host: person("cohost"),
            member: person("member"),
            blocked: person("blocked"),
            kicked: person("kicked"),
            parted: person("parted"),
            invited: person("invited"),
            other: person("other"),
        }
    }

    /// The values of path parameters.
    pub(super) fn params(&self) -> Vec<(&'static str, String)> {
        let any = [
            ("store", "corner"),
            ("device", "phone"),
            ("emoji", "👍"),
            ("filter", "free-soup"),
            ("report", "0f1e2d-1"),
            ("session", "00000000000000000000000000000000"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let own = [
            ("box", self.box_id.clone()),
            ("room", self.room.clone()),
            ("message", self.message.clone()),
            ("user", self.member.id().to_owned()),
            ("invitation", "1".to_owned()),
        ];
        own.into_iter().chain(any).collect()
    }
}
