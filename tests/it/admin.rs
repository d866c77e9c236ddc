//! The provisioning use cases on a store in memory: rules, refusals, and who is told.
//!
//! Separate from the commands and pages, which show the same things: here every rule is met once, without HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole of it is test, also what clippy does not know as such"
)]

mod audit;
mod desk;
mod limits;
mod organizations;
mod people;
mod requests;
mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use anteroom::admin::{
    Actor, Admin, Error, Filed, GrantToMake, Granted, Outcome, Refused, RequestForm, SecondApproval,
    ServiceProvider, Settings, UserToAdd,
};
use anteroom::clock::{Clock as _, ManualClock};
use anteroom::directory::request::Request;
use anteroom::directory::{Account, DisplayName, Levels, Organization, Property, Role, Scope};
use anteroom::email::{EmailAddress, EmailDomain};
use anteroom::id::{OrganizationId, PropertyId, SystemRandomness};
use anteroom::store::{self, AuditEvent, AuditFilter, Store};
use serde_json::Value;

/// Two organizations with their properties and people, and the use cases on them.
///
/// Contoso has `maple`, `oak` and `elm`, Fabrikam has `tower`. At Contoso work `mia` (manager on maple), `max`
/// (manager everywhere), `vera` (viewer on maple) and `nell`, who waits; at Fabrikam `frank`. Support is `sue` and
/// `sam` of Contoso.
struct House {
    store: Arc<dyn Store>,
    clock: ManualClock,
    admin: Admin,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let store = store::open(&store::Settings::Memory).await.unwrap();
        let clock = ManualClock::at("2026-11-23T12:00:00Z".parse().unwrap());
        let declared =
            [("contoso", "contoso.com"), ("fabrikam", "fabrikam.com")].map(|(id, domain)| Organization {
                id: organization(id),
                name: DisplayName::parse(&format!("The {id}")).unwrap(),
                domains: vec![EmailDomain::parse(domain).unwrap()],
            });
        let event = AuditEvent::of_anteroom(clock.now(), "organizations.declared");
        store.declare_organizations(&declared, event).await.unwrap();
        let mut settings = settings();
        change(&mut settings);
        let parts = (Arc::clone(&store), Arc::new(clock.clone()), Arc::new(SystemRandomness));
        let house = Self { store, clock, admin: Admin::new(parts.0, parts.1, parts.2, settings) };
        house.furnish().await;
        house
    }

    async fn furnish(&self) {
        for (id, owner) in
            [("maple", "contoso"), ("oak", "contoso"), ("elm", "contoso"), ("tower", "fabrikam")]
        {
            let property = Property {
                id: property(id),
                organization: organization(owner),
                name: DisplayName::parse(&format!("{id} Court")).unwrap(),
                retired_at: None,
            };
            self.admin.add_property(property, &Actor::command()).await.unwrap();
        }
        self.add("mia@contoso.com", Role::Member, Some(("maple", "manager"))).await;
        self.add("max@contoso.com", Role::Member, Some(("*", "manager"))).await;
        self.add("vera@contoso.com", Role::Member, Some(("maple", "viewer"))).await;
        self.add("nell@contoso.com", Role::Member, None).await;
        self.add("frank@fabrikam.com", Role::Member, Some(("tower", "viewer"))).await;
        self.add("sue@contoso.com", Role::Support, None).await;
        self.add("sam@contoso.com", Role::Support, None).await;
    }

    async fn add(&self, address: &str, role: Role, grant: Option<(&str, &str)>) -> Account {
        let owner = address.split(['@', '.']).nth(1).unwrap();
        let user = UserToAdd {
            email: email(address),
            name: None,
            organization: organization(owner),
            role,
            grant: grant.map(|(scope, level)| to_make(scope, level)),
        };
        self.admin.add_user(user, &Actor::command()).await.unwrap()
    }

    async fn account(&self, address: &str) -> Account {
        self.admin.user(&email(address)).await.unwrap()
    }

    async fn actor(&self, address: &str) -> Actor {
        Actor::person(&self.account(address).await.user, "r-1")
    }

    async fn grant(&self, address: &str, scope: &str, level: &str) -> Outcome<Account> {
        let grant = to_make(scope, level);
        match self.admin.grant(&email(address), grant, &Actor::command()).await.unwrap() {
            Granted::Done(outcome) => outcome,
            Granted::Proposed(request) => panic!("a command needs nobody else: {request:?}"),
        }
    }

    /// What somebody gets who files a request for viewer access.
    async fn try_to_file(&self, who: &str, property: &str, address: &str) -> Result<Filed, Error> {
        let form = RequestForm { property, email: address, level: "viewer", ..RequestForm::default() };
        self.admin.file_request(&self.account(who).await, &form, &self.actor(who).await).await
    }

    /// Files a request for viewer access.
    async fn file(&self, who: &str, property: &str, address: &str) -> Request {
        match self.try_to_file(who, property, address).await.unwrap() {
            Filed::Filed(request) | Filed::Merged(request) => request,
            other @ Filed::AlreadyHasAccess { .. } => panic!("not filed: {other:?}"),
        }
    }

    /// The messages promised so far, oldest first: to whom and of which kind.
    async fn mail(&self) -> Vec<(String, String)> {
        let mut messages = self.admin.messages(true).await.unwrap();
        messages.reverse();
        messages
            .into_iter()
            .map(|message| (message.recipient.to_string(), text(&message.notice["kind"])))
            .collect()
    }

    /// The messages that something promises, in order of the recipients.
    async fn mail_of<T>(&self, work: impl Future<Output = T>) -> (T, Vec<(String, String)>) {
        let before = self.mail().await.len();
        let done = work.await;
        let mut promised = self.mail().await.split_off(before);
        promised.sort();
        (done, promised)
    }

    /// The newest event of an action.
    async fn event(&self, action: &str) -> Value {
        let filter =
            AuditFilter { action_prefix: Some(action.to_owned()), limit: 1, ..AuditFilter::default() };
        let entry = self.admin.audit_search(&filter).await.unwrap().pop().expect("such an event");
        serde_json::json!({"actor": entry.actor, "subject": entry.subject, "details": entry.details})
    }

    fn later(&self, hours: u64) {
        self.clock.advance(Duration::from_hours(hours));
    }
}

