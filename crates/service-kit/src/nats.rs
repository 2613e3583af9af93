//! The connections to NATS. They keep trying at the start, and reconnect after a failure.

use std::{
    future::ready,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event};
use clap::Args;
use futures::StreamExt;
use url::Url;

pub use nats_wire::Message as Request;
pub use requests::Requests;

mod requests;
mod socket;

/// The default port of an address.
const PORT: u16 = 4222;

/// The settings of NATS.
#[derive(Debug, Clone, Args)]
pub struct NatsArgs {
    /// NATS server and this process's user: `nats://user:password@host:port`, or
    /// `tls://user:password@host:port?ca_file=/etc/boxroom/ca.pem`
    #[arg(long, env = "BOXROOM_NATS_URL", hide_env_values = true, value_name = "URL")]
    pub nats_url: String,
}

/// The errors of a NATS address.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not a URL.
    #[error("the NATS address is not a URL")]
    Url(#[from] url::ParseError),
    /// It has an unknown parameter.
    #[error("the NATS address has an unknown part `{0}`: only ca_file, and cert_file with key_file, are supported")]
    Parameter(String),
    /// It has certificates but no TLS.
    #[error("a NATS address with certificates begins with tls://")]
    Plain,
    /// The connection was rejected for good.
    #[error("cannot connect to NATS")]
    Nats(#[from] async_nats::ConnectError),
}

/// The parsed NATS address.
struct Address {
    url: Url,
    host: String,
    port: u16,
    user: String,
    password: String,
    tls: bool,
    /// The files of trusted certificate authorities. If empty, those of this machine are trusted.
    authorities: Vec<PathBuf>,
    /// The files of the client certificate and its key.
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

/// Returns the options for connecting as the user of an address, and the address without secrets, which is safe to log.
///
/// Replies arrive on `_INBOX_<user>.>`, the only inbox that the user's account may subscribe to. With `tls://` nothing
/// is sent before the server has shown a certificate of an authority in `ca_file`, or of one that this machine trusts.
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
        options = options.custom_inbox_prefix(wire::api::inbox(&user)).user_and_password(user, password);
    }
    Ok((options, url.to_string()))
}

/// Connects to an address in the format of [`address`]. Returns at once and keeps trying while the server is not
/// available.
pub async fn connect(url: &str, name: &str) -> Result<Client, ConnectError> {
    let (options, server) = reconnecting_options(url, name)?;
    Ok(options.retry_on_initial_connect().connect(server.as_str()).await?)
}

/// Connects like [`connect`], but waits and returns the error if the server rejects the connection.
pub async fn connect_now(url: &str, name: &str) -> Result<Client, ConnectError> {
    let (options, server) = reconnecting_options(url, name)?;
    Ok(options.connect(server.as_str()).await?)
}

/// Returns the options of a connection that reconnects after a failure, and the server's address.
fn reconnecting_options(url: &str, name: &str) -> Result<(ConnectOptions, String), ConnectError> {
    let (options, server) = address(url)?;
    // There are many attempts a second, mostly failing for the same reason. It is logged once.
    let last_logged = Mutex::new(None);
    let options = options
        .name(name)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .reconnect_to_server_callback(move |servers, _| {
            let error = servers.into_iter().find_map(|server| server.last_error);
            let mut last_logged = last_logged.lock().unwrap_or_else(PoisonError::into_inner);
            if let (Some(error), true) = (&error, error != *last_logged) {
                tracing::warn!(error, "cannot connect to NATS");
            }
            *last_logged = error;
            // The client chooses the server and the delay.
            ready(None)
        })
        .ping_interval(Duration::from_secs(5))
        .connection_timeout(Duration::from_secs(2))
        .ignore_discovered_servers()
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to NATS"),
                Event::Disconnected => tracing::warn!("lost the connection to NATS"),
                // The process has dropped its client.
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

/// Waits for the end of the client library's task for a connection, after which every operation fails.
pub async fn closed(client: Client) {
    // A subscription survives connection failures, and ends with the task.
    if let Ok(mut subscription) = client.subscribe(client.new_inbox()).await {
        while subscription.next().await.is_some() {}
    }
}

/// The parts of an address, for connections without the client library.
pub struct PlainAddress {
    /// The host of the server.
    pub host: String,
    /// The port of the server.
    pub port: u16,
    /// The name of the user.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl PlainAddress {
    /// Parses `nats://user:password@host:port`. None for other addresses, in particular for those with TLS.
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
    fn a_parsed_address_contains_no_secret() {
        let (options, left) =
            address("tls://query:secret@nats.example:4222?ca_file=/ca.pem&cert_file=/c.pem&key_file=/k.pem").unwrap();
        assert_eq!(left, "tls://nats.example:4222");
        let debug = format!("{options:?}");
        assert!(debug.contains("_INBOX_query") && debug.contains("/ca.pem") && !debug.contains("secret"), "{debug}");
    }

    #[test]
    fn a_misleading_address_is_refused() {
        let refused = |text: &str| address(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused("tls://query@nats.example?cafile=/ca.pem").contains("unknown part `cafile`"));
        assert!(refused("tls://query@nats.example?cert_file=/c.pem").contains("without key_file"));
        assert!(refused("nats://query@nats.example?ca_file=/ca.pem").contains("begins with tls://"));
        assert!(refused("nats.example").contains("not a URL"));
    }
}
