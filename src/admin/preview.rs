//! A new organization, or new metadata, before anything is saved: what was read, and what stands against it.
//!
//! Separate because it changes nothing; what is saved afterwards goes through the same checks again.

use super::obtain::{MetadataForm, Obtained};
use super::options::OptionsForm;
use super::providers::{self, Provider, ProviderState};
use super::settings::Settings;
use super::{Admin, FieldProblem, Refused, Result};
use crate::directory::{ConnectionOptions, DisplayName, Organization};
use crate::email::EmailDomain;
use crate::id::OrganizationId;
use crate::store::{OrganizationRecord, UserFilter};

/// What a customer e-mails in, as it was typed and uploaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrganizationForm<'a> {
    /// The id; empty for one made from the name.
    pub id: &'a str,
    /// The name.
    pub name: &'a str,
    /// The domains, with commas, spaces or line ends between them.
    pub domains: &'a str,
    /// The Federation Metadata XML; if it is empty, it is fetched.
    pub metadata: &'a [u8],
    /// Where it is fetched from now on; empty for metadata that is uploaded.
    pub metadata_url: &'a str,
    /// Which identity provider of several is meant; empty for the only one.
    pub entity_id: &'a str,
    /// What is different at the identity provider.
    pub options: OptionsForm<'a>,
}

/// What would become of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The id: the one typed, or one made from the name.
    pub id: String,
    /// The domains that could be read.
    pub domains: Vec<EmailDomain>,
    /// What was read from the metadata, if it can be used.
    pub provider: Option<Provider>,
    /// The metadata that it was read from, uploaded or fetched.
    pub metadata: String,
    /// What is wrong with the form.
    pub problems: Vec<FieldProblem>,
    /// Domains that other organizations have too; allowed once confirmed.
    pub shared_domains: Vec<(EmailDomain, OrganizationId)>,
    /// The organization that has the identity provider already; never allowed.
    pub provider_of: Option<OrganizationId>,
}

/// What would become of an organization with new metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataPreview {
    /// What was read.
    pub provider: Provider,
    /// The metadata that it was read from, uploaded or fetched.
    pub metadata: String,
    /// The entity ID so far, if the new one is another; has to be confirmed.
    pub other_entity_id: Option<String>,
    /// Whether nothing names the entity ID so far although there are users, who may be known by another; has to be
    /// confirmed, too.
    pub is_entity_id_lost: bool,
    /// Fingerprints of the certificates that are new.
    pub added: Vec<String>,
    /// Those that stay.
    pub kept: Vec<String>,
    /// Those that would not count any more: subject, fingerprint and all.
    pub removed: Vec<providers::Certificate>,
    /// The organization that has the identity provider already; never allowed.
    pub provider_of: Option<OrganizationId>,
}

/// A form that may be saved.
pub(super) struct Checked {
    pub(super) organization: Organization,
    pub(super) obtained: Obtained,
    pub(super) options: ConnectionOptions,
}

impl Preview {
    /// Whether the form can be saved as it is, apart from shared domains, which have to be confirmed.
    #[must_use]
    pub fn is_acceptable(&self) -> bool {
        self.problems.is_empty() && self.provider_of.is_none()
    }
}

impl Admin {
    /// Reads a form and says what would become of it; changes nothing.
    pub async fn preview_organization(&self, form: &OrganizationForm<'_>) -> Result<Preview> {
        Ok(self.check_form(form).await?.0)
    }

    /// Reads new metadata of an organization and says what would change; changes nothing.
    pub async fn preview_metadata(
        &self,
        id: &OrganizationId,
        metadata: impl Into<MetadataForm<'_>>,
    ) -> Result<MetadataPreview> {
        let metadata = metadata.into();
        self.organization_record(id).await?;
        let obtained = self.obtain(&metadata).await.map_err(|problem| Refused::Fields(vec![problem]))?;
        self.preview_obtained(id, &obtained).await
    }

