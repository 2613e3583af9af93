//! Web Push subscriptions whose keys the sink keeps, like a browser.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use web_push_native::p256::{
    SecretKey,
    elliptic_curve::{rand_core::OsRng, sec1::ToEncodedPoint},
};

/// The maximum number of subscriptions.
const MAX: usize = 10_000;

/// A subscription as browsers serialise it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    /// The address to send to.
    pub endpoint: String,
    /// The keys.
    pub keys: Keys,
}

/// The keys that a sender needs, in base64url.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Keys {
    /// The public key.
    pub p256dh: String,
    /// The authentication secret.
    pub auth: String,
}

/// The browser's side of a subscription.
pub(crate) struct Browser {
    pub(crate) key: SecretKey,
    pub(crate) auth: [u8; 16],
    /// The only key that may send, in base64url.
    pub(crate) application_server_key: Option<String>,
}

/// All subscriptions by their ids.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<HashMap<String, Entry>>);

/// The state of a subscription.
#[derive(Clone)]
pub(crate) enum Entry {
    Active(Arc<Browser>),
    Ended,
}

impl Subscriptions {
    /// Makes a subscription below an address. None if there are too many.
    pub(crate) fn add(&self, address: &str, application_server_key: Option<String>) -> Option<Subscription> {
        let browser = Browser { key: SecretKey::random(&mut OsRng), auth: rand::random(), application_server_key };
        let id = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        let keys = Keys {
            p256dh: BASE64_URL_SAFE_NO_PAD.encode(browser.key.public_key().to_encoded_point(false).as_bytes()),
            auth: BASE64_URL_SAFE_NO_PAD.encode(browser.auth),
        };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX {
            return None;
        }
        let endpoint = format!("{address}/web-push/{id}");
        entries.insert(id, Entry::Active(Arc::new(browser)));
        Some(Subscription { endpoint, keys })
    }

    /// Ends a subscription. Returns false if there is none with this id.
    pub(crate) fn end(&self, id: &str) -> bool {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get_mut(id).map(|entry| *entry = Entry::Ended).is_some()
    }

    /// Returns the subscription with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}
