//! Group I: metadata that must not be trusted, and what Entra's real metadata looks like.
//!
//! Separate because metadata comes from administrators; each fault is an error that names its
//! remedy, not a refusal.

use anteroom::saml::metadata::{self, Error};
use anteroom::saml::{CertificateError, IdentityProvider};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{World, cut, replaced, replaced_first};
use crate::idp::{
    FAR_AWAY, KeyType, LONG_AGO, SigningKey, certificate_with_ed25519, certificate_with_rsa_modulus,
    key_descriptor,
};

fn parse(text: &str) -> Result<IdentityProvider, Error> {
    metadata::parse(text.as_bytes(), World::pure().now)
}

/// The control of every test here: unsigned, without byte order mark.
fn good() -> String {
    World::pure().idp.entity_descriptor("_m")
}

/// The signing keys replaced by one certificate.
fn with_certificate(der: &[u8]) -> String {
    let text = good();
    let keys: String = [SigningKey::rsa(), SigningKey::rsa_next()]
        .iter()
        .map(|key| key_descriptor("signing", &key.certificate))
        .collect();
    text.replace(&keys, &key_descriptor("signing", der))
}

#[test]
fn metadata_shaped_as_that_of_entra_is_read() {
    let world = World::pure();
    let provider = metadata::parse(&world.idp.metadata_xml(), world.now).expect("good");
    assert_eq!(provider.entity_id(), world.idp.entity_id);
    assert_eq!(provider.sso_url().as_str(), world.idp.sso_url);
    assert_eq!(provider.slo_redirect_url().map(url::Url::as_str), Some(world.idp.sso_url.as_str()));
    assert!(provider.slo_post_url().is_none());
    assert!(provider.is_entra());
    assert!(provider.valid_until().is_none());
    let subjects: Vec<_> = provider.certificates().iter().map(|c| c.subject().to_owned()).collect();
    assert_eq!(subjects, ["CN=Microsoft Azure Federated SSO Certificate"; 2], "each key once");
    let certificate = &provider.certificates()[0];
    assert_eq!(certificate.key_description(), "RSA 2048");
    assert_eq!(certificate.fingerprint().len(), 64);
    assert_eq!(certificate.not_after().to_string(), "2049-12-31T00:00:00Z");
}

#[test]
fn an_identity_provider_that_is_not_entra_is_told_apart() {
    let text = good()
        .replace("https://sts.windows.net/", "https://idp.example.org/")
        .replace("https://login.microsoftonline.com/", "https://idp.example.org/");
    let provider = parse(&text).expect("good");
    assert!(!provider.is_entra());
    let lookalike = good()
        .replace("https://sts.windows.net/", "https://idp.example.org/")
        .replace("https://login.microsoftonline.com/", "https://login.microsoftonline.com.evil.example/");
    assert!(!parse(&lookalike).expect("good").is_entra());
}

#[test]
fn metadata_without_a_signing_certificate_is_never_accepted() {
    let text = good();
    let role = cut(&text, "<IDPSSODescriptor", "</IDPSSODescriptor>");
    let start = role.find("<KeyDescriptor").expect("keys");
    let end = role.rfind("</KeyDescriptor>").expect("keys") + "</KeyDescriptor>".len();
    let bare = text.replace(role, &(role[..start].to_owned() + &role[end..]));
    assert!(matches!(parse(&bare), Err(Error::NoSigningCertificate { .. })));

    let encryption_only = text.replace("use=\"signing\"", "use=\"encryption\"");
    assert!(matches!(parse(&encryption_only), Err(Error::NoSigningCertificate { .. })));
    let any_use = text.replace(" use=\"signing\"", "");
    assert_eq!(parse(&any_use).expect("no use means any use").certificates().len(), 2);
}

#[test]
fn an_entity_id_is_neither_empty_nor_without_end() {
    let entity_id = World::pure().idp.entity_id;
    let with = |other: &str| parse(&good().replace(&entity_id, other));
    let longest = format!("urn:{}", "x".repeat(1020));
    assert_eq!(with(&longest).expect("good").entity_id(), longest);
    for bad in [String::new(), format!("{longest}x")] {
        assert!(matches!(with(&bad), Err(Error::EntityId { .. })), "{} octets", bad.len());
    }
}