    /// The same for metadata that was read already.
    pub(super) async fn preview_obtained(
        &self,
        id: &OrganizationId,
        obtained: &Obtained,
    ) -> Result<MetadataPreview> {
        let provider = obtained.provider.clone();
        let record = self.organization_record(id).await?;
        let records = self.store.organization_records().await?;
        let (settings, now) = (self.settings(), self.now());
        let before = match providers::of_record(&record, &settings, now) {
            ProviderState::Known(provider) => Some(provider),
            ProviderState::Unusable(_) | ProviderState::Absent => None,
        };
        // Also where it cannot be used any more: that alone makes it nobody else's.
        let entity_id = providers::entity_id_of(&record, &settings);
        let known = before.as_ref().map_or(&[][..], |before| &before.certificates);
        let has = |list: &[providers::Certificate], one: &providers::Certificate| {
            list.iter().any(|other| other.fingerprint == one.fingerprint)
        };
        let (kept, added): (Vec<_>, Vec<_>) =
            provider.certificates.iter().partition(|certificate| has(known, certificate));
        let fingerprints = |list: Vec<&providers::Certificate>| {
            list.into_iter().map(|certificate| certificate.fingerprint.clone()).collect()
        };
        Ok(MetadataPreview {
            added: fingerprints(added),
            kept: fingerprints(kept),
            removed: known
                .iter()
                .filter(|certificate| !has(&provider.certificates, certificate))
                .cloned()
                .collect(),
            is_entity_id_lost: entity_id.is_none() && self.has_users(id).await?,
            other_entity_id: entity_id.filter(|entity_id| *entity_id != provider.entity_id),
            provider_of: providers::owner_of(&provider.entity_id, Some(id), &records, &settings),
            provider,
            metadata: obtained.text.clone(),
        })
    }

    async fn has_users(&self, id: &OrganizationId) -> Result<bool> {
        let any = UserFilter { organization: Some(id.clone()), limit: 1, ..UserFilter::default() };
        Ok(!self.store.accounts(&any).await?.is_empty())
    }

    /// Reads a form; with what may be saved, if nothing is wrong with it.
    pub(super) async fn check_form(&self, form: &OrganizationForm<'_>) -> Result<(Preview, Option<Checked>)> {
        let metadata =
            MetadataForm { metadata: form.metadata, url: form.metadata_url, entity_id: form.entity_id };
        let obtained = self.obtain(&metadata).await;
        let records = self.store.organization_records().await?;
        Ok(check(form, obtained, &records, &self.settings()))
    }
}

fn check(
    form: &OrganizationForm<'_>,
    obtained: std::result::Result<Obtained, FieldProblem>,
    records: &[OrganizationRecord],
    settings: &Settings,
) -> (Preview, Option<Checked>) {
    let mut problems = Vec::new();
    let mut note_problem = |field: &'static str, message: String| {
        problems.push(FieldProblem { field, message });
    };
    let name = match form.name.trim() {
        "" => Err("is missing: enter the customer's name".to_owned()),
        name => DisplayName::parse(name).map_err(|error| error.to_string()),
    };
    let name = name.map_err(|message| note_problem("name", message)).ok();
    let typed = match form.id.trim() {
        "" => suggest_id(form.name, |id| {
            RESERVED_IDS.contains(&id) || records.iter().any(|record| record.organization.id.as_str() == id)
        }),
        id => id.to_owned(),
    };
    let id = match OrganizationId::parse(&typed) {
        Ok(id) if RESERVED_IDS.contains(&id.as_str()) => {
            Err("is the address of a page of the console; choose another".to_owned())
        }
        Ok(id) if records.iter().any(|record| record.organization.id == id) => {
            Err("is taken by another organization; choose another".to_owned())
        }
        read => read.map_err(|error| error.to_string()),
    };
    let id = id.map_err(|message| note_problem("id", message)).ok();
    let domains = match read_domains(form.domains) {
        Ok(domains) => domains,
        Err(message) => {
            note_problem("domains", message);
            Vec::new()
        }
    };
    let read = obtained.map_err(|problem| note_problem(problem.field, problem.message)).ok();
    let provider = read.as_ref().map(|obtained| obtained.provider.clone());
    let options = match form.options.applied_to(&ConnectionOptions::default()) {
        Ok(options) => Some(options),
        Err(more) => {
            problems.extend(more);
            None
        }
    };
    let preview = Preview {
        id: typed,
        shared_domains: shared_domains(&domains, None, records),
        provider_of: provider
            .as_ref()
            .and_then(|provider| providers::owner_of(&provider.entity_id, None, records, settings)),
        domains: domains.clone(),
        provider,
        metadata: read.as_ref().map(|obtained| obtained.text.clone()).unwrap_or_default(),
        problems,
    };
    let checked = match (id, name, read, options) {
        (Some(id), Some(name), Some(obtained), Some(options)) if preview.problems.is_empty() => {
            Some(Checked { organization: Organization { id, name, domains }, obtained, options })
        }
        _ => None,
    };
    (preview, checked)
}

