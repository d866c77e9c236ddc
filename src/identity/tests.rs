//! Tokens, documents and presets, seen as an application sees them.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::email::EmailAddress;
use crate::id::{OrganizationId, SessionName, UserId};

fn settings() -> Settings {
    Settings {
        issuer: "https://app.example.com".to_owned(),
        audience: "https://app.example.com".to_owned(),
        algorithm: Algorithm::default(),
        lifetime: LIFETIME_DEFAULT,
        presets: Vec::new(),
        app_url: "https://app.example.com".parse().unwrap(),
    }
}

fn identity() -> Identity {
    Identity {
        user: UserId::parse("u_1").unwrap(),
        session: SessionName::parse("s_1").unwrap(),
        email: EmailAddress::parse("dana@contoso.com").unwrap(),
        name: Some("Dana Ümläut".to_owned()),
        organization: OrganizationId::parse("contoso").unwrap(),
        access: vec![access("maple-court", "manager"), access("*", "viewer")],
        access_version: 7,
        authenticated_at: second(1_790_000_000),
        methods: vec!["pwd".to_owned(), "mfa".to_owned()],
    }
}

fn access(property: &str, level: &str) -> Access {
    Access { property: property.to_owned(), level: level.to_owned() }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn claims_of(identity: Identity) -> Claims {
    settings().claims(identity, "t1".to_owned(), second(1_790_000_100))
}

fn octets(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// What a token says, if its signature fits the public key: a verifier that shares nothing with the signer.
fn verified(token: &str, jwk: &Value) -> Option<(Value, Value)> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Value = serde_json::from_slice(&octets(header)).unwrap();
    let part = |name: &str| octets(jwk[name].as_str().unwrap());
    let (message, signature) = (message.as_bytes(), octets(signature));
    match header["alg"].as_str()? {
        "ES256" => {
            let point = [vec![4], part("x"), part("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, &signature).ok()?;
        }
        "EdDSA" => UnparsedPublicKey::new(&ED25519, part("x")).verify(message, &signature).ok()?,
        "RS256" => PublicKeyComponents { n: part("n"), e: part("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, &signature)
            .ok()?,
        _ => return None,
    }
    Some((header, serde_json::from_slice(&octets(claims)).unwrap()))
}

#[test]
fn a_token_verifies_with_the_public_key_alone_and_after_any_change_no_more() {
    for algorithm in Algorithm::ALL {
        let (key, _) = SigningKey::generate(algorithm);
        let jwk = serde_json::to_value(key.jwk()).unwrap();
        let token = mint(&key, &claims_of(identity()));

        let (header, _) = verified(&token, &jwk).expect("the genuine token verifies");
        assert_eq!(
            header,
            json!({"alg": algorithm.as_str(), "typ": "anteroom-identity+jwt", "kid": key.kid()})
        );

        let (other, _) = SigningKey::generate(algorithm);
        assert!(verified(&token, &serde_json::to_value(other.jwk()).unwrap()).is_none());
        let forged = mint(&other, &claims_of(identity()));
        assert!(verified(&forged, &jwk).is_none());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (_, other_claims) = message.split_once('.').unwrap();
        let swapped = format!("{}.{other_claims}.{signature}", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"));
        assert!(verified(&swapped, &jwk).is_none());
    }
}

#[test]
fn an_ecdsa_signature_is_r_and_s_of_fixed_length() {
    let (key, _) = SigningKey::generate(Algorithm::ES256);
    for _ in 0..50 {
        let token = mint(&key, &claims_of(identity()));
        assert_eq!(octets(token.rsplit_once('.').unwrap().1).len(), 64);
    }
}

#[test]
fn the_claims_are_those_of_the_contract() {
    assert_eq!(
        serde_json::to_value(claims_of(identity())).unwrap(),
        json!({
            "iss": "https://app.example.com",
            "aud": "https://app.example.com",
            "iat": 1_790_000_100, "nbf": 1_790_000_100, "exp": 1_790_000_160,
            "jti": "t1",
            "sub": "u_1",
            "sid": "s_1",
            "email": "dana@contoso.com",
            "name": "Dana Ümläut",
            "org": "contoso",
            "access": [
                {"property": "maple-court", "level": "manager"},
                {"property": "*", "level": "viewer"}
            ],
            "ent_ver": 7,
            "auth_time": 1_790_000_000,
            "amr": ["pwd", "mfa"],
        })
    );
}

#[test]
fn an_unknown_name_is_left_out() {
    let claims = serde_json::to_value(claims_of(Identity { name: None, ..identity() })).unwrap();
    assert_eq!(claims.get("name"), None);
    assert_eq!(claims["sub"], "u_1");
}

#[test]
fn more_than_fifty_grants_are_referred_to_and_fifty_are_listed() {
    let with = |count: usize| {
        let access = (0..count).map(|n| access(&format!("p{n}"), "viewer")).collect();
        Identity { access, ..identity() }
    };
    let fifty = serde_json::to_value(claims_of(with(50))).unwrap();
    assert_eq!(fifty["access"].as_array().unwrap().len(), 50);
    assert_eq!((fifty.get("access_ref"), fifty.get("access_count")), (None, None));

    let more = serde_json::to_value(claims_of(with(51))).unwrap();
    assert_eq!(more.get("access"), None);
    assert_eq!(more["access_ref"], "https://app.example.com/.anteroom/identity");
    assert_eq!(more["access_count"], 51);

    let full = serde_json::to_value(with(51)).unwrap();
    assert_eq!(full["access"].as_array().unwrap().len(), 51);
    assert_eq!(full["ent_ver"], 7);
    assert_eq!(full.get("exp"), None);
}

#[test]
fn no_token_lives_longer_than_five_minutes() {
    let settings = Settings { lifetime: Duration::from_hours(1), ..settings() };
    let claims = serde_json::to_value(settings.claims(identity(), String::new(), second(0))).unwrap();
    assert_eq!(claims["exp"], 300);
}

#[test]
fn a_kept_key_is_the_same_key_and_only_for_its_algorithm() {
    for algorithm in Algorithm::ALL {
        let (made, pkcs8) = SigningKey::generate(algorithm);
        let read = SigningKey::from_pkcs8(algorithm, pkcs8.expose()).unwrap();
        assert_eq!(made.jwk(), read.jwk());
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let error = SigningKey::from_pkcs8(other, pkcs8.expose()).unwrap_err();
            assert_eq!(error.algorithm, other);
        }
        assert!(SigningKey::from_pkcs8(algorithm, &pkcs8.expose()[1..]).is_err());
        assert!(SigningKey::from_pkcs8(algorithm, b"").is_err());
    }
}

#[test]
fn the_kid_is_the_thumbprint_of_rfc_7638() {
    // The key of RFC 8037 appendix A: private half in A.1, thumbprint in A.3.
    let seed = octets("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let pkcs8 =
        [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20], seed.as_slice()].concat();
    let key = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        serde_json::to_value(key.jwk()).unwrap(),
        json!({
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig", "alg": "EdDSA",
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        })
    );

    for (algorithm, required) in
        [(Algorithm::ES256, ["crv", "kty", "x", "y"].as_slice()), (Algorithm::RS256, &["e", "kty", "n"])]
    {
        let (key, _) = SigningKey::generate(algorithm);
        let jwk = serde_json::to_value(key.jwk()).unwrap();
        // serde_json keeps a map in alphabetical order and writes no white space.
        let members: serde_json::Map<_, _> =
            required.iter().map(|name| ((*name).to_owned(), jwk[*name].clone())).collect();
        let json = serde_json::to_string(&members).unwrap();
        assert_eq!(key.kid(), URL_SAFE_NO_PAD.encode(crate::secret::sha256(json.as_bytes())));
    }
}

#[test]
fn a_signing_key_does_not_show_itself() {
    let (key, pkcs8) = SigningKey::generate(Algorithm::EdDSA);
    let shown = format!("{key:?} {pkcs8:?}");
    assert!(shown.contains(key.kid()));
    assert!(shown.ends_with(".. } Secret(…)"));
}

#[test]
fn the_discovery_document_names_everything_that_a_verifier_needs() {
    let keys = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES256]
        .map(|algorithm| SigningKey::generate(algorithm).0.jwk().clone());
    let discovery = Discovery::new(&settings(), &Jwks { keys: keys.to_vec() });
    assert_eq!(
        serde_json::to_value(discovery).unwrap(),
        json!({
            "issuer": "https://app.example.com",
            "audience": "https://app.example.com",
            "header": "X-Anteroom-Jwt-Assertion",
            "token_type": "anteroom-identity+jwt",
            "algorithms": ["RS256", "ES256"],
            "token_lifetime_seconds": 60,
            "jwks_uri": "https://app.example.com/.well-known/anteroom/jwks.json",
            "identity_endpoint": "https://app.example.com/.anteroom/identity",
            "session_endpoint": "https://app.example.com/.anteroom/session",
            "sign_out_url": "https://app.example.com/.anteroom/sign-out",
        })
    );
}

fn preset(preset: Preset, identity: Identity) -> Vec<(String, String)> {
    presets::headers(preset, &claims_of(identity))
        .into_iter()
        .map(|(name, value)| {
            assert!(value.is_sensitive());
            (name.to_string(), value.to_str().expect("plain ASCII").to_owned())
        })
        .collect()
}

#[test]
fn presets_tell_who_it_is_in_their_own_words() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(
        preset(Preset::XForwardedUser, identity()),
        pairs(&[
            ("x-forwarded-user", "u_1"),
            ("x-forwarded-preferred-username", "dana@contoso.com"),
            ("x-forwarded-email", "dana@contoso.com"),
            ("x-forwarded-groups", "maple-court:manager,*:viewer"),
        ])
    );
    assert_eq!(
        preset(Preset::RemoteUser, identity()),
        pairs(&[
            ("remote-user", "dana@contoso.com"),
            ("remote-email", "dana@contoso.com"),
            ("remote-name", "Dana %C3%9Cml%C3%A4ut"),
            ("remote-groups", "maple-court:manager,*:viewer"),
        ])
    );
    for sent in Preset::ALL.into_iter().flat_map(|one| preset(one, identity())) {
        assert!(presets::HEADER_NAMES.contains(&sent.0.as_str()));
    }
}

#[test]
fn hostile_names_never_split_a_header_and_can_be_decoded() {
    // T-B6: what an identity provider, or a person there, may put into a name.
    for (name, value) in [
        ("Dana O'Neil (Ops)", "Dana O'Neil (Ops)"),
        ("a\r\nRemote-User: root", "a%0D%0ARemote-User%3A root"),
        ("nul\0", "nul%00"),
        ("  spaces  ", "spaces"),
        ("a,b;c", "a%2Cb%3Bc"),
        ("100%41", "100%2541"),
        ("\u{202e}\u{85}\u{7f}", "%E2%80%AE%C2%85%7F"),
        ("名前", "%E5%90%8D%E5%89%8D"),
        ("", ""),
    ] {
        let sent = preset(Preset::RemoteUser, Identity { name: Some(name.to_owned()), ..identity() });
        let (_, sent) = sent.iter().find(|(header, _)| header == "remote-name").unwrap();
        assert_eq!(sent, value);
        let decoded = percent_encoding::percent_decode_str(sent).decode_utf8().unwrap();
        assert_eq!(decoded, name.trim());
    }
    let long = preset(Preset::RemoteUser, Identity { name: Some("é".repeat(8192)), ..identity() });
    assert_eq!(long.len(), 4);
}

#[test]
fn groups_stay_apart_whatever_a_level_is_called_and_are_absent_when_they_are_too_many() {
    let groups = |access: Vec<Access>| {
        let sent = preset(Preset::XForwardedUser, Identity { access, ..identity() });
        sent.into_iter().find(|(name, _)| name == "x-forwarded-groups").map(|(_, value)| value)
    };
    assert_eq!(groups(vec![access("a", "x,*:administrator")]).as_deref(), Some("a:x%2C*%3Aadministrator"));
    assert_eq!(groups(vec![access("a", "viewer"); 50]).map(|value| value.split(',').count()), Some(50));
    assert_eq!(groups(vec![access("a", "viewer"); 51]), None);
}
