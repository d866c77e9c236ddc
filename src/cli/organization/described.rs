//! Organizations and what was read from their metadata, as a table and as JSON.
//!
//! Separate from what the commands do, because several of them show the same.

use serde_json::{Value, json};

use super::options;
use crate::admin::{
    CustomerValues, MetadataPreview, OrganizationView, Outcome, Preview, Provider, ProviderState, Warning,
};
use crate::cli::answer::{Answer, dash, moment, moment_or_dash};
use crate::cli::property;
use crate::directory::Organization;
use crate::email::{EmailAddress, EmailDomain};
use crate::id::OrganizationId;
use crate::store::{Origin, Outsiders};

pub(super) fn changed(verb: &str, outcome: &Outcome<OrganizationView>) -> Answer {
    let organization = &outcome.value.record.organization;
    let summary = format!("{}, {:?}", organization.id, organization.name.as_str());
    Answer::change(verb, outcome.changed, &summary, object(&outcome.value))
}

/// After a change of the domains: with whom it leaves out.
pub(super) fn domains_changed(outcome: &Outcome<OrganizationView>, outsiders: &Outsiders) -> Answer {
    let organization = &outcome.value.record.organization;
    let summary = format!("{}: {}", organization.id, domains(organization).join(", "));
    let mut json = object(&outcome.value);
    add(&mut json, "outsiders", outsiders_object(outsiders));
    let answer = Answer::change("changed", outcome.changed, &summary, json);
    match warning(outsiders) {
        Some(warning) => answer.with_note(format!("note: {warning}")),
        None => answer,
    }
}

fn warning(outsiders: &Outsiders) -> Option<String> {
    let first: Vec<_> = outsiders.first.iter().map(EmailAddress::as_str).collect();
    let more =
        if u64::try_from(first.len()).is_ok_and(|shown| shown < outsiders.count) { ", …" } else { "" };
    (outsiders.count > 0).then(|| {
        format!(
            "{} cannot sign on, because their addresses are outside these domains: {}{more}",
            if outsiders.count == 1 { "one user".to_owned() } else { format!("{} users", outsiders.count) },
            first.join(", ")
        )
    })
}

fn outsiders_object(outsiders: &Outsiders) -> Value {
    let first: Vec<_> = outsiders.first.iter().map(EmailAddress::as_str).collect();
    json!({"count": outsiders.count, "first": first})
}

pub(super) fn show(view: &OrganizationView, outsiders: &Outsiders) -> Answer {
    let [id, name, domains, origin, paused_at, _, _] = row(view);
    let mut rows = vec![
        ["id".to_owned(), id],
        ["name".to_owned(), name],
        ["domains".to_owned(), domains],
        ["origin".to_owned(), origin],
        ["paused at".to_owned(), paused_at],
    ];
    rows.extend(warning(outsiders).map(|warning| ["note".to_owned(), warning]));
    match &view.provider {
        ProviderState::Known(provider) => rows.extend(provider_rows(provider)),
        ProviderState::Unusable(why) => rows.push(["provider".to_owned(), why.clone()]),
        ProviderState::Absent => rows.push(["provider".to_owned(), dash()]),
    }
    if let Some(source) = view.source() {
        rows.push(["metadata at".to_owned(), source.url.to_string()]);
        rows.push(["checked at".to_owned(), moment_or_dash(source.checked_at)]);
    }
    rows.extend(view.source_notes().into_iter().map(|note| ["note".to_owned(), note]));
    rows.extend(options::rows(&view.options));
    rows.extend(view.properties.iter().map(|property| {
        let retired = if property.retired_at.is_some() { ", retired" } else { "" };
        ["property".to_owned(), format!("{} ({}){retired}", property.id, property.name)]
    }));
    let mut json = object(view);
    add(&mut json, "properties", view.properties.iter().map(property::object).collect());
    add(&mut json, "outsiders", outsiders_object(outsiders));
    Answer::list(["organization", ""], &rows, Vec::new()).with_json(json)
}

/// What is different at an organization's identity provider.
pub(super) fn show_options(view: &OrganizationView) -> Answer {
    let rows = options::rows(&view.options);
    if rows.is_empty() {
        let text = format!("{}: all options are as usual", view.record.organization.id);
        return Answer::new(text, options::object(&view.options));
    }
    Answer::list(["option", ""], &rows, Vec::new()).with_json(options::object(&view.options))
}

