//! Organizations: the list, one of them, and its changes.
//!
//! Separate from `onboarding`, which reads metadata.

use std::collections::HashMap;

use http::StatusCode;

use crate::admin::{self, Provider, ProviderState, Refused, SharedDomains, Warning};
use crate::directory::{Organization, Property};
use crate::email::EmailDomain;
use crate::id::{OrganizationId, PropertyId};
use crate::pages::Field;
use crate::pages::support::{
    Banner, Certificate, Done, Endpoint, LastTest, MetadataFacts, OrganizationLine, OrganizationPage,
    Organizations, PropertyLine, ProviderFacts, Question, Section, SharedDomain,
};
use crate::routes::support::onboarding::asks_for_entity_id;
use crate::routes::support::{changed, done, organization_path};
use crate::routes::table::OrganizationDeed;
use crate::routes::work::{Desk, Handled, Reply, problem_of, sentence, status_of};
use crate::store::AuditFilter;

impl Desk {
    /// `GET /.anteroom/support/organizations`.
    pub(super) async fn organizations(&self) -> Handled {
        let views = self.admin().organization_views().await?;
        let users = self.admin().users_by_organization().await?;
        let mut rows: Vec<_> = views
            .iter()
            .map(|view| {
                let organization = &view.record.organization;
                let provider = known(&view.provider);
                OrganizationLine {
                    id: organization.id.as_str().to_owned(),
                    name: organization.name.as_str().to_owned(),
                    domains: organization.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
                    provider: provider.map(kind_of),
                    expires: provider.and_then(Provider::last_not_after).map(|at| self.expiry(at)),
                    paused: view.record.paused_at.map(|at| self.moment(at)),
                    note: view.notes().first().map(|note| sentence(note)),
                    is_declared: view.is_declared(),
                    users: users.get(&organization.id).copied().unwrap_or_default(),
                    properties: u64::try_from(in_use(&view.properties)).unwrap_or(u64::MAX),
                }
            })
            .collect();
        rows.sort_by_cached_key(|row| row.name.to_lowercase());
        let view = Organizations { agent: self.agent(), banner: self.done_banner(), rows };
        Ok(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    /// `POST /.anteroom/support/organizations/{id}/…`.
    pub(super) async fn change_organization(&self, id: &OrganizationId, deed: OrganizationDeed) -> Handled {
        match self.do_to_organization(id, deed).await {
            Err(admin::Error::Refused(refused @ Refused::NoSuchOrganization { .. })) => Err(refused.into()),
            Err(admin::Error::Refused(refused)) => {
                let has_place = matches!(
                    refused,
                    Refused::Fields(_) | Refused::DomainsShared(_) | Refused::Table(_) | Refused::Lines(_)
                );
                let banner = (!has_place).then(|| Banner::Refused(sentence(&refused.to_string())));
                self.organization_page(id, status_of(&refused), banner, Some((deed, &refused))).await
            }
            handled => handled,
        }
    }

    async fn do_to_organization(&self, id: &OrganizationId, deed: OrganizationDeed) -> Handled {
        let (admin, actor, page) = (self.admin(), &self.actor, organization_path(id));
        let is_changed = match deed {
            OrganizationDeed::Rename => {
                admin.rename_organization(id, self.form.text("name"), actor).await?.changed
            }
            OrganizationDeed::Domains => {
                let shared = self.shared_domains();
                admin.set_domains(id, self.form.text("domains"), shared, actor).await?.changed
            }
            OrganizationDeed::Options => admin.set_options(id, &self.options_form(), actor).await?.changed,
            OrganizationDeed::Pause => {
                let view = admin.organization_view(id).await?;
                let question = Question::Pause {
                    organization: view.record.organization.name.as_str().to_owned(),
                    users: self.users_of(id).await?,
                };
                if let Some(question) = self.ask_first(question, (&page, "pause"), Section::Organizations) {
                    return Ok(question);
                }
                admin.pause_organization(id, actor).await?.changed
            }
            OrganizationDeed::Resume => admin.resume_organization(id, actor).await?.changed,
            OrganizationDeed::Remove => {
                let view = admin.organization_view(id).await?;
                let question = Question::RemoveOrganization {
                    organization: view.record.organization.name.as_str().to_owned(),
                    properties: u64::try_from(view.properties.len()).unwrap_or(u64::MAX),
                };
                if let Some(question) = self.ask_first(question, (&page, "remove"), Section::Organizations) {
                    return Ok(question);
                }
                admin.remove_organization(id, actor).await?;
                return Ok(done("/.anteroom/support/organizations", Done::OrganizationRemoved));
            }
            OrganizationDeed::MetadataPreview => return self.preview_metadata(id).await,
            OrganizationDeed::Metadata => return self.replace_metadata(id).await,
            OrganizationDeed::AddProperty => return self.add_property(id).await,
            OrganizationDeed::ImportProperties => return self.import_properties(id).await,
        };
        Ok(changed(&page, is_changed, deed.done()))
    }

    pub(super) fn shared_domains(&self) -> SharedDomains {
        if self.form.is_ticked("confirm_shared") { SharedDomains::Accept } else { SharedDomains::Refuse }
    }

    /// `GET /.anteroom/support/organizations/{id}`. With a refusal: of which form, and why.
    pub(super) async fn organization_page(
        &self,
        id: &OrganizationId,
        status: StatusCode,
        banner: Option<Banner>,
        refused: Option<(OrganizationDeed, &Refused)>,
    ) -> Handled {
        let view = self.admin().organization_view(id).await?;
        let organization = &view.record.organization;
        let others = self.admin().organizations().await?;
        let users_at = self.admin().users_by_property(id).await?;
        let outsiders = self.admin().outsiders(id).await?;
        let of = |deed| refused.filter(|(of, _)| *of == deed).map(|(_, refused)| refused);
        let typed = |deed, name, present: &str| {
            of(deed).map_or_else(|| Field::with(present), |refused| self.typed(name, Some(refused)))
        };
        let present: Vec<_> = organization.domains.iter().map(EmailDomain::as_str).collect();
        let domains = of(OrganizationDeed::Domains);
        let page = OrganizationPage {
            agent: self.agent(),
            banner,
            id: id.as_str().to_owned(),
            name: organization.name.as_str().to_owned(),
            domains: organization.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
            shared: shared_with(organization, &others),
            is_declared: view.is_declared(),
            paused: view.record.paused_at.map(|at| self.moment(at)),
            provider: known(&view.provider).map(|provider| MetadataFacts {
                url: view.source().map(|source| source.url.to_string()),
                ..self.metadata_facts(provider, "")
            }),
            metadata_changed: view.record.connection.as_ref().map(|one| self.moment(one.changed_at)),
            options: self.sign_on_options(&view, of(OrganizationDeed::Options)),
            values: self.values_for_customer(),
            last_test: self.last_test(id).await?,
            properties: self.property_lines(&view.properties, &users_at),
            users: self.users_of(id).await?,
            outsiders: (outsiders.count, outsiders.first.iter().map(ToString::to_string).collect()),
            new_name: typed(OrganizationDeed::Rename, "name", organization.name.as_str()),
            new_domains: match domains {
                Some(Refused::DomainsShared(shared)) => Field {
                    value: self.form.text("domains").to_owned(),
                    problem: Some(sentence(&Refused::DomainsShared(shared.clone()).to_string())),
                },
                _ => typed(OrganizationDeed::Domains, "domains", &present.join("\n")),
            },
            asks_for_shared: matches!(domains, Some(Refused::DomainsShared(_))),
            metadata_problem: problem_of(of(OrganizationDeed::MetadataPreview), "metadata")
                .or_else(|| problem_of(of(OrganizationDeed::Metadata), "metadata")),
            metadata_url: typed(
                OrganizationDeed::MetadataPreview,
                "metadata_url",
                view.source().map_or("", |source| source.url.as_str()),
            ),
            entity_id: of(OrganizationDeed::MetadataPreview)
                .filter(|refused| asks_for_entity_id(Some(refused)))
                .map(|refused| self.typed("entity_id", Some(refused))),
            notes: view.notes().iter().map(|note| sentence(note)).collect(),
            checked: view.source().and_then(|source| source.checked_at).map(|at| self.moment(at)),
            is_fetched: view.source().is_some(),
            property_id: typed(OrganizationDeed::AddProperty, "property_id", ""),
            property_name: typed(OrganizationDeed::AddProperty, "name", ""),
            table_problems: of(OrganizationDeed::ImportProperties).map(table_problems).unwrap_or_default(),
        };
        Ok(Reply::PageToProvider(status, page.render(self.brand())))
    }

    fn values_for_customer(&self) -> ProviderFacts {
        let values = self.admin().values_for_customer();
        ProviderFacts {
            identifier: values.identifier,
            reply_url: values.reply_url.into(),
            sign_on_url: values.sign_on_url.into(),
            metadata_url: values.metadata_url.map(String::from).unwrap_or_default(),
            certificate: values.certificate,
        }
    }

    /// What metadata says, with its text where it is to be sent back.
    pub(super) fn metadata_facts(&self, provider: &Provider, xml: &str) -> MetadataFacts {
        let endpoint = |purpose: &str, url: &url::Url| Endpoint {
            purpose: purpose.to_owned(),
            binding: "HTTP-Redirect".to_owned(),
            url: url.as_str().to_owned(),
        };
        let mut endpoints = vec![endpoint("Sign on", &provider.sso_url)];
        endpoints.extend(provider.slo_url.as_ref().map(|url| endpoint("Sign out", url)));
        let certificates = provider.certificates.iter().map(|certificate| Certificate {
            subject: certificate.subject.clone(),
            fingerprint: certificate.fingerprint.clone(),
            expires: self.expiry(certificate.not_after),
        });
        MetadataFacts {
            entity_id: provider.entity_id.clone(),
            provider: kind_of(provider),
            endpoints,
            certificates: certificates.collect(),
            xml: xml.to_owned(),
            url: None,
            chosen: None,
        }
    }

    /// The newest trial of the connection, as the audit log tells it.
    async fn last_test(&self, id: &OrganizationId) -> admin::Result<Option<LastTest>> {
        let filter = AuditFilter {
            action_prefix: Some("connection.test_begun".to_owned()),
            subject: Some(id.as_str().to_owned()),
            limit: 1,
            ..AuditFilter::default()
        };
        let newest = self.admin().audit_search(&filter).await?.pop();
        let Some(entry) = newest else { return Ok(None) };
        let Some(test) = entry.details.get("test").and_then(|test| test.as_str()) else { return Ok(None) };
        let report = self.shared.sign_on.trial_report(test).await?;
        Ok(Some(LastTest {
            id: test.to_owned(),
            at: self.moment(entry.at),
            agent: entry.actor,
            passed: report.map(|report| report.is_good()),
        }))
    }

    fn property_lines(
        &self,
        properties: &[Property],
        users_at: &HashMap<PropertyId, u64>,
    ) -> Vec<PropertyLine> {
        let mut lines: Vec<_> = properties
            .iter()
            .map(|property| PropertyLine {
                id: property.id.as_str().to_owned(),
                name: property.name.as_str().to_owned(),
                users: users_at.get(&property.id).copied().unwrap_or(0),
                retired: property.retired_at.map(|at| self.moment(at)),
            })
            .collect();
        lines.sort_by_cached_key(|line| (line.retired.is_some(), line.name.to_lowercase()));
        lines
    }

    /// How many users an organization has.
    pub(super) async fn users_of(&self, id: &OrganizationId) -> admin::Result<u64> {
        Ok(self.admin().users_by_organization().await?.remove(id).unwrap_or(0))
    }
}

impl OrganizationDeed {
    const fn done(self) -> Done {
        match self {
            Self::Rename => Done::Renamed,
            Self::Domains => Done::DomainsChanged,
            Self::Metadata | Self::MetadataPreview => Done::MetadataChanged,
            Self::Options => Done::OptionsChanged,
            Self::Pause => Done::Paused,
            Self::Resume => Done::Resumed,
            Self::AddProperty => Done::PropertyAdded,
            Self::ImportProperties => Done::PropertiesImported,
            Self::Remove => Done::OrganizationRemoved,
        }
    }
}

/// Whether something will soon go wrong with a provider, in the words of the preview.
pub(super) const fn is_soon(warning: &Warning) -> bool {
    matches!(warning, Warning::LastExpires { .. } | Warning::OneExpires { .. })
}

fn known(state: &ProviderState) -> Option<&Provider> {
    match state {
        ProviderState::Known(provider) => Some(provider),
        ProviderState::Unusable(_) | ProviderState::Absent => None,
    }
}

fn kind_of(provider: &Provider) -> String {
    if provider.is_entra { "Microsoft Entra ID" } else { "Another SAML identity provider" }.to_owned()
}

fn in_use(properties: &[Property]) -> usize {
    properties.iter().filter(|property| property.retired_at.is_none()).count()
}

fn shared_with(organization: &Organization, all: &[Organization]) -> Vec<SharedDomain> {
    let others = || all.iter().filter(|other| other.id != organization.id);
    let of_domain = |domain: &EmailDomain| {
        let owners = others().filter(|other| other.domains.contains(domain));
        let shared = owners.map(|other| SharedDomain {
            domain: domain.as_str().to_owned(),
            organization_id: other.id.as_str().to_owned(),
            organization: other.name.as_str().to_owned(),
        });
        shared.collect::<Vec<_>>()
    };
    organization.domains.iter().flat_map(of_domain).collect()
}

/// One sentence for each line that is wrong.
fn table_problems(refused: &Refused) -> Vec<String> {
    match refused.lines() {
        [] => vec![sentence(&refused.to_string())],
        lines => lines
            .iter()
            .map(|line| format!("Line {}: {}", line.line, sentence(&line.kind.to_string())))
            .collect(),
    }
}
