//! Organizations from what a customer e-mails in: what is read, what stands against it, and how it changes.

use anteroom::admin::{
    Actor, CertificateState, EntityIdChange, OptionsForm, OrganizationForm, OrganizationView, ProviderState,
    SharedDomains, Warning, suggest_id,
};
use anteroom::clock::Clock;
use anteroom::store::{AuditEvent, Origin};

use crate::idp::{Idp, KeyType, SigningKey};

use super::{House, code, fields, organization, refused};

struct Papers {
    metadata: Vec<u8>,
}

impl Papers {
    fn new() -> Self {
        Self { metadata: Idp::entra().metadata_xml() }
    }

    fn form(&self) -> OrganizationForm<'_> {
        OrganizationForm {
            id: "",
            name: "Northwind Homes, LLC",
            domains: "northwind.com, @NORTHWIND.co.uk\nnorthwind.com",
            metadata: &self.metadata,
            ..OrganizationForm::default()
        }
    }
}

fn provider(view: &OrganizationView) -> &anteroom::admin::Provider {
    match &view.provider {
        ProviderState::Known(provider) => provider,
        other => panic!("no provider: {other:?}"),
    }
}

async fn create(house: &House, form: &OrganizationForm<'_>) -> OrganizationView {
    house.admin.create_organization(form, SharedDomains::Refuse, &Actor::command()).await.unwrap()
}

#[tokio::test]
async fn what_was_read_is_shown_before_anything_is_saved() {
    let house = House::new().await;
    let papers = Papers::new();
    let preview = house.admin.preview_organization(&papers.form()).await.unwrap();
    assert!(preview.is_acceptable(), "{preview:?}");
    assert_eq!(preview.id, "northwind-homes");
    let domains: Vec<_> = preview.domains.iter().map(anteroom::email::EmailDomain::as_str).collect();
    assert_eq!(domains, ["northwind.com", "northwind.co.uk"]);
    let read = preview.provider.unwrap();
    assert_eq!((read.entity_id, read.is_entra), (Idp::entra().entity_id, true));
    assert_eq!(read.sso_url.as_str(), Idp::entra().sso_url);
    assert_eq!(read.certificates.len(), 2);
    assert!(read.certificates.iter().all(|certificate| certificate.state == CertificateState::Valid
        && certificate.fingerprint.len() == 64
        && certificate.key.starts_with("RSA")));
    assert_eq!(read.warnings, []);
    assert_eq!(house.admin.organization_views().await.unwrap().len(), 2);

    let view = create(&house, &papers.form()).await;
    assert_eq!(
        (view.record.organization.id.as_str(), view.record.origin),
        ("northwind-homes", Origin::Created)
    );
    assert_eq!(provider(&view).entity_id, Idp::entra().entity_id);
    let event = house.event("organization.created").await;
    assert_eq!(event["details"]["provider"]["entity_id"], Idp::entra().entity_id);
    assert!(!event.to_string().contains('<'), "no metadata in the audit log");
}

#[tokio::test]
async fn every_mistake_in_the_form_is_told_at_once() {
    let house = House::new().await;
    let papers = Papers::new();
    let good = papers.form();
    for (form, wrong) in [
        (OrganizationForm::default(), vec!["name", "domains", "metadata"]),
        (OrganizationForm { id: "contoso", ..good }, vec!["id"]),
        (OrganizationForm { id: "a b", ..good }, vec!["id"]),
        (OrganizationForm { domains: "northwind, b@c.com", ..good }, vec!["domains"]),
        (OrganizationForm { metadata: b"<html/>", ..good }, vec!["metadata"]),
        (OrganizationForm { metadata: b"\xff\xfe<", ..good }, vec!["metadata"]),
        (
            OrganizationForm {
                domains: "northwind",
                options: OptionsForm {
                    authn_context: Some("Password"),
                    name_id_format: Some("email"),
                    email_attributes: Some("mail\nmail"),
                    name_attributes: Some("a\tb"),
                    ..OptionsForm::default()
                },
                ..good
            },
            vec!["domains", "authn_context", "name_id_format", "email_attributes", "name_attributes"],
        ),
    ] {
        let preview = house.admin.preview_organization(&form).await.unwrap();
        let found: Vec<_> = preview.problems.iter().map(|problem| problem.field).collect();
        assert_eq!(found, wrong);
        let created = house.admin.create_organization(&form, SharedDomains::Accept, &Actor::command()).await;
        assert_eq!(fields(created), wrong);
    }
}