/// What the console calls other pages, where an organization's id stands in its address.
pub const RESERVED_IDS: [&str; 2] = ["new", "preview"];

/// Reads a list of domains as people write one: in lines, with commas, with an `@` in front.
pub(super) fn read_domains(text: &str) -> std::result::Result<Vec<EmailDomain>, String> {
    let mut domains: Vec<EmailDomain> = Vec::new();
    let mut wrong = Vec::new();
    let separates = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    for word in text.split(separates).filter(|word| !word.is_empty()).take(DOMAINS_MAX + 1) {
        match EmailDomain::parse(&word.trim_start_matches('@').to_lowercase()) {
            Ok(domain) if domains.contains(&domain) => {}
            Ok(domain) => domains.push(domain),
            Err(_) => wrong.push(word.chars().take(60).collect::<String>()),
        }
    }
    if !wrong.is_empty() {
        return Err(format!(
            "cannot be read: {}; write the part after the @, e.g. contoso.com",
            wrong.join(", ")
        ));
    }
    match domains.len() {
        0 => Err("are missing: enter the part after the @ of the customer's addresses".to_owned()),
        count if count > DOMAINS_MAX => Err(format!("are too many; at most {DOMAINS_MAX}")),
        _ => Ok(domains),
    }
}

/// Domains that other organizations have too.
pub(super) fn shared_domains(
    domains: &[EmailDomain],
    but: Option<&OrganizationId>,
    records: &[OrganizationRecord],
) -> Vec<(EmailDomain, OrganizationId)> {
    let others = || records.iter().map(|record| &record.organization).filter(|other| Some(&other.id) != but);
    let owners = |domain: &EmailDomain| {
        let domain = domain.clone();
        others()
            .filter(move |other| other.domains.contains(&domain))
            .map(|other| other.id.clone())
            .collect::<Vec<_>>()
    };
    domains
        .iter()
        .flat_map(|domain| owners(domain).into_iter().map(|owner| (domain.clone(), owner)))
        .collect()
}

/// A short name from a name: `Contoso Residential, LLC` is `contoso-residential`.
#[must_use]
pub fn suggest_id(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut words = Vec::new();
    let plain: String = name.chars().map(plain_letter).collect();
    for word in plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_ascii_lowercase();
        let is_form = LEGAL_FORMS.contains(&word.as_str());
        if (words.is_empty() || !is_form) && words.iter().map(String::len).sum::<usize>() < ID_LENGTH_ENOUGH {
            words.push(word);
        }
    }
    let base: String = words.join("-").chars().take(ID_CHARS_MAX).collect();
    let base = if base.is_empty() { "organization".to_owned() } else { base };
    if !is_taken(&base) {
        return base;
    }
    let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
    numbered.into_iter().find(|id| !is_taken(id)).unwrap_or(base)
}

/// Letters of Western names without their marks; everything else stays.
fn plain_letter(c: char) -> char {
    match c.to_lowercase().next().unwrap_or(c) {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ß' => 's',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' | 'ÿ' => 'y',
        _ => c,
    }
}

/// What companies are, not what they are called.
const LEGAL_FORMS: &[&str] = &["llc", "inc", "ltd", "gmbh", "corp", "co", "ag", "plc", "lp", "llp"];

/// An id is typed on command lines.
const ID_LENGTH_ENOUGH: usize = 16;

/// Leaves room for a number within the 64 characters of an id.
const ID_CHARS_MAX: usize = 40;

/// More is a list of something else.
const DOMAINS_MAX: usize = 100;

/// The refusal that a preview amounts to, if it does.
pub(super) fn refusal(preview: &Preview) -> Option<Refused> {
    if !preview.problems.is_empty() {
        return Some(Refused::Fields(preview.problems.clone()));
    }
    let entity_id = preview.provider.as_ref().map(|provider| provider.entity_id.clone())?;
    let organization = preview.provider_of.clone()?;
    Some(Refused::EntityIdTaken { entity_id, organization })
}
