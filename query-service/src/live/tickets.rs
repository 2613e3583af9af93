//! Tickets for clients that can send a URL but no header. Valid for one stream, at any instance, for half a minute.

use std::time::Duration;

use async_nats::{
    Client,
    connection::State as Connection,
    jetstream::{
        self,
        kv::{Operation, Store, UpdateErrorKind},
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use service_kit::auth::Caller;
use tokio::sync::OnceCell;
use wire::{SERVICE_API_PREFIX, bucket::TICKETS_BUCKET};

use crate::error::Error;

/// The timeout of the bucket.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The number of random bytes in a ticket: enough to make guessing infeasible.
const TICKET_BYTES: usize = 24;

/// The tickets of all instances. One per process.
pub(crate) struct Tickets {
    nats: Client,
    context: jetstream::Context,
    bucket: OnceCell<Store>,
}

impl Tickets {
    /// Uses the bucket that provisioning has created.
    pub(crate) fn new(nats: Client) -> Self {
        let context = jetstream::ContextBuilder::new().api_prefix(SERVICE_API_PREFIX);
        let context = context.timeout(TIMEOUT).ack_timeout(TIMEOUT).build(nats.clone());
        Self { nats, context, bucket: OnceCell::new() }
    }

    /// Issues a ticket that authenticates this caller once.
    pub(super) async fn issue(&self, caller: &Caller) -> Result<String, Error> {
        let ticket = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; TICKET_BYTES]>());
        let holder = serde_json::to_vec(caller).expect("a caller has a JSON form");
        let put = self.bucket().await?.put(ticket.as_str(), holder.into()).await;
        put.map_err(Error::tickets_unavailable)?;
        Ok(ticket)
    }

    /// Returns the caller of a ticket and deletes it. If several requests present it, only one succeeds.
    pub(super) async fn redeem(&self, ticket: &str) -> Result<Caller, Error> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(ticket).ok();
        bytes.filter(|bytes| bytes.len() == TICKET_BYTES).ok_or(Error::InvalidTicket)?;
        let bucket = self.bucket().await?;
        let entry = bucket.entry(ticket).await.map_err(Error::tickets_unavailable)?;
        let entry = entry.filter(|entry| entry.operation == Operation::Put).ok_or(Error::InvalidTicket)?;
        let deleted = bucket.delete_expect_revision(ticket, Some(entry.revision)).await;
        deleted.map_err(|error| match error.kind() {
            UpdateErrorKind::WrongLastRevision => Error::InvalidTicket,
            _ => Error::tickets_unavailable(error),
        })?;
        serde_json::from_slice(&entry.value).map_err(|_| Error::InvalidTicket)
    }

    async fn bucket(&self) -> Result<&Store, Error> {
        if self.nats.connection_state() != Connection::Connected {
            return Err(Error::tickets_unavailable("not connected"));
        }
        let opened = self.bucket.get_or_try_init(|| self.context.get_key_value(TICKETS_BUCKET)).await;
        opened.map_err(Error::tickets_unavailable)
    }
}