#[tokio::test]
async fn a_shared_domain_has_to_be_confirmed_and_says_with_whom() {
    let house = House::new().await;
    let papers = Papers::new();
    let form = OrganizationForm { domains: "contoso.com northwind.com", ..papers.form() };
    let preview = house.admin.preview_organization(&form).await.unwrap();
    assert!(preview.is_acceptable());
    assert_eq!(preview.shared_domains.len(), 1);
    let refusal =
        refused(house.admin.create_organization(&form, SharedDomains::Refuse, &Actor::command()).await);
    assert_eq!(refusal.code(), "domains_shared");
    assert!(refusal.to_string().starts_with("contoso.com is a domain of contoso too"), "{refusal}");
    house.admin.create_organization(&form, SharedDomains::Accept, &Actor::command()).await.unwrap();

    // What was confirmed once is not asked again; what is new is.
    let id = organization("northwind-homes");
    let set = |domains: &'static str| {
        let (house, id) = (&house, &id);
        async move { house.admin.set_domains(id, domains, SharedDomains::Refuse, &Actor::command()).await }
    };
    let changed = set("contoso.com").await.unwrap();
    assert!(changed.changed && changed.outsiders.count == 0);
    assert_eq!(code(set("contoso.com, fabrikam.com").await), "domains_shared");
    assert_eq!(fields(set(" ").await), ["domains"]);
}

#[tokio::test]
async fn the_identity_provider_of_another_organization_is_refused_and_named() {
    let declared = anteroom::saml::metadata::parse(
        &Idp::other_tenant().metadata_xml(),
        "2026-11-23T12:00:00Z".parse().unwrap(),
    );
    let house = House::with(|settings| {
        settings.declared = vec![anteroom::admin::DeclaredProvider {
            organization: organization("fabrikam"),
            idp: std::sync::Arc::new(declared.unwrap()),
            options: std::sync::Arc::default(),
        }];
    })
    .await;
    create(&house, &Papers::new().form()).await;
    for (idp, owner) in [(Idp::entra(), "northwind-homes"), (Idp::other_tenant(), "fabrikam")] {
        let metadata = idp.metadata_xml();
        let form = OrganizationForm {
            id: "again",
            name: "Again",
            domains: "again.com",
            metadata: &metadata,
            ..OrganizationForm::default()
        };
        let preview = house.admin.preview_organization(&form).await.unwrap();
        assert_eq!((preview.provider_of, preview.problems.len()), (Some(organization(owner)), 0));
        let refusal =
            refused(house.admin.create_organization(&form, SharedDomains::Accept, &Actor::command()).await);
        assert_eq!(refusal.code(), "entity_id_taken");
        assert!(refusal.to_string().starts_with(&format!("{owner} has the identity provider")), "{refusal}");
    }
}

#[tokio::test]
async fn a_rotation_shows_which_certificates_come_and_go() {
    let house = House::new().await;
    create(&house, &Papers::new().form()).await;
    let id = organization("northwind-homes");
    let mut next = Idp::entra();
    (next.key, next.further_keys) = (SigningKey::rsa_next(), vec![SigningKey::p256()]);
    let preview = house.admin.preview_metadata(&id, &next.metadata_xml()).await.unwrap();
    let counts = (preview.added.len(), preview.kept.len(), preview.removed.len());
    assert_eq!((counts, preview.other_entity_id), ((1, 1, 1), None));
    let replace = |octets: Vec<u8>, change| {
        let (house, id) = (&house, &id);
        async move { house.admin.replace_metadata(id, &octets, change, &Actor::command()).await }
    };
    let replaced = replace(next.metadata_xml(), EntityIdChange::Refuse).await.unwrap();
    assert!(replaced.changed);
    assert_eq!(provider(&replaced.value).certificates.len(), 2);
    assert!(!replace(next.metadata_xml(), EntityIdChange::Refuse).await.unwrap().changed);

    // Another tenant is another identity provider, whoever sends the file.
    let moved = Idp::other_tenant().metadata_xml();
    let preview = house.admin.preview_metadata(&id, &moved).await.unwrap();
    assert_eq!(preview.other_entity_id, Some(Idp::entra().entity_id));
    assert_eq!(code(replace(moved.clone(), EntityIdChange::Refuse).await), "entity_id_changed");
    assert!(replace(moved, EntityIdChange::Accept).await.unwrap().changed);
    let event = house.event("organization.metadata_replaced").await;
    assert_eq!(event["details"]["entity_id_before"], Idp::entra().entity_id);
    assert_eq!(fields(replace(b"x".to_vec(), EntityIdChange::Accept).await), ["metadata"]);
}