#[test]
fn the_chain_above_a_certificate_is_not_trusted_for_messages() {
    let chain = key_descriptor("signing", &SigningKey::rsa().certificate).replace(
        "</X509Certificate>",
        &format!(
            "</X509Certificate><X509Certificate>{}</X509Certificate>",
            STANDARD.encode(&SigningKey::foreign().certificate)
        ),
    );
    let own = key_descriptor("signing", &SigningKey::rsa().certificate);
    let provider = parse(&good().replace(&own, &chain)).expect("good");
    let world = World::pure();
    assert!(world.verify_trusting(&provider, world.control().to_xml().as_bytes()).is_ok());
    let by_authority = world.control().signed_by(SigningKey::foreign()).to_xml();
    assert!(world.verify_trusting(&provider, by_authority.as_bytes()).is_err());
}

#[test]
fn keys_outside_of_the_policy_are_named() {
    assert!(parse(&with_certificate(&certificate_with_rsa_modulus(2048, 3))).is_ok());
    for (bits, exponent) in [(1024, 3), (2040, 3), (2048, 1), (2048, 2)] {
        let result = parse(&with_certificate(&certificate_with_rsa_modulus(bits, exponent)));
        assert!(
            matches!(
                &result,
                Err(Error::Certificate { number: 1, source: CertificateError::WeakKey { .. }, .. })
            ),
            "{bits} {exponent}: {result:?}"
        );
    }
    assert!(matches!(
        parse(&with_certificate(&certificate_with_ed25519())),
        Err(Error::Certificate { source: CertificateError::UnsupportedKey { .. }, .. })
    ));
    for rubbish in [&[][..], &[0x30], &[0x30, 0x82, 0xff, 0xff], b"-----BEGIN CERTIFICATE-----"] {
        assert!(matches!(
            parse(&with_certificate(rubbish)),
            Err(Error::Certificate { source: CertificateError::Malformed, .. })
        ));
    }
    let mut trailing = SigningKey::p256().certificate.clone();
    assert!(parse(&with_certificate(&trailing)).is_ok());
    trailing.push(0);
    assert!(parse(&with_certificate(&trailing)).is_err());
}

#[test]
fn an_sso_address_must_be_https_or_stay_on_this_machine() {
    let world = World::pure();
    let with_url = |url: &str| parse(&good().replace(&world.idp.sso_url, url));
    for fine in [
        "https://idp.example.org/sso?tenant=1",
        "http://localhost:8080/sso",
        "http://idp.localhost/sso",
        "http://127.0.0.1:8080/sso",
        "http://[::1]/sso",
    ] {
        assert!(with_url(fine).is_ok(), "{fine}");
    }
    for refused in [
        "http://idp.example.org/sso",
        "http://localhost.example.org/sso",
        "http://127.0.0.1.example.org/sso",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://idp.example.org/",
        "/sso",
        "",
        " https://idp.example.org/sso",
        "https://user:secret@idp.example.org/sso",
        "https://idp.example.org/sso#fragment",
    ] {
        assert!(matches!(with_url(refused), Err(Error::InsecureUrl { .. })), "{refused}");
    }
}

#[test]
fn metadata_without_a_redirect_endpoint_is_refused() {
    let text = good();
    let endpoint = cut(
        &text,
        "<SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\"",
        "</SingleSignOnService>",
    );
    let result = parse(&replaced(&text, endpoint, ""));
    assert!(matches!(result, Err(Error::NoRedirectEndpoint { .. })), "{result:?}");
}

