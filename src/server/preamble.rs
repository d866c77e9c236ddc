//! The PROXY protocol: what a load balancer says about the client before the client's own first octet.
//!
//! Separate because it is a protocol of its own (`proxy-protocol.txt` of `HAProxy`, versions 1 and 2). It is believed from
//! trusted proxies alone, and is then mandatory: a connection of theirs without it is closed, since nobody could say
//! whose it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const LINE_BYTES_MAX: usize = 107;

/// The longest rest of version 2: addresses and what balancers add to them.
const REST_BYTES_MAX: usize = 2048;

/// Why a preamble is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the connection broke off before the PROXY preamble was complete")]
    Broken(#[from] io::Error),
    #[error("the connection does not begin with a PROXY preamble")]
    Missing,
    #[error("the PROXY preamble is malformed")]
    Malformed,
}

/// Reads the preamble and not an octet more. `None`: the balancer speaks for itself.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Error> {
    // The shortest line of version 1, `PROXY UNKNOWN` with its end, is longer than this.
    let mut begin = [0; SIGNATURE.len()];
    stream.read_exact(&mut begin).await?;
    if begin == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let [version, family, high, low] = head;
        let rest_bytes = usize::from(u16::from_be_bytes([high, low]));
        if rest_bytes > REST_BYTES_MAX {
            return Err(Error::Malformed);
        }
        let mut rest = vec![0; rest_bytes];
        stream.read_exact(&mut rest).await?;
        return parse_v2(version, family, &rest);
    }
    if !begin.starts_with(b"PROXY ") {
        return Err(Error::Missing);
    }
    let mut line = begin.to_vec();
    while line.last() != Some(&b'\n') {
        if line.len() == LINE_BYTES_MAX {
            return Err(Error::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    parse_v1(&line)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`.
fn parse_v1(line: &[u8]) -> Result<Option<SocketAddr>, Error> {
    let line = line.strip_suffix(b"\r\n").ok_or(Error::Malformed)?;
    let line = str::from_utf8(line).map_err(|_| Error::Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            let is_of_family = |address: &IpAddr| match *family {
                "TCP4" => address.is_ipv4(),
                "TCP6" => address.is_ipv6(),
                _ => false,
            };
            let address = |text: &str| text.parse().ok().filter(is_of_family).ok_or(Error::Malformed);
            let port = |text: &str| text.parse::<u16>().map_err(|_| Error::Malformed);
            let source = SocketAddr::new(address(source)?, port(source_port)?);
            address(destination)?;
            port(destination_port)?;
            Ok(Some(source))
        }
        _ => Err(Error::Malformed),
    }
}

fn parse_v2(version: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, Error> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const UNSPECIFIED: u8 = 0x00;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    match (version, family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED) => Ok(None),
        (PROXY, TCP4) => {
            let (address, port) = source::<4>(rest)?;
            Ok(Some(SocketAddr::new(Ipv4Addr::from(address).into(), port)))
        }
        (PROXY, TCP6) => {
            let (address, port) = source::<16>(rest)?;
            Ok(Some(SocketAddr::new(Ipv6Addr::from(address).into(), port)))
        }
        _ => Err(Error::Malformed),
    }
}

/// The first of two addresses of `N` octets, and the first of the two ports behind them.
fn source<const N: usize>(rest: &[u8]) -> Result<([u8; N], u16), Error> {
    let address = rest.first_chunk::<N>().ok_or(Error::Malformed)?;
    let ports = rest.get(2 * N..).and_then(|ports| ports.first_chunk::<4>()).ok_or(Error::Malformed)?;
    let [high, low, ..] = *ports;
    Ok((*address, u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_version_1_are_read() {
        for (line, wanted) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some(Some("192.0.2.1:56324"))),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", Some(Some("[2001:db8::1]:1"))),
            ("PROXY UNKNOWN\r\n", Some(None)),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Some(None)),
            ("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 x\r\n", None),
            ("PROXY TCP4 192.0.2.1  198.51.100.1 56324 443\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n", None),
            ("PROXY UDP4 192.0.2.1 198.51.100.1 56324 443\r\n", None),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n", None),
        ] {
            let read = parse_v1(line.as_bytes()).ok();
            let wanted = wanted.map(|wanted| wanted.map(|text| text.parse().expect("an address")));
            assert_eq!(read, wanted, "{line}");
        }
    }

    #[test]
    fn addresses_of_version_2_are_read() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187, 3, 0, 0];
        let wanted = |text: &str| Some(Some(text.parse().expect("an address")));
        assert_eq!(parse_v2(0x21, 0x11, &v4).ok(), wanted("192.0.2.1:56324"));
        assert_eq!(parse_v2(0x21, 0x11, &v4[..11]).ok(), None);
        let mut v6 = [0; 36];
        (v6[0], v6[1], v6[15], v6[33]) = (0x20, 1, 9, 80);
        assert_eq!(parse_v2(0x21, 0x21, &v6).ok(), wanted("[2001::9]:80"));
        assert_eq!(parse_v2(0x20, 0x11, &[]).ok(), Some(None));
        assert_eq!(parse_v2(0x21, 0x00, &v4).ok(), Some(None));
        for (version, family) in [(0x11, 0x11), (0x22, 0x11), (0x21, 0x12), (0x21, 0x31)] {
            assert_eq!(parse_v2(version, family, &v4).ok(), None, "{version:x} {family:x}");
        }
    }
}
