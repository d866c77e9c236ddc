//! Organizations at run time: made from what a customer e-mails in, changed, paused and removed.
//!
//! Separate from their preview, which changes nothing. What stands in the configuration file is changed there; only
//! pausing works for every organization.
//!
//! Rules: a domain that another organization has must be confirmed; an identity provider that another one has is
//! refused; another entity ID is never taken over silently.

use serde_json::{Value, json};
use url::Url;

use super::obtain::MetadataForm;
use super::options::OptionsForm;
use super::preview::{Checked, OrganizationForm, read_domains, refusal, shared_domains};
use super::providers::{self, Provider, ProviderState};
use super::{Actor, Admin, FieldProblem, Outcome, Refused, Result};
use crate::directory::{ConnectionOptions, DisplayName, Property};
use crate::email::EmailDomain;
use crate::id::{ConnectionId, OrganizationId};
use crate::saml::metadata;
use crate::store::{
    MetadataSource, NewMetadata, OrganizationChange, OrganizationChanged, OrganizationRecord, Origin,
    Outsiders, Rival, StoredConnection,
};

/// Whether domains may be shared with other organizations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedDomains {
    /// No: tell which would be.
    Refuse,
    /// Yes, it is meant.
    Accept,
}

/// Whether metadata may be of another identity provider than so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityIdChange {
    /// No: tell which it is.
    Refuse,
    /// Yes, the customer has moved.
    Accept,
}

/// An organization with its identity provider and properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationView {
    /// What is kept of it.
    pub record: OrganizationRecord,
    /// Its identity provider.
    pub provider: ProviderState,
    /// What is different there.
    pub options: ConnectionOptions,
    /// Its properties, by id, retired ones too.
    pub properties: Vec<Property>,
}

/// An organization after a change of its domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainsChanged {
    /// The organization.
    pub value: OrganizationView,
    /// Whether anything changed; `false` if it was so already.
    pub changed: bool,
    /// Users who cannot sign on with these domains.
    pub outsiders: Outsiders,
}

/// What a customer's administrator has to enter at the identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerValues {
    /// Identifier (Entity ID).
    pub identifier: String,
    /// Reply URL (Assertion Consumer Service URL).
    pub reply_url: Url,
    /// Sign on URL.
    pub sign_on_url: Url,
    /// Where our own metadata can be downloaded, for providers that read it.
    pub metadata_url: Option<Url>,
    /// Our certificate as PEM, if we have one.
    pub certificate: Option<String>,
}

impl Admin {
    /// What a customer's administrator has to enter; the same for every customer.
    #[must_use]
    pub fn values_for_customer(&self) -> CustomerValues {
        let us = &self.settings().service_provider;
        CustomerValues {
            identifier: us.entity_id.clone(),
            reply_url: us.acs_url.clone(),
            sign_on_url: us.app_url.clone(),
            metadata_url: us.acs_url.join("/saml2/metadata").ok(),
            certificate: us.certificate.clone(),
        }
    }

    /// All organizations with their identity providers, by id.
    pub async fn organization_views(&self) -> Result<Vec<OrganizationView>> {
        let properties = self.store.properties(None).await?;
        let records = self.store.organization_records().await?;
        Ok(records.into_iter().map(|record| self.view(record, &properties)).collect())
    }

    /// One organization with its identity provider.
    pub async fn organization_view(&self, id: &OrganizationId) -> Result<OrganizationView> {
        let record = self.organization_record(id).await?;
        Ok(self.view(record, &self.store.properties(Some(id)).await?))
    }

