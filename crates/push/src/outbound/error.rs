//! The reasons why requests fail. They are fixed texts: what a server sends can be anything and is never repeated.

use std::{error::Error, io, iter, time::Duration};

use hyper_util::client::legacy;
use rustls::CertificateError;

use super::{
    connector::{ConnectError, TooManyConnections},
    guard::Forbidden,
    lookups::LookupError,
};

/// The reason why a request has no response. The texts contain nothing of the address or of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The address is not allowed. Nothing was sent.
    #[error("the address is not allowed: {0}")]
    Forbidden(&'static str),
    /// The call took too long. The request may have been received.
    #[error("no response within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection could not be made, or broke. The request may have been received.
    #[error("{0}")]
    Broken(&'static str),
}

impl From<Forbidden> for RequestError {
    fn from(Forbidden(reason): Forbidden) -> Self {
        Self::Forbidden(reason)
    }
}

impl From<legacy::Error> for RequestError {
    fn from(error: legacy::Error) -> Self {
        if is_shared_connect_error(&error) {
            return Self::Broken("another request could not connect");
        }
        match chain(&error).find_map(<dyn Error>::downcast_ref) {
            Some(Forbidden(reason)) => Self::Forbidden(reason),
            // The innermost cause helps. The outer ones only say that a request failed.
            None => Self::Broken(chain(&error).filter_map(describe).last().unwrap_or("the connection broke")),
        }
    }
}

/// Returns true if the request was not sent because another one did not make the connection that both needed.
pub(super) fn is_shared_connect_error(error: &legacy::Error) -> bool {
    error.is_connect() && !chain(error).any(<dyn Error>::is::<ConnectError>)
}

/// Returns an error and its causes, from the outside in.
fn chain(error: &legacy::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}

fn describe(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(LookupError(text)) = error.downcast_ref() {
        return Some(text);
    }
    if error.is::<TooManyConnections>() {
        return Some("too many connections are open");
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(describe_tls(error));
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return describe_io(error);
    }
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_timeout() {
        Some("no answer to a ping")
    } else if error.is_parse() {
        Some("the response is not valid HTTP")
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some("the connection was closed")
    } else {
        None
    }
}

fn describe_io(error: &io::Error) -> Option<&'static str> {
    // The error inside is not its source.
    let inner = error.get_ref().and_then(|inner| describe(inner));
    inner.or_else(|| match error.kind() {
        io::ErrorKind::ConnectionRefused => Some("the connection was refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Some("the connection was reset"),
        io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected | io::ErrorKind::UnexpectedEof => {
            Some("the connection was closed")
        }
        io::ErrorKind::TimedOut => Some("no connection in time"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Some("the network cannot be reached")
        }
        _ => None,
    })
}

fn describe_tls(error: &rustls::Error) -> &'static str {
    let rustls::Error::InvalidCertificate(error) = error else { return "TLS failed" };
    match error {
        CertificateError::UnknownIssuer => "the certificate is from an unknown authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "the certificate has expired",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the certificate is for another name"
        }
        _ => "the certificate is not valid",
    }
}
