//! Which addresses of the network may be asked for metadata.
//!
//! Separate because it is a list, and the whole defence against a name that leads into the inner network
//! (SAML-ATTACKS G5): of what IANA has registered for special purposes, nothing is public, and neither are the
//! addresses at which clouds answer their own machines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request for metadata may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// To public addresses alone.
    #[default]
    Public,
    /// Anywhere, this machine included.
    Anywhere,
}

impl Reach {
    /// Whether an address may be asked.
    #[must_use]
    pub fn covers(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public => match address {
                IpAddr::V4(address) => is_public_v4(address),
                IpAddr::V6(address) => is_public_v6(address),
            },
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    let is_special = match octets {
        // This network, private networks, loopback, and multicast and above.
        [0 | 10 | 127 | 224..=255, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // Shared by a provider's customers, with the metadata service of one cloud.
        | [100, 64..=127, ..]
        // Link-local, with the metadata service of most clouds.
        | [169, 254, ..]
        // Protocol assignments, documentation, 6to4 relays, benchmarks.
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        // The wire server of a cloud, which looks public.
        | [168, 63, 129, 16] => true,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (first, second) {
        // Mapped, compatible, and translated by the well-known prefix.
        (0, 0) if (third, fourth, fifth, sixth) == (0, 0, 0, 0xffff) => embedded(seventh, eighth),
        (0x64, 0xff9b) if (third, fourth, fifth, sixth) == (0, 0, 0, 0) => embedded(seventh, eighth),
        // 6to4 carries an address, too.
        (0x2002, high) => embedded(high, third),
        // Protocol assignments (Teredo and others) and documentation.
        (0x2001, 0..=0x01ff | 0x0db8) | (0x3fff, 0..=0x0fff) => false,
        // Global unicast; all the rest is reserved, local or multicast.
        (0x2000..=0x3fff, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_public(text: &str) -> bool {
        Reach::Public.covers(text.parse().expect("an address"))
    }

    #[test]
    fn only_public_addresses_are_public() {
        for public in [
            "20.190.159.2",
            "1.1.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "168.63.129.17",
            "223.255.255.254",
            "2603:1006:2000::1",
            "2a00:1450:4001::1",
            "::ffff:20.190.159.2",
            "64:ff9b::14be:9f02",
            "2002:14be:9f02::1",
        ] {
            assert!(is_public(public), "{public}");
        }
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special), "{special}");
            assert!(Reach::Anywhere.covers(special.parse().expect("an address")));
        }
    }
}
