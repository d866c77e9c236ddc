//! `anteroom check`: what a configuration amounts to, or everything that is wrong with it.
//!
//! Separate from loading because its reader is a person (or a pipeline) before a start, not the program.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::email::EmailDomain;
use crate::saml::Certificate;

use super::agreement::day;
use super::organization::Metadata;
use super::problem::{Place, Problem, Problems};
use super::{Config, Environment, Organization, address, load};

/// What a check has found.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    outcome: Result<Config, Problems>,
}

/// Checks a configuration.
#[must_use]
pub fn report(path: &Path, environment: &Environment, now: Timestamp) -> Report {
    Report { path: path.to_owned(), outcome: load(path, environment, now) }
}

impl Report {
    /// Whether Anteroom would start with it.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.outcome.is_ok()
    }

    /// The configuration, if Anteroom would start with it.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.outcome.as_ref().ok()
    }

    /// The report for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.outcome {
            Ok(config) => json!({
                "ok": true,
                "problems": [],
                "notes": config.notes,
                "app_url": address::origin(&config.app.url),
                "entity_id": config.saml.entity_id,
                "acs_url": config.saml.acs_url.as_str(),
                "upstreams": config.app.upstreams.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "own_certificates": config.saml.keys.iter().map(|key| certificate_json(key.certificate())).collect::<Vec<_>>(),
                "mail": config.mail.route.as_ref().map(|(server, from)| json!({
                    "server": server.to_string(),
                    "from": from.to_string(),
                })),
                "organizations": config.organizations.iter().map(organization_json).collect::<Vec<_>>(),
            }),
            Err(problems) => json!({
                "ok": false,
                "problems": problems.list.iter().map(problem_json).collect::<Vec<_>>(),
            }),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match &self.outcome {
            Ok(config) => config,
            Err(problems) => return write!(f, "{problems}"),
        };
        writeln!(f, "{}: ok", self.path.display())?;
        writeln!(f, "  application    {}", address::origin(&config.app.url))?;
        writeln!(f, "  entity ID      {}", config.saml.entity_id)?;
        writeln!(f, "  reply URL      {}", config.saml.acs_url)?;
        for upstream in &config.app.upstreams.addresses {
            writeln!(f, "  upstream       {upstream}")?;
        }
        for key in &config.saml.keys {
            let end = day(key.certificate().not_after());
            writeln!(f, "  own key        until {end}, SHA-256 {}", key.certificate().fingerprint())?;
        }
        let tls = if config.listen.tls.is_empty() { "http" } else { "https" };
        writeln!(f, "  listener       {} ({tls}), ops {}", config.listen.public, config.listen.ops)?;
        writeln!(f, "  store          {}", config.store.database.display())?;
        match &config.mail.route {
            Some((server, from)) => writeln!(f, "  mail           from {from} by {server}")?,
            None => writeln!(f, "  mail           none, messages wait in the outbox")?,
        }
        for pair in &config.listen.tls {
            writeln!(f, "  certificate    {} until {}", pair.names.join(", "), day(pair.not_after))?;
        }
        for organization in &config.organizations {
            write_organization(f, organization)?;
        }
        for note in &config.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

fn write_organization(f: &mut fmt::Formatter<'_>, organization: &Organization) -> fmt::Result {
    let customer = &organization.organization;
    let domains: Vec<_> = customer.domains.iter().map(EmailDomain::as_str).collect();
    writeln!(f, "  organization   {} ({}): {}", customer.id, customer.name, domains.join(", "))?;
    match &organization.metadata {
        Metadata::File { idp, .. } => writeln!(f, "    provider     {}", idp.entity_id())?,
        Metadata::Url(url) => writeln!(f, "    metadata     fetched from {url}")?,
    }
    for certificate in organization.idp().map_or(&[][..], |idp| idp.certificates()) {
        let end = day(certificate.not_after());
        writeln!(f, "    certificate  until {end}, SHA-256 {}", certificate.fingerprint())?;
    }
    if !organization.options.is_default() {
        let options = json!(*organization.options);
        for (name, value) in options.as_object().into_iter().flatten() {
            writeln!(f, "    option       {name}: {value}")?;
        }
    }
    Ok(())
}

fn organization_json(organization: &Organization) -> Value {
    let customer = &organization.organization;
    let url = match &organization.metadata {
        Metadata::Url(url) => Some(url.as_str()),
        Metadata::File { .. } => None,
    };
    let certificates =
        organization.idp().map_or(&[][..], |idp| idp.certificates()).iter().map(certificate_json);
    json!({
        "id": customer.id.as_str(),
        "name": customer.name.as_str(),
        "domains": customer.domains.iter().map(EmailDomain::as_str).collect::<Vec<_>>(),
        "entity_id": organization.idp().map(|idp| idp.entity_id()).or(organization.entity_id.as_deref()),
        "metadata_url": url,
        "certificates": certificates.collect::<Vec<_>>(),
        "options": *organization.options,
    })
}

fn certificate_json(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "not_after": certificate.not_after().to_string(),
        "sha256": certificate.fingerprint(),
    })
}

fn problem_json(problem: &Problem) -> Value {
    let (line, column, variable) = match &problem.place {
        Place::File => (None, None, None),
        Place::Line(line) => (Some(line), None, None),
        Place::Position(line, column) => (Some(line), Some(column), None),
        Place::Variable(name) => (None, None, Some(name)),
    };
    json!({
        "file": problem.file.display().to_string(),
        "line": line,
        "column": column,
        "variable": variable,
        "key": problem.key,
        "message": problem.message,
        "remedy": problem.remedy,
    })
}
