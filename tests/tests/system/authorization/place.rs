//! A box with a room in it, and everybody who stands in some way to the room.

use system_tests::{
    Person, World,
    world::{box_details, room_details},
};

/// The place that a request is about.
pub(super) struct Place {
    pub(super) box_id: String,
    /// Another box, which nobody asks for anything.
    pub(super) other_box: String,
    pub(super) room: String,
    /// Said by the member.
    pub(super) message: String,
    /// One of its own, because those who sign out everywhere have no token any more.
    pub(super) operator: Person,
    pub(super) host: Person,
    pub(super) member: Person,
    pub(super) kicked: Person,
    /// A user who was never inside.
    pub(super) other: Person,
}

impl Place {
    /// A place that is there.
    pub(super) async fn build(world: &World, number: usize) -> Self {
        let mut place = Self::imagine(world, number);
        let Self { box_id, host, member, kicked, .. } = &place;
        world.operator().post("/boxes", box_details(box_id)).await.created();
        let opened = host.post(format!("/boxes/{box_id}/rooms"), room_details("pizzeria", 9)).await;
        let room = opened.created();
        for person in [kicked, member] {
            world.join(person, &room).await;
        }
        let message = member.say(&room, "Hello").await.created();
        let kick = host.delete(format!("/rooms/{room}/members/{}", kicked.id())).await;
        kick.done();
        for person in [member, kicked] {
            person.has_heard_of(&kick);
        }
        (place.room, place.message) = (room, message);
        place
    }

    /// A place of which only the names are there, for requests that are not about it.
    pub(super) fn imagine(world: &World, number: usize) -> Self {
        let person = |name: &str| world.person(&format!("{name}-{number}"));
        Self {
            box_id: format!("box-{number}"),
            other_box: format!("elsewhere-{number}"),
            operator: world.operator_called(&format!("ops-{number}")),
            room: format!("box-{number}.1"),
            message: "1".to_owned(),
            host: person("host"),
            member: person("member"),
            kicked: person("kicked"),
            other: person("other"),
        }
    }

    /// What the names in a path stand for.
    pub(super) fn params(&self) -> Vec<(&'static str, String)> {
        let any =
            [("store", "corner"), ("device", "phone"), ("emoji", "ok")].map(|(name, value)| (name, value.to_owned()));
        let own = [
            ("box", self.box_id.clone()),
            ("room", self.room.clone()),
            ("message", self.message.clone()),
            ("user", self.member.id().to_owned()),
        ];
        own.into_iter().chain(any).collect()
    }
}
