//! The OpenAPI description. The parts that all commands share are added here.

use std::collections::BTreeMap;

use service_kit::problem::Problem;
use utoipa::{
    OpenApi, PartialSchema, ToSchema,
    openapi::{
        AllOfBuilder, Content, ContentBuilder, Header, HeaderBuilder, Object, ObjectBuilder, OpenApi as Document, Ref,
        RefOr, Required, Response, ResponseBuilder,
        path::{Operation, ParameterBuilder, ParameterIn},
        schema::{Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{
    answer::{HeldMessage, NewId, NewInvitation},
    app::App,
    moderation::password_reset::IssuedReset,
    problems::Code,
    sessions::{Session as SessionTokens, list::SessionList},
    users::confirmation::Unconfirmed,
};

/// The name of the security scheme.
const TOKEN: &str = "token";

/// The callers that may give a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Public,
    SignedIn,
    People,
    Users,
    Operators,
    Moderators,
    Boxes,
}

/// The kind of answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Created,
    /// `201`, or `202` until the registration is confirmed.
    Registered,
    /// `201`, or `202` if a filter holds the message back.
    Posted,
    Invitation,
    Done,
    Session,
    PasswordReset,
    Sessions,
    NoContent,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Boxroom: command-service",
        description = "Commands. They answer with an id or nothing, and with the position of the command in the log \
                       (`Event-Position`). Send an `Idempotency-Key` with each command and repeat it until an answer \
                       arrives: it is carried out once. Every refusal is a problem (RFC 9457) with a stable `code`. \
                       The same commands are served over NATS, as `cmd.<operation id>`.",
        version = "1"
    ),
    servers((url = "/", description = "This service")),
    components(
        schemas(Problem, NewId, HeldMessage, NewInvitation, SessionTokens, SessionList, Unconfirmed, IssuedReset)
    ),
    tags(
        (name = "users", description = "The caller's own account"),
        (name = "sessions", description = "Signing in"),
        (name = "boxes", description = "Delivery boxes"),
        (name = "stores", description = "Stores for orders"),
        (name = "rooms", description = "Rooms and their members"),
        (name = "talk", description = "Messages and reactions"),
        (name = "moderation", description = "Commands of moderators and operators against abuse"),
        (name = "reports", description = "Reports to the moderators, and their handling"),
        (name = "filters", description = "Words and links that texts must not have"),
    )
)]
struct Api;

/// Returns the description without operations.
pub(super) fn document() -> Document {
    let mut document = Api::openapi();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document.components.get_or_insert_default().add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    document
}

/// Completes the description of a route with its entry in the route table.
pub(super) fn command(
    mut route: UtoipaMethodRouter<App>,
    access: Access,
    answer: Answer,
    problems: &[Code],
) -> UtoipaMethodRouter<App> {
    for item in route.1.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            complete(operation, access, answer, problems);
        }
    }
    route
}

/// Completes the description of a route that begins, refreshes or ends a session. Its refresh token may be in a cookie.
pub(super) fn session(
    route: UtoipaMethodRouter<App>,
    access: Access,
    answer: Answer,
    problems: &[Code],
) -> UtoipaMethodRouter<App> {
    let mut route = command(route, access, answer, &[problems, &[Code::InvalidSessionHeader]].concat());
    let place = ParameterBuilder::new()
        .name("Boxroom-Session")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "For web pages: with `cookie` the refresh token is kept in a cookie that scripts cannot read \
             (`HttpOnly`, `SameSite=Strict`), and is in no body.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["cookie"]))))
        .build();
    for item in route.1.paths.values_mut() {
        for operation in [&mut item.post, &mut item.delete].into_iter().flatten() {
            operation.parameters.get_or_insert_default().push(RefOr::T(place.clone()));
        }
    }
    route
}

fn complete(operation: &mut Operation, access: Access, answer: Answer, problems: &[Code]) {
    let in_path = operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let is_read = answer == Answer::Sessions;
    let mut codes = if is_read { READ_PROBLEMS.to_vec() } else { command_problems() };
    codes.extend(shared_problems(access, operation.request_body.is_some(), in_path));
    codes.extend(problems);
    codes.sort_unstable();
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(code);
    }
    let (status, success) = success(answer);
    let responses = &mut operation.responses.responses;
    *responses =
        by_status.iter().map(|(status, codes)| (status.to_string(), RefOr::T(failure(*status, codes)))).collect();
    responses.insert(status.to_string(), RefOr::T(success));
    let accepted = match answer {
        Answer::Registered => Some(("A link is sent to the contact address", Unconfirmed::name())),
        Answer::Posted => Some(("A moderator decides about the message", HeldMessage::name())),
        _ => None,
    };
    if let Some((meaning, body)) = accepted {
        let content = Content::new(Some(Ref::from_schema_name(body)));
        let response = ResponseBuilder::new().description(meaning).content("application/json", content);
        responses.insert("202".to_owned(), RefOr::T(response.build()));
    }

    let allowed = match access {
        Access::Public => "No token required.",
        Access::SignedIn => "Requires any valid token.",
        Access::People => "Requires the role user, operator or moderator.",
        Access::Users => "Requires the role user.",
        Access::Operators => "Requires the role operator.",
        Access::Moderators => "Requires the role moderator or operator.",
        Access::Boxes => "Requires a token of the box itself.",
    };
    let description = operation.description.take().filter(|text| !text.is_empty());
    operation.description = Some(description.map_or_else(|| allowed.to_owned(), |text| format!("{text}\n\n{allowed}")));
    let no_scopes: [&str; 0] = [];
    operation.security = Some(match access {
        Access::Public => vec![],
        _ => vec![SecurityRequirement::new(TOKEN, no_scopes)],
    });
    if is_read {
        return;
    }
    // No example: many clients would send it with every request.
    let any_key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,64}$"));
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Identifies the command: repeats with the same key are carried out once. Best a UUIDv7. The scope is the \
             caller (role and id) and the box, user, store or read marker that the command changes.",
        ))
        .schema(Some(any_key));
    operation.parameters.get_or_insert_default().push(RefOr::T(key.build()));
}

