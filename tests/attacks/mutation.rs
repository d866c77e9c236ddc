//! Mutated messages: whatever an attacker makes of genuine octets, nobody else gets in.
//!
//! Separate because these tests do not know what they will send.
//!
//! Rules: nothing panics; whatever is accepted has exactly the identity of the control, and every
//! value that is read stands in the digested octets.

use anteroom::saml::{self, VerifiedAssertion};
use proptest::prelude::*;

use super::World;
use crate::idp::Sign;

/// One change to the octets; places are fractions of the length so that they fit any text.
#[derive(Debug, Clone)]
enum Mutation {
    FlipBit {
        at: f64,
        bit: u8,
    },
    Truncate {
        at: f64,
    },
    Delete {
        at: f64,
        len: usize,
    },
    Insert {
        at: f64,
        snippet: usize,
    },
    /// Copies one element to the place of another tag.
    Duplicate {
        from: f64,
        to: f64,
    },
    Move {
        from: f64,
        to: f64,
    },
    /// Swaps a value for another one.
    Substitute {
        pair: usize,
    },
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let place = 0.0..1.0_f64;
    let one = prop_oneof![
        (place.clone(), 0..8_u8).prop_map(|(at, bit)| Mutation::FlipBit { at, bit }),
        place.clone().prop_map(|at| Mutation::Truncate { at }),
        (place.clone(), 1..200_usize).prop_map(|(at, len)| Mutation::Delete { at, len }),
        (place.clone(), 0..SNIPPETS.len()).prop_map(|(at, snippet)| Mutation::Insert { at, snippet }),
        (place.clone(), place.clone()).prop_map(|(from, to)| Mutation::Duplicate { from, to }),
        (place.clone(), place).prop_map(|(from, to)| Mutation::Move { from, to }),
        (0..SUBSTITUTES.len()).prop_map(|pair| Mutation::Substitute { pair }),
    ];
    proptest::collection::vec(one, 1..4)
}

const SNIPPETS: [&str; 14] = [
    "<!---->",
    "<?x?>",
    "<![CDATA[x]]>",
    "<!DOCTYPE x>",
    " ",
    "\n",
    "&#13;",
    "&amp;",
    "<x/>",
    "</x>",
    " xmlns=\"\"",
    " xmlns:a=\"1\"",
    "<Assertion xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>",
    "\u{feff}",
];

const SUBSTITUTES: [(&str, &str); 8] = [
    ("mia.berg@contoso.com", "ceo@contoso.com"),
    ("NameID", "nameID"),
    ("<Assertion ", "<Advice "),
    ("rsa-sha256", "hmac-sha256"),
    ("xml-exc-c14n#", "xml-exc-c14n#WithComments"),
    ("Signature", "signature"),
    ("#_a", "#_r"),
    ("2.0:assertion", "1.0:assertion"),
];

fn mutate(octets: &mut Vec<u8>, mutation: &Mutation) {
    let place = |octets: &[u8], at: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a fraction of a short length"
        )]
        let place = (octets.len() as f64 * at) as usize;
        place.min(octets.len().saturating_sub(1))
    };
    match mutation {
        Mutation::FlipBit { at, bit } => {
            let at = place(octets, *at);
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << bit;
            }
        }
        Mutation::Truncate { at } => octets.truncate(place(octets, *at)),
        Mutation::Delete { at, len } => {
            let at = place(octets, *at);
            let end = (at + len).min(octets.len());
            octets.drain(at..end);
        }
        Mutation::Insert { at, snippet } => {
            let at = place(octets, *at);
            octets.splice(at..at, SNIPPETS[*snippet].bytes());
        }
        Mutation::Duplicate { from, to } => {
            if let (Some((start, end)), Some((to, _))) =
                (element_near(octets, place(octets, *from)), element_near(octets, place(octets, *to)))
            {
                let copied = octets[start..end].to_vec();
                octets.splice(to..to, copied);
            }
        }
        Mutation::Move { from, to } => {
            if let Some((start, end)) = element_near(octets, place(octets, *from)) {
                let moved: Vec<u8> = octets.drain(start..end).collect();
                let to = element_near(octets, place(octets, *to)).map_or(octets.len(), |(to, _)| to);
                octets.splice(to..to, moved);
            }
        }
        Mutation::Substitute { pair } => {
            let (from, to) = SUBSTITUTES[*pair];
            *octets = String::from_utf8_lossy(octets).replacen(from, to, 1).into_bytes();
        }
    }
}

/// The element whose start tag comes next after a place, if its end can be found.
fn element_near(octets: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + octets[at.min(octets.len())..].windows(2).position(|w| w[0] == b'<' && w[1] != b'/')?;
    let name: Vec<u8> = octets[start + 1..].iter().copied().take_while(|b| !b" >/".contains(b)).collect();
    let closing = [b"</".as_slice(), &name, b">"].concat();
    let end = octets[start..].windows(closing.len()).position(|w| w == closing)?;
    Some((start, start + end + closing.len()))
}

/// What an attacker would want to change.
fn identity(assertion: &VerifiedAssertion) -> String {
    let name_id = assertion.name_id().map(|name_id| name_id.value.as_str());
    let attributes: Vec<_> = assertion
        .attributes()
        .iter()
        .map(|a| format!("{}={:?}", a.name(), a.values().collect::<Vec<_>>()))
        .collect();
    format!("{} {} {name_id:?} {attributes:?}", assertion.issuer(), assertion.id())
}

fn every_value_was_digested(assertion: &VerifiedAssertion) -> bool {
    let octets = String::from_utf8(assertion.signed_octets().to_vec()).expect("UTF-8");
    let values = assertion
        .attributes()
        .iter()
        .flat_map(|attribute| attribute.values().chain([attribute.name()]))
        .chain(assertion.name_id().map(|name_id| name_id.value.as_str()));
    values.into_iter().all(|value| octets.contains(value))
        && octets.contains(assertion.id())
        && octets.contains(assertion.issuer())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_messages_never_change_who_signs_on(
        sign in prop_oneof![Just(Sign::Assertion), Just(Sign::Response), Just(Sign::Both)],
        prefixed in any::<bool>(),
        mutations in mutations(),
    ) {
        let world = World::pure();
        let trusted = world.trusted();
        let message = world.control().signed(sign);
        let message = if prefixed { message.prefixed() } else { message };
        let mut octets = message.to_xml().into_bytes();
        let control = world.verify_trusting(&trusted, &octets).expect("the control is valid");
        prop_assert!(every_value_was_digested(&control));
        for mutation in &mutations {
            mutate(&mut octets, mutation);
        }
        if let Ok(accepted) = world.verify_trusting(&trusted, &octets) {
            prop_assert_eq!(identity(&accepted), identity(&control));
            prop_assert_eq!(accepted.signed_octets(), control.signed_octets());
        }
    }

    #[test]
    fn any_octets_are_answered_without_panic(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let now = World::pure().now;
        prop_assert!(saml::Document::parse(&octets).is_err());
        prop_assert!(saml::metadata::parse(&octets, now).is_err());
    }

    #[test]
    fn mutated_metadata_never_panics_and_never_gives_a_provider_without_a_key(mutations in mutations()) {
        let world = World::pure();
        let mut octets = world.idp.metadata_xml();
        for mutation in &mutations {
            mutate(&mut octets, mutation);
        }
        if let Ok(provider) = saml::metadata::parse(&octets, world.now) {
            prop_assert!(!provider.certificates().is_empty());
            prop_assert_eq!(provider.sso_url().scheme(), "https");
        }
    }
}
