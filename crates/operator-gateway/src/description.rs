//! The OpenAPI document, made from the table of operations.

use std::collections::BTreeMap;

use operator_protocol::Service;
use service_kit::problem::Problem;
use utoipa::{
    Modify, OpenApi, PartialSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, HeaderBuilder, HttpMethod, ObjectBuilder, OpenApi as Description, PathItem, Ref,
        RefOr, Response, ResponseBuilder, ResponsesBuilder,
        path::{Operation as DescribedOperation, OperationBuilder},
        request_body::RequestBodyBuilder,
        schema::{Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{operations::Operation, problems};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Boxroom: operator-gateway",
        description = "Requests of operators to projectors and notifiers. Each is a `POST` with a token of the role \
                       `operator`. An empty body stands for `{}`. Times are RFC 3339 in UTC. Every error is a problem \
                       (RFC 9457) with a stable `code`.",
        version = "1"
    ),
    servers((url = "/", description = "This service")),
    components(schemas(Problem)),
    modifiers(&BearerToken),
    security(("token" = [])),
    tags(
        (name = "projector", description = "Generations of the read model, quarantined boxes and the audit trail"),
        (name = "notifier", description = "Webhooks, and push messages that were given up"),
    )
)]
struct Api;

/// Adds the security scheme of access tokens, which the command-service issues.
struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, description: &mut Description) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Returns the OpenAPI document of these operations.
pub(crate) fn of(operations: &[Operation]) -> Description {
    let mut description = Api::openapi();
    let components = description.components.get_or_insert_default();
    components.schemas.extend(operations.iter().flat_map(|operation| operation.schemas.iter().cloned()));
    for operation in operations {
        let item = PathItem::new(HttpMethod::Post, describe(operation));
        description.paths.paths.insert(operation.path(), item);
    }
    description
}

fn describe(operation: &Operation) -> DescribedOperation {
    let Operation { service, verb, request, answer, .. } = operation;
    let json = |schema: &RefOr<Schema>| ContentBuilder::new().schema(Some(schema.clone())).build();
    let body = RequestBodyBuilder::new().content("application/json", json(request)).build();
    let processes = match service {
        Service::Projector => "projectors",
        Service::Notifier => "notifiers",
    };
    let response = ResponseBuilder::new().description(format!("The answer of one of the {processes}"));
    let response = response.content("application/json", json(answer));
    OperationBuilder::new()
        .tag(service.as_str())
        .operation_id(Some(format!("{}_{verb}", service.as_str())))
        .description(description_of(request))
        .request_body(Some(body))
        .responses(ResponsesBuilder::new().responses_from_iter(problem_responses()))
        .response("200", response.build())
        .build()
}

/// Returns the description in a schema, which is the doc comment of the type.
fn description_of(schema: &RefOr<Schema>) -> Option<String> {
    serde_json::to_value(schema).ok()?["description"].as_str().map(str::to_owned)
}

/// Returns the problems by status, each status with its codes.
fn problem_responses() -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code, _) in problems::ALL {
        by_status.entry(status).or_default().push(code);
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
    let response = ResponseBuilder::new().description(listed).content("application/problem+json", content);
    if !matches!(status, 429 | 503) {
        return response.build();
    }
    let seconds = HeaderBuilder::new().schema(Some(u32::schema())).description(Some("Seconds to wait before a retry"));
    response.header("Retry-After", seconds.build()).build()
}
