//! What must hold for any octets that anybody hands to Anteroom: one function for each fuzz target.
//!
//! Separate from the targets because the tests run the same checks over the seeds and thousands of changes to
//! them, without a fuzzing engine.
//!
//! Rules: nothing panics; whatever is accepted is what we, or the test's identity provider, made.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anteroom::email::EmailAddress;
use anteroom::id::{ConnectionId, SystemRandomness};
use anteroom::saml::logout::{self, Incoming, Message, VerifiedLogoutRequest};
use anteroom::saml::{self, Expected, Refusal, VerifiedAssertion};
use anteroom::secret::{ClusterSecret, MacKey, SealKey};
use anteroom::session::SessionId;
use anteroom::sign_on::request_id::{Purpose, RequestId};
use anteroom::sign_on::tabs::Tabs;
use anteroom::target::ReturnPath;
use jiff::Timestamp;

use crate::idp::encryption::{Cipher, Encryption};
use crate::idp::{Idp, Request, Sign, SigningKey};

/// The parties: an identity provider, what was asked of it, and what it answered.
pub(crate) struct World {
    pub(crate) idp: Idp,
    pub(crate) request: Request,
    pub(crate) now: Timestamp,
    pub(crate) trusted: saml::IdentityProvider,
    own_keys: Vec<Arc<saml::KeyPair>>,
    /// One genuine answer for each way of signing and prefixing, and some that are encrypted.
    pub(crate) genuine: Vec<Vec<u8>>,
}

impl World {
    /// The one world of this process.
    pub(crate) fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| {
            let idp = Idp::entra();
            let now = "2026-06-15T10:30:00Z".parse().expect("a time");
            let request = Request {
                id: "id7f3a9c52e1d84b06".to_owned(),
                sp_entity_id: "urn:example:sp".to_owned(),
                acs_url: "https://login.example.com/saml2/idpresponse".to_owned(),
            };
            let encrypted = [
                (Sign::Assertion, Cipher::Aes256Cbc),
                (Sign::Assertion, Cipher::Aes128Gcm),
                (Sign::Response, Cipher::Aes128Cbc),
            ];
            let encrypted = encrypted.map(|(sign, cipher)| {
                let encryption = Encryption { cipher, ..Encryption::to(SigningKey::ours()) };
                idp.answer(&request, now).signed(sign).encrypted(encryption).to_xml().into_bytes()
            });
            let genuine = [Sign::Assertion, Sign::Response, Sign::Both]
                .into_iter()
                .flat_map(|sign| {
                    let plain = idp.answer(&request, now).signed(sign);
                    let prefixed = idp.answer(&request, now).signed(sign).prefixed();
                    [plain.to_xml().into_bytes(), prefixed.to_xml().into_bytes()]
                })
                .chain(encrypted)
                .collect();
            let own_keys = vec![SigningKey::ours().own()];
            let trusted = saml::metadata::parse(&idp.metadata_xml(), now).expect("good metadata");
            Self { idp, request, now, trusted, own_keys, genuine }
        })
    }

    /// What the verifier says of a message that answers this world's request.
    pub(crate) fn verify(&self, octets: &[u8]) -> Result<VerifiedAssertion, Refusal> {
        self.verify_trusting(&self.trusted, octets)
    }

    /// The same for another provider's keys.
    pub(crate) fn verify_trusting(
        &self,
        trusted: &saml::IdentityProvider,
        octets: &[u8],
    ) -> Result<VerifiedAssertion, Refusal> {
        let expected = Expected {
            idp: trusted,
            sp_entity_id: &self.request.sp_entity_id,
            acs_url: &self.request.acs_url,
            in_response_to: &self.request.id,
            own_keys: &self.own_keys,
            policy: saml::Policy::default(),
            skew: Duration::from_mins(3),
        };
        saml::Response::read(&saml::Document::parse(octets)?)?.verify(&expected, self.now)
    }
}

impl World {
    fn verify_logout(&self, query: &str) -> Option<VerifiedLogoutRequest> {
        let expected = logout::Expected {
            idp: &self.trusted,
            sp_entity_id: &self.request.sp_entity_id,
            slo_url: SLO_URL,
            accept_expired_certificates: false,
            skew: Duration::from_mins(3),
        };
        let incoming = Incoming::from_query(query).ok()?;
        match incoming.read().ok()? {
            Message::Request(request) => request.verify(&expected, self.now).ok(),
            Message::Response(_) => None,
        }
    }
}

/// A response: raw octets, or a list of changes to a genuine one. Nobody else is ever let in.
pub(crate) fn response(data: &[u8]) {
    let world = World::get();
    let Some((kind, edits)) = data.split_first() else { return };
    let Some(genuine) = world.genuine.get(usize::from(*kind)) else {
        assert!(world.verify(data).is_err(), "nobody can sign without the key");
        return;
    };
    if let Ok(accepted) = world.verify(&changed(genuine, edits)) {
        let control = world.verify(genuine).expect("the genuine message is valid");
        assert!(accepted == control, "another identity was accepted");
    }
}

