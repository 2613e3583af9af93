//! Push messages: one message, three services (FCM HTTP v1, APNs, Web Push), and one set of failures.
//!
//! [`Providers`] sends a [`PushMessage`] to a [`Target`], over the service that the target belongs to. A [`Failure`]
//! tells the caller what to do: remove the device, drop the message, try later, or report the credentials. Its
//! [`Scope`] tells whether to pause for one target or for the service. Repeated attempts, queues and counting are the
//! caller's.
//!
//! The crate must not know the log, the read models or NATS. Device tokens, texts and keys are in no error, log or
//! `Debug` output of it.

pub use apns::{Apns, ApnsKey};
pub use fcm::{Fcm, ServiceAccount};
pub use message::PushMessage;
pub use outcome::{Failure, Receipt, Scope, SetupError, retry_after};
pub use providers::Providers;
pub use target::{DeviceToken, InvalidTarget, RegistrationToken, Service, Subscription, Target};
pub use web_push::{VapidKey, WebPush};

pub mod outbound;
pub mod signature;

mod message;
mod outcome;
mod providers;
mod target;

mod apns;
mod fcm;
mod web_push;
