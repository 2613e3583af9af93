//! The settings of outbound connections.

use std::time::Duration;

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;

/// The addresses that a client may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses over HTTPS, without those that [`Settings`] deny. For addresses given by users.
    Public,
    /// All addresses, also over plain HTTP. For addresses given by operators.
    Any,
}

/// The protocols that a client may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 only, over plain TCP with prior knowledge. All requests to a host share one connection.
    Http2,
    /// HTTP/2 if the server offers it over TLS, otherwise HTTP/1.1.
    Negotiated,
}

/// The settings of connections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The timeout of a connection: its turn below the limits, name, TCP and TLS.
    pub connect_timeout: Duration,
    /// The timeout of a whole call, with its connection and the body of its response.
    pub timeout: Duration,
    /// The trusted certificate authorities; those of the system if empty.
    pub authorities: Vec<CertificateDer<'static>>,
    /// The networks that users' addresses must not be in, besides those that are not public. For example the public
    /// ranges of this installation.
    pub denied: Vec<IpNet>,
    /// The ports that users' addresses may have.
    pub ports: Vec<u16>,
    /// The maximum number of open connections, used or unused.
    pub max_connections: usize,
    /// The maximum number of open connections to one host.
    pub max_connections_per_host: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            authorities: Vec::new(),
            denied: Vec::new(),
            ports: vec![443, 8443],
            max_connections: 256,
            max_connections_per_host: 16,
        }
    }
}
