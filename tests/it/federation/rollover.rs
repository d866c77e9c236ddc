//! Keys that change (SAML-ATTACKS C9, G4), and another identity provider at the same address (3.I).

use anteroom::id::OrganizationId;
use anteroom::store::{MetadataClaim, Occasion};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_by_a_key_that_is_not_known_yet_is_verified_after_one_fetch() {
    let clock = now();
    let (old, new) = (idp_with(SigningKey::rsa()), idp_with(SigningKey::rsa_next()));
    let (server, app) = ready_with(old.metadata_xml(), &clock).await;
    server.reply(Reply::Document(new.metadata_xml(), None));
    let before = server.count();
    assert_eq!(sign_on_by(&app, &new).await.expect(200).url.path(), "/.anteroom/waiting-room");
    assert_eq!(server.count(), before + 1);
    sign_on_by(&app, &old).await.expect(403);
    sign_on_by(&app, &new).await.expect(200);
    assert_eq!(server.count(), before + 1, "and no more for five minutes");
    assert_eq!(
        events(&app, "organization.metadata_refreshed").await[0]["certificates_added"][0],
        fingerprint(new.key)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn people_who_come_at_the_same_moment_share_the_fetch() {
    let clock = now();
    let (old, new) = (idp_with(SigningKey::rsa()), idp_with(SigningKey::rsa_next()));
    let (server, app) = ready_with(old.metadata_xml(), &clock).await;
    server.reply(Reply::Document(new.metadata_xml(), None));
    server.close();
    let before = server.count();
    let people = (0..6).map(|_| async {
        let mut mia = app.visitor();
        let message = message_by(&mut mia, &new).await;
        mia.answer_with(&message).await.status.as_u16()
    });
    let (statuses, ()) = tokio::join!(futures_util::future::join_all(people), async {
        until("the fetch is on its way", async || server.count() > before).await;
        server.open();
    });
    assert_eq!(statuses, [200; 6]);
    assert_eq!(server.count(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages_cause_one_fetch_in_five_minutes() {
    let clock = now();
    let (server, app) = ready_with(Idp::entra().metadata_xml(), &clock).await;
    let forger = Idp { key: SigningKey::foreign(), ..Idp::entra() };
    let before = server.count();
    for _ in 0..5 {
        sign_on_by(&app, &forger).await.expect(403);
    }
    assert_eq!(server.count(), before + 1);
    clock.advance(Duration::from_secs(299));
    sign_on_by(&app, &forger).await.expect(403);
    assert_eq!(server.count(), before + 1);
    clock.advance(Duration::from_secs(1));
    sign_on_by(&app, &forger).await.expect(403);
    assert_eq!(server.count(), before + 2);
    // What is wrong in another way never leads to the server, and nothing in a message does.
    clock.advance(Duration::from_mins(5));
    let mut mia = app.visitor();
    let message = message_by(&mut mia, &app.idp).await.signed(crate::idp::Sign::Nothing);
    mia.answer_with(&message).await.expect(403);
    assert_eq!(server.count(), before + 2);
    sign_on_by(&app, &app.idp).await.expect(200);
    assert_eq!(events(&app, "organization.metadata_refreshed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_entity_id_is_never_taken_over_silently() {
    let clock = now();
    let (server, app) = ready_with(Idp::entra().metadata_xml(), &clock).await;
    // The same people, so that they would be let in if only their provider were.
    let moved = Idp { tenant_id: app.idp.tenant_id.clone(), ..Idp::other_tenant() };
    server.reply(Reply::Document(moved.metadata_xml(), None));
    for hours in 1..3 {
        clock.advance(HOUR);
        until("it was asked again", async || server.count() > hours).await;
    }
    until("it is held", async || {
        listed(&app).await["metadata"]["held_entity_id"] == moved.entity_id.as_str()
    })
    .await;
    // The provider so far goes on, and the other one vouches for nobody, not by an unknown key either.
    sign_on_by(&app, &app.idp).await.expect(200);
    sign_on_by(&app, &moved).await.expect(403);
    let held = events(&app, "organization.metadata_held").await;
    assert_eq!(held.len(), 1, "told once");
    assert_eq!(held[0]["entity_id"], app.idp.entity_id);
    assert_eq!(held[0]["entity_id_held"], moved.entity_id);
    until("metrics tell", async || {
        ops(&app, "metrics").await.contains("anteroom_saml_metadata_held{organization=\"contoso\"} 1")
    })
    .await;
    assert!(app.command(&["organization", "list"]).await.contains("other entity ID"));

    let accept = ["organization", "metadata", "contoso", "--accept-entity-id"];
    let named =
        async |entity_id: &str| app.try_command(&[&accept[..], &["--entity-id", entity_id]].concat()).await;
    let wrong = named(&app.idp.entity_id).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(!listed(&app).await["metadata"]["held_entity_id"].is_null(), "another one than was named");
    let right = named(&moved.entity_id).await;
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    // Whom one lets vouch for people from now on is said, named before or not.
    let told = String::from_utf8_lossy(&right.stderr).into_owned();
    for part in [moved.entity_id.as_str(), &server.url(), &fingerprint(moved.key)] {
        assert!(told.contains(part), "{part}: {told}");
    }
    until("it is in force", async || sign_on_by(&app, &moved).await.status == 200).await;
    sign_on_by(&app, &app.idp).await.expect(403);
    let accepted = events(&app, "organization.entity_id_accepted").await;
    assert_eq!(accepted[0]["provider_before"]["entity_id"], app.idp.entity_id);
    let again = app.try_command(&accept).await;
    assert!(String::from_utf8_lossy(&again.stderr).contains("nothing to accept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_goes_on_being_told_where_nothing_is_new_at_the_address() {
    let clock = now();
    let (server, app) = ready_with(Idp::entra().metadata_xml(), &clock).await;
    server.reply(Reply::Document(Idp::other_tenant().metadata_xml(), Some("\"2\"")));
    for _ in 0..2 {
        let refreshed = app.try_command(&["organization", "metadata", "contoso", "--refresh"]).await;
        assert_eq!(refreshed.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refreshed.stderr).contains("another identity provider"));
    }
    assert_eq!(
        server.requests().last().expect("a request")["if-none-match"],
        "\"2\"",
        "the second was the same"
    );
    // Without a name, too, it is said what is accepted.
    let accepted = app.try_command(&["organization", "metadata", "contoso", "--accept-entity-id"]).await;
    assert!(
        String::from_utf8_lossy(&accepted.stderr).contains(&Idp::other_tenant().entity_id),
        "{accepted:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_another_node_is_at_does_not_count_as_the_one_for_an_unknown_key() {
    let clock = now();
    let (old, new) = (idp_with(SigningKey::rsa()), idp_with(SigningKey::rsa_next()));
    let (server, app) = ready_with(old.metadata_xml(), &clock).await;
    server.reply(Reply::Document(new.metadata_xml(), None));
    let before = server.count();
    let store = app.open_store().await;
    let claim = MetadataClaim {
        now: clock.now(),
        until: clock.now() + Duration::from_secs(30),
        occasion: Occasion::Asked,
    };
    let contoso = OrganizationId::parse("contoso").expect("an id");
    assert!(store.claim_metadata(&contoso, &claim).await.expect("it answers").is_some());
    store.close().await;
    sign_on_by(&app, &new).await.expect(403);
    assert_eq!(server.count(), before, "another one is at it");
    clock.advance(Duration::from_secs(30));
    sign_on_by(&app, &new).await.expect(200);
    assert_eq!(server.count(), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_the_provider_of_another_organization_is_not_taken_over() {
    let clock = now();
    let server = MetadataServer::start(Reply::Status(503)).await;
    let app = start(&server, &clock).await;
    std::fs::write(app.path("other.xml"), Idp::other_tenant().metadata_xml()).expect("a file");
    let file = app.path("other.xml").display().to_string();
    let add = ["organization", "add", "fabrikam", "--name", "Fabrikam", "--domain", "fabrikam.com"];
    app.command(&[&add[..], &["--metadata", &file]].concat()).await;
    server.reply(Reply::Document(Idp::other_tenant().metadata_xml(), None));
    let refresh = ["organization", "metadata", "contoso", "--refresh"];
    until("it was fetched", async || {
        let told = app.try_command(&refresh).await;
        String::from_utf8_lossy(&told.stderr)
            .contains("another organization (fabrikam) has the identity provider")
    })
    .await;
    assert!(!is_ready(&app).await);
    server.reply(Reply::Document(Idp::entra().metadata_xml(), None));
    app.command(&refresh).await;
    until("it is ready", async || is_ready(&app).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_id_that_comes_back_is_held_no_longer() {
    let clock = now();
    let (server, app) = ready_with(Idp::entra().metadata_xml(), &clock).await;
    server.reply(Reply::Document(Idp::other_tenant().metadata_xml(), None));
    let held = app.try_command(&["organization", "metadata", "contoso", "--refresh"]).await;
    assert!(String::from_utf8_lossy(&held.stderr).contains("another identity provider"));
    assert!(!listed(&app).await["metadata"]["held_entity_id"].is_null());
    server.reply(Reply::Document(Idp::entra().metadata_xml(), None));
    app.command(&["organization", "metadata", "contoso", "--refresh"]).await;
    assert!(listed(&app).await["metadata"]["held_entity_id"].is_null());
}
