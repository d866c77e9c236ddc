//! D13: sign-ons that are weaker or older than one connection demands.
//!
//! Separate because the same messages are good where nothing is demanded, which is their control.

use anteroom::saml::{ContextClass, Policy};
use jiff::SignedDuration;

use super::World;
use crate::idp::{Message, time};

const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
const X509: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";

fn classes(uris: &[&str]) -> Vec<ContextClass> {
    uris.iter().map(|uri| ContextClass::parse(uri).expect("a URI")).collect()
}

/// The control with another text in place of its one context class.
fn with_class(world: &World, element: &'static str) -> Message {
    let old = format!("<AuthnContextClassRef>{PASSWORD}</AuthnContextClassRef>");
    world.control().with(|message| {
        message.rewrite_assertion = Some(Box::new(move |text| super::replaced(text, &old, element)));
    })
}

#[test]
fn a_sign_on_that_is_weaker_than_demanded_is_refused() {
    let world = World::pure();
    let (password, x509, both) = (classes(&[PASSWORD]), classes(&[X509]), classes(&[X509, PASSWORD]));
    let none = with_class(&world, "").to_xml();
    let other_case = with_class(
        &world,
        "<AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:password</AuthnContextClassRef>",
    );
    let longer = with_class(
        &world,
        "<AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\
         </AuthnContextClassRef>",
    );
    let control = world.control().to_xml();
    let check = |message: &str, demanded: &[ContextClass]| {
        let policy = Policy { authn_context: demanded, ..Policy::default() };
        world
            .verify_demanding(policy, message.as_bytes())
            .map(drop)
            .map_err(|refusal| refusal.reason().code())
    };
    let refused = Err("authn_context_refused");
    for (name, message, demanded, wanted) in [
        ("the one that is demanded", &control, &password, Ok(())),
        ("one of several", &control, &both, Ok(())),
        ("another one", &control, &x509, refused),
        ("none at all", &none, &password, refused),
        ("in other letters", &other_case.to_xml(), &password, refused),
        ("that begins like it", &longer.to_xml(), &password, refused),
    ] {
        assert_eq!(check(message, demanded), wanted, "{name}");
        assert_eq!(check(message, &[]), Ok(()), "{name}, where nothing is demanded");
    }
    let refusal = world
        .verify_demanding(Policy { authn_context: &x509, ..Policy::default() }, control.as_bytes())
        .expect_err("another one");
    assert_eq!((refusal.expected_text(), refusal.got_text()), (Some(X509), Some(PASSWORD)));
}

#[test]
fn one_statement_of_several_may_meet_the_demand() {
    let world = World::pure();
    let x509 = classes(&[X509]);
    let second = |class: &str| {
        let instant = time(world.now);
        world.control().with(|message| {
            message.further_statements = format!(
                "<AuthnStatement AuthnInstant=\"{instant}\"><AuthnContext><AuthnContextClassRef>{class}\
                 </AuthnContextClassRef></AuthnContext></AuthnStatement>"
            );
        })
    };
    let policy = Policy { authn_context: &x509, ..Policy::default() };
    for (class, is_good) in [(X509, true), (PASSWORD, false)] {
        let message = second(class).to_xml();
        world.verify(message.as_bytes()).expect("good where nothing is demanded");
        assert_eq!(world.verify_demanding(policy, message.as_bytes()).is_ok(), is_good, "{class}");
    }
}

#[test]
fn a_strong_sign_on_and_a_fresh_one_are_not_one_that_is_both() {
    let world = World::pure();
    let x509 = classes(&[X509]);
    let policy = Policy { authn_context: &x509, authenticated_since: Some(world.now), ..Policy::default() };
    let (fresh, stale) = (world.now, world.now - SignedDuration::from_hours(7));
    let statement = |at, class: &str| {
        format!(
            "<AuthnStatement AuthnInstant=\"{}\"><AuthnContext><AuthnContextClassRef>{class}\
             </AuthnContextClassRef></AuthnContext></AuthnStatement>",
            time(at)
        )
    };
    // What the control says itself stands last: it is a password of some time.
    for (first, own, wanted) in [
        (statement(fresh, X509), stale, Ok((fresh, X509))),
        (statement(stale, X509), fresh, Err("authn_not_fresh")),
        (statement(stale, X509) + &statement(fresh, PASSWORD), fresh, Err("authn_not_fresh")),
        (statement(fresh, PASSWORD), fresh, Err("authn_context_refused")),
        (statement(stale, X509) + &statement(fresh, X509), stale, Ok((fresh, X509))),
    ] {
        let message = world.control().with(|message| {
            message.further_statements.clone_from(&first);
            message.authn_instant = time(own);
        });
        let message = message.to_xml();
        let verified = world.verify(message.as_bytes()).expect("good where nothing is demanded");
        assert!(first.contains(&time(verified.authn_instant())), "the first says when: {first}");
        let verified = world.verify_demanding(policy, message.as_bytes());
        let told =
            verified.as_ref().map(|one| (one.authn_instant(), one.authn_context_class().unwrap_or("")));
        assert_eq!(told.map_err(|refusal| refusal.reason().code()), wanted, "{first}");
    }
}

#[test]
fn a_sign_on_that_is_older_than_the_request_is_refused_where_a_fresh_one_is_demanded() {
    let world = World::pure();
    let policy = Policy { authenticated_since: Some(world.now), ..Policy::default() };
    for (before, wanted) in [
        (SignedDuration::ZERO, Ok(())),
        (SignedDuration::from_mins(3), Ok(())),
        (SignedDuration::from_secs(181), Err("authn_not_fresh")),
        (SignedDuration::from_hours(7), Err("authn_not_fresh")),
    ] {
        let at = time(world.now - before);
        let message = world.control().with(|message| message.authn_instant = at).to_xml();
        world.verify(message.as_bytes()).expect("good where nothing is demanded");
        let verified = world.verify_demanding(policy, message.as_bytes());
        assert_eq!(verified.map(drop).map_err(|refusal| refusal.reason().code()), wanted, "{before:?}");
    }
}
