//! Request IDs that prove themselves, so that a pending login costs no memory.
//!
//! Separate because the whole binding of an answer to a login rests on this value: it is ours (MAC), it is for
//! one connection, it was made at a known time, and no two are alike (DESIGN section 2, step 3).
//!
//! Form: the letter `a`, `t` for a trial, or `l` for a logout; then base64url of 12 random octets, the time of issue in
//! milliseconds (8 octets, big endian), 8 octets of SHA-256 of the connection's id, and the first 16 octets of an
//! HMAC over all that and the purpose.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::id::{ConnectionId, Randomness};
use crate::secret::{ClusterSecret, MacKey, sha256};

/// How long a pending login can be answered.
pub const PENDING_LOGIN_LIFETIME: Duration = Duration::from_hours(1);

const RANDOM: usize = 12;
const BODY: usize = RANDOM + 8 + 8;
const FULL: usize = BODY + 16;
const ENCODED: usize = (FULL * 4).div_ceil(3);

/// An ID of a request that we have made (SAML Core 3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId {
    text: String,
    purpose: Purpose,
    issued_at: Timestamp,
    connection: Fingerprint,
}

/// What a request is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A session, for whoever signs on.
    SignOn,
    /// A report on the connection, for support; never a session.
    Trial,
    /// The end of the provider's session after that of ours.
    Logout,
}

impl Purpose {
    const fn letter(self) -> char {
        match self {
            Self::SignOn => 'a',
            Self::Trial => 't',
            Self::Logout => 'l',
        }
    }

    /// What the MAC is made over, so that no letter passes for another.
    fn sealed(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::SignOn => body.to_vec(),
            Self::Trial => [body, b"trial"].concat(),
            Self::Logout => [body, b"logout"].concat(),
        }
    }
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
    /// Makes an ID for a request that is made now.
    #[must_use]
    pub fn new(
        purpose: Purpose,
        connection: &ConnectionId,
        now: Timestamp,
        (key, randomness): (&MacKey, &dyn Randomness),
    ) -> Self {
        let mut random = [0_u8; RANDOM];
        randomness.fill(&mut random);
        let connection = Fingerprint::of(connection);
        let body = [random.as_slice(), &now.as_millisecond().to_be_bytes(), connection.0.as_slice()].concat();
        let tag = key.tag(&purpose.sealed(&body));
        let encoded = URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat());
        Self { text: format!("{}{encoded}", purpose.letter()), purpose, issued_at: now, connection }
    }

    /// The key of this installation's IDs.
    #[must_use]
    pub fn key(secret: &ClusterSecret) -> MacKey {
        secret.mac_key("request id")
    }

    /// Reads an ID; `None` for any that we did not make.
    #[must_use]
    pub fn parse(text: &str, key: &MacKey) -> Option<Self> {
        let mut octets = [0_u8; FULL];
        let found = [Purpose::SignOn, Purpose::Trial, Purpose::Logout]
            .into_iter()
            .find_map(|purpose| Some((purpose, text.strip_prefix(purpose.letter())?)));
        let (purpose, encoded) = found.filter(|(_, encoded)| encoded.len() == ENCODED)?;
        if URL_SAFE_NO_PAD.decode_slice(encoded, &mut octets).ok()? != FULL {
            return None;
        }
        let (body, tag) = octets.split_at_checked(BODY)?;
        if !key.verify(&purpose.sealed(body), tag) {
            return None;
        }
        let (_, rest) = body.split_at_checked(RANDOM)?;
        let (millis, connection) = rest.split_at_checked(8)?;
        let issued_at = Timestamp::from_millisecond(i64::from_be_bytes(millis.try_into().ok()?)).ok()?;
        let connection = Fingerprint(connection.try_into().ok()?);
        Some(Self { text: text.to_owned(), purpose, issued_at, connection })
    }

    /// The ID as it stands in the message.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the request was made for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When the request was made.
    #[must_use]
    pub const fn issued_at(&self) -> Timestamp {
        self.issued_at
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

    #[test]
    fn an_id_says_what_it_was_made_for_and_nothing_else_passes() {
        let key = ClusterSecret::new([1; 32]).mac_key("request");
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let contoso = ConnectionId::parse("contoso").unwrap();
        let id = RequestId::new(Purpose::SignOn, &contoso, now, (&key, &SystemRandomness));

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
        // Neither does one purpose pass for another.
        let purposes = [Purpose::SignOn, Purpose::Trial, Purpose::Logout];
        for (purpose, other) in purposes.into_iter().flat_map(|one| purposes.map(|other| (one, other))) {
            let id = RequestId::new(purpose, &contoso, now, (&key, &SystemRandomness));
            let passed_off = format!("{}{}", other.letter(), &id.as_str()[1..]);
            let read = RequestId::parse(&passed_off, &key).map(|id| id.purpose());
            assert_eq!(read, (purpose == other).then_some(purpose), "{purpose:?} as {other:?}");
        }
        for text in ["", "a", "t", "id123", "ä", &id.as_str()[1..], &format!("{}=", id.as_str())] {
            assert_eq!(RequestId::parse(text, &key), None, "{text:?}");
        }
    }
}
