//! What must hold, or probably should, between keys of different sections.
//!
//! Separate because no section knows another.

use std::time::Duration;

use http::Uri;

use crate::saml::Certificate;
use crate::target::RequestTarget;

use super::reading::Reading;
use super::{App, Config, Listen, Organization, Saml, address};

/// Refuses addresses that the listener cannot serve.
pub(super) fn check(
    app: Option<&App>,
    saml: Option<&Saml>,
    listen: Option<&Listen>,
    reading: &mut Reading<'_>,
) {
    let urls = [("app.url", app.map(|app| &app.url)), ("saml.acs_url", saml.map(|saml| &saml.acs_url))];
    if listen.is_some_and(|listen| !listen.tls.is_empty()) {
        for (key, url) in urls {
            if url.is_some_and(|url| url.scheme() == "http") {
                let message = "is http://, but listen.tls makes the listener speak https only";
                reading.findings.refuse(key, message, "write https://, or remove [listen.tls]");
            }
        }
    }
    let (Some(app), Some(saml)) = (app, saml) else { return };
    let (app, acs) = (&app.url, &saml.acs_url);
    let message = if app.scheme() != acs.scheme() {
        "one is http:// and the other https://, which one listener cannot serve"
    } else if app.scheme() == "http" && app.port_or_known_default() != acs.port_or_known_default() {
        "the ports differ, and one listener has one port"
    } else {
        return;
    };
    let message = format!("does not go with app.url ({}): {message}", address::origin(app));
    let origin = format!("begin it with {}://", app.scheme());
    let port = app.port().map_or_else(String::new, |port| format!(" and use port {port}"));
    reading.findings.refuse("saml.acs_url", message, format!("{origin}{port}, as app.url does"));
}

/// Notes what is valid, but probably not meant.
pub(super) fn note(config: &Config, reading: &mut Reading<'_>) {
    let mut notes = Vec::new();
    note_certificates(config, reading, &mut notes);
    note_own_keys(config, reading, &mut notes);
    if let Some(path) = &config.other_sign_on_url
        && let Some(target) = path.parse::<Uri>().ok().and_then(|uri| RequestTarget::parse(&uri).ok())
        && path.starts_with('/')
        && !config.app.public_paths.iter().any(|rule| rule.covers(&target))
    {
        notes.push(format!(
            "sign_on.other_url: {path} is not in app.public_paths, so it leads back to the sign-on page"
        ));
    }
    if let Some((server, _)) = &config.mail.route
        && server.may_be_clear()
    {
        notes.push(format!(
            "mail.smtp: mail may cross the network in the clear ({server}); ?tls=required forbids it"
        ));
    }
    if config.organizations.is_empty() {
        notes.push("organization: there is none, so nobody can sign on yet".to_owned());
    }
    for organization in &config.organizations {
        note_organization(organization, reading, &mut notes);
    }
    reading.findings.notes.append(&mut notes);
}

fn note_certificates(config: &Config, reading: &Reading<'_>, notes: &mut Vec<String>) {
    let tls = &config.listen.tls;
    for pair in tls {
        let path = pair.certificate.display();
        if pair.not_after <= reading.now {
            notes.push(format!("listen.tls: {path} has expired on {}", day(pair.not_after)));
        } else if pair.not_after <= soon(reading.now) {
            notes.push(format!("listen.tls: {path} expires on {}", day(pair.not_after)));
        }
    }
    for (key, url) in [("app.url", &config.app.url), ("saml.acs_url", &config.saml.acs_url)] {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if !tls.is_empty() && !tls.iter().any(|pair| pair.covers(host)) {
            notes.push(format!(
                "listen.tls: no certificate is for {host} ({key}), so browsers will not accept it"
            ));
        }
    }
}

fn note_own_keys(config: &Config, reading: &Reading<'_>, notes: &mut Vec<String>) {
    for (path, mode) in &config.saml.open_key_files {
        let path = path.display();
        notes.push(format!(
            "saml.signing_key: {path} is open to others (mode {mode:03o}); run `chmod 600 {path}`"
        ));
    }
    for key in &config.saml.keys {
        let (name, end) = (key.certificate().fingerprint(), key.certificate().not_after());
        let name = name.get(..16).unwrap_or_default();
        if end <= reading.now {
            notes.push(format!(
                "saml.certificate: the one of fingerprint {name}… has expired on {}",
                day(end)
            ));
        } else if end <= soon(reading.now) {
            notes.push(format!("saml.certificate: the one of fingerprint {name}… expires on {}", day(end)));
        }
    }
}

fn note_organization(organization: &Organization, reading: &Reading<'_>, notes: &mut Vec<String>) {
    let id = &organization.organization.id;
    let Some(idp) = organization.idp() else { return };
    let last = idp.certificates().iter().map(Certificate::not_after).max();
    if let Some(last) = last.filter(|last| *last <= reading.now) {
        notes.push(format!("organization {id}: all signing certificates have expired, the last on {}, so nobody can sign on; download the metadata again", day(last)));
    } else if let Some(last) = last.filter(|last| *last <= soon(reading.now)) {
        notes.push(format!("organization {id}: the last signing certificate expires on {}", day(last)));
    }
    if let Some(until) = idp.valid_until().filter(|until| *until <= reading.now) {
        notes.push(format!("organization {id}: the metadata was valid until {until} only, so nobody can sign on; fetch a fresh copy from the identity provider"));
    } else if let Some(until) = idp.valid_until().filter(|until| *until <= soon(reading.now)) {
        notes.push(format!("organization {id}: the metadata is valid until {} only", day(until)));
    }
}

/// Renewing a certificate takes some people weeks.
fn soon(now: jiff::Timestamp) -> jiff::Timestamp {
    now.saturating_add(Duration::from_hours(60 * 24)).unwrap_or(jiff::Timestamp::MAX)
}

/// The day in UTC, as in `2027-03-01`.
pub(super) fn day(moment: jiff::Timestamp) -> String {
    moment.strftime("%Y-%m-%d").to_string()
}
