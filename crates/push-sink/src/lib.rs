//! A stand-in for FCM, APNs and a Web Push service, which are others' clouds.
//!
//! It checks requests as the real services do, records them, and fails on demand. It is for tests and development, and
//! no shipped process depends on it.

pub use behaviour::{Behaviour, RetryAfter};
pub use credentials::{APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC};
pub use records::{Received, Service};
pub use sink::{Options, Sink};
pub use subscriptions::{Keys, Subscription};

mod sink;

mod control;
mod routes;
mod server;

mod apns;
mod fcm;
mod token;
mod web_push;

mod state;

mod behaviour;
mod credentials;
mod jwt;
mod records;
mod subscriptions;
