//! A valid request for every operation, with its unauthorized callers and the unknown names that it can contain.

use std::time::Duration;

use harness::token::Bearer;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::{Person, World, world::PASSWORD};
use testing::requests::box_details;

/// The secret of a box.
const SECRET: &str = "a secret that only the box itself has";

/// The caller of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A caller without a token.
    Anonymous,
    /// A registered user, and the room's host.
    Ana,
    /// A registered user, and a member of the room.
    Ben,
    /// A user who joins the room.
    Cleo,
    /// A user with a session that no other row needs.
    Dana,
    /// A user with a minted token that no other row needs.
    Eve,
    /// A bearer of a valid token who is not registered and not a member.
    Stranger,
    /// An operator, who manages boxes and stores.
    Operator,
    /// A moderator, who acts against abuse.
    Moderator,
    /// The box of the room.
    Device,
    /// Another box.
    OtherDevice,
}

/// The target of the requests: a locked room with two members and their messages.
pub(crate) struct Fixture {
    room: String,
    anas_message: String,
    bens_message: String,
    refresh_token: String,
    reset_token: String,
    /// A session of dana.
    session: String,
    alarms_up_to: Value,
    tokens: Vec<(Who, String)>,
}

impl Fixture {
    pub(crate) async fn build(world: &World) -> Self {
        let (ana, ben, dana) = (world.user("ana").await, world.user("ben").await, world.user("dana").await);
        let session = world.sign_in("ben", PASSWORD).await.ok();
        let refresh_token = session["refresh_token"].as_str().unwrap().to_owned();
        world.sign_in("dana", PASSWORD).await.ok();
        let sessions = dana.command(Method::GET, "/sessions", None).await.items();
        let session = sessions.iter().find(|session| session["current"] == false);
        let session = session.and_then(|session| session["id"].as_str()).expect("another session").to_owned();
        world.install_box("box-1").await;
        world.install_box("box-2").await;
        world.register_store("noodles").await;
        let open = json!({ "store_id": "noodles", "title": "Lunch", "max_members": 5, "password": "open sesame" });
        let room = ana.post("/boxes/box-1/rooms", open).await.created();
        let join = json!({ "password": "open sesame" });
        ben.post(format!("/rooms/{room}/members"), join).await.created();
        let anas_message = ana.say(&room, "Hello").await.created();
        let said = ben.say(&room, "Good morning").await;
        for person in [&ana, &ben] {
            person.remember_position(&said);
            person.get(&format!("/rooms/{room}/messages")).await.ok();
            person.get("/me").await.ok();
        }
        let alarms_up_to = ana.get("/me/alarms").await.ok()["up_to"].clone();
        world.register("finn", PASSWORD, "finn").await.created();
        let reset = world.operator().post("/users/finn/password-resets", json!({ "reason": "Lost" })).await;
        let reset_token = reset.json()["reset_token"].as_str().unwrap().to_owned();
        let token = |person: &Person| person.token().to_owned();
        let tokens = vec![(Who::Ana, token(&ana)), (Who::Ben, token(&ben)), (Who::Dana, token(&dana))];
        Self {
            room,
            anas_message,
            bens_message: said.created(),
            refresh_token,
            reset_token,
            session,
            alarms_up_to,
            tokens,
        }
    }

    pub(crate) fn token(&self, world: &World, who: Who) -> Option<String> {
        let registered = self.tokens.iter().find(|(of, _)| *of == who).map(|(_, token)| token.clone());
        let bearer = match who {
            Who::Anonymous => return None,
            Who::Ana | Who::Ben | Who::Dana => return registered,
            Who::Eve => Bearer::User("eve"),
            Who::Cleo => Bearer::User("cleo"),
            Who::Stranger => Bearer::User("stranger"),
            Who::Operator => Bearer::Operator("ops"),
            Who::Moderator => Bearer::Moderator("mia"),
            Who::Device => Bearer::Device("box-1"),
            Who::OtherDevice => Bearer::Device("box-2"),
        };
        Some(world.stack.token(bearer, Duration::from_mins(10)))
    }
}

