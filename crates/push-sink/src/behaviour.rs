//! Failures on demand.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::records::Service;

/// The answer to the next calls of a service. Without a status they are answered as usual, after the pause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// The status of the response.
    #[serde(default)]
    pub status: Option<u16>,
    /// The error code of the response, like `SENDER_ID_MISMATCH` or `BadDeviceToken`; the usual one of the status if
    /// absent. For FCM, `INVALID_TOKEN` is an invalid argument that is the token, and `DEVICE_QUOTA_EXCEEDED` the
    /// quota of one device.
    #[serde(default)]
    pub reason: Option<String>,
    /// The pause before the response, in milliseconds.
    #[serde(default)]
    pub hang_ms: Option<u64>,
    /// The pause between the headers and the body of the response, in milliseconds.
    #[serde(default)]
    pub body_hang_ms: Option<u64>,
    /// True to close the connection without a response, with all other requests on it.
    #[serde(default)]
    pub reset: bool,
    /// The header `retry-after` of the response.
    #[serde(default)]
    pub retry_after: Option<RetryAfter>,
    /// The `timestamp` of APNs for a target that does not exist any more, in milliseconds since 1970; the present if
    /// absent.
    #[serde(default)]
    pub timestamp: Option<u64>,
    /// The number of calls; all if absent.
    #[serde(default)]
    pub times: Option<u64>,
}

/// A pause that the service asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    /// In seconds.
    Seconds(u64),
    /// A date of HTTP, or any other text.
    Text(String),
}

impl RetryAfter {
    pub(crate) fn to_header(&self) -> String {
        match self {
            Self::Seconds(seconds) => seconds.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The behaviours of all services.
#[derive(Default)]
pub(crate) struct Behaviours(Mutex<HashMap<Service, Behaviour>>);

impl Behaviours {
    /// Replaces the behaviour of a service.
    pub(crate) fn set(&self, service: Service, behaviour: Option<Behaviour>) {
        let mut behaviours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match behaviour.filter(|behaviour| behaviour.times != Some(0)) {
            Some(behaviour) => behaviours.insert(service, behaviour),
            None => behaviours.remove(&service),
        };
    }

    /// Returns the behaviour for one call.
    pub(crate) fn take(&self, service: Service) -> Behaviour {
        let mut behaviours = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(behaviour) = behaviours.get_mut(&service) else { return Behaviour::default() };
        let taken = behaviour.clone();
        if let Some(times) = &mut behaviour.times {
            *times -= 1;
            if *times == 0 {
                behaviours.remove(&service);
            }
        }
        taken
    }
}
