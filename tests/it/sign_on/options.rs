//! What is different at one organization's identity provider: what is asked there, what is demanded of the answer,
//! and where address and name stand.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::{MIA, NOAH, TestApp, Visitor, Wanted, until};
use crate::idp::{CLAIM_EMAIL, CLAIM_OBJECT_ID, Idp, KeyType, LONG_AGO, Message, Signer, SigningKey, time};

const PASSWORD: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
const X509: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

async fn last_reason(app: &TestApp) -> String {
    app.audit().await.into_iter().find_map(|entry| entry.reason).expect("a reason")
}

/// A sign-on of somebody, with a change of what the identity provider says; refused for that reason.
async fn refused(visitor: &mut Visitor<'_>, change: impl FnOnce(&mut Message)) -> String {
    let pending = visitor.begin("/").await;
    let message = visitor.answer(&pending).with(change);
    let page = visitor.answer_with(&message).await.expect(403);
    assert_eq!(visitor.session(), None, "{}", page.body);
    last_reason(visitor.app).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_demanded_is_asked_for_and_the_answer_is_held_to_it() {
    let wanted = Wanted::default().options(
        "force_authn = true\nauthn_context = [\"urn:oasis:names:tc:SAML:2.0:ac:classes:X509\"]\n\
         name_id_format = \"persistent\"",
    );
    let app = wanted.start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    for part in [
        "ForceAuthn=\"true\"",
        "nameid-format:persistent\" AllowCreate=\"true\"",
        "Comparison=\"exact\"",
        &format!(">{X509}</saml:AuthnContextClassRef>"),
    ] {
        assert_eq!(pending.xml.matches(part).count(), 1, "{part}: {}", pending.xml);
    }
    // The browser has taken all that out of the request, and the identity provider knows of none of it.
    let now = time(app.now());
    let with_x509 = |text: &str| text.replace(PASSWORD, X509);
    let weak = refused(&mut mia, |message| message.authn_instant.clone_from(&now)).await;
    assert_eq!(weak, "authn_context_refused");
    let stale = refused(&mut mia, |message| message.rewrite_assertion = Some(Box::new(with_x509))).await;
    assert_eq!(stale, "authn_not_fresh");
    let page = mia.begin("/").await;
    let good = mia.answer(&page).with(|message| {
        message.authn_instant = now;
        message.rewrite_assertion = Some(Box::new(with_x509));
    });
    mia.answer_with(&good).await.expect(200);
    assert!(mia.session().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn address_and_name_are_read_from_the_attributes_that_are_named_and_from_no_other() {
    let wanted = Wanted::default()
        .options("email_attributes = [\"work\", \"Private\"]\nname_attributes = [\"full\", \"short\"]");
    let app = wanted.start().await;
    let mut mia = app.visitor();
    // The first that is present counts, whatever the order in the message, and whatever else is there.
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending).with(|message| {
        message.set("Private", &["mia.private@contoso.com"]);
        message.set("work", &["mia.work@contoso.com"]);
        message.set("short", &["M."]);
        message.set("full", &["Mia of Work"]);
    });
    mia.answer_with(&message).await.expect(200);
    let user = app.user("mia.work@contoso.com").await.expect("a user");
    assert_eq!(user["name"], "Mia of Work");
    assert_eq!(app.users().await.len(), 1);

    let mut noah = app.visitor().who_is(NOAH);
    for (name, wanted, values) in [
        ("the usual claim does not count", "email_missing", &[("WORK", &["a@contoso.com"][..])][..]),
        ("nor a friendly or shorter name", "email_missing", &[("urn:x:work", &["a@contoso.com"])]),
        (
            "a bad first is not made good by the second",
            "attribute_value_count",
            &[("work", &["a@contoso.com", "b@contoso.com"]), ("Private", &["c@contoso.com"])],
        ),
        ("nor an empty one", "attribute_value_count", &[("work", &[""]), ("Private", &["c@contoso.com"])]),
        ("nor no address", "email_invalid", &[("work", &["c"]), ("Private", &["c@contoso.com"])]),
        (
            "a foreign domain stays foreign",
            "email_domain_not_allowed",
            &[("work", &["root@fabrikam.com"]), ("Private", &["c@contoso.com"])],
        ),
        (
            "a name with two values",
            "attribute_value_count",
            &[("work", &["c@contoso.com"]), ("full", &["A", "B"]), ("short", &["C"])],
        ),
    ] {
        let reason = refused(&mut noah, |message| {
            for (name, values) in values {
                message.set(name, values);
            }
        })
        .await;
        assert_eq!(reason, wanted, "{name}");
    }
    assert_eq!(app.users().await.len(), 1, "nobody was made");

    // Without any of the named ones there is no name, which keeps nobody out.
    let pending = noah.begin("/").await;
    let message = noah.answer(&pending).with(|message| message.set("Private", &[NOAH]));
    noah.answer_with(&message).await.expect(200);
    assert_eq!(app.user(NOAH).await.expect("a user")["name"], serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_time_is_over_counts_only_where_that_is_said() {
    let key = Box::leak(Box::new(SigningKey::make(KeyType::P256, LONG_AGO, (2020, 1, 1))));
    let idp = Idp { key, further_keys: Vec::new(), ..Idp::entra() };
    for (options, wanted) in [("", 403), ("accept_expired_certificate = true", 200)] {
        let wanted_app = Wanted::default().metadata(idp.metadata_xml()).options(options);
        let app = wanted_app.start().await;
        let mut mia = app.visitor();
        let pending = mia.begin("/").await;
        let message = mia.answer(&pending).with(|message| message.signer = Signer::new(key));
        mia.answer_with(&message).await.expect(wanted);
        let reason = app.audit().await.into_iter().find_map(|entry| entry.reason);
        assert_eq!(reason.as_deref(), (wanted == 403).then_some("certificate_expired"), "{options}");
        assert_eq!(mia.session().is_some(), wanted == 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_made_from_a_name_that_does_not_last_but_who_is_expected_comes_in() {
    let app = Wanted::default().options("name_id_format = \"transient\"").start().await;
    let without_key = |message: &mut Message| {
        message.set(CLAIM_OBJECT_ID, &[]);
        message.name_id = Some("_5f0c".to_owned());
        message.name_id_format = Some(TRANSIENT.to_owned());
    };
    let mut mia = app.visitor();
    assert_eq!(refused(&mut mia, without_key).await, "subject_not_stable");
    assert_eq!(app.user(MIA).await, None);
    // The control: the same with a name that lasts.
    let pending = mia.begin("/").await;
    let lasting = mia.answer(&pending).with(without_key).with(|message| {
        message.name_id_format = Some(PERSISTENT.to_owned());
    });
    mia.answer_with(&lasting).await.expect(200);
    assert!(app.user(MIA).await.is_some());

    app.add_member(NOAH).await;
    let mut noah = app.visitor().who_is(NOAH);
    let pending = noah.begin("/").await;
    noah.answer_with(&noah.answer(&pending).with(without_key)).await.expect(200);
    assert!(noah.session().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_are_changed_at_run_time_are_in_force_within_a_second() {
    let app = TestApp::new().await;
    let idp = Idp::other_tenant();
    std::fs::write(app.path("fabrikam.xml"), idp.metadata_xml()).expect("the folder is writable");
    let file = app.path("fabrikam.xml");
    let metadata = file.to_str().expect("a plain path");
    let add = ["organization", "add", "fabrikam", "--name", "Fabrikam", "--domain", "fabrikam.com"];
    app.command(&[&add[..], &["--metadata", metadata, "--email-attribute", "mail"]].concat()).await;
    let lea = "lea.sand@fabrikam.com";
    let begin = async || {
        let mut lea = app.visitor().who_is(lea);
        let page = lea.visit("/").await;
        let page = lea.type_email(&page, "lea.sand@fabrikam.com").await;
        if !page.body.contains("/.anteroom/sign-in/start") {
            return None;
        }
        let pending = lea.press_button(&page).await;
        Some((lea, pending))
    };
    until("the organization is there", async || begin().await.is_some()).await;
    let (mut visitor, pending) = begin().await.expect("it is there");
    assert!(!pending.xml.contains("ForceAuthn"), "{}", pending.xml);
    let message = idp.answer(&pending.request, app.now()).for_user("x@contoso.com", "Lea Sand", "lea");
    let message = message.with(|message| message.set("mail", &[lea]));
    visitor.answer_with(&message).await.expect(200);
    assert_eq!(app.user(lea).await.expect("a user")["organization"], "fabrikam");

    app.command(&["organization", "options", "fabrikam", "--force-authn", "on", "--email-attribute", ""])
        .await;
    let changed_at = Instant::now();
    until("a fresh sign-on is asked for", async || {
        begin().await.is_some_and(|(_, pending)| pending.xml.contains("ForceAuthn=\"true\""))
    })
    .await;
    assert!(changed_at.elapsed() < Duration::from_secs(1), "{:?}", changed_at.elapsed());
    let (mut visitor, pending) = begin().await.expect("it is there");
    let fresh = time(app.now());
    let message = idp.answer(&pending.request, app.now()).for_user(lea, "Lea Sand", "lea");
    let message = message.with(|message| message.authn_instant = fresh);
    visitor.answer_with(&message).await.expect(200);
    let entry = app.audit().await.into_iter().find(|entry| entry.action == "organization.options_changed");
    let details = entry.expect("it is in the log").details;
    assert_eq!(details["before"]["options"], serde_json::json!({"email_attributes": ["mail"]}));
    assert_eq!(details["after"]["options"], serde_json::json!({"force_authn": true}));
    assert!(message.attributes.iter().any(|(name, _)| name == CLAIM_EMAIL), "the usual claim counts again");
}