/// A valid request, and its possible defects beyond those in its description.
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) by: Who,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(&'static str, &'static str)>,
    pub(crate) body: Value,
    /// The status of the answer.
    pub(crate) status: u16,
    /// Callers without permission, and the refusals that they get.
    pub(crate) strangers: Vec<(Who, u16, &'static str)>,
    /// Path parameters that name nothing, and the refusals.
    pub(crate) unknown: Vec<(&'static str, &'static str, u16, &'static str)>,
    /// Fields of the body that name nothing or the wrong thing, and the refusals.
    pub(crate) unknown_in_body: Vec<(&'static str, &'static str, u16, &'static str)>,
    pub(crate) wrong_queries: Vec<Vec<(&'static str, &'static str)>>,
    /// Query parameters that have no wrong value.
    pub(crate) unchecked: Vec<&'static str>,
    /// True if the answer is an endless stream, which does not wait for a position either.
    pub(crate) goes_on: bool,
}

impl Row {
    fn new(operation: &'static str, by: Who, params: &[(&'static str, &str)], body: Value, status: u16) -> Self {
        let params: Vec<_> = params.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let unknown = params.iter().flat_map(|(name, _)| unknown(name)).copied().collect();
        let nothing = Self {
            operation,
            by,
            params: Vec::new(),
            query: Vec::new(),
            body,
            status,
            strangers: Vec::new(),
            unknown,
            unknown_in_body: Vec::new(),
            wrong_queries: Vec::new(),
            unchecked: Vec::new(),
            goes_on: false,
        };
        Self { params, ..nothing }
    }

    fn not(mut self, who: Who, status: u16, code: &'static str) -> Self {
        self.strangers.push((who, status, code));
        self
    }

    fn knows(mut self, param: &str) -> Self {
        self.unknown.retain(|(name, ..)| *name != param);
        self
    }

    fn unknown_is(mut self, status: u16, code: &'static str) -> Self {
        for unknown in &mut self.unknown {
            (unknown.2, unknown.3) = (status, code);
        }
        self
    }

    fn wrong_field(mut self, field: &'static str, value: &'static str, status: u16, code: &'static str) -> Self {
        self.unknown_in_body.push((field, value, status, code));
        self
    }

    fn wrong_query(mut self, query: &[(&'static str, &'static str)]) -> Self {
        self.wrong_queries.push(query.to_vec());
        self
    }

    /// The query of the right request.
    pub(crate) fn query(&self) -> Vec<(&str, String)> {
        self.query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }
}

/// Returns the unknown names that a parameter can have.
fn unknown(param: &str) -> &'static [(&'static str, &'static str, u16, &'static str)] {
    match param {
        "box" => &[("box", "no-such-box", 404, "box-not-found")],
        "store" => &[("store", "no-such-store", 404, "store-not-found")],
        "room" => &[("room", "no-such-box.1", 404, "room-not-found"), ("room", "box-1.999", 404, "room-not-found")],
        "message" => &[("message", "999999999", 404, "message-not-found")],
        "user" => &[("user", "no-such-user", 404, "member-not-found")],
        "filter" => &[("filter", "no-such-filter", 404, "filter-not-found")],
        "session" => &[("session", "00000000000000000000000000000000", 404, "session-not-found")],
        "invitation" => &[("invitation", "99", 404, "invitation-not-found")],
        "device" => &[("device", "no-such-device", 404, "device-not-found")],
        _ => &[],
    }
}

/// All commands, in an order in which all of them can succeed.
pub(crate) fn commands(fixture: &Fixture) -> Vec<Row> {
    let mut rows = accounts();
    rows.push(read_alarms(fixture));
    rows.extend(sessions(fixture));
    rows.extend(catalogue());
    rows.extend(moderation());
    rows.extend(reports(fixture));
    rows.extend(rooms(fixture));
    rows.extend(talk(fixture));
    rows.extend(endings(fixture));
    rows.extend(measures());
    rows
}