    /// Makes an organization.
    pub async fn create_organization(
        &self,
        form: &OrganizationForm<'_>,
        shared: SharedDomains,
        actor: &Actor,
    ) -> Result<OrganizationView> {
        let (preview, checked) = self.check_form(form).await?;
        if let Some(refused) = refusal(&preview) {
            return Err(refused.into());
        }
        let Some(Checked { organization, obtained, options }) = checked else {
            return Err(Refused::Fields(preview.problems).into());
        };
        check_shared(preview.shared_domains, shared)?;
        let id = organization.id.clone();
        let details = json!({
            "name": organization.name.as_str(),
            "domains": domain_names(&organization.domains),
            "provider": provider_details(&obtained.provider),
            "metadata_url": obtained.url.as_ref().map(Url::as_str),
        });
        let NewMetadata { metadata, entity_id, source } =
            obtained.into_new(self.now(), self.settings().metadata_refresh);
        let connection = StoredConnection {
            id: ConnectionId::parse(id.as_str())
                .expect("an organization's id has the form of a connection's"),
            metadata,
            options,
            changed_at: self.now(),
            entity_id,
            source,
        };
        let change = OrganizationChange::Create { organization, connection };
        self.change_organization(&id, &change, ("organization.created", details), actor).await?;
        self.organization_view(&id).await
    }

    /// Gives an organization another name.
    pub async fn rename_organization(
        &self,
        id: &OrganizationId,
        name: &str,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let name =
            DisplayName::parse(name).map_err(|error| FieldProblem::refuse("name", error.to_string()))?;
        let change = OrganizationChange::Rename(id.clone(), name);
        self.changed(id, &change, ("organization.renamed", json!({})), actor).await
    }

    /// Gives an organization other domains. Users outside them stay, but cannot sign on: the outcome tells of them.
    pub async fn set_domains(
        &self,
        id: &OrganizationId,
        domains: &str,
        shared: SharedDomains,
        actor: &Actor,
    ) -> Result<DomainsChanged> {
        let domains = read_domains(domains).map_err(|error| FieldProblem::refuse("domains", error))?;
        let records = self.store.organization_records().await?;
        let before = self.organization_record(id).await?.organization;
        // What is shared already was confirmed before.
        let new: Vec<_> = domains.iter().filter(|domain| !before.domains.contains(domain)).cloned().collect();
        check_shared(shared_domains(&new, Some(id), &records), shared)?;
        let change = OrganizationChange::Domains(id.clone(), domains);
        let told = ("organization.domains_changed", json!({}));
        let Outcome { value, changed } = self.changed(id, &change, told, actor).await?;
        Ok(DomainsChanged { value, changed, outsiders: self.outsiders(id).await? })
    }

    /// Users of an organization whose addresses are outside its domains: its identity provider may not vouch for
    /// them, so they cannot sign on.
    pub async fn outsiders(&self, id: &OrganizationId) -> Result<Outsiders> {
        Ok(self.store.outsiders(id, OUTSIDERS_NAMED_MAX).await?)
    }

    /// Replaces the metadata of an organization, e.g. with new certificates.
    pub async fn replace_metadata(
        &self,
        id: &OrganizationId,
        form: impl Into<MetadataForm<'_>>,
        entity_id_change: EntityIdChange,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let form = form.into();
        self.organization_record(id).await?;
        let obtained = self.obtain(&form).await.map_err(|problem| Refused::Fields(vec![problem]))?;
        let preview = self.preview_obtained(id, &obtained).await?;
        let entity_id = preview.provider.entity_id.clone();
        if let Some(organization) = preview.provider_of {
            return Err(Refused::EntityIdTaken { entity_id, organization }.into());
        }
        if let (Some(old), EntityIdChange::Refuse) = (&preview.other_entity_id, entity_id_change) {
            let refused = Refused::EntityIdChanged { id: id.clone(), old: old.clone(), new: entity_id };
            return Err(refused.into());
        }
        if preview.is_entity_id_lost && entity_id_change == EntityIdChange::Refuse {
            return Err(Refused::EntityIdLost { id: id.clone(), new: entity_id }.into());
        }
        let removed: Vec<_> = preview.removed.iter().map(|certificate| &certificate.fingerprint).collect();
        let details = json!({
            "provider": provider_details(&obtained.provider),
            "metadata_url": obtained.url.as_ref().map(Url::as_str),
            "entity_id_before": preview.other_entity_id,
            "certificates_added": preview.added,
            "certificates_removed": removed,
        });
        let change = OrganizationChange::Metadata(
            id.clone(),
            obtained.into_new(self.now(), self.settings().metadata_refresh),
        );
        self.changed(id, &change, ("organization.metadata_replaced", details), actor).await
    }