#[tokio::test]
async fn an_identity_provider_is_told_apart_also_from_one_that_cannot_be_used_any_more() {
    let house = House::new().await;
    let metadata = String::from_utf8(Idp::entra().metadata_xml()).unwrap();
    let metadata =
        metadata.replacen("<EntityDescriptor", "<EntityDescriptor validUntil=\"2026-11-24T12:00:00Z\"", 1);
    let papers = Papers { metadata: metadata.into_bytes() };
    create(&house, &papers.form()).await;
    house.later(25);
    let id = organization("northwind-homes");
    let view = house.admin.organization_view(&id).await.unwrap();
    assert!(matches!(view.provider, ProviderState::Unusable(_)), "{:?}", view.provider);
    let replace = |octets: Vec<u8>, change| {
        let (house, id) = (&house, &id);
        async move { house.admin.replace_metadata(id, &octets, change, &Actor::command()).await }
    };
    assert_eq!(
        code(replace(Idp::other_tenant().metadata_xml(), EntityIdChange::Refuse).await),
        "entity_id_changed"
    );
    // Nor does anybody else get it meanwhile.
    let metadata = Idp::entra().metadata_xml();
    let form = OrganizationForm {
        id: "again",
        name: "Again",
        domains: "again.com",
        metadata: &metadata,
        ..OrganizationForm::default()
    };
    assert_eq!(
        code(house.admin.create_organization(&form, SharedDomains::Accept, &Actor::command()).await),
        "entity_id_taken"
    );
    assert!(replace(Idp::entra().metadata_xml(), EntityIdChange::Refuse).await.unwrap().changed);
}

#[tokio::test]
async fn where_nothing_names_the_identity_provider_so_far_it_is_asked_for_the_sake_of_the_users() {
    let house = House::new().await;
    // Not declared any more: its users stay, and nothing tells by whom they are known.
    let event = AuditEvent::of_anteroom(house.clock.now(), "organizations.declared");
    house.store.declare_organizations(&[], event).await.unwrap();
    let id = organization("contoso");
    let metadata = Idp::entra().metadata_xml();
    let preview = house.admin.preview_metadata(&id, &metadata).await.unwrap();
    assert!(preview.is_entity_id_lost);
    let replace =
        async |change| house.admin.replace_metadata(&id, &metadata, change, &Actor::command()).await;
    assert_eq!(code(replace(EntityIdChange::Refuse).await), "entity_id_lost");
    assert!(replace(EntityIdChange::Accept).await.unwrap().changed);
}

#[tokio::test]
async fn no_id_is_suggested_or_taken_that_is_the_address_of_another_page() {
    let house = House::new().await;
    let metadata = Idp::entra().metadata_xml();
    for (id, name, wanted) in
        [("new", "Northwind", None), ("preview", "Northwind", None), ("", "New", Some("new-2"))]
    {
        let form = OrganizationForm {
            id,
            name,
            domains: "northwind.com",
            metadata: &metadata,
            ..OrganizationForm::default()
        };
        let made = house.admin.create_organization(&form, SharedDomains::Refuse, &Actor::command()).await;
        match wanted {
            None => assert_eq!(fields(made), ["id"], "{id}"),
            Some(wanted) => assert_eq!(made.unwrap().record.organization.id, organization(wanted)),
        }
    }
}

