//! Feeds octets to the verifier: raw, or as changes to a genuine message of this run.
//!
//! Separate from the package because it needs a fuzzing engine.
//!
//! Rules: nothing panics; whatever is accepted has the identity and the digested octets of the
//! genuine message, since nobody without the key can make another one.

#![no_main]

use std::sync::OnceLock;
use std::time::Duration;

use anteroom::saml::{self, Expected, VerifiedAssertion};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/idp.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod idp;

struct World {
    provider: saml::IdentityProvider,
    request: idp::Request,
    now: Timestamp,
    genuine: Vec<Vec<u8>>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let entra = idp::Idp::entra();
        let now = "2026-06-15T10:30:00Z".parse().expect("a time");
        let request = idp::Request {
            id: "id7f3a9c52e1d84b06".to_owned(),
            sp_entity_id: "urn:example:sp".to_owned(),
            acs_url: "https://login.example.com/saml2/idpresponse".to_owned(),
        };
        let genuine = [idp::Sign::Assertion, idp::Sign::Response, idp::Sign::Both]
            .into_iter()
            .flat_map(|sign| {
                let plain = entra.answer(&request, now).signed(sign);
                let prefixed = entra.answer(&request, now).signed(sign).prefixed();
                [plain.to_xml().into_bytes(), prefixed.to_xml().into_bytes()]
            })
            .collect();
        let provider = saml::metadata::parse(&entra.metadata_xml(), now).expect("good metadata");
        World { provider, request, now, genuine }
    })
}

fn verify(octets: &[u8]) -> Option<VerifiedAssertion> {
    let world = world();
    let expected = Expected {
        idp: &world.provider,
        sp_entity_id: &world.request.sp_entity_id,
        acs_url: &world.request.acs_url,
        own_keys: &[],
        in_response_to: &world.request.id,
        skew: Duration::from_mins(3),
        policy: saml::Policy::default(),
    };
    saml::Response::parse(octets).ok()?.verify(&expected, world.now).ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let Some(genuine) = world().genuine.get(usize::from(*kind)) else {
        assert!(verify(data).is_none(), "nobody can sign without the key");
        return;
    };
    let changed = change(genuine, rest);
    if let Some(accepted) = verify(&changed) {
        let control = verify(genuine).expect("the genuine message is valid");
        assert!(accepted == control, "another identity was accepted");
    }
});

/// Reads the input as a list of changes: where, how much to drop, from where to copy, what to insert.
fn change(genuine: &[u8], mut edits: &[u8]) -> Vec<u8> {
    let mut octets = genuine.to_vec();
    while let Some(([at_high, at_low, drop, copy_high, copy_low, copy, insert], rest)) =
        edits.split_first_chunk::<7>()
    {
        let at = usize::from(u16::from_be_bytes([*at_high, *at_low])).min(octets.len());
        let end = (at + usize::from(*drop)).min(octets.len());
        let from = usize::from(u16::from_be_bytes([*copy_high, *copy_low])).min(genuine.len());
        let to = (from + 8 * usize::from(*copy)).min(genuine.len());
        let (inserted, rest) = rest.split_at(usize::from(*insert).min(rest.len()));
        octets.splice(at..end, genuine[from..to].iter().chain(inserted).copied());
        edits = rest;
    }
    octets
}
