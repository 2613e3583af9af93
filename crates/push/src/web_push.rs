//! Web Push: delivery (RFC 8030), encryption (RFC 8291) and identification of the sender (RFC 8292).
//!
//! The endpoint comes from the user's browser, so it can be any address. Only public ones are used, over HTTPS, unless
//! [`Reach::Any`] allows others for tests.

use std::{collections::BTreeMap, fmt};

use hyper::{Request, header};
use serde::Serialize;
use web_push_native::Auth;

use crate::{
    message::{Alert, PushMessage},
    outbound::{Client, Protocol, Reach, Response, Settings},
    outcome::{Failure, Receipt, Scope, SetupError},
    target::Subscription,
};

pub use vapid::VapidKey;

mod vapid;

/// The maximum size of a content, which encryption makes a message of 4096 bytes.
const MAX_CONTENT: usize = 3993;

/// The content of a message, which the site's service worker reads.
#[derive(Serialize)]
struct Content<'a> {
    #[serde(flatten)]
    alert: Option<Alert>,
    /// The key by which a shown notification is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    badge: u32,
    urgent: bool,
    data: &'a BTreeMap<String, String>,
}

/// Sends messages to browsers.
pub struct WebPush {
    client: Client,
    key: VapidKey,
    contact: String,
}

impl WebPush {
    /// Returns a provider. The contact, a `mailto:` or `https:` address, lets the services reach the operator. Nothing
    /// is sent yet.
    pub fn new(key: VapidKey, contact: &str, reach: Reach, settings: &Settings) -> Result<Self, SetupError> {
        let is_of = |scheme| contact.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty());
        if !is_of("mailto:") && !is_of("https://") {
            return Err(SetupError::Address { expected: "mailto or https", address: contact.to_owned() });
        }
        let client = Client::new(reach, Protocol::Negotiated, settings)?;
        Ok(Self { client, key, contact: contact.to_owned() })
    }

    /// The public key in base64url, which a browser needs for a subscription (`applicationServerKey`).
    pub fn public_key(&self) -> &str {
        self.key.public_key()
    }

    /// Sends a message once. Failures concern one endpoint only, which may belong to anyone. For example a subscription
    /// that was made with another key is [`Failure::Unauthorized`] with [`Scope::Target`].
    pub async fn send(&self, message: &PushMessage, target: &Subscription) -> Result<Receipt, Failure> {
        let content = web_push_native::encrypt(encode(message)?, &target.key, &Auth::from(target.auth));
        let content = content.map_err(|_| Failure::rejected("the message cannot be encrypted"))?;
        let mut request = Request::post(target.endpoint.clone())
            .header(header::AUTHORIZATION, self.key.authorization(&target.endpoint, &self.contact)?)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header("TTL", message.ttl_seconds())
            .header("Urgency", message.urgency());
        if let Some(topic) = message.topic() {
            request = request.header("Topic", topic);
        }
        let request = request.body(content.into()).map_err(|error| Failure::rejected(error.to_string()))?;
        let response = self.client.send(request).await;
        result(&response.map_err(|error| Failure::from_request(error, Scope::Target))?)
    }
}

impl fmt::Debug for WebPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPush").field("key", &self.key).field("contact", &self.contact).finish_non_exhaustive()
    }
}

fn encode(message: &PushMessage) -> Result<Vec<u8>, Failure> {
    let PushMessage { badge, urgent, .. } = *message;
    let data = message.data_with_id();
    message.encode(MAX_CONTENT, |alert| {
        let content = Content { alert, tag: message.collapse_id(), badge, urgent, data: &data };
        // Maps with string keys, strings and numbers are always valid JSON.
        serde_json::to_vec(&content).unwrap_or_default()
    })
}

/// Returns the result. What an endpoint writes is ignored: it could be anything.
fn result(response: &Response) -> Result<Receipt, Failure> {
    if response.status.is_success() {
        return Ok(Receipt { reference: None });
    }
    Err(match response.status.as_u16() {
        404 | 410 => Failure::Gone { since: None },
        _ => Failure::from_response(response, "", Scope::Target),
    })
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use web_push_native::{decrypt, p256::SecretKey};

    use super::*;

    /// The message of RFC 8291, appendix A.
    const ENCRYPTED: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLoc\
        InmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8291_decrypts() {
        let key = SecretKey::from_slice(&bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap();
        let auth: [u8; 16] = bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap();
        let text = decrypt(bytes(ENCRYPTED), &key, &Auth::from(auth)).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "When I grow up, I want to be a watermelon");
    }
}
