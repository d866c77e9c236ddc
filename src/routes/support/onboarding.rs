//! From a customer's metadata to a connection: what was read from it before anything is saved, and the saving.
//!
//! Separate because it is done in two steps: the second carries along what the first has shown.

use http::StatusCode;

use crate::admin::{
    self, EntityIdChange, MetadataForm, OptionsForm, OrganizationForm, Provider, Refused, Warning,
};
use crate::email::EmailDomain;
use crate::id::OrganizationId;
use crate::pages::support::{
    Banner, Done, MetadataFacts, MetadataPreview, NewOrganization, OrganizationPreview, PreviewWarning,
};
use crate::routes::support::directory::is_soon;
use crate::routes::support::{changed, done, organization_path};
use crate::routes::work::{Desk, Handled, Reply, problem_of, sentence, status_of};

impl Desk {
    /// `GET /.anteroom/support/organizations/new`.
    pub(super) fn new_organization(&self) -> Reply {
        self.new_organization_form(StatusCode::OK, None)
    }

    fn new_organization_form(&self, status: StatusCode, refused: Option<&Refused>) -> Reply {
        let banner = refused.filter(|refused| refused.fields().is_empty());
        let view = NewOrganization {
            agent: self.agent(),
            banner: banner.map(|refused| Banner::Refused(sentence(&refused.to_string()))),
            name: self.typed("name", refused),
            id: self.typed("id", refused),
            domains: self.typed("domains", refused),
            metadata_problem: problem_of(refused, "metadata"),
            metadata_url: self.typed("metadata_url", refused),
            entity_id: asks_for_entity_id(refused).then(|| self.typed("entity_id", refused)),
        };
        Reply::Page(status, view.render(self.brand()))
    }