    /// Accepts that the address of an organization's metadata has that of another identity provider by now; the
    /// `expected` one alone, if one is named.
    pub async fn accept_entity_id(
        &self,
        id: &OrganizationId,
        expected: Option<&str>,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let view = self.organization_view(id).await?;
        let Some(held) = view.held_metadata() else {
            return Err(Refused::NothingHeld { id: id.clone() }.into());
        };
        let idp = metadata::parse(held.as_bytes(), self.now())
            .map_err(|error| FieldProblem::refuse("metadata", format!("cannot be used: {error}")))?;
        if let Some(expected) = expected.filter(|expected| *expected != idp.entity_id()) {
            let (old, new) = (expected.to_owned(), idp.entity_id().to_owned());
            return Err(Refused::EntityIdChanged { id: id.clone(), old, new }.into());
        }
        let records = self.store.organization_records().await?;
        let settings = self.settings();
        if let Some(organization) = providers::owner_of(idp.entity_id(), Some(id), &records, &settings) {
            return Err(Refused::EntityIdTaken { entity_id: idp.entity_id().to_owned(), organization }.into());
        }
        let before = match &view.provider {
            ProviderState::Known(provider) => Some(provider_details(provider)),
            ProviderState::Unusable(_) | ProviderState::Absent => None,
        };
        let details = json!({
            "provider_before": before,
            "provider": provider_details(&Provider::of(&idp, self.now())),
        });
        let change = OrganizationChange::AcceptMetadata(id.clone(), held.to_owned());
        self.changed(id, &change, ("organization.entity_id_accepted", details), actor).await
    }

    /// Lets nobody of an organization sign on any more, and ends their sessions. Agents may not pause the last
    /// organization that has agents.
    pub async fn pause_organization(
        &self,
        id: &OrganizationId,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        // An agent could not undo what ends the sessions of all agents; who has the command line can.
        let change = match actor.email() {
            Some(_) => OrganizationChange::PauseKeepingSupport(id.clone()),
            None => OrganizationChange::Pause(id.clone()),
        };
        self.changed(id, &change, ("organization.paused", json!({})), actor).await
    }

    /// Undoes a pause.
    pub async fn resume_organization(
        &self,
        id: &OrganizationId,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let change = OrganizationChange::Resume(id.clone());
        self.changed(id, &change, ("organization.resumed", json!({})), actor).await
    }

    /// Removes an organization that has no users, with its properties.
    pub async fn remove_organization(&self, id: &OrganizationId, actor: &Actor) -> Result<()> {
        let record = self.organization_record(id).await?;
        let details = json!({
            "name": record.organization.name.as_str(),
            "domains": domain_names(&record.organization.domains),
        });
        let change = OrganizationChange::Remove(id.clone());
        self.change_organization(id, &change, ("organization.removed", details), actor).await.map(drop)
    }

    /// Changes what is different at an organization's identity provider.
    pub async fn set_options(
        &self,
        id: &OrganizationId,
        form: &OptionsForm<'_>,
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let present = self.organization_view(id).await?.options;
        let options = form.applied_to(&present).map_err(Refused::Fields)?;
        let change = OrganizationChange::Options(id.clone(), options);
        self.changed(id, &change, ("organization.options_changed", json!({})), actor).await
    }

