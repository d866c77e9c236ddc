//! Metadata over time: the first copy, the hourly look, a server that is down, and the end of its validity.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_any_copy_is_no_failure_and_the_metadata_is_fetched_as_soon_as_it_is_there() {
    let clock = now();
    let server = MetadataServer::start(Reply::Status(503)).await;
    let app = start(&server, &clock).await;
    until("it was asked for", async || server.count() > 0).await;
    assert!(told(&app, MIA).await.contains("not available yet"), "the page is kind");
    let ready: Value = serde_json::from_str(&ops(&app, "readyz").await).expect("JSON");
    assert_eq!(ready["ready"], true);
    assert!(ready["degraded"][0].as_str().expect("a text").contains("contoso"), "{ready}");
    assert!(ops(&app, "metrics").await.contains("anteroom_saml_metadata_ready{organization=\"contoso\"} 0"));
    until("the fault is kept", async || listed(&app).await["metadata"]["failures"] == 1).await;
    let entry = listed(&app).await;
    assert!(entry["metadata"]["fault"].as_str().expect("a text").contains("status 503"), "{entry}");

    server.reply(Reply::Document(Idp::entra().metadata_xml(), None));
    clock.advance(Duration::from_secs(10));
    until("it is ready", async || is_ready(&app).await).await;
    assert_eq!(sign_on_by(&app, &app.idp).await.expect(200).url.path(), "/.anteroom/waiting-room");
    let ready: Value = serde_json::from_str(&ops(&app, "readyz").await).expect("JSON");
    assert_eq!(ready["degraded"], serde_json::json!([]));
    let refreshed = events(&app, "organization.metadata_refreshed").await;
    assert_eq!(refreshed.len(), 1);
    assert_eq!(refreshed[0]["certificates_after"][0], fingerprint(app.idp.key));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_looked_for_changes_every_hour_and_new_certificates_are_taken_over_and_told() {
    let clock = now();
    let (old, new) = (idp_with(SigningKey::rsa()), idp_with(SigningKey::rsa_next()));
    let server = MetadataServer::start(Reply::Document(old.metadata_xml(), Some("\"1\""))).await;
    let app = start(&server, &clock).await;
    until("it is ready", async || is_ready(&app).await).await;
    assert_eq!(server.count(), 1);
    clock.advance(HOUR);
    until("it was asked again", async || server.count() == 2).await;
    assert_eq!(server.requests()[1]["if-none-match"], "\"1\"");
    assert_eq!(events(&app, "organization.metadata_refreshed").await.len(), 1, "nothing new, nothing told");

    server.reply(Reply::Document(new.metadata_xml(), Some("\"2\"")));
    clock.advance(HOUR);
    until("the new key counts", async || events(&app, "organization.metadata_refreshed").await.len() == 2)
        .await;
    let told = events(&app, "organization.metadata_refreshed").await.remove(0);
    assert_eq!(told["certificates_added"], serde_json::json!([fingerprint(new.key)]));
    assert_eq!(told["certificates_removed"], serde_json::json!([fingerprint(old.key)]));
    until("it is in force", async || sign_on_by(&app, &new).await.status == 200).await;
    sign_on_by(&app, &old).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_while_the_server_is_down_uses_the_copy() {
    let clock = now();
    let server = MetadataServer::with(Idp::entra().metadata_xml()).await;
    let mut app = start(&server, &clock).await;
    until("it is ready", async || is_ready(&app).await).await;
    app.stop().await;
    server.reply(Reply::Nothing);
    clock.advance(2 * HOUR);
    app.restart_stopped().await;
    assert!(is_ready(&app).await, "at once");
    sign_on_by(&app, &app.idp).await.expect(200);
    until("the fault is told", async || listed(&app).await["metadata"]["failures"] == 1).await;
    assert!(listed(&app).await["notes"][0].as_str().expect("a note").contains("could not be refreshed"));
    assert!(ops(&app, "metrics").await.contains("anteroom_saml_metadata_ready{organization=\"contoso\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_changes_nothing() {
    let clock = now();
    let good = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
    let (server, app) = ready_with(good.clone().into_bytes(), &clock).await;
    let list = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</EntitiesDescriptor>",
        Idp::entra().entity_descriptor("_a"),
        Idp::other_tenant().entity_descriptor("_b")
    );
    let expired =
        good.replacen("<EntityDescriptor", "<EntityDescriptor validUntil=\"2020-01-01T00:00:00Z\"", 1);
    for (document, fault) in [
        (good.replace("<EntityDescriptor", "<!DOCTYPE x><EntityDescriptor"), "DOCTYPE"),
        ("<html><body>Sign in</body></html>".to_owned(), "no SAML metadata"),
        (String::new(), "cannot be read"),
        (good.replace("KeyDescriptor", "KeyDescriptors"), "no signing certificate"),
        (good.replace("use=\"signing\"", "use=\"encryption\""), "no signing certificate"),
        (good.replace("\"https://login.", "\"http://login."), "not an https URL"),
        (expired, "was valid until"),
        (list, "describes 2 identity providers"),
    ] {
        server.reply(Reply::Document(document.into_bytes(), None));
        let asked = app.try_command(&["organization", "metadata", "contoso", "--refresh"]).await;
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        assert_eq!(asked.status.code(), Some(1), "{said}");
        assert!(said.contains(fault), "{fault}: {said}");
        sign_on_by(&app, &app.idp).await.expect(200);
    }
    server.reply(Reply::Document(good.into_bytes(), None));
    app.command(&["organization", "metadata", "contoso", "--refresh"]).await;
    assert_eq!(listed(&app).await["metadata"]["failures"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_a_file_that_expires_lets_nobody_sign_on_without_a_reload() {
    let clock = now();
    let end = clock.now() + HOUR;
    let valid = format!("<EntityDescriptor validUntil=\"{}\"", end.strftime("%Y-%m-%dT%H:%M:%SZ"));
    let text = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
    let text = text.replacen("<EntityDescriptor", &valid, 1);
    let app = Wanted::default().clock(&clock).metadata(text.into_bytes()).start().await;
    clock.advance(HOUR.checked_sub(Duration::from_mins(1)).unwrap());
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    sign_on_by(&app, &app.idp).await.expect(200);
    clock.advance(Duration::from_mins(1));
    assert!(told(&app, MIA).await.contains("not available yet"));
    mia.answer_with(&mia.answer(&pending)).await.expect(403);
    let refused = app.audit().await.into_iter().find(|entry| entry.action == "sign_on.refused");
    assert_eq!(refused.expect("it is told").reason.as_deref(), Some("metadata_expired"));
    until("operators are warned", async || events(&app, "organization.metadata_expired").await.len() == 1)
        .await;
    app.reload().await.expect("an expired file stops nobody else");
    assert_eq!(events(&app, "organization.metadata_expired").await.len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_fetched_again_in_time_for_what_it_says_about_itself() {
    let clock = now();
    let good = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
    let until_then = (clock.now() + Duration::from_mins(40)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for (says, minutes) in [
        (String::new(), 54..=60),
        (format!("validUntil=\"{until_then}\""), 17..=20),
        ("cacheDuration=\"PT30M\"".to_owned(), 26..=30),
        // However short it is, its server is not asked all the time.
        ("cacheDuration=\"PT1S\"".to_owned(), 4..=5),
    ] {
        let text = good.replacen("<EntityDescriptor ", &format!("<EntityDescriptor {says} "), 1);
        let (_server, app) = ready_with(text.into_bytes(), &clock).await;
        let due = listed(&app).await["metadata"]["due_at"].as_str().expect("a time").to_owned();
        let due: jiff::Timestamp = due.parse().expect("a time");
        let left = due.duration_since(clock.now()).as_mins();
        assert!(minutes.contains(&left), "{says}: {left} minutes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_no_use_any_more_has_to_be_sent_again() {
    let clock = now();
    let until_then = (clock.now() + Duration::from_mins(40)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let text = String::from_utf8(Idp::entra().metadata_xml()).expect("text");
    let text =
        text.replacen("<EntityDescriptor ", &format!("<EntityDescriptor validUntil=\"{until_then}\" "), 1);
    let server = MetadataServer::start(Reply::Document(text.into_bytes(), Some("\"1\""))).await;
    let app = start(&server, &clock).await;
    until("it is ready", async || is_ready(&app).await).await;
    // That it is the same is good to know while it is good; not when it is over.
    for (minutes, count, asked) in [(20, 2, true), (21, 3, false)] {
        clock.advance(Duration::from_mins(minutes));
        until("it was asked again", async || server.count() == count).await;
        let request = server.requests().last().expect("a request").clone();
        assert_eq!(request.contains_key("if-none-match"), asked, "after {minutes} minutes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_down_is_asked_less_and_less_often() {
    let clock = now();
    let (server, app) = ready_with(Idp::entra().metadata_xml(), &clock).await;
    server.reply(Reply::Status(503));
    let mut pause = 3600;
    for (failures, seconds) in [(1, 54..=60), (2, 108..=120), (3, 216..=240), (4, 432..=480)] {
        clock.advance(Duration::from_secs(pause));
        until("it is asked in vain", async || listed(&app).await["metadata"]["failures"] == failures).await;
        let due = listed(&app).await["metadata"]["due_at"].as_str().expect("a time").to_owned();
        let left = due.parse::<jiff::Timestamp>().expect("a time").duration_since(clock.now()).as_secs();
        assert!(seconds.contains(&left), "{failures}: {left} seconds");
        pause = u64::try_from(*seconds.end()).expect("a few minutes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_file_that_changes_is_picked_up_by_itself() {
    let (old, new) = (idp_with(SigningKey::rsa()), idp_with(SigningKey::rsa_next()));
    let app = Wanted::default().metadata(old.metadata_xml()).start().await;
    sign_on_by(&app, &new).await.expect(403);
    // In one step, as files are replaced that somebody may be reading.
    std::fs::write(app.path("next.xml"), new.metadata_xml()).expect("the folder is writable");
    std::fs::rename(app.path("next.xml"), app.path("contoso.xml")).expect("the folder is writable");
    until("the new key counts", async || sign_on_by(&app, &new).await.status == 200).await;
    sign_on_by(&app, &old).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_identity_providers_is_taken_by_its_entity_id() {
    let clock = now();
    let other = Idp::other_tenant();
    let list = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</EntitiesDescriptor>",
        Idp::entra().entity_descriptor("_a"),
        other.entity_descriptor("_b")
    );
    let server = MetadataServer::with(list.into_bytes()).await;
    let chosen = format!("entity_id = \"{}\"\n", other.entity_id);
    let app = wanted(&server, &clock).more(&(contoso(&server) + &chosen)).start().await;
    until("it is ready", async || is_ready(&app).await).await;
    sign_on_by(&app, &other).await.expect(200);
    sign_on_by(&app, &Idp::entra()).await.expect(403);
}