/// The problems of every request.
const READ_PROBLEMS: [Code; 7] = [
    Code::UriTooLong,
    Code::HeadersTooLarge,
    Code::RateLimited,
    Code::Internal,
    Code::LogUnavailable,
    Code::ClockSkew,
    Code::Timeout,
];

/// Returns the problems of every command.
fn command_problems() -> Vec<Code> {
    let mut codes = READ_PROBLEMS.to_vec();
    codes.extend([
        Code::InvalidIdempotencyKey,
        Code::Contended,
        Code::BodyTooSlow,
        Code::BodyTooLarge,
        Code::IdempotencyKeyReused,
        Code::LogFull,
        Code::LogDamaged,
        Code::MalformedJson,
    ]);
    codes
}

/// Returns the problems that depend on the callers and the input.
fn shared_problems(access: Access, has_body: bool, in_path: bool) -> Vec<Code> {
    let mut codes = vec![];
    if has_body {
        codes.extend([Code::UnsupportedMediaType, Code::InvalidBody]);
    }
    if in_path {
        codes.push(Code::NotFound);
    }
    if access != Access::Public {
        codes.extend([Code::MissingToken, Code::InvalidToken, Code::ExpiredToken, Code::RevokedToken]);
    }
    if !matches!(access, Access::Public | Access::SignedIn) {
        codes.push(Code::Forbidden);
    }
    codes
}

fn success(answer: Answer) -> (u16, Response) {
    let json = |name: String| Content::new(Some(Ref::from_schema_name(name)));
    let response = match answer {
        Answer::Session => {
            let session = json(SessionTokens::name().into_owned());
            return (200, ResponseBuilder::new().description("Signed in").content("application/json", session).build());
        }
        Answer::PasswordReset => {
            let issued = json(IssuedReset::name().into_owned());
            return (201, ResponseBuilder::new().description("Issued").content("application/json", issued).build());
        }
        Answer::Sessions => {
            let list = json(SessionList::name().into_owned());
            return (200, ResponseBuilder::new().description("The sessions").content("application/json", list).build());
        }
        Answer::NoContent => {
            return (204, ResponseBuilder::new().description("Done, or done before").build());
        }
        Answer::Invitation => {
            let content = json(NewInvitation::name().into_owned());
            let created = ResponseBuilder::new().description("Stored; the number of the invitation and its token");
            created.content("application/json", content)
        }
        Answer::Created | Answer::Registered | Answer::Posted => {
            let content = json(NewId::name().into_owned());
            let created = ResponseBuilder::new().description("Stored; the id of the created object");
            created.content("application/json", content)
        }
        Answer::Done => ResponseBuilder::new().description("Stored, or no change needed"),
    };
    let position = text_header("Position of the command in the log; queries take it as `Min-Position`");
    let replay = text_header("`true`: the command was carried out before, and this is its first answer");
    let response = response.header("Event-Position", position).header("Idempotent-Replay", replay).build();
    (if answer == Answer::Done { 204 } else { 201 }, response)
}

fn failure(status: u16, codes: &[Code]) -> Response {
    let listed: Vec<String> = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.when())).collect();
    let names = codes.iter().map(|code| code.as_str());
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    let this = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(ObjectBuilder::new().property("code", code).required("code"));
    let content = ContentBuilder::new().schema(Some(Schema::AllOf(this.build()))).build();
    let response = ResponseBuilder::new().description(listed.join("\n\n")).content("application/problem+json", content);
    if matches!(status, 409 | 429 | 503) || codes.contains(&Code::Muted) {
        let seconds = HeaderBuilder::new().schema(Some(u32::schema()));
        let seconds = seconds.description(Some("Seconds to wait before the next try")).build();
        return response.header("Retry-After", seconds).build();
    }
    response.build()
}

fn text_header(description: &str) -> Header {
    let text: Object = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}
