//! The connections to NATS: patient at the start, and back by themselves after a fault.

use std::{
    future::ready,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event};
use futures::StreamExt;
use url::Url;

pub use nats_wire::Message as Request;
pub use requests::Requests;

mod requests;
mod socket;

/// The port of a server whose address has none.
const PORT: u16 = 4222;

/// The address of the NATS server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address.
    #[error("the NATS address is not a URL")]
    Url(#[from] url::ParseError),
    /// An address with something in it that nobody knows.
    #[error("the NATS address has an unknown part `{0}`: there are ca_file, cert_file with key_file, and no others")]
    Parameter(String),
    /// Certificates mean nothing where nobody asks for them.
    #[error("a NATS address with certificates begins with tls://")]
    Plain,
    /// Refused for good.
    #[error("cannot connect to NATS")]
    Nats(#[from] async_nats::ConnectError),
}

/// The parts of an address.
struct Address {
    url: Url,
    host: String,
    port: u16,
    user: String,
    password: String,
    tls: bool,
    /// The files of the authorities that are trusted, instead of those of this machine.
    authorities: Vec<PathBuf>,
    /// The files of the certificate and the key to show to the server.
    identity: Option<(PathBuf, PathBuf)>,
}

impl Address {
    fn parse(address: &str) -> Result<Self, ConnectError> {
        let mut url = Url::parse(address)?;
        let user = url.username().to_owned();
        let password = url.password().unwrap_or_default().to_owned();
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let tls = url.scheme() == "tls";
        let (mut authorities, mut certificate, mut key) = (Vec::new(), None, None);
        for (name, value) in url.query_pairs() {
            let file = PathBuf::from(value.as_ref());
            match name.as_ref() {
                "ca_file" => authorities.push(file),
                "cert_file" => certificate = Some(file),
                "key_file" => key = Some(file),
                other => return Err(ConnectError::Parameter(other.to_owned())),
            }
        }
        if url.query().is_some() && !tls {
            return Err(ConnectError::Plain);
        }
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(ConnectError::Parameter("cert_file without key_file".to_owned())),
            (None, Some(_)) => return Err(ConnectError::Parameter("key_file without cert_file".to_owned())),
        };
        url.set_query(None);
        let (host, port) = (url.host_str().unwrap_or_default().to_owned(), url.port().unwrap_or(PORT));
        Ok(Self { url, host, port, user, password, tls, authorities, identity })
    }
}

/// How to connect to an address as the user in it, and what is left of the address, which may stand in a log.
///
/// Replies come to `_INBOX_<user>.>`, the one inbox that the user's account lets it listen to. With `tls://` nothing is
/// said before the server has shown a certificate of an authority in `ca_file`, or of one that this machine trusts.
pub fn address(address: &str) -> Result<(ConnectOptions, String), ConnectError> {
    let Address { url, user, password, tls, authorities, identity, .. } = Address::parse(address)?;
    let mut options = ConnectOptions::new().require_tls(tls);
    for file in authorities {
        options = options.add_root_certificates(file);
    }
    if let Some((certificate, key)) = identity {
        options = options.add_client_certificate(certificate, key);
    }
    if !user.is_empty() {
        options = options.custom_inbox_prefix(format!("_INBOX_{user}")).user_and_password(user, password);
    }
    Ok((options, url.to_string()))
}

/// Connects to an address as [`address`] reads it; returns at once and goes on trying while the server is not there.
pub async fn connect(url: &str, name: &str) -> Result<Client, ConnectError> {
    let (options, server) = lasting(url, name)?;
    Ok(options.retry_on_initial_connect().connect(server.as_str()).await?)
}

/// The same for somebody who waits for an answer: says at once why the server does not let them in.
pub async fn connect_now(url: &str, name: &str) -> Result<Client, ConnectError> {
    let (options, server) = lasting(url, name)?;
    Ok(options.connect(server.as_str()).await?)
}

/// The options of a connection that comes back by itself after a fault, and the server's address.
fn lasting(url: &str, name: &str) -> Result<(ConnectOptions, String), ConnectError> {
    let (options, server) = address(url)?;
    // Attempts come many a second, and mostly fail for the same reason.
    let told = Mutex::new(None);
    let options = options
        .name(name)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .reconnect_to_server_callback(move |servers, _| {
            let error = servers.into_iter().find_map(|server| server.last_error);
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(error), true) = (&error, error != *told) {
                tracing::warn!(error, "cannot connect to NATS");
            }
            *told = error;
            // The usual way goes on.
            ready(None)
        })
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(Duration::from_secs(2))
        .ignore_discovered_servers()
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to NATS"),
                Event::Disconnected => tracing::warn!("lost the connection to NATS"),
                // Nobody needs it any more.
                Event::Closed => tracing::debug!("closed the connection to NATS"),
                other => tracing::warn!(event = %other, "NATS"),
            }
        });
    Ok((options, server))
}

/// The pause before an attempt to connect, by the number of attempts that failed.
fn reconnect_delay(attempt: usize) -> Duration {
    Duration::from_millis(match attempt {
        0 | 1 => 0,
        2..=10 => 100,
        _ => 500,
    })
}

/// Returns when the task of the client library has ended that serves a connection: every operation fails for ever then.
pub async fn ended(client: Client) {
    // A subscription outlasts faults of the connection, and ends with the task.
    if let Ok(mut subscription) = client.subscribe(client.new_inbox()).await {
        while subscription.next().await.is_some() {}
    }
}

/// What an address says, for who speaks to the server without the client.
pub struct PlainAddress {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// As whom to connect.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl PlainAddress {
    /// The parts of `nats://user:password@host:port`; none of another address, of one with TLS in particular.
    pub fn parse(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok().filter(|url| url.scheme() == "nats" && !url.username().is_empty())?;
        Some(Self {
            host: url.host_str()?.to_owned(),
            port: url.port().unwrap_or(PORT),
            user: url.username().to_owned(),
            password: url.password()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_address_may_stand_in_a_log() {
        let (options, left) =
            address("tls://query:secret@nats.example:4222?ca_file=/ca.pem&cert_file=/c.pem&key_file=/k.pem").unwrap();
        assert_eq!(left, "tls://nats.example:4222");
        let debug = format!("{options:?}");
        assert!(debug.contains("_INBOX_query") && debug.contains("/ca.pem") && !debug.contains("secret"), "{debug}");
    }

    #[test]
    fn an_address_that_means_something_else_than_it_seems_is_refused() {
        let refused = |text: &str| address(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused("tls://query@nats.example?cafile=/ca.pem").contains("unknown part `cafile`"));
        assert!(refused("tls://query@nats.example?cert_file=/c.pem").contains("without key_file"));
        assert!(refused("nats://query@nats.example?ca_file=/ca.pem").contains("begins with tls://"));
        assert!(refused("nats.example").contains("not a URL"));
    }
}
