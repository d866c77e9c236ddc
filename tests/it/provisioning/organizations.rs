//! Connecting a customer in the console: metadata read, saved, tried out, paused and replaced; and properties.

use super::{ANN, NOAH, agent, contoso, press, said};
use crate::app::{Pending, Person, TestApp, Visitor, Wanted, until};
use crate::browserless::Page;
use crate::idp::{Idp, SigningKey};

const LEA: &str = "lea.sand@fabrikam.com";
const FABRIKAM: &str = "/.anteroom/support/organizations/fabrikam-homes";

/// Uploads metadata, looks at the preview, and saves it.
async fn connect(agent: &mut Visitor<'_>, idp: &Idp) -> Page {
    let page = agent.visit("/.anteroom/support/organizations/new").await.expect(200);
    let path = "/.anteroom/support/organizations/preview";
    let form = page.form(path).fill("name", "Fabrikam Homes").fill("domains", "fabrikam.com, @fabrikam.org");
    let preview = agent.browser.upload(&page, &form, ("metadata", &idp.metadata_xml())).await.expect(200);
    assert!(said(&preview).contains(&idp.entity_id), "{}", preview.body);
    let form = preview.form("/.anteroom/support/organizations");
    agent.browser.submit(&preview, &form).await.expect(200)
}

/// Signs on, as soon as the gate has heard that people can.
async fn sign_on_at<'a>(app: &'a TestApp, idp: &Idp, path: &str) -> (Visitor<'a>, Page) {
    until("people can sign on there", async || {
        let mut anybody = app.visitor();
        let page = anybody.visit("/").await;
        anybody.type_email(&page, LEA).await.body.contains("/.anteroom/sign-in/start")
    })
    .await;
    let mut lea = app.visitor().who_is(LEA);
    let pending = lea.begin(path).await;
    let Person { email, name, object_id } = lea.person.clone();
    let message = idp.answer(&pending.request, app.now()).for_user(&email, &name, &object_id);
    let page = lea.answer_with(&message).await;
    (lea, page)
}

