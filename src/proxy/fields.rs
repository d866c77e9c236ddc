//! Which header fields of a request may not pass, by the names that any backend could read into them.
//!
//! Separate because this list is what identity headers are worth: a backend that folds `-`, `_` and `.` into
//! one must never see a field that folds to one of ours. All names are compared in folded form, letters and
//! digits only, so that `X_Anteroom.Jwt~Assertion` is `xanteroomjwtassertion` (T-B1, T-B2, T-B4).

use http::HeaderName;

use crate::http1::fields::{Field, Known};

/// Names that speak about the connection to the next hop only (RFC 9110 7.6.1).
const HOP_BY_HOP: [&[u8]; 7] =
    [b"connection", b"keepalive", b"te", b"trailer", b"trailers", b"transferencoding", b"upgrade"];

/// Identity headers of our presets, removed whether the preset is on or not.
const IDENTITY: [&[u8]; 8] = [
    b"remoteuser",
    b"remoteemail",
    b"remotename",
    b"remotegroups",
    b"xforwardeduser",
    b"xforwardedemail",
    b"xforwardedgroups",
    b"xforwardedpreferredusername",
];

/// What only a proxy in front of us may say: addresses, original targets, and identities of other gateways.
const FROM_TRUSTED: [&[u8]; 13] = [
    b"xrealip",
    b"xrequestid",
    b"xclientip",
    b"xclusterclientip",
    b"clientip",
    b"trueclientip",
    b"xscheme",
    b"xurlscheme",
    b"frontendhttps",
    b"xremoteuser",
    b"xwebauthuser",
    b"xhostname",
    b"xhost",
];

/// The same, by how the name begins.
const FROM_TRUSTED_PREFIXES: [&[u8]; 11] = [
    b"forwarded",
    b"xforwarded",
    b"xoriginal",
    b"xrewrite",
    b"xauthrequest",
    b"xenvoy",
    b"xamzn",
    b"xgoogauthenticated",
    b"xgoogiap",
    b"xmsclientprincipal",
    b"xmstoken",
];

/// What we say ourselves of every request, as it is written: spelled otherwise it would stand beside ours.
const SAID_BY_US: [(&[u8], &[u8]); 8] = [
    (b"forwarded", b"forwarded"),
    (b"xforwardedfor", b"x-forwarded-for"),
    (b"xforwardedhost", b"x-forwarded-host"),
    (b"xforwardedport", b"x-forwarded-port"),
    (b"xforwardedproto", b"x-forwarded-proto"),
    (b"xrealip", b"x-real-ip"),
    (b"xrequestid", b"x-request-id"),
    (b"contentlength", b"content-length"),
];

/// The longest folded name that is compared; whatever is longer can only match by its beginning.
const FOLDED_BYTES_MAX: usize = 64;

/// What to do with a field of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It belongs to the hop that ends here.
    Hop,
    /// A backend could take it for one that we set.
    Ours,
    /// It passes from a trusted peer only.
    FromTrusted,
}

/// Decides by name which fields pass.
#[derive(Debug)]
pub(super) struct Reserved {
    configured: Vec<Vec<u8>>,
    /// What the names begin with that do not simply pass, a bit for each letter and digit.
    beginnings: u64,
    /// The fates of the names that are known, in their order.
    known: Vec<Fate>,
}

impl Reserved {
    /// Reserves the built-in names and these.
    pub(super) fn new(configured: &[HeaderName]) -> Self {
        let folded = |name: &HeaderName| Folded::of(name.as_str().as_bytes()).as_slice().to_vec();
        let configured: Vec<_> = configured.iter().map(folded).collect();
        let built_in: [&[&[u8]]; 5] =
            [&HOP_BY_HOP, &IDENTITY, &FROM_TRUSTED, &FROM_TRUSTED_PREFIXES, &[b"xanteroom", b"proxy", b"cf"]];
        let names = built_in.into_iter().flatten().copied().chain(configured.iter().map(Vec::as_slice));
        let beginnings = names.filter_map(|name| name.first()).fold(0, |all, first| all | bit_of(*first));
        let mut reserved = Self { configured, beginnings, known: Vec::new() };
        reserved.known = Known::ALL.iter().map(|(_, name)| reserved.fate(name)).collect();
        reserved
    }

    /// What to do with a field.
    pub(super) fn fate_of(&self, field: Field<'_>) -> Fate {
        match (field.known, self.known.get(field.known as usize)) {
            (Known::Other, _) | (_, None) => self.fate(field.name),
            (_, Some(fate)) => *fate,
        }
    }

    /// What to do with a field of this name.
    pub(super) fn fate(&self, name: impl AsRef<[u8]>) -> Fate {
        let name = name.as_ref();
        let first = name.iter().copied().find(u8::is_ascii_alphanumeric);
        if first.is_some_and(|first| self.beginnings & bit_of(first) == 0) {
            return Fate::Pass;
        }
        let folded = Folded::of(name);
        let folded = folded.as_slice();
        if folded.starts_with(b"xanteroom") || IDENTITY.contains(&folded) || self.is_configured(folded) {
            return Fate::Ours;
        }
        let said = SAID_BY_US.iter().find(|(said, _)| *said == folded);
        if said.is_some_and(|(_, written)| !name.eq_ignore_ascii_case(written)) {
            return Fate::Ours;
        }
        // `Proxy` itself becomes the variable HTTP_PROXY in CGI programs.
        if folded.starts_with(b"proxy") || HOP_BY_HOP.contains(&folded) {
            return Fate::Hop;
        }
        let prefixed = FROM_TRUSTED_PREFIXES.iter().any(|prefix| folded.starts_with(prefix));
        if prefixed || FROM_TRUSTED.contains(&folded) || is_of_cloudflare(name) {
            return Fate::FromTrusted;
        }
        Fate::Pass
    }

    fn is_configured(&self, folded: &[u8]) -> bool {
        self.configured.iter().any(|configured| configured == folded)
    }
}

/// The bit of a letter, in either case, or of a digit.
const fn bit_of(octet: u8) -> u64 {
    1 << (octet.to_ascii_lowercase() % 64)
}

/// `Cf-*`, where the two letters alone would hit too much.
fn is_of_cloudflare(name: &[u8]) -> bool {
    let begin = name.iter().position(u8::is_ascii_alphanumeric).unwrap_or(name.len());
    let name = name.get(begin..).unwrap_or_default();
    let separated = name.get(2).is_some_and(|octet| !octet.is_ascii_alphanumeric());
    separated && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"cf"))
}

/// A name reduced to its lower-case letters and digits.
struct Folded {
    octets: [u8; FOLDED_BYTES_MAX],
    length: usize,
}

impl Folded {
    fn of(name: &[u8]) -> Self {
        let mut folded = Self { octets: [0; FOLDED_BYTES_MAX], length: 0 };
        let letters = name.iter().filter(|octet| octet.is_ascii_alphanumeric());
        for (place, octet) in folded.octets.iter_mut().zip(letters) {
            *place = octet.to_ascii_lowercase();
            folded.length += 1;
        }
        folded
    }

    fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
