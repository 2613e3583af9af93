//! Which problems an operation can answer, for its description.

use std::collections::{BTreeMap, BTreeSet};

use service_kit::problem::Problem;
use utoipa::{
    IntoResponses, PartialSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{Schema, Type},
    },
};

/// A problem's status and code, and when it is the answer.
type Row = (u16, &'static str, &'static str);
type Codes = &'static [Row];

/// What everything can answer.
const EVERYTHING: Codes = &[
    (400, "invalid-query", "A parameter of the query is missing, unknown, or out of its bounds."),
    (
        429,
        "rate-limited",
        "More requests came from the user, or without a valid token from the address, than may come in this time.",
    ),
    (414, "uri-too-long", "Path and query have more than 32 KiB."),
    (431, "headers-too-large", "All headers have more than 32 KiB."),
    (500, "internal", "A fault of ours; the request id finds it in the logs."),
    (503, "timeout", "The request took too long."),
];

/// A box reads nothing, and an operator nothing that is for users alone.
const FORBIDDEN: Row = (403, "forbidden", "The caller's role does not allow this.");

/// Nothing can be read, or followed.
const DATABASE_UNAVAILABLE: Row =
    (503, "database-unavailable", "The read models cannot be read at the moment; try again.");
const READ_MODEL_UNAVAILABLE: Row =
    (503, "read-model-unavailable", "The read models of this release are still being built.");

/// What every read can answer.
const EVERY_READ: Codes = &[
    (400, "invalid-position", "A `Min-Position` is none that an `Event-Position` of this log has carried."),
    (401, "missing-token", "There is no `Authorization` header."),
    (401, "invalid-token", "The token is not one of ours."),
    (401, "expired-token", "The token has expired; sign in again."),
    (401, "revoked-token", "The session of the token has ended; sign in again."),
    FORBIDDEN,
    DATABASE_UNAVAILABLE,
    READ_MODEL_UNAVAILABLE,
    (503, "not-yet-projected", "The read model has not come as far as `Min-Position` within two seconds; try again."),
];
const LIST: Codes = &[(400, "invalid-cursor", "The cursor is not the `next` of an earlier page of this very list.")];
const OF_A_BOX: Codes = &[
    (404, "not-found", "What the path names cannot exist."),
    (404, "box-not-found", "No box has this id."),
    (503, "box-quarantined", "An event of this box cannot be projected; operators have to look. Other boxes are fine."),
];
const OF_A_ROOM: Codes = &[
    (404, "not-found", "What the path names cannot exist."),
    (404, "room-not-found", "No room has this id."),
    (503, "box-quarantined", "An event of this box cannot be projected; operators have to look. Other boxes are fine."),
];
const OF_A_STORE: Codes =
    &[(404, "not-found", "What the path names cannot exist."), (404, "store-not-found", "No store has this id.")];
const OF_A_SEARCH: Codes = &[(
    503,
    "busy",
    "Another search of the user runs, too many of others wait, or this one took too long: try again, with rarer words.",
)];
const OF_A_USER: Codes = &[(404, "user-not-found", "The caller is no registered user.")];
const FOR_MEMBERS: Codes = &[
    (403, "not-a-member", "Only members of the room may read this."),
    (403, "kicked", "Whoever was kicked reads nothing more."),
];
const HANDSHAKE: Codes = &[(426, "upgrade-required", "`/live` is a WebSocket.")];
const OF_A_TICKET: Codes = &[
    (401, "missing-token", "There is no `Authorization` header."),
    (401, "invalid-token", "The token is not one of ours."),
    (401, "expired-token", "The token has expired; sign in again."),
    (401, "revoked-token", "The session of the token has ended; sign in again."),
    FORBIDDEN,
    (503, "tickets-unavailable", "NATS does not answer; try again."),
];
const OF_A_STREAM: Codes = &[
    (401, "invalid-ticket", "The ticket was used, has expired, or never was one."),
    (429, "too-many-connections", "The user has as many live connections as one may have."),
    DATABASE_UNAVAILABLE,
    READ_MODEL_UNAVAILABLE,
];

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident, $($codes:expr),+) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                describe(&[EVERYTHING, $($codes),+])
            }
        }
    };
}

problems! {
    /// Of a list that every signed-in user may read.
    ListProblems, EVERY_READ, LIST
}
problems! {
    /// The problems of a search.
    SearchProblems, EVERY_READ, LIST, OF_A_SEARCH
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
problems! {
    /// Of a stream of events before it begins.
    EventsProblems, OF_A_TICKET, OF_A_STREAM
}
problems! {
    /// Of a ticket for one.
    TicketProblems, OF_A_TICKET
}

/// Every problem, once.
pub(crate) fn all() -> BTreeSet<Row> {
    let groups = [
        EVERYTHING,
        EVERY_READ,
        LIST,
        OF_A_BOX,
        OF_A_ROOM,
        OF_A_STORE,
        OF_A_SEARCH,
        OF_A_USER,
        FOR_MEMBERS,
        HANDSHAKE,
        OF_A_TICKET,
        OF_A_STREAM,
    ];
    groups.into_iter().flatten().copied().collect()
}

fn describe(groups: &[Codes]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code, _) in groups.iter().copied().flatten() {
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
    if status == 429 || status == 503 && codes.len() > 1 {
        let seconds =
            HeaderBuilder::new().schema(Some(u32::schema())).description(Some("Seconds until another try makes sense"));
        response = response.header("Retry-After", seconds.build());
    }
    response.build()
}

/// The schema to which every problem response refers.
pub(crate) type ProblemSchema = Problem;