/// Metadata: whatever is accepted has a key and a safe address.
pub(crate) fn metadata(data: &[u8]) {
    let world = World::get();
    match saml::metadata::parse(data, world.now) {
        Ok(provider) => {
            assert!(!provider.certificates().is_empty());
            assert!(matches!(provider.sso_url().scheme(), "https" | "http"));
            assert!(!provider.entity_id().is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The form field that carries a response: decoded octets are bounded, and parsed without panic.
pub(crate) fn form_field(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(octets) = saml::Response::decode(text) {
        assert!(octets.len() <= text.len());
        if let Ok(document) = saml::Document::parse(&octets)
            && let Ok(response) = saml::Response::read(&document)
        {
            let request = response.in_response_to().unwrap_or_default();
            assert!(RequestId::parse(request, request_key()).is_none_or(|id| id == *own_request()));
        }
    }
}

/// The query of a logout message: raw, or with changes to a genuine one. Only what the provider signed is believed.
pub(crate) fn logout(data: &[u8]) {
    static GENUINE: OnceLock<String> = OnceLock::new();
    let world = World::get();
    let genuine = GENUINE.get_or_init(|| {
        let demand = world.idp.logout_request(SLO_URL, "mia.berg@contoso.com", world.now);
        demand.of_session("_s1").to_query().text()
    });
    for octets in [data.to_vec(), changed(genuine.as_bytes(), data)] {
        let Ok(query) = std::str::from_utf8(&octets) else { continue };
        if let Some(accepted) = world.verify_logout(query) {
            let control = world.verify_logout(genuine).expect("the genuine message is valid");
            assert_eq!(accepted.id(), control.id(), "another demand was accepted");
            assert_eq!(accepted.session_indexes(), control.session_indexes(), "for other sessions");
        }
    }
}

const SLO_URL: &str = "https://login.example.com/saml2/logout";

fn secret() -> ClusterSecret {
    ClusterSecret::new([7; 32])
}

fn request_key() -> &'static MacKey {
    static KEY: OnceLock<MacKey> = OnceLock::new();
    KEY.get_or_init(|| secret().mac_key("request"))
}

fn own_request() -> &'static RequestId {
    static ID: OnceLock<RequestId> = OnceLock::new();
    ID.get_or_init(|| {
        let connection = ConnectionId::parse("contoso").expect("an id");
        let maker = (request_key(), &SystemRandomness as &dyn anteroom::id::Randomness);
        RequestId::new(Purpose::SignOn, &connection, World::get().now, maker)
    })
}

/// A request ID: raw text, or a change to one of ours. Only the one that we made is ours.
pub(crate) fn request_id(data: &[u8]) {
    let own = own_request();
    for octets in [data.to_vec(), changed(own.as_str().as_bytes(), data)] {
        let Ok(text) = std::str::from_utf8(&octets) else { continue };
        if let Some(read) = RequestId::parse(text, request_key()) {
            assert!(read == *own && text == own.as_str(), "{text} passes for ours");
        }
    }
}

/// The two cookies: a sealed one that is not ours is empty, a session's is read in one way only.
pub(crate) fn cookies(data: &[u8]) {
    static GENUINE: OnceLock<(SealKey, String)> = OnceLock::new();
    let (key, genuine) = GENUINE.get_or_init(|| {
        let key = secret().seal_key("tabs");
        let path = ReturnPath::parse("/work-orders/4711?tab=history").expect("a path");
        let sealed = Tabs::default().with("id1", &path).seal(&key).expect("something to remember");
        (key, sealed)
    });
    for octets in [data.to_vec(), changed(genuine.as_bytes(), data)] {
        let Ok(text) = std::str::from_utf8(&octets) else { continue };
        assert!(text == genuine || Tabs::open(Some(text), key) == Tabs::default(), "{text} opens");
        if let Some(id) = SessionId::parse(text) {
            assert_eq!(id.to_cookie_value(), text, "two cookies for one session");
        }
    }
}

/// An e-mail address: what is accepted is plain, has one domain, and is read again as itself.
pub(crate) fn email(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(address) = EmailAddress::parse(text) else { return };
    let plain = address.as_str();
    assert!(plain.bytes().all(|octet| octet.is_ascii_graphic() && !octet.is_ascii_uppercase()), "{plain:?}");
    let (local, domain) = plain.split_once('@').expect("one at sign");
    assert!(!local.is_empty() && domain == address.domain().as_str() && !domain.contains('@'), "{plain:?}");
    assert_eq!(EmailAddress::parse(plain).as_ref(), Ok(&address), "{plain:?}");
}

/// A place to return to: what is accepted stays on the application's host, for every parser.
pub(crate) fn return_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(path) = ReturnPath::parse(text) else { return };
    let path = path.as_str();
    assert!(path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\"), "{path:?}");
    assert!(path.bytes().all(|octet| octet.is_ascii_graphic()), "{path:?}");
    let again = ReturnPath::parse(path).map(|again| again.as_str().to_owned());
    assert_eq!(again.as_deref(), Ok(path), "read again it is another");
}

/// Reads the input as a list of changes: where, how much to drop, from where to copy, what to insert.
pub(crate) fn changed(genuine: &[u8], mut edits: &[u8]) -> Vec<u8> {
    let mut octets = genuine.to_vec();
    while let Some(([at_high, at_low, drop, copy_high, copy_low, copy, insert], rest)) =
        edits.split_first_chunk::<7>()
    {
        let at = usize::from(u16::from_be_bytes([*at_high, *at_low])).min(octets.len());
        let end = (at + usize::from(*drop)).min(octets.len());
        let from = usize::from(u16::from_be_bytes([*copy_high, *copy_low])).min(genuine.len());
        let to = (from + 8 * usize::from(*copy)).min(genuine.len());
        let (inserted, rest) = rest.split_at(usize::from(*insert).min(rest.len()));
        let copied = genuine.get(from..to).unwrap_or_default();
        octets.splice(at..end, copied.iter().chain(inserted).copied());
        edits = rest;
    }
    octets
}
