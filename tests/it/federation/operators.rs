//! What operators and agents do with addresses of metadata, and what they are warned of.

use jiff::Timestamp;

use super::*;
use crate::idp::KeyType;

const LEA: &str = "lea.sand@fabrikam.com";

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_warned_of_in_time_and_each_time_once() {
    let clock = ManualClock::at("2030-01-01T00:00:00Z".parse().expect("a time"));
    let key = Box::leak(Box::new(SigningKey::make(KeyType::P256, (2020, 1, 1), (2030, 4, 1))));
    let app = Wanted::default().clock(&clock).metadata(idp_with(key).metadata_xml()).start().await;
    let days = async || {
        let told = events(&app, "organization.certificate_expires").await;
        told.iter().rev().map(|details| details["days"].as_i64().expect("days")).collect::<Vec<_>>()
    };
    let mut expected = Vec::new();
    for (advance, threshold) in [(30, 60), (30, 30), (23, 7), (6, 1)] {
        clock.advance(Duration::from_hours(24 * advance));
        expected.push(threshold);
        until("it is warned", async || days().await == expected).await;
    }
    assert!(events(&app, "organization.certificate_expires").await[0]["certificate"] == fingerprint(key));
    let metrics = ops(&app, "metrics").await;
    let gauge = "anteroom_saml_certificate_expires_seconds{organization=\"contoso\"} ";
    let seconds = metrics.lines().find_map(|line| line.strip_prefix(gauge)).expect("the gauge");
    assert!((seconds.parse::<f64>().expect("a number") - 86_400.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_connected_by_a_command_with_an_address() {
    let clock = now();
    let server = MetadataServer::with(Idp::other_tenant().metadata_xml()).await;
    let app = wanted(&server, &clock).saml("metadata_refresh = \"20m\"\n").start().await;
    let add = async |url: &str| {
        let name = ["--name", "Fabrikam Homes", "--domain", "fabrikam.com", "--metadata-url", url];
        app.try_command(&[&["organization", "add", "fabrikam"][..], &name].concat()).await
    };
    for (url, fault) in [
        ("http://idp.example.com/metadata.xml", "https://"),
        ("https://127.0.0.1:1/metadata.xml", "cannot be connected to"),
    ] {
        let refused = add(url).await;
        assert!(String::from_utf8_lossy(&refused.stderr).contains(fault), "{refused:?}");
    }
    let added = add(&server.url()).await;
    assert!(added.status.success(), "{added:?}");
    until("the button is there", async || told(&app, LEA).await.contains("Log In with Microsoft")).await;
    let entry = listed(&app).await;
    assert_eq!(entry["metadata"]["url"], server.url());
    let due: Timestamp = entry["metadata"]["due_at"].as_str().expect("a time").parse().expect("a time");
    assert!(due < clock.now() + HOUR / 2, "as often as is configured: {due}");

    // From then on it is fetched by itself.
    let next = Idp { key: SigningKey::rsa(), ..Idp::other_tenant() };
    server.reply(Reply::Document(next.metadata_xml(), None));
    clock.advance(Duration::from_mins(21));
    until("the new key is there", async || !events(&app, "organization.metadata_refreshed").await.is_empty())
        .await;
    // A file ends that.
    std::fs::write(app.path("new.xml"), Idp::other_tenant().metadata_xml()).expect("a file");
    let file = app.path("new.xml").display().to_string();
    app.command(&["organization", "metadata", "fabrikam", &file]).await;
    assert!(listed(&app).await["metadata"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_connects_a_customer_by_an_address_and_chooses_among_several() {
    let clock = now();
    let other = Idp::other_tenant();
    let third = Idp { entity_id: "urn:third".to_owned(), ..Idp::other_tenant() };
    let list = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</EntitiesDescriptor>",
        third.entity_descriptor("_a"),
        other.entity_descriptor("_b")
    );
    let server = MetadataServer::with(list.into_bytes()).await;
    let app = wanted(&server, &clock)
        .organization("contoso", "Contoso Residential", "\"contoso.com\"", &Idp::entra())
        .start()
        .await;
    app.command(&["user", "add", MIA, "--organization", "contoso", "--support"]).await;
    let mut mia = app.visitor();
    mia.sign_on("/.anteroom/support").await.expect(200);
    let page = mia.visit("/.anteroom/support/organizations/new").await.expect(200);
    let path = "/.anteroom/support/organizations/preview";
    let form = page.form(path).fill("name", "Fabrikam Homes").fill("domains", "fabrikam.com");
    let wrong = form.clone().fill("metadata_url", "http://idp.example.com/m");
    let refused = mia.browser.upload(&page, &wrong, ("metadata", b"")).await.expect(422);
    assert!(text_of(&refused.body).contains("https://"), "{}", refused.body);

    let form = form.fill("metadata_url", &server.url());
    let asked = mia.browser.upload(&page, &form, ("metadata", b"")).await.expect(422);
    assert!(text_of(&asked.body).contains(&other.entity_id), "the choice is named: {}", asked.body);
    let form = asked.form(path).fill("entity_id", &other.entity_id);
    let preview = mia.browser.upload(&asked, &form, ("metadata", b"")).await.expect(200);
    assert!(text_of(&preview.body).contains(&server.url()), "{}", preview.body);
    let form = preview.form("/.anteroom/support/organizations");
    let saved = mia.browser.submit(&preview, &form).await.expect(200);
    assert!(text_of(&saved.body).contains("Last checked"), "{}", saved.body);
    until("the button is there", async || told(&app, LEA).await.contains("Log In with Microsoft")).await;

    // Another provider at that address is shown, and confirmed by the way of every replacement.
    server.reply(Reply::Document(
        Idp { entity_id: "urn:moved".to_owned(), ..other.clone() }.metadata_xml(),
        None,
    ));
    app.command(&[
        "organization",
        "metadata",
        "fabrikam-homes",
        "--url",
        &server.url(),
        "--accept-entity-id",
    ])
    .await;
    server.reply(Reply::Document(other.metadata_xml(), None));
    app.try_command(&["organization", "metadata", "fabrikam-homes", "--refresh"]).await;
    let page = mia.visit("/.anteroom/support/organizations/fabrikam-homes").await.expect(200);
    let told = text_of(&page.body);
    for part in [
        "another identity provider by now",
        &server.url(),
        &other.entity_id,
        "--accept-entity-id --entity-id",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let path = "/.anteroom/support/organizations/fabrikam-homes/metadata";
    let preview = mia
        .browser
        .upload(&page, &page.form(&format!("{path}/preview")), ("metadata", b""))
        .await
        .expect(200);
    let form = preview.form(path).tick("confirm_entity_id", "1");
    let saved = mia.browser.submit(&preview, &form).await.expect(200);
    assert!(!text_of(&saved.body).contains("another identity provider by now"), "{}", saved.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_refused_unless_they_are_allowed() {
    let clock = now();
    let server = MetadataServer::with(Idp::entra().metadata_xml()).await;
    let app = Wanted::default().clock(&clock).without_files().more(&contoso(&server)).start().await;
    until("it was tried", async || listed(&app).await["metadata"]["failures"] == 1).await;
    let fault = listed(&app).await["metadata"]["fault"].as_str().expect("a text").to_owned();
    assert!(fault.contains("no public address"), "{fault}");
    assert_eq!(server.connections(), 0);
}
