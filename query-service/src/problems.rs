//! The problems of each operation, for its description.

use std::collections::{BTreeMap, BTreeSet};

use service_kit::problem::Problem;
use utoipa::{
    IntoResponses, PartialSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        schema::{Schema, Type},
    },
};

/// A problem: its status, its code and its meaning.
type Row = (u16, &'static str, &'static str);
type Codes = &'static [Row];

/// The problems of every operation.
const COMMON: Codes = &[
    (400, "invalid-query", "A query parameter is missing, unknown or out of bounds."),
    (
        429,
        "rate-limited",
        "The user, or an address without a valid token, has sent more requests than its rate limit allows.",
    ),
    (414, "uri-too-long", "Path and query are longer than 32 KiB."),
    (431, "headers-too-large", "The headers are larger than 32 KiB in total."),
    (500, "internal", "A server error; the logs have the details under the request id."),
    (503, "timeout", "The request took too long."),
];

/// The caller's role is not allowed: boxes read nothing, and operators none of the data that is for users only.
const FORBIDDEN: Row = (403, "forbidden", "The caller's role does not allow this.");

/// The read models cannot be read.
const DATABASE_UNAVAILABLE: Row = (503, "database-unavailable", "The database does not answer; try again.");
const READ_MODEL_UNAVAILABLE: Row =
    (503, "read-model-unavailable", "The read models of this release are still being built.");

/// The problems of every read.
const EVERY_READ: Codes = &[
    (400, "invalid-position", "The `Min-Position` is malformed, or not an `Event-Position` of this log."),
    (401, "missing-token", "There is no `Authorization` header."),
    (401, "invalid-token", "The token is not valid."),
    (401, "expired-token", "The token has expired; sign in again."),
    (401, "revoked-token", "The session of the token has ended; sign in again."),
    FORBIDDEN,
    DATABASE_UNAVAILABLE,
    READ_MODEL_UNAVAILABLE,
    (503, "not-yet-projected", "The read model has not reached `Min-Position` within two seconds; try again."),
];
const LIST: Codes = &[(400, "invalid-cursor", "The cursor is not the `next` of an earlier page of the same list.")];
const PRIVATE_BOX: Codes = &[(403, "private-box", "The caller is not one of the users who may use the box.")];
const MODERATORS_ONLY: Codes = &[(403, "not-the-host", "Only the host and the co-hosts of the room may read this.")];
const BOX: Codes = &[
    (404, "not-found", "The path contains a malformed id."),
    (404, "box-not-found", "No box has this id."),
    (503, "box-quarantined", "The box is in quarantine until operators repair it. Other boxes are not affected."),
];
const ROOM: Codes = &[
    (404, "not-found", "The path contains a malformed id."),
    (404, "room-not-found", "No room has this id."),
    (503, "box-quarantined", "The box is in quarantine until operators repair it. Other boxes are not affected."),
];
const STORE: Codes =
    &[(404, "not-found", "The path contains a malformed id."), (404, "store-not-found", "No store has this id.")];
const SEARCH: Codes = &[(
    503,
    "busy",
    "Another search of the user runs, too many of others wait, or this one took too long: try again, with rarer words.",
)];
const EXPORT: Codes =
    &[(429, "too-many-exports", "Another export of the user runs, or the user has begun too many in the last hour.")];
const USER: Codes = &[(404, "user-not-found", "The user is not registered.")];
const OTHER_USER: Codes = &[(404, "not-found", "The path contains a malformed id.")];
const MESSAGE: Codes = &[(404, "message-not-found", "The room has no message with this id.")];
const REPORT: Codes =
    &[(404, "not-found", "The path contains a malformed id."), (404, "report-not-found", "No report has this id.")];
const MEMBERS_ONLY: Codes = &[
    (403, "not-a-member", "Only members of the room may read this."),
    (403, "kicked", "The caller was kicked from the room."),
];
const HANDSHAKE: Codes = &[(426, "upgrade-required", "`/live` accepts WebSocket only.")];
const TICKET: Codes = &[
    (401, "missing-token", "There is no `Authorization` header."),
    (401, "invalid-token", "The token is not valid."),
    (401, "expired-token", "The token has expired; sign in again."),
    (401, "revoked-token", "The session of the token has ended; sign in again."),
    FORBIDDEN,
    (503, "tickets-unavailable", "NATS does not answer; try again."),
];
const EVENT_STREAM: Codes = &[
    (401, "invalid-ticket", "The ticket was used, has expired, or never existed."),
    (429, "too-many-connections", "The user has reached the limit of live connections."),
    DATABASE_UNAVAILABLE,
    READ_MODEL_UNAVAILABLE,
];

macro_rules! problems {
    ($(#[$doc:meta])* $name:ident, $($codes:expr),+) => {
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                describe(&[COMMON, $($codes),+])
            }
        }
    };
}

problems! {
    /// Problems of a list that every signed-in user may read.
    ListProblems, EVERY_READ, LIST
}
problems! {
    /// The problems of a search.
    SearchProblems, EVERY_READ, LIST, SEARCH
}
problems! {
    /// Problems of one box.
    BoxProblems, EVERY_READ, BOX, PRIVATE_BOX
}
problems! {
    /// Problems of one store.
    StoreProblems, EVERY_READ, STORE
}
problems! {
    /// Problems of one room, for every signed-in user.
    RoomProblems, EVERY_READ, ROOM, PRIVATE_BOX
}
problems! {
    /// Problems of a list in a room that only members may read.
    MemberListProblems, EVERY_READ, LIST, ROOM, MEMBERS_ONLY
}
problems! {
    /// Problems of the invitations of a room, which only its host and co-hosts may read.
    InvitationProblems, EVERY_READ, ROOM, MEMBERS_ONLY, MODERATORS_ONLY
}
problems! {
    /// Problems of one message, which only members may read.
    MessageProblems, EVERY_READ, ROOM, MEMBERS_ONLY, MESSAGE
}
problems! {
    /// Problems of one report.
    ReportProblems, EVERY_READ, REPORT
}
problems! {
    /// Problems of the caller's account.
    MeProblems, EVERY_READ, USER
}
problems! {
    /// Problems of an export before it begins.
    ExportProblems, EVERY_READ, LIST, EXPORT
}
problems! {
    /// Problems of one user.
    UserProblems, EVERY_READ, USER, OTHER_USER
}
problems! {
    /// Problems of a read without pages that every signed-in user may send.
    ReadProblems, EVERY_READ
}
problems! {
    /// Problems of the handshake of a live connection.
    HandshakeProblems, HANDSHAKE
}
problems! {
    /// Problems of a stream of events before it begins.
    EventsProblems, TICKET, EVENT_STREAM
}
problems! {
    /// Problems of issuing a ticket.
    TicketProblems, TICKET
}

/// Returns all problems, without duplicates.
pub(crate) fn all() -> BTreeSet<Row> {
    let groups = [
        COMMON,
        EVERY_READ,
        LIST,
        BOX,
        PRIVATE_BOX,
        MODERATORS_ONLY,
        ROOM,
        STORE,
        SEARCH,
        EXPORT,
        USER,
        MESSAGE,
        MEMBERS_ONLY,
        HANDSHAKE,
        TICKET,
        EVENT_STREAM,
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
            HeaderBuilder::new().schema(Some(u32::schema())).description(Some("Seconds to wait before trying again"));
        response = response.header("Retry-After", seconds.build());
    }
    response.build()
}

/// The schema that every problem response refers to.
pub(crate) type ProblemSchema = Problem;
