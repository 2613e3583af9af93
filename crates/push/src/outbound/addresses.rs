//! The addresses of the public Internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// The IPv4 networks that are not public: those of the IANA special-purpose registry, multicast, and the internal
/// services of clouds.
const NOT_PUBLIC_V4: [Ipv4Net; 20] = [
    // "This network".
    v4([0, 0, 0, 0], 8),
    // Private.
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    // Shared by the customers of a provider (CGNAT).
    v4([100, 64, 0, 0], 10),
    // Loopback.
    v4([127, 0, 0, 0], 8),
    // Link-local, with the metadata services of clouds.
    v4([169, 254, 0, 0], 16),
    // Protocol assignments, and the former relays of 6to4.
    v4([192, 0, 0, 0], 24),
    v4([192, 88, 99, 0], 24),
    // Documentation.
    v4([192, 0, 2, 0], 24),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    // Benchmarks.
    v4([198, 18, 0, 0], 15),
    // Multicast.
    v4([224, 0, 0, 0], 4),
    // Reserved, and broadcast.
    v4([240, 0, 0, 0], 4),
    // The virtual host of Azure, at a public address that is reachable inside of it only.
    v4([168, 63, 129, 16], 32),
    // The service networks of IBM Cloud.
    v4([161, 26, 0, 0], 16),
    v4([166, 8, 0, 0], 14),
    // The Google APIs inside of Google Cloud.
    v4([199, 36, 153, 4], 30),
    v4([199, 36, 153, 8], 30),
];

/// The IPv6 network of all public addresses. Loopback, unique local, link-local and multicast addresses are outside.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// The parts of [`GLOBAL_V6`] that are not public.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    // Protocol assignments, with the tunnels of Teredo.
    v6([0x2001, 0], 23),
    // Documentation.
    v6([0x2001, 0xDB8], 32),
    v6([0x3FFF, 0], 20),
    // The tunnels of 6to4, which contain an IPv4 address.
    v6([0x2002, 0], 16),
];

/// The IPv6 network that stands for the IPv4 Internet where a provider translates (NAT64).
const TRANSLATED: Ipv6Net = v6([0x64, 0xFF9B], 96);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// An IPv6 network whose address begins with these parts.
const fn v6([first, second]: [u16; 2], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), length)
}

/// Returns true for an address of the public Internet. An IPv6 address that stands for an IPv4 address is public if the
/// latter is.
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Returns the IPv4 address that an IPv6 address stands for, and any other address as it is.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.to_ipv4_mapped() {
        Some(mapped) => mapped.into(),
        None if TRANSLATED.contains(&v6) => last_bytes(v6).into(),
        None => address,
    }
}

fn last_bytes(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "161.25.255.255",
            "166.7.255.255",
            "166.12.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "199.36.153.3",
            "199.36.153.12",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2a00:1450:4001:81b::200a",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "161.26.0.10",
            "166.8.0.0",
            "166.11.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "199.36.153.4",
            "199.36.153.11",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:168.63.129.16",
            "64:ff9b::10.0.0.1",
            "64:ff9b::168.63.129.16",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
