//! The connection to NATS: patient at the start, and back by itself after a fault.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use url::Url;

/// The address of the NATS server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address.
    #[error("the NATS address is not a URL")]
    Url(#[from] url::ParseError),
    /// Refused for good.
    #[error("cannot connect to NATS")]
    Nats(#[from] async_nats::ConnectError),
}

/// Connects as the user in the address; returns at once and goes on trying while the server is not there.
///
/// Replies come to `_INBOX_<user>.>`, the one inbox that the user's account lets it listen to.
pub async fn connect(address: &str, name: &str) -> Result<Client, ConnectError> {
    let mut url = Url::parse(address)?;
    let user = url.username().to_owned();
    let password = url.password().unwrap_or_default().to_owned();
    // Credentials travel in the options; what is left of the address may stand in a log.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut options = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(|attempt| {
            Duration::from_millis(match attempt {
                0 | 1 => 0,
                2..=10 => 100,
                _ => 500,
            })
        })
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(Duration::from_secs(2))
        .ignore_discovered_servers()
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to NATS"),
                Event::Disconnected => tracing::warn!("lost the connection to NATS"),
                other => tracing::warn!(event = %other, "NATS"),
            }
        });
    if !user.is_empty() {
        options = options.custom_inbox_prefix(format!("_INBOX_{user}")).user_and_password(user, password);
    }
    Ok(options.connect(url.as_str()).await?)
}
