//! The New User form: who may ask for whom, what the form offers, and how it is read.
//!
//! Separate because what is offered and what is taken must be the same.
//!
//! Rules: who may ask follows from grants that hold now, of a level in `access.may_request`; one may ask for no
//! more than one holds oneself. What is wrong with a form is told for every field at once.

use super::{Admin, FieldProblem, Result};
use crate::directory::request::Wanted;
use crate::directory::{
    Account, DisplayName, Grant, Level, Levels, Note, Organization, Property, Scope, Standing,
};
use crate::email::EmailAddress;
use crate::id::PropertyId;

/// Where somebody may ask for others, and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRights {
    levels: Levels,
    /// The highest level for each scope, as granted.
    granted: Vec<(Scope, Level)>,
}

/// What the New User form offers to one manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOptions {
    /// The manager's organization.
    pub organization: Organization,
    /// Levels that may be asked for on all properties together, lowest first; empty if that may not be asked for.
    pub all_properties: Vec<Level>,
    /// Properties that may be asked for, by name.
    pub properties: Vec<PropertyOption>,
    /// Every level that may be asked for anywhere, lowest first.
    pub levels: Vec<Level>,
}

/// A property that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyOption {
    /// The property.
    pub property: Property,
    /// Levels that may be asked for there, lowest first.
    pub levels: Vec<Level>,
}

/// The New User form as it was typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestForm<'a> {
    /// A property's id, or `*`.
    pub property: &'a str,
    /// The new user's address.
    pub email: &'a str,
    /// The new user's name; may be empty.
    pub name: &'a str,
    /// The level.
    pub level: &'a str,
    /// A note; may be empty.
    pub note: &'a str,
}

impl RequestRights {
    /// The highest level that may be asked for in a scope.
    #[must_use]
    pub fn highest(&self, scope: &Scope) -> Option<&Level> {
        let covering =
            self.granted.iter().filter(|(granted, _)| *granted == Scope::AllProperties || granted == scope);
        covering.map(|(_, level)| level).max_by_key(|level| self.levels.rank(level))
    }

    /// The levels that may be asked for in a scope, lowest first.
    #[must_use]
    pub fn offered(&self, scope: &Scope) -> Vec<Level> {
        let Some(highest) = self.highest(scope).and_then(|level| self.levels.rank(level)) else {
            return Vec::new();
        };
        let names = self.levels.names().iter().take(highest + 1);
        names.filter_map(|name| self.levels.parse(name).ok()).collect()
    }

    /// Whether anything may be asked for on that property.
    #[must_use]
    pub fn covers(&self, property: &PropertyId) -> bool {
        self.highest(&Scope::Property(property.clone())).is_some()
    }
}

impl Admin {
    /// What an account may ask for; `None` if it may not ask at all.
    #[must_use]
    pub fn may_request(&self, account: &Account) -> Option<RequestRights> {
        let settings = self.settings();
        let Standing::Admitted(held) = account.standing_at(self.now()) else { return None };
        let counts = |grant: &Grant| settings.may_request.contains(&grant.level);
        let granted: Vec<_> =
            held.into_iter().filter(counts).map(|grant| (grant.scope, grant.level)).collect();
        (!granted.is_empty()).then(|| RequestRights { levels: settings.levels.clone(), granted })
    }

    /// What the New User form offers; `None` if the account may not ask at all.
    pub async fn request_options(&self, account: &Account) -> Result<Option<RequestOptions>> {
        let Some(rights) = self.may_request(account) else { return Ok(None) };
        let organization = self.organization(&account.user.organization).await?;
        let mut properties: Vec<_> = self
            .store
            .properties(Some(&organization.id))
            .await?
            .into_iter()
            .filter(|property| property.retired_at.is_none())
            .map(|property| {
                let levels = rights.offered(&Scope::Property(property.id.clone()));
                PropertyOption { property, levels }
            })
            .filter(|option| !option.levels.is_empty())
            .collect();
        properties.sort_by_cached_key(|option| option.property.name.as_str().to_lowercase());
        let all_properties = rights.offered(&Scope::AllProperties);
        let offers = properties.iter().map(|option| &option.levels).chain([&all_properties]);
        let levels = offers.max_by_key(|levels| levels.len()).cloned().unwrap_or_default();
        Ok(Some(RequestOptions { organization, all_properties, properties, levels }))
    }
}

/// Reads the form; all mistakes together.
pub(super) fn read_form(
    form: &RequestForm<'_>,
    rights: &RequestRights,
    organization: &Organization,
    properties: &[Property],
) -> std::result::Result<Wanted, Vec<FieldProblem>> {
    let mut problems = Vec::new();
    let mut note_problem = |field: &'static str, message: String| {
        problems.push(FieldProblem { field, message });
    };
    let scope = match read_scope(form.property, rights, properties) {
        Ok(scope) => Some(scope),
        Err(message) => {
            note_problem("property", message.to_owned());
            None
        }
    };
    let email = match read_email(form.email, organization) {
        Ok(email) => Some(email),
        Err(message) => {
            note_problem("email", message);
            None
        }
    };
    let name = match form.name.trim() {
        "" => None,
        name => DisplayName::parse(name).map_err(|error| note_problem("name", error.to_string())).ok(),
    };
    let level = match read_level(form.level, scope.as_ref(), rights) {
        Ok(level) => Some(level),
        Err(message) => {
            note_problem("level", message);
            None
        }
    };
    let note = match form.note.trim() {
        "" => None,
        note => Note::parse(note).map_err(|error| note_problem("note", error.to_string())).ok(),
    };
    match (scope, email, level) {
        (Some(scope), Some(email), Some(level)) if problems.is_empty() => {
            Ok(Wanted { scope, email, name, level, note })
        }
        _ => Err(problems),
    }
}

fn read_scope(
    text: &str,
    rights: &RequestRights,
    properties: &[Property],
) -> std::result::Result<Scope, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("choose where the person works");
    }
    let scope = Scope::parse(text).map_err(|_| "choose one of the properties listed")?;
    let exists = match &scope {
        Scope::AllProperties => true,
        Scope::Property(id) => properties.iter().any(|known| known.id == *id && known.retired_at.is_none()),
    };
    if exists && rights.highest(&scope).is_some() {
        return Ok(scope);
    }
    Err("you may not ask for access there; choose one of the properties listed")
}

fn read_email(text: &str, organization: &Organization) -> std::result::Result<EmailAddress, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("enter the person's work e-mail address".to_owned());
    }
    let email = EmailAddress::parse(text).map_err(|error| error.to_string())?;
    if organization.domains.contains(email.domain()) {
        return Ok(email);
    }
    let domains: Vec<_> = organization.domains.iter().map(|domain| format!("@{}", domain.as_str())).collect();
    Err(format!("must be an address of {}, ending in {}", organization.name, domains.join(" or ")))
}

fn read_level(
    text: &str,
    scope: Option<&Scope>,
    rights: &RequestRights,
) -> std::result::Result<Level, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("choose a level".to_owned());
    }
    let level = rights.levels.parse(text).map_err(|error| error.to_string())?;
    let Some(scope) = scope else { return Ok(level) };
    let Some(highest) = rights.highest(scope) else { return Ok(level) };
    if rights.levels.rank(&level) <= rights.levels.rank(highest) {
        return Ok(level);
    }
    Err(format!("is above your own level there, {highest}; ask for {highest} or less"))
}