#[test]
fn expired_metadata_is_refused_wherever_the_date_stands() {
    let expired = " validUntil=\"2026-06-15T10:30:00Z\"";
    let live = " validUntil=\"2026-06-15T10:30:01Z\"";
    for element in ["<EntityDescriptor", "<IDPSSODescriptor"] {
        let with = |date: &str| parse(&replaced(&good(), element, &format!("{element}{date}")));
        assert!(matches!(with(expired), Err(Error::Expired { .. })), "{element}");
        assert!(with(live).expect("still valid").valid_until().is_some());
        assert!(with(" validUntil=\"soon\"").is_err());
    }
    let list = |date: &str| {
        parse(&format!(
            "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\"{date}>{}</EntitiesDescriptor>",
            good()
        ))
    };
    assert!(matches!(list(expired), Err(Error::Expired { .. })));
    assert!(list("").is_ok());
    // Of several dates the first counts, whichever element says it.
    let far = " validUntil=\"2027-01-01T00:00:00Z\"";
    for (outer, inner) in [(far, expired), (expired, far)] {
        let role = replaced(&good(), "<IDPSSODescriptor", &format!("<IDPSSODescriptor{inner}"));
        let both = parse(&replaced(&role, "<EntityDescriptor", &format!("<EntityDescriptor{outer}")));
        assert!(matches!(both, Err(Error::Expired { .. })), "{outer} {inner}: {both:?}");
    }
}

