//! Firebase Cloud Messaging, HTTP v1: <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>.

use std::{fmt, sync::Arc};

use hyper::{Request, Uri, header};
use tokio::time::Instant;

use crate::{
    message::PushMessage,
    outbound::{Client, Protocol, Reach, Response, Settings},
    outcome::{Failure, Receipt, Scope, SetupError},
    target::RegistrationToken,
};

pub use service_account::ServiceAccount;

use access_token::{AccessToken, AccessTokens};
use request::encode;
use response::{Rejection, THIRD_PARTY_AUTH_ERROR, message_name};

mod access_token;
mod request;
mod response;
mod service_account;

/// Sends messages to the apps of a Firebase project, over one HTTP/2 connection.
pub struct Fcm {
    client: Client,
    messages: Uri,
    tokens: Arc<AccessTokens>,
}

impl Fcm {
    /// The address of the service.
    pub const ADDRESS: &str = "https://fcm.googleapis.com";

    /// Returns a provider that sends to the service at the address. Nothing is sent yet.
    pub fn new(account: ServiceAccount, address: &str, settings: &Settings) -> Result<Self, SetupError> {
        let messages = format!("{}/v1/projects/{}/messages:send", address.trim_end_matches('/'), account.project_id());
        let messages = SetupError::parse_address(&messages)?;
        let client = Client::new(Reach::Any, Protocol::Http2, settings)?;
        let tokens = AccessTokens::new(client.clone(), account)?;
        Ok(Self { client, messages, tokens })
    }

    /// Sends a message once. After a 401, which a revoked token causes, it renews the token and repeats the request.
    pub async fn send(&self, message: &PushMessage, target: &RegistrationToken) -> Result<Receipt, Failure> {
        let deadline = self.client.deadline();
        let body = encode(message, target)?;
        let token = self.tokens.get(deadline).await?;
        let response = self.request(deadline, &token, body.clone()).await?;
        if response.status.as_u16() != 401 || Rejection::of(&response).code() == THIRD_PARTY_AUTH_ERROR {
            return result(&response);
        }
        self.tokens.remove(&token);
        let token = self.tokens.get(deadline).await?;
        result(&self.request(deadline, &token, body).await?)
    }

    async fn request(&self, deadline: Instant, token: &AccessToken, body: Vec<u8>) -> Result<Response, Failure> {
        let request = Request::post(self.messages.clone())
            .header(header::AUTHORIZATION, token.header())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(|error| Failure::rejected(error.to_string()))?;
        let response = self.client.send_before(deadline, request).await;
        response.map_err(|error| Failure::from_request(error, Scope::Service))
    }
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm").field("messages", &self.messages).finish_non_exhaustive()
    }
}

fn result(response: &Response) -> Result<Receipt, Failure> {
    if response.status.is_success() {
        return Ok(Receipt { reference: message_name(&response.body) });
    }
    Err(Rejection::of(response).to_failure(response))
}