#[tokio::test]
async fn certificates_near_their_end_are_told() {
    let keys = |until| -> &'static SigningKey {
        Box::leak(Box::new(SigningKey::make(KeyType::P256, (2020, 1, 1), until)))
    };
    for (first, second, warnings) in [
        ((2026, 12, 1), (2026, 11, 1), vec!["last"]),
        ((2026, 12, 1), (2049, 1, 1), vec!["one"]),
        ((2026, 11, 1), (2026, 10, 1), vec!["none"]),
        ((2030, 11, 1), (2049, 1, 1), vec![]),
    ] {
        let mut idp = Idp::entra();
        (idp.key, idp.further_keys) = (keys(first), vec![keys(second)]);
        let papers = Papers { metadata: idp.metadata_xml() };
        let house = House::new().await;
        let found: Vec<_> = provider(&create(&house, &papers.form()).await)
            .warnings
            .iter()
            .map(|warning| match warning {
                Warning::NoValidCertificate => "none",
                Warning::LastExpires { .. } => "last",
                Warning::OneExpires { .. } => "one",
                Warning::MetadataExpires { .. } => "metadata",
            })
            .collect();
        assert_eq!(found, warnings, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn what_is_declared_changes_in_its_file_only_but_can_be_paused() {
    let house = House::new().await;
    let (contoso, command) = (organization("contoso"), Actor::command());
    assert_eq!(code(house.admin.rename_organization(&contoso, "X", &command).await), "declared");
    let domains = house.admin.set_domains(&contoso, "x.com", SharedDomains::Refuse, &command).await;
    assert_eq!(code(domains), "declared");
    let metadata = Papers::new().metadata;
    let replaced = house.admin.replace_metadata(&contoso, &metadata, EntityIdChange::Accept, &command).await;
    assert_eq!(code(replaced), "declared");
    assert_eq!(code(house.admin.remove_organization(&contoso, &command).await), "declared");
    let paused = house.admin.pause_organization(&contoso, &command).await.unwrap();
    assert!(paused.changed && paused.value.record.paused_at.is_some());
    assert!(!house.admin.pause_organization(&contoso, &command).await.unwrap().changed);
    assert!(house.admin.resume_organization(&contoso, &command).await.unwrap().changed);
}

#[tokio::test]
async fn agents_do_not_pause_the_organization_of_all_agents() {
    let house = House::new().await;
    let (contoso, sue) = (organization("contoso"), house.actor("sue@contoso.com").await);
    let refusal = refused(house.admin.pause_organization(&contoso, &sue).await);
    assert_eq!(refusal.code(), "last_support");
    assert!(refusal.to_string().contains("operator"), "{refusal}");
    assert!(house.admin.pause_organization(&organization("fabrikam"), &sue).await.unwrap().changed);
    assert!(house.admin.pause_organization(&contoso, &Actor::command()).await.unwrap().changed);
}

#[tokio::test]
async fn an_organization_is_removed_when_nobody_belongs_to_it() {
    let house = House::new().await;
    create(&house, &Papers::new().form()).await;
    let (id, command) = (organization("northwind-homes"), Actor::command());
    let renamed = house.admin.rename_organization(&id, "Northwind", &command).await.unwrap();
    assert_eq!(renamed.value.record.organization.name.as_str(), "Northwind");
    let user = anteroom::admin::UserToAdd {
        email: super::email("nia@northwind.com"),
        name: None,
        organization: id.clone(),
        role: anteroom::directory::Role::Member,
        grant: None,
    };
    house.admin.add_user(user, &command).await.unwrap();
    let refusal = refused(house.admin.remove_organization(&id, &command).await);
    assert_eq!(refusal.code(), "organization_has_users");
    assert!(refusal.to_string().contains("has one user"), "{refusal}");

    let mut other = Idp::other_tenant();
    other.entity_id = "https://idp.empty.com/".to_owned();
    let metadata = other.metadata_xml();
    create(
        &house,
        &OrganizationForm {
            id: "empty",
            name: "Empty",
            domains: "empty.com",
            metadata: &metadata,
            ..OrganizationForm::default()
        },
    )
    .await;
    house.admin.remove_organization(&organization("empty"), &command).await.unwrap();
    assert_eq!(code(house.admin.organization_view(&organization("empty")).await), "no_such_organization");
    assert_eq!(house.event("organization.removed").await["details"]["name"], "Empty");
}

#[tokio::test]
async fn the_values_for_the_customer_are_those_of_the_configuration() {
    let values = House::new().await.admin.values_for_customer();
    assert_eq!(values.identifier, "urn:example:anteroom");
    assert_eq!(values.reply_url.as_str(), "https://login.example.com/saml2/idpresponse");
    assert_eq!(values.sign_on_url.as_str(), "https://app.example.com/");
    assert_eq!(values.metadata_url.unwrap().as_str(), "https://login.example.com/saml2/metadata");
}

#[test]
fn an_id_is_suggested_from_the_name() {
    for (name, id) in [
        ("Contoso Residential", "contoso-residential"),
        ("Northwind Homes, LLC", "northwind-homes"),
        ("  Müller & Söhne GmbH ", "muller-sohne"),
        ("LLC", "llc"),
        ("A Very Long Name Of A Company That Has Many Words", "a-very-long-name-of-a"),
        ("Pneumonoultramicroscopicsilicovolcanoconiosis", "pneumonoultramicroscopicsilicovolcanocon"),
        ("株式会社", "organization"),
        ("Taken", "taken-3"),
        ("", "organization"),
    ] {
        assert_eq!(suggest_id(name, |id| matches!(id, "taken" | "taken-2")), id, "{name}");
    }
}

#[tokio::test]
async fn nobody_is_warned_of_certificates_whose_dates_do_not_count() {
    let house = House::new().await;
    let mut idp = Idp::entra();
    idp.key = Box::leak(Box::new(SigningKey::make(KeyType::P256, crate::idp::LONG_AGO, (2020, 1, 1))));
    idp.further_keys.clear();
    let papers = Papers { metadata: idp.metadata_xml() };
    let view = create(&house, &papers.form()).await;
    assert_eq!(provider(&view).warnings, [Warning::NoValidCertificate]);

    let form = OptionsForm { accept_expired_certificate: Some(true), ..OptionsForm::default() };
    let id = organization("northwind-homes");
    let outcome = house.admin.set_options(&id, &form, &Actor::command()).await.unwrap();
    assert!(outcome.changed && outcome.value.options.accept_expired_certificate);
    assert_eq!(provider(&outcome.value).warnings, []);
    assert_eq!(provider(&outcome.value).certificates[0].state, CertificateState::Expired);
    let again = house.admin.set_options(&id, &form, &Actor::command()).await.unwrap();
    assert!(!again.changed);
}
