//! What is an e-mail address here, and what is not.

use super::*;

#[test]
fn addresses_are_kept_in_lower_case_with_a_labels() {
    let check = |text: &str, wanted: &str| {
        assert_eq!(EmailAddress::parse(text).map(|a| a.to_string()), Ok(wanted.to_owned()), "{text:?}");
    };
    check("Bob@Contoso.COM", "bob@contoso.com");
    check("o'brien+site@contoso.co.uk", "o'brien+site@contoso.co.uk");
    check("eva@bücher.example", "eva@xn--bcher-kva.example");
}

#[test]
fn texts_that_only_look_like_addresses_are_refused() {
    let tricks = [
        "",
        "bob",
        "@contoso.com",
        "bob@",
        "bob@contoso",
        "bob@contoso.com.",
        "bob@.contoso.com",
        "attacker@evil.com@contoso.com",
        "bob@[127.0.0.1]",
        "bob@127.0.0.1",
        "\"bob\"@contoso.com",
        " bob@contoso.com",
        "bob@contoso.com ",
        "bob\u{a0}@contoso.com",
        "bob\u{200b}@contoso.com",
        "bob\u{ff20}contoso.com",
        "bob@\u{ff43}ontoso.com",
        "bob@contoso\u{3002}com",
        "bo\nb@contoso.com",
        "bob@contoso.com\r\nX: y",
        "bob\0@contoso.com",
        "\u{202e}bob@contoso.com",
        "bob@contoso..com",
        "bob..b@contoso.com",
        ".bob@contoso.com",
        "böb@contoso.com",
        "bob@-contoso.com",
        "bob@con_toso.com",
    ];
    for text in tricks {
        assert!(EmailAddress::parse(text).is_err(), "{text:?} was accepted");
    }
    assert!(EmailAddress::parse(&format!("{}@contoso.com", "b".repeat(65))).is_err());
}

#[test]
fn a_look_alike_domain_stays_another_domain() {
    let cyrillic = EmailDomain::parse("cont\u{43e}so.com");
    assert_ne!(cyrillic.ok(), EmailDomain::parse("contoso.com").ok());
}