    fn organization_form(&self) -> OrganizationForm<'_> {
        OrganizationForm {
            id: self.form.text("id"),
            name: self.form.text("name"),
            domains: self.form.text("domains"),
            metadata: self.form.octets("metadata"),
            metadata_url: self.form.text("metadata_url"),
            entity_id: self.form.text("entity_id"),
            // They are changed afterwards, on the organization's page.
            options: OptionsForm::default(),
        }
    }

    fn metadata_form(&self) -> MetadataForm<'_> {
        MetadataForm {
            metadata: self.form.octets("metadata"),
            url: self.form.text("metadata_url"),
            entity_id: self.form.text("entity_id"),
        }
    }

    /// What is sent back with the metadata.
    fn carried(&self, facts: MetadataFacts) -> MetadataFacts {
        let typed = |name| Some(self.form.text(name).trim().to_owned()).filter(|text| !text.is_empty());
        MetadataFacts { url: typed("metadata_url"), chosen: typed("entity_id"), ..facts }
    }

    /// `POST /.anteroom/support/organizations/preview`.
    pub(super) async fn preview_organization(&self) -> Handled {
        self.organization_preview(StatusCode::OK).await
    }

    async fn organization_preview(&self, status: StatusCode) -> Handled {
        let form = self.organization_form();
        let preview = self.admin().preview_organization(&form).await?;
        let Some(provider) = preview.provider.filter(|_| preview.problems.is_empty()) else {
            let refused = Refused::Fields(preview.problems);
            return Ok(self.new_organization_form(status_of(&refused), Some(&refused)));
        };
        let mut warnings = self.shared_warnings(&preview.shared_domains).await?;
        warnings.extend(self.taken_warning(preview.provider_of.as_ref()).await?);
        warnings.extend(provider_warnings(&provider));
        let view = OrganizationPreview {
            agent: self.agent(),
            name: form.name.trim().to_owned(),
            id: preview.id,
            domains: preview.domains.iter().map(|domain| domain.as_str().to_owned()).collect(),
            facts: self.carried(self.metadata_facts(&provider, &preview.metadata)),
            warnings,
        };
        Ok(Reply::Page(status, view.render(self.brand())))
    }

    /// `POST /.anteroom/support/organizations`.
    pub(super) async fn create_organization(&self) -> Handled {
        let form = self.organization_form();
        match self.admin().create_organization(&form, self.shared_domains(), &self.actor).await {
            Ok(view) => Ok(done(&organization_path(&view.record.organization.id), Done::OrganizationCreated)),
            Err(admin::Error::Refused(
                refused @ (Refused::DomainsShared(_) | Refused::EntityIdTaken { .. }),
            )) => self.organization_preview(status_of(&refused)).await,
            Err(admin::Error::Refused(refused)) => {
                Ok(self.new_organization_form(status_of(&refused), Some(&refused)))
            }
            Err(error) => Err(error),
        }
    }

    /// `POST /.anteroom/support/organizations/{id}/metadata/preview`.
    pub(super) async fn preview_metadata(&self, id: &OrganizationId) -> Handled {
        self.metadata_preview(id, StatusCode::OK).await
    }

    async fn metadata_preview(&self, id: &OrganizationId, status: StatusCode) -> Handled {
        let preview = self.admin().preview_metadata(id, self.metadata_form()).await?;
        let present = self.admin().organization_view(id).await?;
        let mut warnings: Vec<_> =
            self.taken_warning(preview.provider_of.as_ref()).await?.into_iter().collect();
        let before = preview.other_entity_id.map(|before| PreviewWarning::EntityIdChanged { before });
        warnings.extend(before);
        warnings.extend(preview.is_entity_id_lost.then_some(PreviewWarning::EntityIdLost));
        warnings.extend(provider_warnings(&preview.provider));
        let view = MetadataPreview {
            agent: self.agent(),
            id: id.as_str().to_owned(),
            name: present.record.organization.name.as_str().to_owned(),
            facts: self.carried(self.metadata_facts(&preview.provider, &preview.metadata)),
            present: match &present.provider {
                admin::ProviderState::Known(provider) => Some(self.metadata_facts(provider, "")),
                admin::ProviderState::Unusable(_) | admin::ProviderState::Absent => None,
            },
            warnings,
        };
        Ok(Reply::Page(status, view.render(self.brand())))
    }

    /// `POST /.anteroom/support/organizations/{id}/metadata`.
    pub(super) async fn replace_metadata(&self, id: &OrganizationId) -> Handled {
        let is_confirmed = self.form.is_ticked("confirm_entity_id");
        let change = if is_confirmed { EntityIdChange::Accept } else { EntityIdChange::Refuse };
        match self.admin().replace_metadata(id, self.metadata_form(), change, &self.actor).await {
            Ok(outcome) => Ok(changed(&organization_path(id), outcome.changed, Done::MetadataChanged)),
            Err(admin::Error::Refused(
                refused @ (Refused::EntityIdChanged { .. }
                | Refused::EntityIdLost { .. }
                | Refused::EntityIdTaken { .. }),
            )) => self.metadata_preview(id, status_of(&refused)).await,
            Err(error) => Err(error),
        }
    }

    async fn shared_warnings(
        &self,
        shared: &[(EmailDomain, OrganizationId)],
    ) -> admin::Result<Vec<PreviewWarning>> {
        let mut warnings = Vec::new();
        for (domain, owner) in shared {
            let organization = self.organization_name(owner).await?;
            let domain = domain.as_str().to_owned();
            warnings.push(PreviewWarning::SharedDomain { domain, organization });
        }
        Ok(warnings)
    }

    async fn taken_warning(&self, owner: Option<&OrganizationId>) -> admin::Result<Option<PreviewWarning>> {
        let Some(owner) = owner else { return Ok(None) };
        Ok(Some(PreviewWarning::EntityIdTaken {
            organization: self.organization_name(owner).await?,
            organization_id: owner.as_str().to_owned(),
        }))
    }

    async fn organization_name(&self, id: &OrganizationId) -> admin::Result<String> {
        Ok(self.admin().organization(id).await?.name.as_str().to_owned())
    }
}

/// Whether it has to be chosen which identity provider of several is meant.
pub(super) fn asks_for_entity_id(refused: Option<&Refused>) -> bool {
    problem_of(refused, "entity_id").is_some()
}

fn provider_warnings(provider: &Provider) -> Vec<PreviewWarning> {
    let warning = |warning: &Warning| match warning {
        Warning::NoValidCertificate => PreviewWarning::AllExpired,
        soon if is_soon(soon) => PreviewWarning::ExpiresSoon,
        other => PreviewWarning::Other(sentence(&other.to_string())),
    };
    provider.warnings.iter().map(warning).collect()
}
