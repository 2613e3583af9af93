//! The log's streams, created once per installation and checked ever after.

use async_nats::{Client, ConnectOptions, ServerAddr};
pub use event_store::ProvisionOptions;

use crate::Error;

/// Creates what is missing on the server at `admin_url`, whose account owns JetStream. Refuses a log that was created
/// with another partition count.
pub async fn provision(admin_url: &str, options: ProvisionOptions) -> Result<(), Error> {
    let client = connect(admin_url).await?;
    event_store::provision(client, options).await.map_err(|error| Error::Streams(Box::new(error)))
}

/// A connection with the account that owns the log.
pub(crate) async fn connect(admin_url: &str) -> Result<Client, Error> {
    let address: ServerAddr = admin_url.parse().map_err(Error::Address)?;
    // The client library leaves the user of an address aside.
    let user = address.username().unwrap_or_default().to_owned();
    let password = address.password().unwrap_or_default().to_owned();
    ConnectOptions::with_user_and_password(user, password)
        .name("provision")
        .custom_inbox_prefix("_INBOX_admin")
        .connect(address)
        .await
        .map_err(Error::Connect)
}