fn sessions(fixture: &Fixture) -> Vec<Row> {
    vec![
        Row::new("POST /sessions", Who::Anonymous, &[], json!({ "user_id": "ana", "password": PASSWORD }), 200)
            .wrong_field("user_id", "no-such-user", 401, "wrong-credentials")
            .wrong_field("password", "not the password", 401, "wrong-credentials"),
        Row::new("POST /sessions/refresh", Who::Anonymous, &[], json!({ "refresh_token": fixture.refresh_token }), 200)
            .wrong_field("refresh_token", "none-of-ours", 401, "invalid-refresh-token"),
        Row::new(
            "POST /password-resets",
            Who::Anonymous,
            &[],
            json!({ "reset_token": fixture.reset_token, "password": PASSWORD }),
            204,
        )
        .wrong_field("reset_token", "none-of-ours", 401, "invalid-reset-token"),
        Row::new("GET /sessions", Who::Dana, &[], Value::Null, 200),
        Row::new("DELETE /sessions/{session}", Who::Dana, &[("session", &fixture.session)], Value::Null, 204).not(
            Who::Ana,
            404,
            "session-not-found",
        ),
        Row::new("DELETE /sessions/current", Who::Dana, &[], Value::Null, 204).not(Who::Stranger, 404, "no-session"),
        Row::new("DELETE /sessions", Who::Eve, &[], Value::Null, 204),
    ]
}

fn accounts() -> Vec<Row> {
    let nobody_known = |row: Row| row.not(Who::Stranger, 404, "user-not-found").not(Who::Operator, 403, "forbidden");
    let newcomer = json!({ "user_id": "dora", "password": PASSWORD, "nickname": "Dora" });
    let phone = [("device", "phone")];
    let muted = [("room", "box-9.9")];
    let blocked = [("user", "zoe")];
    vec![
        Row::new("POST /users", Who::Anonymous, &[], newcomer, 201)
            .wrong_field("user_id", "ana", 409, "user-exists")
            .wrong_field("nickname", "ana", 409, "nickname-taken"),
        Row::new("POST /users/confirmations", Who::Anonymous, &[], json!({ "token": "none-of-ours" }), 403),
        nobody_known(Row::new("PATCH /users/me", Who::Ana, &[], json!({ "nickname": "Annabel" }), 204)).wrong_field(
            "nickname",
            "ben",
            409,
            "nickname-taken",
        ),
        Row::new("PUT /users/me/password", Who::Ana, &[], json!({ "old": PASSWORD, "new": PASSWORD }), 204)
            .not(Who::Stranger, 401, "wrong-credentials")
            .not(Who::Device, 403, "forbidden")
            .wrong_field("old", "not the password", 401, "wrong-credentials"),
        nobody_known(
            Row::new("PUT /users/me/devices/{device}", Who::Ana, &phone, json!({ "push_token": "token" }), 204)
                .knows("device")
                .wrong_field("provider", "apns", 422, "invalid-body")
                .wrong_field("provider", "web_push", 422, "invalid-body")
                .wrong_field("token", "another", 422, "invalid-body")
                .wrong_field("locale", "en_GB", 422, "invalid-body"),
        ),
        nobody_known(Row::new("DELETE /users/me/devices/{device}", Who::Ana, &phone, Value::Null, 204)),
        nobody_known(Row::new(
            "PUT /users/me/notification-preferences",
            Who::Ana,
            &[],
            json!({ "preferences": { "reply": false } }),
            204,
        )),
        nobody_known(Row::new(
            "PUT /users/me/quiet-hours",
            Who::Ana,
            &[],
            json!({ "time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00" }),
            204,
        ))
        .wrong_field("time_zone", "Asia/Atlantis", 422, "invalid-body")
        .wrong_field("to", "22:00", 422, "invalid-body")
        .wrong_field("to", "7:00", 422, "invalid-body"),
        nobody_known(Row::new("DELETE /users/me/quiet-hours", Who::Ana, &[], Value::Null, 204)),
        nobody_known(Row::new("PUT /users/me/read-marker-sharing", Who::Ana, &[], json!({ "shared": false }), 204)),
        nobody_known(Row::new("PUT /users/me/muted-rooms/{room}", Who::Ana, &muted, Value::Null, 204).knows("room")),
        nobody_known(Row::new("DELETE /users/me/muted-rooms/{room}", Who::Ana, &muted, Value::Null, 204).knows("room")),
        nobody_known(Row::new("PUT /users/me/blocks/{user}", Who::Ana, &blocked, Value::Null, 204).knows("user")),
        nobody_known(Row::new("DELETE /users/me/blocks/{user}", Who::Ana, &blocked, Value::Null, 204).knows("user")),
    ]
}

