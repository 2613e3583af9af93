//! A stack with an operator-gateway, and requests to it.

use std::time::Duration;

use harness::{Account, ServiceId, Stack, StackOptions, token::Bearer};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use testing::{Answer, server};

/// The gateway of these tests.
pub(crate) const GATEWAY: ServiceId = ServiceId::OperatorGateway(0);

/// The projector of these tests.
pub(crate) const PROJECTOR: ServiceId = ServiceId::Projector(0);

/// The lifetime of minted tokens.
const SESSION: Duration = Duration::from_hours(1);

/// A stack with its client. Ends with this value.
pub(crate) struct World {
    pub(crate) stack: Stack,
    http: Client,
}

impl World {
    /// Starts everything, and waits until it is ready.
    pub(crate) async fn start() -> Self {
        Self::with(StackOptions::default()).await
    }

    /// Starts a stack of this kind with a gateway.
    pub(crate) async fn with(options: StackOptions) -> Self {
        let options = StackOptions { operator_gateways: 1, ..options };
        let stack = Box::pin(Stack::start(options)).await.unwrap_or_else(|error| panic!("{error:?}"));
        Self { stack, http: Client::builder().no_proxy().build().expect("a client") }
    }

    /// The token of an operator.
    pub(crate) fn operator(&self) -> String {
        self.token(Bearer::Operator("ops"))
    }

    pub(crate) fn token(&self, bearer: Bearer<'_>) -> String {
        self.stack.token(bearer, SESSION)
    }

    /// A request to the gateway, without a token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.stack.url(GATEWAY)))
    }

    /// A request of the operator `ops` to the gateway, like `projector/status`, without a body.
    pub(crate) fn post(&self, operation: &str) -> RequestBuilder {
        self.request(Method::POST, &format!("/ops/{operation}")).bearer_auth(self.operator())
    }

    /// Sends a request of the operator `ops`.
    pub(crate) async fn operate(&self, operation: &str, body: Value) -> Answer {
        send(self.post(operation).json(&body)).await
    }

    /// Sends a command of this caller to the command-service.
    pub(crate) async fn command(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.stack.command_url(0)));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        send(request.json(&body)).await
    }

    /// Installs a box, so that the log is not empty.
    pub(crate) async fn install_box(&self, box_id: &str) {
        let details = testing::requests::box_details(box_id);
        self.command(&self.operator(), Method::POST, "/boxes", details).await.created();
    }

    /// The status of all generations.
    pub(crate) async fn status(&self) -> Value {
        self.operate("projector/status", json!({})).await.ok()
    }

    /// A connection with the account of the projectors, to answer in their place while none runs.
    pub(crate) async fn as_projector(&self) -> async_nats::Client {
        server::connect(&self.stack.nats_url(Account::Projector)).await
    }
}

/// Sends a request and reads the answer.
pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let asked = response.url().path().to_owned();
    Answer::read(asked, response).await.expect("a body")
}