fn settings() -> Settings {
    let levels =
        Levels::new(["viewer", "technician", "manager", "administrator"].map(str::to_owned).to_vec());
    Settings {
        may_request: vec![levels.parse("manager").unwrap(), levels.parse("administrator").unwrap()],
        levels,
        support_self_level: None,
        second_approval: SecondApproval::Never,
        support_email: Some(email("support@servusconnect.com")),
        service_provider: ServiceProvider {
            entity_id: "urn:example:anteroom".to_owned(),
            acs_url: "https://login.example.com/saml2/idpresponse".parse().unwrap(),
            app_url: "https://app.example.com/".parse().unwrap(),
            certificate: None,
        },
        declared: Vec::new(),
        fetcher: Arc::new(anteroom::federation::Fetcher::new(anteroom::federation::Access::default())),
        metadata_refresh: Duration::from_hours(1),
    }
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn organization(text: &str) -> OrganizationId {
    OrganizationId::parse(text).unwrap()
}

fn property(text: &str) -> PropertyId {
    PropertyId::parse(text).unwrap()
}

fn to_make(scope: &str, level: &str) -> GrantToMake {
    GrantToMake { scope: Scope::parse(scope).unwrap(), level: level.to_owned(), until: None }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn told(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(who, what)| ((*who).to_owned(), (*what).to_owned())).collect()
}

/// What an account may do, as `scope:level`.
fn grants(account: &Account) -> Vec<String> {
    account.grants.iter().map(|grant| format!("{}:{}", grant.scope.as_str(), grant.level)).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Refused {
    match outcome {
        Err(Error::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    refused(outcome).code()
}

/// The fields that a refused form is wrong in.
#[track_caller]
fn fields<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Vec<&'static str> {
    refused(outcome).fields().iter().map(|problem| problem.field).collect()
}
