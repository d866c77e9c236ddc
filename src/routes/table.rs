//! The only table of paths.
//!
//! Separate so that all addresses of ours stand on one page; what each does is in the files beside it.
//!
//! | host | path | file |
//! |---|---|---|
//! | login | `/saml2/idpresponse` (from `saml.acs_url`), `/saml2/metadata` | `saml_service` |
//! | login | `/saml2/logout` | `logout` |
//! | app | `/.anteroom/sign-in`, `…/start`, `…/complete` | `sign_in` |
//! | app | `/.anteroom/sign-out` | `sign_out` |
//! | app | `/.anteroom/repeat` | `repeat` |
//! | app | `/.anteroom/auth`, before all others | `forward_auth` |
//! | app | `/.anteroom/waiting-room`, `…/events` | `waiting_room` |
//! | app | `/.anteroom/manage…` | `manage` |
//! | app | `/.anteroom/support…` | `support` |
//! | app | `/.anteroom/session`, `/.anteroom/identity`, `/.well-known/anteroom…` | `documents` |
//! | both | `/.anteroom/assets/…` | `reply` |
//! | app | everything else | `gate` |

use http::Method;

use crate::id::{AccessRequestId, OrganizationId, PropertyId, UserId};
use crate::routes::Settings;
use crate::routes::site::{Site, Sites};
use crate::target::REPEAT_PATH;

/// Our own paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    AssertionConsumerService,
    Metadata,
    Logout,
    SignIn,
    SignInStart,
    SignInComplete,
    SignOut,
    Repeat,
    WaitingRoom,
    WaitingRoomEvents,
    /// A page that people work on.
    Work(Place),
    Session,
    Identity,
    Discovery,
    Jwks,
    Asset,
    /// Below our prefixes, but nothing.
    Nothing,
}

/// The pages that people work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Manage(Manage),
    Support(Support),
}

/// The Manage page, for those who may ask for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Manage {
    Page,
    Answer(AccessRequestId),
}

/// The support console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Support {
    Queue,
    Request(AccessRequestId),
    RequestDo(AccessRequestId, RequestDeed),
    Users,
    User(UserId),
    UserDo(UserId, UserDeed),
    Organizations,
    NewOrganization,
    OrganizationPreview,
    Organization(OrganizationId),
    OrganizationDo(OrganizationId, OrganizationDeed),
    Trial(OrganizationId),
    PropertyDo(OrganizationId, PropertyId, PropertyDeed),
    SignOns,
    Mail,
    MailMessage(i64),
}

