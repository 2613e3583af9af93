//! The check of addresses.

use std::net::IpAddr;

use hyper::{Uri, http::uri::Scheme};
use ipnet::IpNet;
use rustls::pki_types::ServerName;

use super::{
    addresses::{canonical, is_public},
    settings::{Reach, Settings},
};

/// The error of an address that a client may not connect to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the address is not allowed: {0}")]
pub(super) struct Forbidden(pub(super) &'static str);

/// The error of an address outside the public Internet, or in a denied network.
pub(super) const NOT_PUBLIC: Forbidden = Forbidden("it is not a public address");

/// Decides about addresses.
pub(super) struct Guard {
    reach: Reach,
    denied: Vec<IpNet>,
    ports: Vec<u16>,
}

impl Guard {
    pub(super) fn new(reach: Reach, settings: &Settings) -> Self {
        Self { reach, denied: settings.denied.clone(), ports: settings.ports.clone() }
    }

    /// Checks an address before its name is resolved.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), Forbidden> {
        let authority = uri.authority().ok_or(Forbidden("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(Forbidden("it contains a user name"));
        }
        match self.reach {
            Reach::Any => Ok(()),
            Reach::Public => self.check_public(uri),
        }
    }

    fn check_public(&self, uri: &Uri) -> Result<(), Forbidden> {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(Forbidden("only https is allowed"));
        }
        let host = bare_host(uri);
        // For example an address as one number, which a resolver would accept.
        if ServerName::try_from(host).is_err() {
            return Err(Forbidden("its host is not a name or an address"));
        }
        // An address instead of a name is not resolved, so it is checked here only.
        if host.parse().is_ok_and(|address| !self.allows(address)) {
            return Err(NOT_PUBLIC);
        }
        if !self.ports.contains(&uri.port_u16().unwrap_or(443)) {
            return Err(Forbidden("its port is not allowed"));
        }
        Ok(())
    }

    /// Returns true if a client may connect to an IP address.
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let is_denied = |net: &IpNet| net.contains(&address) || net.contains(&canonical(address));
        self.reach == Reach::Any || (is_public(address) && !self.denied.iter().any(is_denied))
    }
}

/// Returns the host of an address, without the brackets of IPv6.
pub(super) fn bare_host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(denied: &[&str], ports: &[u16]) -> Guard {
        let denied = denied.iter().map(|net| net.parse().unwrap()).collect();
        Guard { reach: Reach::Public, denied, ports: ports.to_vec() }
    }

    #[test]
    fn denied_networks_are_not_connected_to() {
        let guard = guard(&["5.9.0.0/16", "2a01:4f8::/32"], &[443]);
        for denied in ["5.9.1.2", "::ffff:5.9.1.2", "64:ff9b::5.9.1.2", "2a01:4f8::1", "10.0.0.1"] {
            assert!(!guard.allows(denied.parse().unwrap()), "{denied}");
        }
        for allowed in ["5.10.0.0", "2a01:4f9::1"] {
            assert!(guard.allows(allowed.parse().unwrap()), "{allowed}");
        }
        assert!(guard.check(&"https://5.9.1.2/".parse().unwrap()).is_err());
        assert!(guard.check(&"https://[2a01:4f8::1]/".parse().unwrap()).is_err());
    }

    #[test]
    fn only_ports_of_the_settings_are_connected_to() {
        let check = |guard: &Guard, uri: &str| guard.check(&uri.parse().unwrap()).is_ok();
        let usual = Guard::new(Reach::Public, &Settings::default());
        for allowed in ["https://push.example/", "https://push.example:443/", "https://push.example:8443/"] {
            assert!(check(&usual, allowed), "{allowed}");
        }
        for other in ["https://push.example:22/", "https://push.example:80/", "https://push.example:6379/"] {
            assert!(!check(&usual, other), "{other}");
        }
        let other = guard(&[], &[9443]);
        assert!(check(&other, "https://push.example:9443/") && !check(&other, "https://push.example/"));
        assert!(check(&Guard::new(Reach::Any, &Settings::default()), "http://localhost:7070/"));
    }
}
