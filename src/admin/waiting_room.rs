//! What somebody in the Waiting Room is told, and can say.
//!
//! Separate because a person who is not let in yet sees nothing but their own state.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Actor, Admin, FieldProblem, Refused, Result};
use crate::directory::request::{Request, State};
use crate::directory::{Account, DisplayName, Note, Property, Scope, Standing, Workplace};
use crate::id::PropertyId;
use crate::mail::Notice;
use crate::store::{AuditFilter, RequestFilter};

/// What the Waiting Room shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// How far it has come.
    pub progress: Progress,
    /// Where the person said they work.
    pub workplace: Option<Workplace>,
    /// The properties to choose from, by name.
    pub properties: Vec<Property>,
}

/// How far a request for somebody has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has asked for this person, or what was granted has ended.
    NotRequested,
    /// A request is in the queue.
    Received(Asked),
    /// An agent works on it.
    InWork(Asked),
    /// Something has to be found out first.
    NeedsInfo {
        /// The request.
        asked: Asked,
        /// What support wants to know.
        question: Option<Note>,
    },
    /// Access was refused.
    Denied {
        /// The request.
        asked: Asked,
        /// Why.
        reason: Option<Note>,
        /// When.
        at: Timestamp,
    },
}

/// What a person may know of a request for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The property's name, or `all properties`.
    pub property: String,
    /// When it was filed.
    pub since: Timestamp,
}

impl Admin {
    /// What the Waiting Room shows to somebody.
    pub async fn waiting_room(&self, account: &Account) -> Result<RoomView> {
        let mut properties = self.store.properties(Some(&account.user.organization)).await?;
        let progress = self.progress(account, &properties).await?;
        properties.retain(|property| property.retired_at.is_none());
        properties.sort_by_cached_key(|property| property.name.as_str().to_lowercase());
        Ok(RoomView { progress, workplace: self.store.workplace(&account.user.id).await?, properties })
    }

    /// How far the request for somebody has come: the newest open one counts, else the newest.
    pub async fn standing_of(&self, account: &Account) -> Result<Progress> {
        let properties = self.store.properties(Some(&account.user.organization)).await?;
        self.progress(account, &properties).await
    }

    /// Keeps where somebody says they work: one of the properties, or words, or both; and tells those who may
    /// ask for access there.
    pub async fn say_workplace(
        &self,
        account: &Account,
        (property, text): (&str, &str),
        actor: &Actor,
    ) -> Result<Workplace> {
        let user = &account.user;
        if account.standing_at(self.now()) != Standing::Waiting {
            return Err(Refused::NotWaiting.into());
        }
        let properties = self.store.properties(Some(&user.organization)).await?;
        let workplace = self.read_workplace(property, text, &properties).map_err(Refused::Fields)?;
        // One after the other, or forms sent at the same moment would all be in time.
        let _turn = self.workplaces.lock().await;
        let said = self.store.workplace(&user.id).await?;
        if let Some(said) = &said
            && (&said.property, &said.text) == (&workplace.property, &workplace.text)
        {
            return Ok(said.clone());
        }
        self.check_pace(account, said.as_ref()).await?;
        let organization = self.organization(&user.organization).await?;
        let levels = &self.settings().may_request;
        let managers = self
            .store
            .holders(&user.organization, levels, workplace.property.as_ref(), self.now(), MANAGERS_TOLD_MAX)
            .await?;
        let notice = Notice::SomebodyWaits {
            organization: organization.name.to_string(),
            email: user.email.to_string(),
            name: user.name.as_ref().map(ToString::to_string),
            property: workplace.property.as_ref().map(ToString::to_string),
            workplace: in_words(&workplace, &properties),
        };
        let others = managers.iter().filter(|manager| manager.user.id != user.id);
        let mail = others.map(|manager| notice.to(&manager.user.email)).collect();
        let details = json!({
            "property": workplace.property.as_ref().map(PropertyId::as_str),
            "text": workplace.text.as_ref().map(DisplayName::as_str),
        });
        let event = self.event(WORKPLACE_SAID, actor, user.email.as_str(), details);
        self.store.say_workplace(&user.id, &workplace, event, mail).await?;
        Ok(workplace)
    }