fn read_alarms(fixture: &Fixture) -> Row {
    Row::new("POST /alarms/read", Who::Ana, &[], json!({ "up_to": fixture.alarms_up_to }), 204)
        .not(Who::Stranger, 404, "user-not-found")
        .not(Who::Operator, 403, "forbidden")
        .wrong_field("up_to", "box-0.another.1", 422, "unknown-position")
        .wrong_field("up_to", "user.another.1", 422, "unknown-position")
}

fn catalogue() -> Vec<Row> {
    let operators = |row: Row| row.not(Who::Ana, 403, "forbidden").not(Who::Device, 403, "forbidden");
    let of_box =
        |operation, body, status| operators(Row::new(operation, Who::Operator, &[("box", "box-9")], body, status));
    let of_user = |operation| {
        let params = [("box", "box-9"), ("user", "ana")];
        operators(Row::new(operation, Who::Operator, &params, Value::Null, 204)).knows("user")
    };
    let of_store = |operation, body| operators(Row::new(operation, Who::Operator, &[("store", "store-9")], body, 204));
    let store = json!({ "store_id": "store-9", "name": "Nine", "zip_code": "99999", "category": "snacks" });
    let install = Row::new("POST /boxes", Who::Operator, &[], box_details("box-9"), 201);
    let register = Row::new("POST /stores", Who::Operator, &[], store, 201);
    vec![
        operators(install).wrong_field("box_id", "box-1", 409, "box-exists"),
        of_box(
            "PATCH /boxes/{box}",
            json!({ "address": "Elsewhere 9", "coordinates": { "latitude": 1.0, "longitude": 2.0 } }),
            204,
        ),
        of_box("PUT /boxes/{box}/service-state", json!({ "state": "out_of_service", "reason": "rust" }), 204),
        of_box("PUT /boxes/{box}/credentials", json!({ "secret": SECRET }), 204),
        Row::new("POST /boxes/{box}/sessions", Who::Anonymous, &[("box", "box-9")], json!({ "secret": SECRET }), 200)
            .unknown_is(401, "wrong-credentials")
            .wrong_field("secret", "another secret, which is long enough", 401, "wrong-credentials"),
        of_box("DELETE /boxes/{box}/credentials", Value::Null, 204),
        of_user("PUT /boxes/{box}/users/{user}"),
        of_user("DELETE /boxes/{box}/users/{user}"),
        of_box("DELETE /boxes/{box}", Value::Null, 204),
        operators(register).wrong_field("store_id", "noodles", 409, "store-exists"),
        of_store("PATCH /stores/{store}", json!({ "name": "Number Nine", "category": "soups" })),
        of_store("PUT /stores/{store}/availability", json!({ "state": "closed" })),
        of_store("PUT /stores/{store}/retirement", json!({ "reason": "Bankrupt" })),
    ]
}

fn reports(fixture: &Fixture) -> Vec<Row> {
    let body = json!({ "room_id": fixture.room, "message_id": fixture.bens_message, "category": "spam", "note": "no" });
    let by_operator = |operation, body| {
        let row = Row::new(operation, Who::Operator, &[("report", "no-report")], body, 404);
        row.not(Who::Ana, 403, "forbidden").not(Who::Device, 403, "forbidden")
    };
    let resolution = json!({ "action": "warned", "note": "once" });
    vec![
        Row::new("POST /reports", Who::Ana, &[], body, 201)
            .not(Who::Stranger, 403, "not-a-member")
            .not(Who::Operator, 403, "forbidden")
            .wrong_field("message_id", "999999999", 404, "message-not-found")
            .wrong_field("user_id", "ben", 422, "invalid-body"),
        by_operator("PUT /reports/{report}/claim", Value::Null),
        by_operator("DELETE /reports/{report}/claim", Value::Null),
        by_operator("PUT /reports/{report}/resolution", resolution),
        by_operator("PUT /reports/{report}/publication", Value::Null),
    ]
}