macro_rules! deeds {
    ($(#[$doc:meta] $name:ident { $($variant:ident $segment:literal)+ })+) => {
        $(
            #[$doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub(super) enum $name { $($variant,)+ }

            impl $name {
                fn parse(segment: &str) -> Option<Self> {
                    match segment { $($segment => Some(Self::$variant),)+ _ => None }
                }
            }
        )+
    };
}

deeds! {
    /// What can be done with a request.
    RequestDeed { Take "take" Approve "approve" Confirm "confirm" Ask "ask" Deny "deny" }
    /// What can be done with a user.
    UserDeed {
        Grant "grant" Revoke "revoke" Disable "disable" Enable "enable" Role "role" Conflict "conflict"
        Unbind "unbind" SignOut "sign-out"
    }
    /// What can be done with an organization.
    OrganizationDeed {
        Rename "rename" Domains "domains" Metadata "metadata" MetadataPreview "metadata/preview" Options "options" Pause "pause"
        Resume "resume" Remove "remove" AddProperty "properties" ImportProperties "properties/import"
    }
    /// What can be done with a property.
    PropertyDeed { Rename "rename" Retire "retire" Restore "restore" }
}

impl Route {
    /// The route of a path; `None` for the application's own.
    pub(super) fn find(site: Site, path: &str, settings: &Settings) -> Option<Self> {
        Self::find_at(site, path, &settings.sites)
    }

    fn find_at(site: Site, path: &str, sites: &Sites) -> Option<Self> {
        if site.has_login() && path == sites.acs_path() {
            return Some(Self::AssertionConsumerService);
        }
        if site.has_login() && path == "/saml2/metadata" {
            return Some(Self::Metadata);
        }
        if site.has_login() && path == "/saml2/logout" {
            return Some(Self::Logout);
        }
        if path.starts_with(crate::pages::assets::PATH_PREFIX) {
            return Some(Self::Asset);
        }
        if !site.has_app() {
            return None;
        }
        Some(match path {
            "/.anteroom/sign-in" => Self::SignIn,
            "/.anteroom/sign-in/start" => Self::SignInStart,
            "/.anteroom/sign-in/complete" => Self::SignInComplete,
            "/.anteroom/sign-out" => Self::SignOut,
            REPEAT_PATH => Self::Repeat,
            "/.anteroom/waiting-room" => Self::WaitingRoom,
            "/.anteroom/waiting-room/events" => Self::WaitingRoomEvents,
            "/.anteroom/session" => Self::Session,
            "/.anteroom/identity" => Self::Identity,
            "/.well-known/anteroom" => Self::Discovery,
            "/.well-known/anteroom/jwks.json" => Self::Jwks,
            _ if is_below(path, "/.anteroom") => Place::find(path).map_or(Self::Nothing, Self::Work),
            _ if is_below(path, "/.well-known/anteroom") => Self::Nothing,
            _ => return None,
        })
    }

    /// The methods that the path is made for.
    pub(super) const fn methods(&self) -> &'static [Method] {
        match self {
            Self::AssertionConsumerService | Self::SignInStart => ONLY_POST,
            // A look at the headers alone must not use anything up.
            Self::Logout => GET_AND_POST,
            Self::SignIn | Self::SignOut | Self::Repeat | Self::WaitingRoom => BOTH,
            Self::Work(place) => place.methods(),
            _ => ONLY_GET,
        }
    }

    /// What somebody without a session gets.
    const fn without_session(&self) -> &'static str {
        match self {
            Self::AssertionConsumerService => {
                "takes an identity provider's answer; without a good one, a page that says no"
            }
            Self::Metadata => "our SAML metadata",
            Self::Logout => {
                "takes a logout message of an identity provider; without a good one, a page that says no"
            }
            Self::SignIn => "the sign-on page",
            Self::SignInStart => "sends the browser to an identity provider",
            Self::SignInComplete => "begins a session with a one-time code, in the browser that asked for it",
            Self::SignOut => "a page that says that nobody is signed on",
            Self::Discovery => "where everything is, for applications",
            Self::Jwks => "the public keys of the identity header",
            Self::Asset => "style sheets, scripts and pictures of our pages",
            Self::Repeat | Self::WaitingRoom => "sends the browser to the sign-on page",
            Self::WaitingRoomEvents | Self::Session => "401, nothing else",
            Self::Identity => "401, nothing else; with a token of ours that is still good, who it is about",
            Self::Work(_) => "sends browsers to the sign-on page, answers programs 401",
            Self::Nothing => "404",
        }
    }
}

/// One of our own paths, for whoever asks what is reachable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPath {
    /// The path, or its beginning.
    pub path: String,
    /// Whether everything below it is meant, too.
    pub below: bool,
    /// `login`, `app` or `both`: on which of the two hosts.
    pub host: &'static str,
    /// The methods that it takes.
    pub methods: &'static [Method],
    /// What somebody without a session gets there.
    pub without_session: &'static str,
}

/// What stands at a path of the application's host that is ours; `None` for the application's own.
#[must_use]
pub fn own_path(path: &str, sites: &Sites) -> Option<OwnPath> {
    let route = Route::find_at(sites.of_app(), path, sites)?;
    Some(OwnPath::of(path, false, "app", &route))
}

/// All our own paths.
#[must_use]
pub fn own_paths(sites: &Sites) -> Vec<OwnPath> {
    let login = [sites.acs_path(), "/saml2/metadata", "/saml2/logout"];
    let login = login.into_iter().map(|path| (Site::Login, "login", path, false));
    let app = [
        "/.anteroom/sign-in",
        "/.anteroom/sign-in/start",
        "/.anteroom/sign-in/complete",
        "/.anteroom/sign-out",
        REPEAT_PATH,
        "/.anteroom/waiting-room",
        "/.anteroom/waiting-room/events",
        "/.anteroom/session",
        "/.anteroom/identity",
        "/.well-known/anteroom",
        "/.well-known/anteroom/jwks.json",
    ];
    let app = app.into_iter().map(|path| (Site::App, "app", path, false));
    let work = ["/.anteroom/manage", "/.anteroom/support"].map(|path| (Site::App, "app", path, true));
    let both = [(Site::Both, "both", crate::pages::assets::PATH_PREFIX, true)];
    let all = login.chain(app).chain(work).chain(both);
    let paths = all.filter_map(|(site, host, path, below)| {
        let route = Route::find_at(site, path, sites)?;
        Some(OwnPath::of(path, below, host, &route))
    });
    paths.collect()
}

impl OwnPath {
    fn of(path: &str, below: bool, host: &'static str, route: &Route) -> Self {
        let (methods, without_session) = (route.methods(), route.without_session());
        Self { path: path.to_owned(), below, host, methods, without_session }
    }
}

