//! Reserved loopback ports.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
};

use anyhow::{Context, bail};

/// Lies below the range for outgoing connections, so that a free port stays free while its server restarts.
const RANGE: Range<u16> = 15_000..31_000;

/// A port that no other process of this user's harness takes while this value exists.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: File,
}

impl Port {
    /// The port number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Reserves `preferred` if it is free, otherwise another port.
    pub fn reserve(preferred: Option<u16>) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("boxroom-ports-{}", rustix::process::geteuid().as_raw()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let length = RANGE.end - RANGE.start;
        let offset = rand::random::<u16>() % length;
        let others = (0..length).map(|step| RANGE.start + (offset + step) % length);
        for number in preferred.into_iter().chain(others) {
            // The system releases the lock when the process ends.
            let reservation = File::create(folder.join(number.to_string())).context("cannot reserve a port")?;
            if reservation.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _reservation: reservation });
            }
        }
        bail!("no port between {} and {} is free", RANGE.start, RANGE.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_reserved_once() {
        let first = Port::reserve(None).unwrap();
        let second = Port::reserve(Some(first.number())).unwrap();
        assert_ne!(first.number(), second.number());
    }

    #[test]
    fn a_port_in_use_is_not_reserved() {
        let number = Port::reserve(None).unwrap().number();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        assert_ne!(Port::reserve(Some(number)).unwrap().number(), number);
    }

    #[test]
    fn a_released_port_can_be_reserved_again() {
        let number = Port::reserve(None).unwrap().number();
        assert_eq!(Port::reserve(Some(number)).unwrap().number(), number);
    }
}
