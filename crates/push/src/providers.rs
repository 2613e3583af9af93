//! All services of an installation behind one function.

use crate::{
    apns::Apns,
    fcm::Fcm,
    message::PushMessage,
    outcome::{Failure, Receipt},
    target::{Service, Target},
    web_push::WebPush,
};

/// The services that have credentials.
#[derive(Debug, Default)]
pub struct Providers {
    /// FCM.
    pub fcm: Option<Fcm>,
    /// APNs.
    pub apns: Option<Apns>,
    /// Web Push.
    pub web_push: Option<WebPush>,
}

impl Providers {
    /// Sends a message over the service of its target, once. The future can be dropped at any time.
    pub async fn send(&self, message: &PushMessage, target: &Target) -> Result<Receipt, Failure> {
        let absent = || Failure::unauthorized(format!("there are no credentials for {}", target.service()));
        match target {
            Target::Fcm(token) => self.fcm.as_ref().ok_or_else(absent)?.send(message, token).await,
            Target::Apns(token) => self.apns.as_ref().ok_or_else(absent)?.send(message, token).await,
            Target::WebPush(subscription) => {
                self.web_push.as_ref().ok_or_else(absent)?.send(message, subscription).await
            }
        }
    }

    /// Returns true if there are credentials for the service.
    pub fn has(&self, service: Service) -> bool {
        match service {
            Service::Fcm => self.fcm.is_some(),
            Service::Apns => self.apns.is_some(),
            Service::WebPush => self.web_push.is_some(),
        }
    }
}