#[test]
fn each_key_counts_once_and_there_are_not_many() {
    let own = key_descriptor("signing", &SigningKey::rsa().certificate);
    let with = |descriptors: &str| parse(&good().replace(&own, descriptors));
    let before = with(&own).expect("good").certificates().len();
    assert_eq!(with(&own.repeat(40)).expect("good").certificates().len(), before);
    // Each costs a verification for every message that is not theirs.
    let key = || SigningKey::make(KeyType::P256, LONG_AGO, FAR_AWAY).certificate;
    let many: Vec<_> = (0..16).map(|_| key_descriptor("signing", &key())).collect();
    let most = many.iter().take(17 - before).cloned().collect::<String>();
    assert_eq!(with(&most).expect("good").certificates().len(), 16);
    let refused = with(&format!("{own}{most}"));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn several_identity_providers_are_counted_and_none_is_told() {
    let list = |content: &str| {
        parse(&format!(
            "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{content}</EntitiesDescriptor>"
        ))
    };
    let two = list(&good().repeat(2));
    assert!(matches!(two, Err(Error::SeveralIdentityProviders { count: 2, .. })), "{two:?}");
    assert!(matches!(list(""), Err(Error::NoIdentityProvider)));
    let sp = crate::idp::service_provider("urn:x");
    assert!(matches!(parse(sp.metadata()), Err(Error::NoIdentityProvider)));
    let html = parse("<html><body>Sign in</body></html>");
    assert!(matches!(&html, Err(Error::NotMetadata { root }) if root == "html"), "{html:?}");
    let saml1 = good().replace("2.0:protocol\">", "1.1:protocol\">");
    assert!(matches!(parse(&saml1), Err(Error::NoIdentityProvider)));
}

#[test]
fn one_of_several_identity_providers_is_chosen_by_its_entity_id() {
    let world = World::pure();
    let other = crate::idp::Idp::other_tenant();
    let list = |content: &str| {
        format!(
            "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{content}</EntitiesDescriptor>"
        )
    };
    let both = list(&format!("{}{}", good(), other.entity_descriptor("_n")));
    let chosen = |entity_id: &str| metadata::parse_entity(both.as_bytes(), Some(entity_id), world.now);
    assert_eq!(chosen(&other.entity_id).expect("the control").entity_id(), other.entity_id);
    assert_eq!(chosen(&world.idp.entity_id).expect("the other").entity_id(), world.idp.entity_id);
    // No keys of the other one come along.
    let trusted = chosen(&other.entity_id).expect("good");
    assert!(world.verify_trusting(&trusted, world.control().to_xml().as_bytes()).is_err());

    let none = chosen("https://sts.windows.net/none/").expect_err("nobody has it");
    assert!(matches!(&none, Error::NoSuchEntity { count: 2, .. }), "{none:?}");
    assert!(none.to_string().contains(&other.entity_id), "{none}");
    let unsaid = parse(&both).expect_err("several");
    assert!(
        unsaid.to_string().contains(&other.entity_id) && unsaid.to_string().contains("entity_id"),
        "{unsaid}"
    );
    // The same one twice is no choice, and prefixes are none either.
    let twice = list(&good().repeat(2));
    let doubled = metadata::parse_entity(twice.as_bytes(), Some(&world.idp.entity_id), world.now);
    assert!(matches!(doubled, Err(Error::SeveralIdentityProviders { .. })), "{doubled:?}");
    assert!(chosen("https://sts.windows.net/").is_err());
    // However many there are, a few are named.
    let many: String = (0..100)
        .map(|n| good().replace(&world.idp.entity_id, &format!("urn:{n}:{}", "x".repeat(900))))
        .collect();
    let many = parse(&list(&many)).expect_err("several").to_string();
    assert!(many.len() < 4_000 && many.contains("and 92 more"), "{} {many}", many.len());
}

#[test]
fn metadata_that_has_expired_meanwhile_verifies_nothing() {
    let world = World::pure();
    let with = |until: &str| {
        let text =
            replaced(&good(), "<EntityDescriptor", &format!("<EntityDescriptor validUntil=\"{until}\""));
        metadata::read(text.as_bytes(), None).expect("it can be read")
    };
    let message = world.control().to_xml();
    let live = with("2026-06-15T10:30:01Z");
    assert!(world.verify_trusting(&live, message.as_bytes()).is_ok(), "the control");
    let expired = with("2026-06-15T10:30:00Z");
    let refusal = world.verify_trusting(&expired, message.as_bytes()).expect_err("it has expired");
    assert_eq!(refusal.reason().code(), "metadata_expired");
}

#[test]
fn how_long_metadata_may_be_kept_is_read_and_rubbish_is_refused() {
    let with = |duration: &str| {
        parse(&replaced(
            &good(),
            "<EntityDescriptor",
            &format!("<EntityDescriptor cacheDuration=\"{duration}\""),
        ))
    };
    let hour = with("PT1H").expect("good").cache_duration();
    assert_eq!(hour, Some(std::time::Duration::from_hours(1)));
    assert!(with("soon").is_err() && with("").is_err());
    assert_eq!(parse(&good()).expect("good").cache_duration(), None);
}

#[test]
fn multi_tenant_metadata_of_entra_is_refused() {
    let world = World::pure();
    let text = good().replace(&world.idp.entity_id, "https://sts.windows.net/{tenantid}/");
    let error = parse(&text).expect_err("a template");
    assert!(matches!(error, Error::TenantTemplate { .. }));
    assert!(error.to_string().contains("tenant ID"), "{error}");
}

#[test]
fn metadata_that_is_no_plain_xml_is_refused() {
    let with_doctype = format!("<!DOCTYPE x [<!ENTITY e \"e\">]>{}", good());
    assert!(matches!(parse(&with_doctype), Err(Error::Doctype)));
    assert!(matches!(parse(&good().repeat(2)), Err(Error::Malformed(_))));
    assert!(matches!(parse(""), Err(Error::Malformed(_))));
    assert!(matches!(parse(&" ".repeat(3 * 1024 * 1024)), Err(Error::TooLarge)));
    assert!(matches!(parse(&"<a>".repeat(100_000)), Err(Error::Malformed(_))));
    let without_id = replaced_first(&good(), "entityID=\"", "entityId=\"");
    assert!(matches!(parse(&without_id), Err(Error::EntityId { .. })));
}

#[test]
fn harmless_habits_of_other_products_are_accepted() {
    let commented = replaced(&good(), "<IDPSSODescriptor", "<!-- a > comment --><IDPSSODescriptor");
    assert!(parse(&commented).is_ok());
    let spaced = good().replace("><", ">\r\n  <");
    assert!(parse(&spaced).is_ok());
    let broken_lines = replaced_first(&good(), " ID=\"_m\"", " ID=\"_m\"\n  xmlns:x=\"urn:x\n urn:y\"");
    assert!(parse(&broken_lines).is_ok());
}
