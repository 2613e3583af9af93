//! Firebase Cloud Messaging, HTTP v1: <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>.

use std::{fmt, sync::Arc, time::Duration};

use hyper::{Request, Uri, header};

use crate::{
    message::PushMessage,
    outbound::{Client, Protocol, Reach, Response, Settings},
    outcome::{Failure, Receipt, SetupError, within},
    target::RegistrationToken,
};

pub use service_account::ServiceAccount;

use access_token::{AccessToken, AccessTokens};
use request::encode;
use response::{Rejection, name_of};

mod access_token;
mod request;
mod response;
mod service_account;

/// The error code of a target whose own service (APNs, Web Push) rejects the credentials stored in FCM.
const THIRD_PARTY_AUTH_ERROR: &str = "THIRD_PARTY_AUTH_ERROR";

/// Sends messages to the apps of a Firebase project, over one HTTP/2 connection.
pub struct Fcm {
    client: Client,
    messages: Uri,
    tokens: Arc<AccessTokens>,
    timeout: Duration,
}

impl Fcm {
    /// The address of the service.
    pub const ADDRESS: &str = "https://fcm.googleapis.com";

    /// Returns a provider that sends to the service at the address. Nothing is sent yet.
    pub fn new(account: ServiceAccount, address: &str, settings: &Settings) -> Result<Self, SetupError> {
        let messages = format!("{}/v1/projects/{}/messages:send", address.trim_end_matches('/'), account.project_id());
        let messages = SetupError::check_address(&messages)?;
        let client = Client::new(Reach::Any, Protocol::Http2, settings)?;
        let tokens = AccessTokens::new(client.clone(), account)?;
        Ok(Self { client, messages, tokens, timeout: settings.timeout })
    }

    /// Sends a message once. After a 401, which a revoked token causes, it renews the token and repeats the request.
    pub async fn send(&self, message: &PushMessage, target: &RegistrationToken) -> Result<Receipt, Failure> {
        within(self.timeout, self.attempt(message, target)).await
    }

    async fn attempt(&self, message: &PushMessage, target: &RegistrationToken) -> Result<Receipt, Failure> {
        let body = encode(message, target);
        let token = self.tokens.get().await?;
        let response = self.request(&token, body.clone()).await?;
        if response.status.as_u16() != 401 || Rejection::of(&response).code() == THIRD_PARTY_AUTH_ERROR {
            return result(&response);
        }
        let token = self.tokens.after_rejection(&token).await?;
        result(&self.request(&token, body).await?)
    }

    async fn request(&self, token: &AccessToken, body: Vec<u8>) -> Result<Response, Failure> {
        let request = Request::post(self.messages.clone())
            .header(header::AUTHORIZATION, token.header())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(|error| Failure::rejected(error.to_string()))?;
        Ok(self.client.send(request).await?)
    }
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm").field("messages", &self.messages).finish_non_exhaustive()
    }
}

fn result(response: &Response) -> Result<Receipt, Failure> {
    if response.status.is_success() {
        return Ok(Receipt { reference: name_of(&response.body) });
    }
    let rejection = Rejection::of(response);
    Err(if rejection.is_of_token() { Failure::Gone } else { rejection.into_failure(response) })
}