    /// Sees to it that nobody fills the log: whoever waits could say something else without end.
    async fn check_pace(&self, account: &Account, said: Option<&Workplace>) -> Result<()> {
        let user = &account.user;
        let Some(said) = said else { return Ok(()) };
        let is_before =
            |at: Timestamp, pause: Duration| at.checked_add(pause).is_ok_and(|end| self.now() < end);
        if is_before(said.at, WORKPLACE_PAUSE) {
            return Err(FieldProblem::refuse(
                "text",
                "was changed a moment ago; wait ten seconds, then send it again",
            )
            .into());
        }
        let earlier = AuditFilter {
            action_prefix: Some(WORKPLACE_SAID.to_owned()),
            subject: Some(user.email.as_str().to_owned()),
            limit: WORKPLACES_A_DAY_MAX,
            ..AuditFilter::default()
        };
        let earlier = self.store.audit_search(&earlier).await?;
        let is_full = u32::try_from(earlier.len()).is_ok_and(|count| count == WORKPLACES_A_DAY_MAX);
        if is_full && earlier.iter().all(|entry| is_before(entry.at, DAY)) {
            let message = format!(
                "was changed {WORKPLACES_A_DAY_MAX} times today; what you said last counts until tomorrow"
            );
            return Err(FieldProblem::refuse("text", message).into());
        }
        Ok(())
    }

    async fn progress(&self, account: &Account, properties: &[Property]) -> Result<Progress> {
        let newest = |states: &[State]| RequestFilter {
            states: states.to_vec(),
            organization: Some(account.user.organization.clone()),
            email: Some(account.user.email.clone()),
            newest_first: true,
            limit: 1,
            ..RequestFilter::default()
        };
        let mut found = self.store.requests(&newest(&State::OPEN)).await?;
        if found.is_empty() {
            found = self.store.requests(&newest(&[])).await?;
        }
        Ok(found.pop().map_or(Progress::NotRequested, |request| Progress::of(request, properties)))
    }

    fn read_workplace(
        &self,
        property: &str,
        text: &str,
        properties: &[Property],
    ) -> std::result::Result<Workplace, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut note_problem = |field: &'static str, message: String| {
            problems.push(FieldProblem { field, message });
        };
        let is_open =
            |id: &PropertyId| properties.iter().any(|known| known.id == *id && known.retired_at.is_none());
        let property = match property.trim() {
            "" => None,
            id => {
                let known = PropertyId::parse(id).ok().filter(is_open);
                if known.is_none() {
                    note_problem("property", "is not one of the list; choose another".to_owned());
                }
                known
            }
        };
        let text = match text.trim() {
            "" => None,
            text => DisplayName::parse(text).map_err(|error| note_problem("text", error.to_string())).ok(),
        };
        if property.is_none() && text.is_none() && problems.is_empty() {
            problems.push(FieldProblem {
                field: "property",
                message: "is missing: choose where you work, or write it down".to_owned(),
            });
        }
        if problems.is_empty() { Ok(Workplace { property, text, at: self.now() }) } else { Err(problems) }
    }
}

impl Progress {
    fn of(request: Request, properties: &[Property]) -> Self {
        let asked = Asked {
            property: super::notices::scope_name(&request.wanted.scope, properties).into_owned(),
            since: request.created_at,
        };
        match request.state {
            State::Received => Self::Received(asked),
            State::InWork => Self::InWork(asked),
            State::NeedsInfo => Self::NeedsInfo { asked, question: request.reason },
            State::Denied => Self::Denied { asked, reason: request.reason, at: request.changed_at },
            // Whoever waits all the same has lost what was granted then.
            State::Approved => Self::NotRequested,
        }
    }
}

/// The place as people name it.
fn in_words(workplace: &Workplace, properties: &[Property]) -> String {
    let property = workplace.property.clone().map(Scope::Property);
    let property = property.as_ref().map(|scope| super::notices::scope_name(scope, properties).into_owned());
    let text = workplace.text.as_ref().map(ToString::to_string);
    [property, text].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

const WORKPLACE_SAID: &str = "user.workplace_said";

/// Nobody moves faster.
const WORKPLACE_PAUSE: Duration = Duration::from_secs(10);

/// More is no correction any more.
const WORKPLACES_A_DAY_MAX: u32 = 20;

const DAY: Duration = Duration::from_hours(24);

/// More would be a circular letter.
const MANAGERS_TOLD_MAX: u32 = 10;