/// A new organization that nothing stands against, apart from domains that are to be confirmed.
pub(super) fn preview(preview: &Preview, provider: &Provider) -> Answer {
    let names: Vec<_> = preview.domains.iter().map(EmailDomain::as_str).collect();
    let mut rows = vec![["id".to_owned(), preview.id.clone()], ["domains".to_owned(), names.join(", ")]];
    rows.extend(shared_rows(&preview.shared_domains));
    rows.extend(provider_rows(provider));
    let shared: Vec<_> = preview
        .shared_domains
        .iter()
        .map(|(domain, owner)| json!({"domain": domain.as_str(), "organization": owner.as_str()}))
        .collect();
    let json = json!({
        "id": preview.id,
        "domains": names,
        "shared_domains": shared,
        "provider": provider_object(provider),
        "changed": false,
    });
    Answer::list(["would be added", ""], &rows, Vec::new()).with_json(json)
}

fn shared_rows(shared: &[(EmailDomain, OrganizationId)]) -> impl Iterator<Item = [String; 2]> {
    shared.iter().map(|(domain, owner)| {
        [
            "note".to_owned(),
            format!("{} is a domain of {owner} too; --share-domains allows that", domain.as_str()),
        ]
    })
}

/// New metadata of an organization: what would change.
pub(super) fn metadata_preview(id: &OrganizationId, preview: &MetadataPreview) -> Answer {
    let mut rows = provider_rows(&preview.provider);
    let mut note = |name: &str, text: String| rows.push([name.to_owned(), text]);
    if let Some(before) = &preview.other_entity_id {
        note("note", format!("the entity ID so far is {before}; --accept-entity-id allows another"));
    }
    if preview.is_entity_id_lost {
        note("note", "it is not known which entity ID it had; --accept-entity-id takes this one".to_owned());
    }
    if let Some(owner) = &preview.provider_of {
        note("problem", format!("{owner} has this identity provider already"));
    }
    for fingerprint in &preview.added {
        note("comes", format!("SHA-256 {fingerprint}"));
    }
    for fingerprint in &preview.kept {
        note("stays", format!("SHA-256 {fingerprint}"));
    }
    for certificate in &preview.removed {
        note("goes", format!("SHA-256 {}", certificate.fingerprint));
    }
    let removed: Vec<_> = preview.removed.iter().map(|certificate| &certificate.fingerprint).collect();
    let json = json!({
        "id": id.as_str(),
        "provider": provider_object(&preview.provider),
        "entity_id_before": preview.other_entity_id,
        "entity_id_lost": preview.is_entity_id_lost,
        "provider_of": preview.provider_of.as_ref().map(OrganizationId::as_str),
        "certificates": {"added": preview.added, "kept": preview.kept, "removed": removed},
        "changed": false,
    });
    Answer::list(["would be replaced", ""], &rows, Vec::new()).with_json(json)
}

/// What a customer's administrator has to enter.
pub(super) fn values(values: &CustomerValues) -> Answer {
    let metadata_url = values.metadata_url.as_ref().map(url::Url::as_str);
    let mut rows = vec![
        ["Identifier (Entity ID)".to_owned(), values.identifier.clone()],
        ["Reply URL (ACS URL)".to_owned(), values.reply_url.to_string()],
        ["Sign on URL".to_owned(), values.sign_on_url.to_string()],
        ["Metadata of Anteroom".to_owned(), metadata_url.map_or_else(dash, str::to_owned)],
    ];
    let json = json!({
        "identifier": values.identifier,
        "reply_url": values.reply_url.as_str(),
        "sign_on_url": values.sign_on_url.as_str(),
        "metadata_url": metadata_url,
        "certificate": values.certificate,
    });
    let certificate = values.certificate.iter().flat_map(|pem| pem.lines());
    rows.extend(certificate.enumerate().map(|(place, line)| {
        let name = if place == 0 { "Our certificate" } else { "" };
        [name.to_owned(), line.to_owned()]
    }));
    Answer::list(["for the customer", ""], &rows, Vec::new()).with_json(json)
}

fn provider_rows(provider: &Provider) -> Vec<[String; 2]> {
    let mut rows = vec![
        ["entity ID".to_owned(), provider.entity_id.clone()],
        ["sign-on at".to_owned(), provider.sso_url.to_string()],
    ];
    rows.extend(provider.certificates.iter().map(|certificate| {
        let until = moment(certificate.not_after);
        ["certificate".to_owned(), format!("until {until}, SHA-256 {}", certificate.fingerprint)]
    }));
    rows.extend(provider.warnings.iter().map(|warning| ["note".to_owned(), warning.to_string()]));
    rows
}