fn moderation() -> Vec<Row> {
    let by_operator = |operation, body| {
        let row = Row::new(operation, Who::Operator, &[("filter", "spam-9")], body, 204);
        row.not(Who::Ana, 403, "forbidden").not(Who::Device, 403, "forbidden")
    };
    let filter = json!({ "kind": "word", "pattern": "free soup", "action": "mask" });
    vec![
        by_operator("PUT /filters/{filter}", filter).knows("filter").wrong_field("pattern", "*", 422, "invalid-body"),
        by_operator("DELETE /filters/{filter}", Value::Null),
    ]
}

fn rooms(fixture: &Fixture) -> Vec<Row> {
    let room = [("room", fixture.room.as_str())];
    let the_box = [("box", "box-1")];
    let by_device = |operation| {
        Row::new(operation, Who::Device, &the_box, Value::Null, 201)
            .unknown_is(403, "forbidden")
            .not(Who::OtherDevice, 403, "forbidden")
            .not(Who::Ana, 403, "forbidden")
    };
    let open = json!({ "store_id": "noodles", "title": "Dinner", "max_members": 2, "password": "secret" });
    let open = Row::new("POST /boxes/{box}/rooms", Who::Ana, &[("box", "box-2")], open, 201);
    // An operator cannot drop a message that can be projected, so it stays.
    let drop = json!({ "sequence": fixture.anas_message, "reason": "a test" });
    let by_host = |operation, body: Value, status| {
        Row::new(operation, Who::Ana, &room, body, status).not(Who::Ben, 403, "not-the-host").not(
            Who::Stranger,
            403,
            "not-a-member",
        )
    };
    let of_host = |operation, params: &[(&'static str, &str)], body: Value| {
        let row = Row::new(operation, Who::Ana, params, body, 204);
        row.not(Who::Ben, 403, "not-the-host").not(Who::Stranger, 403, "not-a-member")
    };
    let about_cleo = |operation, body| of_host(operation, &[room[0], ("user", "cleo")], body);
    let about_message =
        |operation| of_host(operation, &[room[0], ("message", fixture.bens_message.as_str())], Value::Null);
    let invitation = [room[0], ("invitation", "1")];
    vec![
        open.not(Who::Device, 403, "forbidden").wrong_field("store_id", "no-such-store", 404, "store-not-found"),
        Row::new("POST /boxes/{box}/dropped-events", Who::Operator, &the_box, drop, 201)
            .not(Who::Ana, 403, "forbidden")
            .not(Who::Device, 403, "forbidden")
            .wrong_field("sequence", "999999999", 404, "event-not-found"),
        by_device("POST /boxes/{box}/arrivals"),
        by_device("POST /boxes/{box}/door-openings"),
        Row::new("POST /rooms/{room}/members", Who::Cleo, &room, json!({ "password": "open sesame" }), 201)
            .not(Who::Ben, 409, "already-member")
            .not(Who::Operator, 403, "forbidden")
            .wrong_field("password", "open barley", 403, "wrong-password")
            .wrong_field("invitation", "unknown", 403, "invalid-room-invitation"),
        by_host("PATCH /rooms/{room}", json!({ "title": "Noodles", "max_members": 6 }), 204).wrong_field(
            "store_id",
            "no-such-store",
            404,
            "store-not-found",
        ),
        by_host("PUT /rooms/{room}/slow-mode", json!({ "seconds": 0 }), 204),
        about_cleo("PUT /rooms/{room}/co-hosts/{user}", Value::Null),
        about_cleo("DELETE /rooms/{room}/co-hosts/{user}", Value::Null).knows("user"),
        about_cleo("PUT /rooms/{room}/members/{user}/mute", json!({ "minutes": 5 })),
        about_cleo("DELETE /rooms/{room}/members/{user}/mute", Value::Null).knows("user"),
        about_message("PUT /rooms/{room}/pins/{message}"),
        about_message("DELETE /rooms/{room}/pins/{message}").knows("message"),
        by_host("POST /rooms/{room}/invitations", json!({ "uses": 2, "minutes": 60 }), 201),
        Row::new("DELETE /rooms/{room}/invitations/{invitation}", Who::Ana, &invitation, Value::Null, 204)
            .not(Who::Ben, 403, "not-the-host")
            .not(Who::Stranger, 403, "not-a-member"),
        by_host("PUT /rooms/{room}/step", json!({ "step": "ordering" }), 204),
        by_host("POST /rooms/{room}/extensions", json!({ "hours": 1 }), 201),
    ]
}

fn talk(fixture: &Fixture) -> Vec<Row> {
    let room = [("room", fixture.room.as_str())];
    let message = [("room", fixture.room.as_str()), ("message", fixture.anas_message.as_str())];
    let reaction = [message[0], message[1], ("emoji", "👍")];
    let by_member = |row: Row| row.not(Who::Stranger, 403, "not-a-member").not(Who::Operator, 403, "forbidden");
    let by_author = |row: Row| by_member(row).not(Who::Ben, 403, "not-the-author");
    let post = json!({ "body": "Hello again", "reply_to": fixture.bens_message });
    let marker = json!({ "message_id": fixture.bens_message });
    vec![
        by_member(Row::new("POST /rooms/{room}/messages", Who::Ben, &room, post, 201)).wrong_field(
            "reply_to",
            "999999999",
            404,
            "message-not-found",
        ),
        by_author(Row::new(
            "PATCH /rooms/{room}/messages/{message}",
            Who::Ana,
            &message,
            json!({ "body": "Hello, all" }),
            204,
        )),
        by_member(Row::new(
            "PUT /rooms/{room}/messages/{message}/reactions/{emoji}",
            Who::Ben,
            &reaction,
            Value::Null,
            204,
        )),
        by_member(Row::new(
            "DELETE /rooms/{room}/messages/{message}/reactions/{emoji}",
            Who::Ben,
            &reaction,
            Value::Null,
            204,
        )),
        by_member(Row::new("PUT /rooms/{room}/read-marker", Who::Ana, &room, marker, 204)).wrong_field(
            "message_id",
            "999999999",
            404,
            "message-not-found",
        ),
        by_author(Row::new("DELETE /rooms/{room}/messages/{message}", Who::Ana, &message, Value::Null, 204)),
    ]
}

fn endings(fixture: &Fixture) -> Vec<Row> {
    let room = [("room", fixture.room.as_str())];
    let cleo = [("room", fixture.room.as_str()), ("user", "cleo")];
    let message = [("room", fixture.room.as_str()), ("message", fixture.bens_message.as_str())];
    let by_moderator = |row: Row| row.not(Who::Ana, 403, "forbidden").not(Who::Device, 403, "forbidden");
    let reason = || json!({ "reason": "Spam" });
    vec![
        by_moderator(Row::new("PUT /rooms/{room}/messages/{message}/removal", Who::Moderator, &message, reason(), 204)),
        Row::new("DELETE /rooms/{room}/members/{user}", Who::Ana, &cleo, Value::Null, 204)
            .not(Who::Ben, 403, "not-the-host")
            .not(Who::Stranger, 403, "not-a-member"),
        by_moderator(
            Row::new("PUT /rooms/{room}/lifted-kicks/{user}", Who::Moderator, &cleo, reason(), 204).knows("user"),
        ),
        by_moderator(Row::new("PUT /rooms/{room}/closure", Who::Moderator, &[("room", "box-2.1")], reason(), 204)),
        Row::new("PUT /rooms/{room}/host", Who::Ana, &room, json!({ "user_id": "ben" }), 204)
            .not(Who::Ben, 403, "not-the-host")
            .wrong_field("user_id", "no-such-user", 404, "member-not-found"),
        Row::new("DELETE /rooms/{room}/members/me", Who::Ana, &room, Value::Null, 204)
            .not(Who::Stranger, 403, "not-a-member")
            .not(Who::Cleo, 403, "not-a-member"),
        Row::new("DELETE /rooms/{room}", Who::Ben, &room, Value::Null, 204).not(Who::Ana, 403, "not-a-member").not(
            Who::Operator,
            403,
            "forbidden",
        ),
        Row::new("DELETE /users/me", Who::Ben, &[], json!({ "password": PASSWORD }), 204)
            .not(Who::Operator, 403, "forbidden")
            .not(Who::Stranger, 401, "wrong-credentials")
            .wrong_field("password", "not the password", 401, "wrong-credentials"),
    ]
}

/// Commands on a box, and on a user that no other row needs.
fn measures() -> Vec<Row> {
    let dora = [("user", "dora")];
    let row = |operation, body| {
        let row = Row::new(operation, Who::Operator, &dora, body, 204).unknown_is(404, "user-not-found");
        row.not(Who::Ana, 403, "forbidden").not(Who::Device, 403, "forbidden")
    };
    let reason = || json!({ "reason": "Spam" });
    let only_operators = |row: Row| row.not(Who::Moderator, 403, "forbidden");
    vec![
        row("PUT /users/{user}/suspension", json!({ "reason": "Spam", "until": null }))
            .wrong_field("until", "2020-01-01T00:00:00Z", 422, "invalid-body")
            .wrong_field("until", "tomorrow", 422, "invalid-body"),
        row("PUT /users/{user}/reinstatement", reason()),
        Row { status: 201, ..only_operators(row("POST /users/{user}/password-resets", reason())) },
        only_operators(row("PUT /users/{user}/erasure", reason())),
        only_operators(
            Row::new("PUT /boxes/{box}/retirement", Who::Operator, &[("box", "box-2")], reason(), 204)
                .not(Who::Ana, 403, "forbidden")
                .not(Who::Device, 403, "forbidden"),
        ),
    ]
}

/// All reads.
pub(crate) fn reads(fixture: &Fixture) -> Vec<Row> {
    let read = |operation, params: &[(&'static str, &str)]| Row::new(operation, Who::Ana, params, Value::Null, 200);
    let room = [("room", fixture.room.as_str())];
    let of_members = |operation| read(operation, &room).not(Who::Stranger, 403, "not-a-member");
    vec![
        read("GET /boxes", &[]).wrong_query(&[("near", "91,0")]).wrong_query(&[("near", "1,2,3")]),
        read("GET /boxes/{box}", &[("box", "box-1")]),
        read("GET /stores", &[]),
        read("GET /stores/{store}", &[("store", "noodles")]),
        read("GET /rooms", &[]),
        read("GET /rooms/{room}", &room),
        of_members("GET /rooms/{room}/members"),
        of_members("GET /rooms/{room}/invitations").not(Who::Ben, 403, "not-the-host"),
        of_members("GET /rooms/{room}/messages")
            .wrong_query(&[("before", "1"), ("after", "1")])
            .wrong_query(&[("after", "1"), ("around", "1")]),
        read("GET /rooms/{room}/messages/{message}", &[room[0], ("message", fixture.anas_message.as_str())]).not(
            Who::Stranger,
            403,
            "not-a-member",
        ),
        of_members("GET /rooms/{room}/events"),
        Row { query: vec![("ids", "ana")], ..read("GET /users", &[]) }.wrong_query(&[("ids", "ana,")]),
        read("GET /users/{user}", &[("user", "ana")]).unknown_is(404, "user-not-found"),
        Row { by: Who::Moderator, ..read("GET /moderation/users", &[]) }.not(Who::Ana, 403, "forbidden"),
        Row { by: Who::Moderator, ..read("GET /moderation/users/{user}", &[("user", "ana")]) }
            .unknown_is(404, "user-not-found")
            .not(Who::Ana, 403, "forbidden"),
        read("GET /me", &[]).not(Who::Stranger, 404, "user-not-found"),
        read("GET /me/rooms", &[]),
        read("GET /me/alarms", &[]),
        read("GET /me/blocks", &[]),
        Row::new("GET /reports", Who::Operator, &[], Value::Null, 200).not(Who::Ana, 403, "forbidden"),
        Row::new("GET /reports/{report}", Who::Operator, &[("report", "no-report")], Value::Null, 404).not(
            Who::Ana,
            403,
            "forbidden",
        ),
        Row::new("GET /filters", Who::Operator, &[], Value::Null, 200).not(Who::Ana, 403, "forbidden"),
        read("GET /me/export", &[]),
        Row { query: vec![("q", "hello")], ..read("GET /search/messages", &[]) },
        Row { unchecked: vec!["cursor", "ticket"], goes_on: true, ..read("GET /events", &[]) }
            .wrong_query(&[("rooms", "")])
            .wrong_query(&[("rooms", "box-1.1,,box-1.2")]),
        Row::new("POST /live-tickets", Who::Ana, &[], Value::Null, 201),
    ]
}
