//! Request IDs that prove themselves, so that a pending login costs no memory.
//!
//! Separate because the whole binding of an answer to a login rests on this value: it is ours (MAC), it is for
//! one connection, it was made at a known time, and no two are alike (DESIGN section 2, step 3).
//!
//! Form: the letter `a`, then base64url of 12 random octets, the time of issue in milliseconds (8 octets, big
//! endian), 8 octets of SHA-256 of the connection's id, and the first 16 octets of an HMAC over all that.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::id::{ConnectionId, Randomness};
use crate::secret::{MacKey, sha256};

/// How long a pending login can be answered.
pub const PENDING_LOGIN_LIFETIME: Duration = Duration::from_hours(1);

const RANDOM: usize = 12;
const BODY: usize = RANDOM + 8 + 8;
const FULL: usize = BODY + 16;

/// An ID of an AuthnRequest that we have made (SAML Core 3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId {
    text: String,
    issued_at: Timestamp,
    connection: Fingerprint,
}

/// What of a connection's id fits into a request ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    /// The fingerprint of a connection.
    #[must_use]
    pub fn of(connection: &ConnectionId) -> Self {
        let mut octets = [0_u8; 8];
        octets.copy_from_slice(sha256(connection.as_str().as_bytes()).split_at(8).0);
        Self(octets)
    }
}

impl RequestId {
    /// Makes an ID for a login that begins now.
    #[must_use]
    pub fn new(connection: &ConnectionId, now: Timestamp, key: &MacKey, randomness: &dyn Randomness) -> Self {
        let mut random = [0_u8; RANDOM];
        randomness.fill(&mut random);
        let connection = Fingerprint::of(connection);
        let body = [random.as_slice(), &now.as_millisecond().to_be_bytes(), connection.0.as_slice()].concat();
        let text = format!("a{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &key.tag(&body)].concat()));
        Self { text, issued_at: now, connection }
    }

    /// Reads an ID; `None` for any that we did not make.
    #[must_use]
    pub fn parse(text: &str, key: &MacKey) -> Option<Self> {
        let mut octets = [0_u8; FULL];
        let encoded = text.strip_prefix('a').filter(|encoded| encoded.len() == (FULL * 4).div_ceil(3))?;
        if URL_SAFE_NO_PAD.decode_slice(encoded, &mut octets).ok()? != FULL {
            return None;
        }
        let (body, tag) = octets.split_at_checked(BODY)?;
        if !key.verify(body, tag) {
            return None;
        }
        let (_, rest) = body.split_at_checked(RANDOM)?;
        let (millis, connection) = rest.split_at_checked(8)?;
        let issued_at = Timestamp::from_millisecond(i64::from_be_bytes(millis.try_into().ok()?)).ok()?;
        Some(Self { text: text.to_owned(), issued_at, connection: Fingerprint(connection.try_into().ok()?) })
    }

    /// The ID as it stands in the message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The connection that the request went to.
    #[must_use]
    pub const fn connection(&self) -> Fingerprint {
        self.connection
    }

    /// Whether an answer comes too late.
    #[must_use]
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.issued_at.saturating_add(PENDING_LOGIN_LIFETIME).is_ok_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SystemRandomness;
    use crate::secret::ClusterSecret;

    #[test]
    fn an_id_says_what_it_was_made_for_and_nothing_else_passes() {
        let key = ClusterSecret::new([1; 32]).mac_key("request");
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let contoso = ConnectionId::parse("contoso").unwrap();
        let id = RequestId::new(&contoso, now, &key, &SystemRandomness);

        let read = RequestId::parse(id.as_str(), &key).unwrap();
        assert_eq!(read, id);
        assert_eq!(read.connection(), Fingerprint::of(&contoso));
        assert!(!read.is_late(now + Duration::from_secs(3599)));
        assert!(read.is_late(now + Duration::from_hours(1)));

        let other_key = ClusterSecret::new([2; 32]).mac_key("request");
        assert_eq!(RequestId::parse(id.as_str(), &other_key), None);
        for at in 0..id.as_str().len() {
            let mut forged = id.as_str().to_owned().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(RequestId::parse(&String::from_utf8(forged).unwrap(), &key), None, "octet {at}");
        }
        for text in ["", "a", "id123", "ä", &id.as_str()[1..], &format!("{}=", id.as_str())] {
            assert_eq!(RequestId::parse(text, &key), None, "{text:?}");
        }
    }
}