pub(super) fn row(view: &OrganizationView) -> [String; 7] {
    let organization = &view.record.organization;
    let until = match &view.provider {
        ProviderState::Known(provider) => moment_or_dash(provider.last_not_after()),
        ProviderState::Unusable(_) => "unusable".to_owned(),
        ProviderState::Absent => dash(),
    };
    [
        organization.id.to_string(),
        organization.name.to_string(),
        domains(organization).join(", "),
        origin(view.record.origin).to_owned(),
        moment_or_dash(view.record.paused_at),
        until,
        attention(view),
    ]
}

/// What an operator should look at, in a word or two; `show` has the whole of it.
fn attention(view: &OrganizationView) -> String {
    let mut marks = Vec::new();
    if view.held_entity_id().is_some() {
        marks.push("other entity ID");
    }
    if view.source().is_some_and(|source| source.failures > 0) {
        marks.push("refresh fails");
    }
    match &view.provider {
        ProviderState::Known(provider) => {
            marks.extend(provider.warnings.iter().map(|warning| match warning {
                Warning::NoValidCertificate => "no valid certificate",
                Warning::LastExpires { .. } => "last certificate expires soon",
                Warning::OneExpires { .. } => "a certificate expires soon",
                Warning::MetadataExpires { .. } => "metadata expires soon",
            }));
        }
        ProviderState::Unusable(_) => marks.push("not ready"),
        ProviderState::Absent => {}
    }
    if marks.is_empty() { dash() } else { marks.join(", ") }
}

/// Another identity provider that was accepted: which one, from where, and whose signatures count from now on.
pub(super) fn accepted(outcome: &Outcome<OrganizationView>) -> Answer {
    let view = &outcome.value;
    let answer = changed("accepted", outcome);
    let ProviderState::Known(provider) = &view.provider else { return answer };
    let address = view.source().map_or_else(dash, |source| source.url.to_string());
    let answer = answer.with_note(format!(
        "note: the identity provider is {} now, fetched from {address}",
        provider.entity_id
    ));
    provider.certificates.iter().fold(answer, |answer, certificate| {
        answer.with_note(format!("note: it signs with the certificate SHA-256 {}", certificate.fingerprint))
    })
}

/// Where metadata is fetched, in JSON.
fn source_object(view: &OrganizationView) -> Option<Value> {
    let source = view.source()?;
    Some(json!({
        "url": source.url.as_str(),
        "checked_at": source.checked_at.map(|at| at.to_string()),
        "due_at": source.due_at.to_string(),
        "failures": source.failures,
        "fault": source.fault,
        "held_entity_id": view.held_entity_id(),
    }))
}

/// An organization in JSON.
pub(super) fn object(view: &OrganizationView) -> Value {
    let organization = &view.record.organization;
    let (provider, fault) = match &view.provider {
        ProviderState::Known(provider) => (Some(provider_object(provider)), None),
        ProviderState::Unusable(why) => (None, Some(why)),
        ProviderState::Absent => (None, None),
    };
    json!({
        "id": organization.id.as_str(),
        "name": organization.name.as_str(),
        "domains": domains(organization),
        "origin": origin(view.record.origin),
        "paused_at": view.record.paused_at.map(|at| at.to_string()),
        "provider": provider,
        "provider_fault": fault,
        "options": options::object(&view.options),
        "metadata": source_object(view),
        "notes": view.notes(),
    })
}

fn provider_object(provider: &Provider) -> Value {
    let certificates = provider.certificates.iter().map(|certificate| {
        json!({
            "subject": certificate.subject,
            "sha256": certificate.fingerprint,
            "not_before": certificate.not_before.to_string(),
            "not_after": certificate.not_after.to_string(),
            "key": certificate.key,
        })
    });
    json!({
        "entity_id": provider.entity_id,
        "sso_url": provider.sso_url.as_str(),
        "certificates": certificates.collect::<Vec<_>>(),
        "warnings": provider.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn domains(organization: &Organization) -> Vec<&str> {
    organization.domains.iter().map(EmailDomain::as_str).collect()
}

/// Adds a part.
fn add(json: &mut Value, name: &str, part: Value) {
    if let Some(json) = json.as_object_mut() {
        json.insert(name.to_owned(), part);
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Declared => "declared",
        Origin::Created => "created",
    }
}