    async fn changed(
        &self,
        id: &OrganizationId,
        change: &OrganizationChange,
        told: (&'static str, Value),
        actor: &Actor,
    ) -> Result<Outcome<OrganizationView>> {
        let changed = self.change_organization(id, change, told, actor).await?;
        Ok(Outcome { value: self.organization_view(id).await?, changed })
    }

    /// Changes an organization; whether anything was.
    async fn change_organization(
        &self,
        id: &OrganizationId,
        change: &OrganizationChange,
        (action, details): (&'static str, Value),
        actor: &Actor,
    ) -> Result<bool> {
        let event = self.event(action, actor, id.as_str(), details);
        let refused = match self.store.change_organization(change, event).await? {
            OrganizationChanged::Changed => return Ok(true),
            OrganizationChanged::Unchanged => return Ok(false),
            OrganizationChanged::NoSuchOrganization => self.no_such_organization(id.clone()).await?,
            OrganizationChanged::IdTaken => Refused::OrganizationTaken { id: id.clone() },
            OrganizationChanged::ProviderTaken(Rival { organization, entity_id }) => {
                Refused::EntityIdTaken { entity_id, organization }
            }
            OrganizationChanged::Declared => Refused::Declared { id: id.clone() },
            OrganizationChanged::NoProvider => Refused::NoProvider { id: id.clone() },
            OrganizationChanged::LastSupport => Refused::SupportPaused { id: id.clone() },
            OrganizationChanged::HasUsers(count) => Refused::OrganizationHasUsers { id: id.clone(), count },
        };
        Err(refused.into())
    }

    fn view(&self, record: OrganizationRecord, properties: &[Property]) -> OrganizationView {
        let id = &record.organization.id;
        let settings = self.settings();
        OrganizationView {
            provider: providers::of_record(&record, &settings, self.now()),
            options: providers::options_of(&record, &settings),
            properties: properties.iter().filter(|known| known.organization == *id).cloned().collect(),
            record,
        }
    }
}

impl OrganizationView {
    /// Where its metadata is fetched and how that goes, if it is.
    #[must_use]
    pub fn source(&self) -> Option<&MetadataSource> {
        self.record.connection.as_ref()?.source.as_ref()
    }

    fn held_metadata(&self) -> Option<&str> {
        self.source()?.held.as_deref()
    }

    /// The entity ID that its metadata has by now and that nobody has accepted yet.
    #[must_use]
    pub fn held_entity_id(&self) -> Option<String> {
        metadata::read(self.held_metadata()?.as_bytes(), None).ok().map(|idp| idp.entity_id().to_owned())
    }

    /// What is wrong with fetching its metadata, each as a sentence without its stop.
    #[must_use]
    pub fn source_notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(held) = self.held_entity_id() {
            let address = self.source().map_or("", |source| source.url.as_str());
            let id = &self.record.organization.id;
            notes.push(format!(
                "the metadata at {address} is of another identity provider by now ({held}), which nobody has accepted \
                 yet; what was fetched before stays in force. If the customer says that this is right, `anteroom \
                 organization metadata {id} --accept-entity-id --entity-id {held}` accepts it"
            ));
        }
        if let Some(source) = self.source()
            && let Some(fault) = &source.fault
        {
            let tries =
                if source.failures == 1 { "once".to_owned() } else { format!("{} times", source.failures) };
            notes.push(format!("the metadata could not be refreshed ({tries} so far): {fault}"));
        }
        notes
    }

    /// Everything that is wrong with its identity provider or soon will be, each as a sentence without its stop.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.source_notes();
        match &self.provider {
            ProviderState::Known(provider) => notes.extend(provider.warnings.iter().map(ToString::to_string)),
            ProviderState::Unusable(why) => notes.push(format!("nobody can sign on: {why}")),
            ProviderState::Absent => {}
        }
        notes
    }

    /// Whether it is changed in the configuration file only.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.record.origin == Origin::Declared
    }
}

/// As many as show who is meant.
const OUTSIDERS_NAMED_MAX: u32 = 5;

fn check_shared(
    found: Vec<(EmailDomain, OrganizationId)>,
    shared: SharedDomains,
) -> std::result::Result<(), Refused> {
    if found.is_empty() || shared == SharedDomains::Accept {
        Ok(())
    } else {
        Err(Refused::DomainsShared(found))
    }
}

fn domain_names(domains: &[EmailDomain]) -> Vec<&str> {
    domains.iter().map(EmailDomain::as_str).collect()
}

fn provider_details(provider: &Provider) -> Value {
    let fingerprints: Vec<_> =
        provider.certificates.iter().map(|certificate| &certificate.fingerprint).collect();
    json!({"entity_id": provider.entity_id, "certificates": fingerprints})
}