impl Place {
    fn find(path: &str) -> Option<Self> {
        let path = path.strip_prefix("/.anteroom/")?;
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match first {
            "manage" => Manage::find(rest).map(Self::Manage),
            "support" => Support::find(rest).map(Self::Support),
            _ => None,
        }
        .filter(|_| !path.ends_with('/'))
    }

    const fn methods(&self) -> &'static [Method] {
        match self {
            Self::Manage(Manage::Page) | Self::Support(Support::Organizations | Support::Trial(_)) => BOTH,
            Self::Manage(Manage::Answer(_))
            | Self::Support(
                Support::RequestDo(..)
                | Support::UserDo(..)
                | Support::OrganizationPreview
                | Support::OrganizationDo(..)
                | Support::PropertyDo(..),
            ) => ONLY_POST,
            Self::Support(_) => ONLY_GET,
        }
    }
}

impl Manage {
    fn find(rest: &str) -> Option<Self> {
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [""] => Some(Self::Page),
            ["requests", id, "answer"] => AccessRequestId::parse(id).ok().map(Self::Answer),
            _ => None,
        }
    }
}

impl Support {
    fn find(rest: &str) -> Option<Self> {
        Some(match rest.split('/').collect::<Vec<_>>().as_slice() {
            [""] => Self::Queue,
            ["requests", id] => Self::Request(AccessRequestId::parse(id).ok()?),
            ["requests", id, deed] => {
                Self::RequestDo(AccessRequestId::parse(id).ok()?, RequestDeed::parse(deed)?)
            }
            ["users"] => Self::Users,
            ["users", id] => Self::User(UserId::parse(id).ok()?),
            ["users", id, deed] => Self::UserDo(UserId::parse(id).ok()?, UserDeed::parse(deed)?),
            ["organizations"] => Self::Organizations,
            // No organization is made with one of these for its id (`admin::preview`).
            ["organizations", "new"] => Self::NewOrganization,
            ["organizations", "preview"] => Self::OrganizationPreview,
            ["organizations", id] => Self::Organization(OrganizationId::parse(id).ok()?),
            ["organizations", id, "test"] => Self::Trial(OrganizationId::parse(id).ok()?),
            ["organizations", id, "properties", property, deed] => Self::PropertyDo(
                OrganizationId::parse(id).ok()?,
                PropertyId::parse(property).ok()?,
                PropertyDeed::parse(deed)?,
            ),
            ["organizations", id, deed @ ..] => Self::OrganizationDo(
                OrganizationId::parse(id).ok()?,
                OrganizationDeed::parse(&deed.join("/"))?,
            ),
            ["sign-ons"] => Self::SignOns,
            ["mail"] => Self::Mail,
            ["mail", id] => Self::MailMessage(id.parse().ok()?),
            _ => return None,
        })
    }
}

/// Whether a path is the prefix or below it, by whole segments.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

const ONLY_GET: &[Method] = &[Method::GET, Method::HEAD];
const ONLY_POST: &[Method] = &[Method::POST];
const GET_AND_POST: &[Method] = &[Method::GET, Method::POST];
const BOTH: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_work_have_one_address_each() {
        let organization = || OrganizationId::parse("contoso").unwrap();
        let check = |path: &str, wanted: Option<Support>| {
            assert_eq!(Place::find(path), wanted.map(Place::Support), "{path}");
        };
        check("/.anteroom/support", Some(Support::Queue));
        check("/.anteroom/support/", None);
        check("/.anteroom/support/organizations", Some(Support::Organizations));
        check("/.anteroom/support/organizations/contoso", Some(Support::Organization(organization())));
        let preview = Support::OrganizationDo(organization(), OrganizationDeed::MetadataPreview);
        check("/.anteroom/support/organizations/contoso/metadata/preview", Some(preview));
        check(
            "/.anteroom/support/organizations/contoso/properties",
            Some(Support::OrganizationDo(organization(), OrganizationDeed::AddProperty)),
        );
        let property = PropertyId::parse("harbour").unwrap();
        let retire = Support::PropertyDo(organization(), property, PropertyDeed::Retire);
        check("/.anteroom/support/organizations/contoso/properties/harbour/retire", Some(retire));
        for path in [
            "users/u_1/",
            "users//grant",
            "users/u_1/fly",
            "organizations/contoso/",
            "mail/x",
            "requests/a%20b",
        ] {
            check(&format!("/.anteroom/support/{path}"), None);
        }
        assert_eq!(Place::find("/.anteroom/manage"), Some(Place::Manage(Manage::Page)));
        assert_eq!(Place::find("/.anteroom/manager"), None);
    }
}