/// Presses "Test", and is at the identity provider, as soon as the gate knows of it.
async fn begin_trial(agent: &mut Visitor<'_>) -> Pending {
    let page = agent.visit(FABRIKAM).await.expect(200);
    let form = page.form(&format!("{FABRIKAM}/test"));
    let away = std::cell::RefCell::new(None);
    until("the trial can begin", async || {
        let answer = agent.browser.clone().submit(&page, &form).await;
        away.replace(answer.location());
        away.borrow().is_some()
    })
    .await;
    Pending::read(away.into_inner().expect("it has begun"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_connected_by_upload_and_its_people_sign_on() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let idp = Idp::other_tenant();
    let page = connect(&mut ann, &idp).await;
    assert_eq!((page.url.path(), page.url.query()), (FABRIKAM, Some("done=created")));
    for wanted in ["Fabrikam Homes", "fabrikam.org", crate::app::ENTITY_ID, app.acs_url.as_str()] {
        assert!(page.body.contains(wanted), "{wanted}: {}", page.body);
    }
    let (lea, page) = sign_on_at(&app, &idp, "/deep").await;
    assert_eq!(page.expect(200).url.path(), "/.anteroom/waiting-room");

    // Paused: the session ends within a second, and nobody signs on.
    let page = ann.visit(FABRIKAM).await;
    let page = press(&mut ann, &page, "pause").await.expect(200);
    let room = app.url("/.anteroom/waiting-room");
    let ended = async || lea.browser.clone().open(&room).await.url.path() == "/.anteroom/sign-in";
    assert!(until("the session ends", ended).await < super::IN_FORCE);
    until("the page says so", async || {
        let page = lea.browser.clone().open(&app.url("/")).await;
        said(&page).contains("paused")
    })
    .await;
    press(&mut ann, &page, "resume").await.expect(200);
    let (_, page) = sign_on_at(&app, &idp, "/again").await;
    page.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_sign_on_reports_each_check() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let idp = Idp::other_tenant();
    connect(&mut ann, &idp).await;
    let pending = begin_trial(&mut ann).await;
    assert!(pending.url.as_str().starts_with(&idp.sso_url), "{}", pending.url);
    let good = idp.answer(&pending.request, app.now()).for_user(LEA, "Lea Sand", "object-1");
    let session = ann.session();
    let report = ann.answer_with(&good).await.expect(200);
    assert_eq!(report.url.path(), format!("{FABRIKAM}/test"));
    assert!(said(&report).contains(LEA) && !report.body.contains("Failed"), "{}", report.body);
    assert_eq!(ann.session(), session, "a trial signs nobody on");
    assert_eq!(app.user(LEA).await, None, "and makes no user");
    ann.answer_with(&good).await.expect(403);

    // A certificate that the metadata does not have, while paused.
    let page = ann.visit(FABRIKAM).await;
    press(&mut ann, &page, "pause").await.expect(200);
    let pending = begin_trial(&mut ann).await;
    let bad = idp.answer(&pending.request, app.now()).signed_by(SigningKey::rsa_next());
    let report = ann.answer_with(&bad).await.expect(200);
    assert!(said(&report).contains("Upload the present Federation Metadata"), "{}", report.body);
    // Nobody else sees it.
    let noah = app.member(NOAH).await;
    noah.browser.clone().open(&report.url).await.expect(403);
    ann.visit(&format!("{FABRIKAM}/test?id=unknown")).await.expect(404);
    assert!(said(&ann.visit(FABRIKAM).await).contains("ailed"), "the organization's page tells of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_left_outside_the_domains_is_told_of_and_an_empty_organization_is_removed() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let page = connect(&mut ann, &Idp::other_tenant()).await;
    // Nobody is there yet: it can be removed, but not by one click.
    let remove = format!("{FABRIKAM}/remove");
    let asked = ann.browser.submit(&page, &page.form(&remove)).await.expect(200);
    assert!(said(&asked).contains("Remove Fabrikam Homes?"), "{}", asked.body);
    ann.visit(FABRIKAM).await.expect(200);
    let list = ann.browser.submit(&asked, &asked.form(&remove)).await.expect(200);
    assert_eq!(list.url.path(), "/.anteroom/support/organizations");
    assert!(said(&list).contains("The organization was removed"), "{}", list.body);
    ann.visit(FABRIKAM).await.expect(404);

    let page = connect(&mut ann, &Idp::other_tenant()).await;
    app.command(&["user", "add", LEA, "--organization", "fabrikam-homes"]).await;
    assert!(!said(&page).contains("cannot sign on:"), "{}", page.body);
    let form = page.form(&format!("{FABRIKAM}/domains")).fill("domains", "fabrikam.org");
    let page = ann.browser.submit(&page, &form).await.expect(200);
    let warning = format!("1 user has an address outside these domains and cannot sign on: {LEA}");
    assert!(said(&page).contains(&warning), "{}", page.body);
    let confirmed = [("confirmed".to_owned(), "1".to_owned())];
    let refused = ann.browser.post_from(&page.url, &app.url(&remove), &confirmed).await.expect(422);
    assert!(said(&refused).contains("has one user"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_replaced_and_another_provider_has_to_be_confirmed() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let mut idp = Idp::other_tenant();
    connect(&mut ann, &idp).await;
    idp.key = SigningKey::rsa_next();
    let page = ann.visit(FABRIKAM).await;
    let path = format!("{FABRIKAM}/metadata/preview");
    let preview =
        ann.browser.upload(&page, &page.form(&path), ("metadata", &idp.metadata_xml())).await.expect(200);
    let saved =
        ann.browser.submit(&preview, &preview.form(&format!("{FABRIKAM}/metadata"))).await.expect(200);
    assert_eq!(saved.url.query(), Some("done=metadata"));
    let (_, page) = sign_on_at(&app, &idp, "/").await;
    page.expect(200);

    idp.entity_id = "https://sts.windows.net/moved/".to_owned();
    let preview =
        ann.browser.upload(&saved, &saved.form(&path), ("metadata", &idp.metadata_xml())).await.expect(200);
    let form = preview.form(&format!("{FABRIKAM}/metadata"));
    let again = ann.browser.submit(&preview, &form).await.expect(422);
    let form = again.form(&format!("{FABRIKAM}/metadata")).tick("confirm_entity_id", "1");
    ann.browser.submit(&again, &form).await.expect(200);
    let wrong = ann.browser.upload(&saved, &saved.form(&path), ("metadata", b"<html/>")).await.expect(422);
    assert!(said(&wrong).contains("no SAML metadata"), "{}", wrong.body);
    let large = vec![b' '; 1024 * 1024 + 1];
    ann.browser.upload(&saved, &saved.form(&path), ("metadata", &large)).await.expect(413);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_on_options_are_changed_on_the_page_of_an_organization() {
    let wanted = Wanted::default().options("email_attributes = [\"mail\", \"<b>x</b>\"]");
    // A sign-on of Contoso needs that attribute too.
    let app = wanted.start().await;
    app.command(&["user", "add", ANN, "--organization", "contoso", "--support"]).await;
    let mut ann = app.visitor().who_is(ANN);
    let pending = ann.begin("/.anteroom/support").await;
    let message = ann.answer(&pending).with(|message| message.set("mail", &[ANN]));
    ann.answer_with(&message).await.expect(200);
    let idp = Idp::other_tenant();
    let page = connect(&mut ann, &idp).await;
    assert!(said(&page).contains("All as usual"), "{}", page.body);

    let path = format!("{FABRIKAM}/options");
    let form = page.form(&path).tick("force_authn", "1").fill("authn_context", "Password\n\n");
    let form = form.fill("name_id_format", "persistent").fill("email_attributes", "mail\r\nwork\r\n");
    let refused = ann.browser.submit(&page, &form).await.expect(422);
    assert!(said(&refused).contains("\"Password\" is not a URI"), "{}", refused.body);
    let form = refused.form(&path);
    // Every word that was typed is still there.
    let values = ["force_authn", "authn_context", "name_id_format"].map(|name| form.value(name).trim());
    assert_eq!(values, ["1", "Password", "persistent"]);
    assert_eq!(form.value("email_attributes").lines().collect::<Vec<_>>(), ["mail", "work"]);
    let class = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";
    let form = form.fill("authn_context", class).clear("force_authn");
    let page = ann.browser.submit(&refused, &form).await.expect(200);
    assert_eq!(page.url.query(), Some("done=options"));
    for shown in [class, "persistent", "mail", "work"] {
        assert!(said(&page).contains(shown), "{shown}: {}", page.body);
    }
    let again = ann.browser.submit(&page, &page.form(&path)).await.expect(200);
    assert_eq!(again.url.query(), Some("done=unchanged"));
    // The next sign-on asks so, and the log tells who has changed what.
    let pending = begin_trial(&mut ann).await;
    assert!(pending.xml.contains("nameid-format:persistent") && !pending.xml.contains("ForceAuthn"));
    let log = app.audit().await;
    let entry = log.iter().find(|entry| entry.action == "organization.options_changed").expect("an entry");
    assert_eq!((entry.actor.as_str(), entry.subject.as_deref()), (ANN, Some("fabrikam-homes")));
    assert_eq!(entry.details["after"]["options"]["email_attributes"], serde_json::json!(["mail", "work"]));

    // What the file declares is shown and not changed.
    let page = ann.visit("/.anteroom/support/organizations/contoso").await.expect(200);
    assert!(said(&page).contains("<b>x</b>") && said(&page).contains("configuration file"), "{}", page.body);
    let to = app.url("/.anteroom/support/organizations/contoso/options");
    assert!(page.forms().iter().all(|form| form.action != to));
    let fields = [("force_authn".to_owned(), "1".to_owned())];
    let refused = ann.browser.post_from(&page.url, &to, &fields).await.expect(422);
    assert!(said(&refused).contains("configuration file"), "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_organization_is_explained() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let page = ann.visit("/.anteroom/support/organizations/new").await.expect(200);
    let path = "/.anteroom/support/organizations/preview";
    let form = page.form(path).fill("name", "Contractors").fill("domains", "contoso.com");
    // Contoso's own identity provider is never shared.
    let taken =
        ann.browser.upload(&page, &form, ("metadata", &Idp::entra().metadata_xml())).await.expect(200);
    assert!(said(&taken).contains("Contoso Residential"), "{}", taken.body);
    // Its domain is, once that is confirmed.
    let preview =
        ann.browser.upload(&page, &form, ("metadata", &Idp::other_tenant().metadata_xml())).await.expect(200);
    let form = preview.form("/.anteroom/support/organizations");
    let again = ann.browser.submit(&preview, &form).await.expect(422);
    let form = again.form("/.anteroom/support/organizations").tick("confirm_shared", "1");
    ann.browser.submit(&again, &form).await.expect(200);
    // A page of the console has that address already.
    let reserved = page.form(path).fill("name", "N").fill("domains", "n.example").fill("id", "new");
    let metadata = Idp::other_tenant().metadata_xml();
    let reserved = ann.browser.upload(&page, &reserved, ("metadata", &metadata)).await.expect(422);
    assert!(said(&reserved).contains("choose another"), "{}", reserved.body);
    let empty = ann.browser.upload(&page, &page.form(path), ("metadata", b"")).await.expect(422);
    assert!(said(&empty).contains("missing"), "{}", empty.body);
    // What the file declares is changed there.
    let page = ann.visit("/.anteroom/support/organizations/contoso").await.expect(200);
    let fields = [("name".to_owned(), "Other".to_owned())];
    let to = app.url("/.anteroom/support/organizations/contoso/rename");
    let refused = ann.browser.post_from(&page.url, &to, &fields).await.expect(422);
    assert!(said(&refused).contains("configuration file"), "{}", refused.body);
    let list = ann.visit("/.anteroom/support/organizations").await.expect(200);
    assert!(said(&list).contains("Contractors") && said(&list).contains("Contoso Residential"));
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_are_added_imported_renamed_and_retired() {
    let app = contoso(Wanted::default()).await;
    let mut ann = agent(&app, ANN).await;
    let path = "/.anteroom/support/organizations/contoso";
    let page = ann.visit(path).await.expect(200);
    let form = page.form(&format!("{path}/properties")).fill("property_id", "ü").fill("name", "Pier");
    let page = ann.browser.submit(&page, &form).await.expect(422);
    let form = page.form(&format!("{path}/properties"));
    assert_eq!((form.value("property_id"), form.value("name")), ("ü", "Pier"));
    let page = ann.browser.submit(&page, &form.fill("property_id", "pier")).await.expect(200);
    let import = page.form(&format!("{path}/properties/import"));
    let table = b"id,organization,name\nquay,contoso,Long Quay\nx,nobody,X\n";
    let wrong = ann.browser.upload(&page, &import, ("table", table)).await.expect(422);
    assert!(said(&wrong).contains("Line 3") && !said(&wrong).contains("Line 2"), "{}", wrong.body);
    assert!(said(&wrong).contains("nobody"), "it names the other organization: {}", wrong.body);
    assert!(!said(&ann.visit(path).await).contains("Long Quay"), "all or nothing");
    let short = ann.browser.upload(&page, &import, ("table", b"id,name\nquay,Long Quay\n")).await.expect(200);
    assert!(said(&short).contains("Long Quay"), "{}", short.body);
    let table = b"id,organization,name\nlock,contoso,Old Lock\nquay,contoso,Long Quay\n";
    let page = ann.browser.upload(&page, &import, ("table", table)).await.expect(200);
    assert!(said(&page).contains("Old Lock"), "{}", page.body);
    assert!(said(&page).contains("Pier") && said(&page).contains("Long Quay"), "{}", page.body);
    let form = page.form(&format!("{path}/properties/pier/rename")).fill("name", "New Pier");
    assert!(said(&ann.browser.submit(&page, &form).await.expect(200)).contains("New Pier"));

    // Retiring ends the access of everybody there at once.
    app.command(&[
        "user",
        "add",
        NOAH,
        "--organization",
        "contoso",
        "--level",
        "viewer",
        "--property",
        "quay",
    ])
    .await;
    let mut noah = app.visitor().who_is(NOAH);
    noah.sign_on("/").await.expect(200);
    let deed = format!("{path}/properties/quay/retire");
    let page = ann.visit(path).await;
    let asked = ann.browser.submit(&page, &page.form(&deed)).await.expect(200);
    let page = ann.browser.submit(&asked, &asked.form(&deed)).await.expect(200);
    assert_eq!(page.url.query(), Some("done=property-retired"));
    until("access has ended", async || {
        noah.browser.clone().open(&app.url("/")).await.url.path() == "/.anteroom/waiting-room"
    })
    .await;
    let page = ann.browser.submit(&page, &page.form(&format!("{path}/properties/quay/restore"))).await;
    assert_eq!(page.expect(200).url.query(), Some("done=property-restored"));
    ann.browser
        .post_from(&app.url(path), &app.url(&format!("{path}/properties/other/retire")), &[])
        .await
        .expect(404);
}
