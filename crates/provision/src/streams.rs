//! The log's streams, created once per installation and checked afterwards.

use async_nats::Client;

use crate::{
    Error,
    topology::{self, ProvisionOptions},
};

/// Creates what is missing on the server at `admin_url`, whose account owns JetStream. Refuses a log that was created
/// with another partition count.
pub async fn provision(admin_url: &str, options: ProvisionOptions) -> Result<(), Error> {
    let client = connect(admin_url).await?;
    topology::provision(client, options).await.map_err(|error| Error::Streams(Box::new(error)))
}

/// Connects with the account that owns the log.
pub(crate) async fn connect(admin_url: &str) -> Result<Client, Error> {
    let (options, server) = service_kit::nats::address(admin_url)?;
    options.name("provision").connect(server.as_str()).await.map_err(Error::Connect)
}
