//! Which problems an operation can answer, for its description.

use std::collections::BTreeMap;

use service_kit::problem::Problem;
use utoipa::{
    IntoResponses, PartialSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{Schema, Type},
    },
};

type Codes = &'static [(u16, &'static str)];

/// What every read can answer.
const EVERY_READ: Codes = &[
    (400, "invalid-query"),
    (400, "invalid-position"),
    (401, "missing-token"),
    (401, "invalid-token"),
    (401, "expired-token"),
    (500, "internal"),
    (503, "database-unavailable"),
    (503, "read-model-unavailable"),
    (503, "not-yet-projected"),
    (503, "timeout"),
];
const LIST: Codes = &[(400, "invalid-cursor")];
const OF_A_BOX: Codes = &[(404, "not-found"), (404, "box-not-found"), (503, "box-quarantined")];
const OF_A_ROOM: Codes = &[(404, "not-found"), (404, "room-not-found"), (503, "box-quarantined")];
const OF_A_STORE: Codes = &[(404, "not-found"), (404, "store-not-found")];
const OF_A_USER: Codes = &[(404, "user-not-found")];
const FOR_MEMBERS: Codes = &[(403, "not-a-member"), (403, "kicked")];
const HANDSHAKE: Codes = &[(400, "invalid-query"), (426, "upgrade-required"), (500, "internal"), (503, "timeout")];

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident, $($codes:expr),+) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                describe(&[$($codes),+])
            }
        }
    };
}

problems! {
    /// Of a list that every signed-in user may read.
    ListProblems, EVERY_READ, LIST
}
problems! {
    /// Of one box.
    BoxProblems, EVERY_READ, OF_A_BOX
}
problems! {
    /// Of one store.
    StoreProblems, EVERY_READ, OF_A_STORE
}
problems! {
    /// Of one room, for every signed-in user.
    RoomProblems, EVERY_READ, OF_A_ROOM
}
problems! {
    /// Of a list in a room that only members may read.
    MemberListProblems, EVERY_READ, LIST, OF_A_ROOM, FOR_MEMBERS
}
problems! {
    /// Of the caller's own view.
    MeProblems, EVERY_READ, OF_A_USER
}
problems! {
    /// Of the handshake of a live connection.
    HandshakeProblems, HANDSHAKE
}

fn describe(groups: &[Codes]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in groups.iter().copied().flatten() {
        by_status.entry(*status).or_default().push(code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), RefOr::T(response(status, &codes)))).collect()
}

fn response(status: u16, codes: &[&str]) -> Response {
    let listed = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.iter().copied()));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("code", code).required("code"));
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(schema.build()))).build();
    let mut response = ResponseBuilder::new().description(listed).content("application/problem+json", content);
    if status == 503 && codes.len() > 1 {
        let seconds =
            HeaderBuilder::new().schema(Some(u32::schema())).description(Some("Seconds until another try makes sense"));
        response = response.header("Retry-After", seconds.build());
    }
    response.build()
}

/// The schema to which every problem response refers.
pub(crate) type ProblemSchema = Problem;
