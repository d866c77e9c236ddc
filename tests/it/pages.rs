//! Every page in every state: what holds for all of them.

mod console;
mod forms;
mod places;

use std::collections::BTreeSet;
use std::path::Path;

use anteroom::email::EmailAddress;
use anteroom::pages::policy::{FormTargets, content_security_policy};
use anteroom::pages::support::Done;
use anteroom::pages::{
    Accent, Brand, Choice, ConfirmSignOut, Fault, Logo, Notice, Onward, ProviderSession, Repeat, Settings,
    SignIn,
};

/// The texts that a view is filled with.
struct Filling {
    email: &'static str,
    person: &'static str,
    organization: &'static str,
    button: &'static str,
    headline: &'static str,
    sentence: &'static str,
    problem: &'static str,
    reference: &'static str,
    code: &'static str,
    path: &'static str,
    url: &'static str,
    property: &'static str,
    level: &'static str,
    lower: &'static str,
    subject: &'static str,
    url_text: &'static str,
}

/// As in a good life.
const PLAIN: Filling = Filling {
    email: "adele.vance@contoso.com",
    person: "Adele Vance",
    organization: "Contoso Residential",
    button: "Log In with Microsoft",
    headline: "Your sign-in was not accepted",
    sentence: "Please try again. If it happens again, write to the support team and give them the reference.",
    problem: "Please type a whole address, like name@example.com.",
    reference: "7F3K-Q2MX",
    code: "upstream_connect_timeout",
    path: "/work-orders/4711?tab=history",
    url: "https://app.example/login",
    property: "Harbor View Apartments",
    level: "technician",
    lower: "the assertion is meant for another audience",
    subject: "entra:9f1b6c5e-0d3a-4c1e-8a77-2f4b1c9d0e11:5b0c7d1e-3a42-4a8e-9d0f-77c6a1b2c3d4",
    url_text: "https://login.microsoftonline.com/9f1b6c5e-0d3a-4c1e-8a77-2f4b1c9d0e11/saml2",
};

impl Filling {
    /// The same text wherever one can stand.
    const fn everywhere(text: &'static str) -> Self {
        Self {
            email: text,
            person: text,
            organization: text,
            button: text,
            headline: text,
            sentence: text,
            problem: text,
            reference: text,
            code: text,
            path: text,
            url: text,
            property: text,
            level: text,
            lower: text,
            subject: text,
            url_text: text,
        }
    }
}

/// Every page in every state. A new view or variant belongs here: the tests below find it by its name.
fn every_page(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    [
        sign_in_pages(brand, with),
        places::waiting_rooms(brand, with),
        vec![("sign-out", ConfirmSignOut { email: with.email, return_to: with.path }.render(brand))],
        vec![("repeat", Repeat { token: with.code, path: with.path, size: 4_096 }.render(brand))],
        vec![("onward", onward(brand, with))],
        notices(brand, with),
        faults(brand, with),
        places::manage_pages(brand, with),
        console::console_pages(brand, with),
    ]
    .concat()
}

fn sign_in_pages(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    let ask = |problem, email, other_url| {
        SignIn::Ask { return_to: with.path, email, problem, other_url }.render(brand)
    };
    let proceed = |choices: &[Choice<'_>]| {
        SignIn::Continue { return_to: with.path, email: with.email, choices: choices.to_vec() }.render(brand)
    };
    let first =
        Choice { connection_id: "1", organization_name: with.organization, button_label: with.button };
    let second = Choice { connection_id: with.reference, organization_name: with.headline, ..first.clone() };
    vec![
        ("sign-in", ask(None, None, None)),
        ("sign-in-remembered", ask(None, Some(with.email), Some(with.url))),
        ("sign-in-problem", ask(Some(with.problem), Some(with.person), Some(with.url))),
        ("sign-in-continue", proceed(std::slice::from_ref(&second))),
        ("sign-in-chooser", proceed(&[first, second])),
        (
            "sign-in-unknown-domain",
            SignIn::UnknownDomain { return_to: with.path, email: with.email, other_url: Some(with.url) }
                .render(brand),
        ),
    ]
}

fn onward(brand: &Brand, with: &Filling) -> String {
    Onward { address: with.url, response: with.code, relay_state: Some(with.reference) }.render(brand)
}

fn notices(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    [
        Notice::SignedOut { provider: ProviderSession::Open },
        Notice::SignedOut { provider: ProviderSession::CanBeEnded { url: with.url } },
        Notice::SignedOut { provider: ProviderSession::Ended },
        Notice::SignedOut { provider: ProviderSession::Unsure },
        Notice::LogoutRefused { reference: with.reference, sign_out_url: with.path },
        Notice::NothingToRepeat,
        Notice::RepeatOfAnother,
        Notice::EndedByProvider,
        Notice::Disabled { email: with.email, reference: with.reference },
        Notice::Refused {
            reference: with.reference,
            headline: with.headline,
            advice: with.sentence,
            restart_url: with.path,
        },
        Notice::AlreadyUsed { reference: with.reference, restart_url: with.path },
        Notice::Paused { reference: None, restart_url: with.path },
        Notice::Paused { reference: Some(with.reference), restart_url: with.path },
        Notice::NotReady { restart_url: with.path },
        Notice::Conflict { reference: with.reference },
    ]
    .map(|notice| (notice_name(&notice), notice.render(brand)))
    .to_vec()
}

/// Without a catch-all, so that a new variant does not compile before it has a name, and a place above.
fn notice_name(notice: &Notice<'_>) -> &'static str {
    match notice {
        Notice::SignedOut { provider } => match provider {
            ProviderSession::Open => "signed-out",
            ProviderSession::CanBeEnded { .. } => "signed-out-here",
            ProviderSession::Ended => "signed-out-everywhere",
            ProviderSession::Unsure => "signed-out-perhaps-everywhere",
        },
        Notice::LogoutRefused { .. } => "logout-refused",
        Notice::NothingToRepeat => "nothing-to-repeat",
        Notice::RepeatOfAnother => "repeat-of-another",
        Notice::EndedByProvider => "ended-by-provider",
        Notice::Disabled { .. } => "disabled",
        Notice::Refused { .. } => "refused",
        Notice::AlreadyUsed { .. } => "already-used",
        Notice::Paused { reference: None, .. } => "paused",
        Notice::Paused { .. } => "paused-meanwhile",
        Notice::NotReady { .. } => "not-ready",
        Notice::Conflict { .. } => "conflict",
    }
}

fn faults(brand: &Brand, with: &Filling) -> Vec<(&'static str, String)> {
    let request_id = with.reference;
    [
        Fault::BadRequest { request_id },
        Fault::ForeignForm,
        Fault::NotFound,
        Fault::MethodNotAllowed,
        Fault::TooLarge,
        Fault::TooMany { retry_after_seconds: 20 },
        Fault::MisdirectedHost,
        Fault::Internal { request_id },
        Fault::UpstreamError { code: with.code, status: 502, request_id },
        Fault::Unavailable { retry_after_seconds: 30, request_id },
    ]
    .map(|fault| (fault_name(&fault), fault.render(brand)))
    .to_vec()
}

/// Without a catch-all, as above.
fn fault_name(fault: &Fault<'_>) -> &'static str {
    match fault {
        Fault::BadRequest { .. } => "bad-request",
        Fault::ForeignForm => "foreign-form",
        Fault::NotFound => "not-found",
        Fault::MethodNotAllowed => "method-not-allowed",
        Fault::TooLarge => "too-large",
        Fault::TooMany { .. } => "too-many",
        Fault::MisdirectedHost => "misdirected-host",
        Fault::Internal { .. } => "internal",
        Fault::UpstreamError { .. } => "upstream-error",
        Fault::Unavailable { .. } => "unavailable",
    }
}

fn brand(application_name: &str) -> Brand {
    Brand::new(Settings {
        application_name: application_name.to_owned(),
        application_url: APPLICATION_URL.to_owned(),
        support_email: EmailAddress::parse("support@servusconnect.com").ok(),
        accent: Accent::default(),
        logo: None,
    })
}

fn branded_with(accent: &str, logo: &str) -> Brand {
    Brand::new(Settings {
        application_name: "ServusConnect".to_owned(),
        application_url: APPLICATION_URL.to_owned(),
        support_email: None,
        accent: Accent::parse(accent).expect("a colour"),
        logo: Some(Logo::parse(logo.as_bytes().to_vec()).expect("an SVG image")),
    })
}

const APPLICATION_URL: &str = "https://app.servusconnect.com/";

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 36" width="180" height="36"><style>text{font:700 22px sans-serif;fill:#123}</style><circle cx="18" cy="18" r="14" fill="#d9480f"/><text x="42" y="26">Contoso</text></svg>"##;

#[test]
fn the_table_knows_every_view() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages");
    let files = |folder: &Path| -> Vec<_> {
        let entries = std::fs::read_dir(folder).expect("a folder of the views");
        entries.map(|entry| entry.expect("a readable entry").path()).collect()
    };
    let views: BTreeSet<String> = [files(&sources), files(&sources.join("support"))]
        .concat()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| {
            let source = std::fs::read_to_string(path).expect("a source file");
            source.contains("pub fn render(&self, brand: &Brand) -> String")
        })
        .map(|path| path.file_stem().expect("a file name").to_string_lossy().into_owned())
        .collect();
    let in_the_table = [
        "confirm",
        "connection_test",
        "fault",
        "mail",
        "manage",
        "notice",
        "onward",
        "organization",
        "organizations",
        "preview",
        "queue",
        "refusal",
        "repeat",
        "request",
        "sign_in",
        "sign_ons",
        "sign_out",
        "user",
        "users",
        "waiting_room",
    ];
    assert_eq!(views, in_the_table.map(str::to_owned).into(), "add the new view to every_page()");

    let pages = every_page(&brand("ServusConnect"), &PLAIN);
    let names: BTreeSet<_> = pages.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), pages.len(), "two pages of one name");
}

#[test]
fn hostile_texts_stay_texts_on_every_page() {
    // An address that is none takes its link with it; everything else must keep its shape.
    let control = every_page(&brand("ServusConnect"), &Filling { url: "", ..PLAIN });
    for hostile in [
        "\"><script>alert(1)</script>",
        "'><img src=x onerror=alert(1)>",
        "</title></textarea></noscript><script>alert(1)</script>",
        "javascript:alert(1)//",
        "//evil.example/\" onfocus=\"alert(1)",
        "/\\evil.example",
        "{{ 7 * 7 }}{% raw %}&lt;b&gt;&quot;",
    ] {
        let pages = every_page(&brand(hostile), &Filling::everywhere(hostile));
        assert_eq!(pages.len(), control.len());
        for ((name, html), (_, plain)) in pages.iter().zip(&control) {
            let (elements, expected) = (elements(html), elements(plain));
            let shapes = |elements: &[Element]| elements.iter().map(Element::shape).collect::<Vec<_>>();
            assert_eq!(shapes(&elements), shapes(&expected), "{name} with {hostile:?}");
            for element in &elements {
                element.assert_leads_nowhere_else(name, hostile);
            }
            assert!(unescaped(html).contains(hostile), "{name} lost {hostile:?}");
        }
    }
}

#[test]
fn every_page_is_whole_and_needs_nothing_inline_or_from_elsewhere() {
    for brand in [brand("ServusConnect"), branded_with("#ffd43b", LOGO)] {
        for (name, html) in every_page(&brand, &PLAIN) {
            let elements = elements(&html);
            let count = |wanted: &str| elements.iter().filter(|element| element.name == wanted).count();
            for once in ["html", "title", "header", "main", "h1"] {
                assert_eq!(count(once), 1, "{name}: {once}");
            }
            assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"), "{name}");
            assert!(html.contains("ServusConnect</title>"), "{name}");
            assert!(
                html.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            );
            assert_eq!(count("style"), 0, "{name}");
            for element in &elements {
                element.assert_fits_the_policy(name, &brand);
            }
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_reference_a_target() {
    for (name, html) in every_page(&brand("ServusConnect"), &PLAIN) {
        let elements = elements(&html);
        let ids: Vec<_> = elements.iter().filter_map(|element| element.attribute("id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{name}: an id occurs twice");
        let is_field = |e: &&Element| ["input", "select", "textarea"].contains(&e.name.as_str());
        for field in elements.iter().filter(is_field) {
            if field.attribute("type") == Some("hidden") {
                continue;
            }
            let id = field.attribute("id").expect("a field has an id");
            assert!(elements.iter().any(|e| e.name == "label" && e.attribute("for") == Some(id)), "{name}");
        }
        for attribute in ["aria-describedby", "aria-labelledby"] {
            let references = elements.iter().filter_map(|element| element.attribute(attribute));
            for id in references.flat_map(str::split_whitespace) {
                assert!(ids.contains(&id), "{name}: nothing is called {id}");
            }
        }
        for element in &elements {
            if let Some(id) = element.attribute("href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains(&id), "{name}: nothing is called {id}");
            }
        }
    }
}

#[test]
fn a_problem_is_tied_to_the_field() {
    let html = SignIn::Ask {
        return_to: "/",
        email: Some("adele"),
        problem: Some("Please type a whole address, like name@example.com."),
        other_url: None,
    }
    .render(&brand("ServusConnect"));
    let elements = elements(&html);
    let field = elements.iter().find(|e| e.attribute("name") == Some("email")).expect("the field");
    assert_eq!(field.attribute("aria-invalid"), Some("true"));
    assert_eq!(field.attribute("aria-describedby"), Some("email-problem email-hint"));
    assert_eq!(field.attribute("value"), Some("adele"));
}

#[test]
fn one_known_connection_shows_its_button_and_does_not_name_the_customer() {
    let choice = Choice {
        connection_id: "contoso-1",
        organization_name: "Contoso Residential",
        button_label: "Log In with Microsoft",
    };
    let page = |choices| {
        SignIn::Continue { return_to: "/a?b=c&d", email: "adele@contoso.com", choices }
            .render(&brand("ServusConnect"))
    };
    let one = page(vec![choice.clone()]);
    assert!(one.contains(">Log In with Microsoft</button>"));
    assert!(!one.contains("Contoso Residential"));
    assert!(one.contains("href=\"/.anteroom/sign-in?another=1&#38;return_to=/a%3Fb%3Dc%26d\""), "{one}");

    let chooser = page(vec![choice.clone(), Choice { connection_id: "contoso-2", ..choice }]);
    let values: Vec<_> = elements(&chooser)
        .iter()
        .filter(|element| element.attribute("name") == Some("connection"))
        .filter_map(|element| element.attribute("value").map(str::to_owned))
        .collect();
    assert_eq!(values, ["contoso-1", "contoso-2"]);
    assert_eq!(chooser.matches("<strong>Contoso Residential</strong>").count(), 2);
}

#[test]
fn what_was_done_survives_a_redirect() {
    for done in Done::ALL {
        assert_eq!(Done::parse(done.as_str()), Some(*done));
    }
    assert_eq!(Done::parse(""), None);
}

#[test]
fn the_way_to_the_front_page_leaves_the_login_host() {
    for fault in [Fault::NotFound, Fault::MethodNotAllowed, Fault::ForeignForm] {
        let html = fault.render(&brand("ServusConnect"));
        assert!(html.contains(&format!("href=\"{APPLICATION_URL}\"")), "{}", fault_name(&fault));
    }
}

#[test]
fn the_waiting_room_reloads_itself_only_without_scripts() {
    let pages = every_page(&brand("ServusConnect"), &PLAIN);
    for (name, html) in &pages {
        let is_room = name.starts_with("waiting-room");
        // Nothing that somebody types there may be lost.
        let is_form = name.starts_with("waiting-room-saying");
        let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>";
        assert_eq!(html.contains(refresh), is_room && !is_form, "{name}");
        assert_eq!(html.matches("http-equiv").count(), usize::from(is_room && !is_form), "{name}");
        assert_eq!(html.contains("/waiting-room-"), is_room, "{name}");
    }
}

#[test]
fn static_files_are_named_by_their_content_and_small() {
    let plain = brand("ServusConnect");
    let coloured = branded_with("#1f5fa8", LOGO);
    let paths = |brand: &Brand| brand.assets().iter().map(|asset| asset.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&plain), paths(&brand("Another name")));
    let (plain_paths, coloured_paths) = (paths(&plain), paths(&coloured));
    assert_eq!((plain_paths.len(), coloured_paths.len()), (5, 6));
    assert_ne!(plain_paths[0], coloured_paths[0], "another accent, another stylesheet");
    assert_eq!(plain_paths[1..], coloured_paths[1..5], "the same scripts");

    for asset in coloured.assets().iter() {
        let found = coloured.assets().find(&asset.path).expect("its own path");
        assert_eq!(found.asset.octets, asset.octets);
        assert!(found.cache_control.contains("immutable"));
        // The stylesheet of agents and managers may weigh more than what everybody loads.
        let most = if asset.path.contains("/desk-") { 12 } else { 8 };
        assert!(asset.octets.len() < most * 1024, "{} has {} octets", asset.path, asset.octets.len());
        assert!(!String::from_utf8_lossy(&asset.octets).contains("url("), "{}", asset.path);
    }
    for asset in coloured.assets().iter() {
        let policy = asset.content_security_policy();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
        assert_eq!(policy.ends_with("; sandbox"), asset.content_type.starts_with("image/svg"), "{policy}");
    }
    let of_another_node = coloured.assets().find(&plain_paths[0]).expect("the present stylesheet instead");
    assert_eq!(of_another_node.cache_control, "no-store");
    for absent in [
        "/.anteroom/assets/",
        "/.anteroom/assets/anteroom.css",
        "/.anteroom/assets/anteroom-.css",
        "/.anteroom/assets/../anteroom-0123456789abcdef.css",
        "/.anteroom/assets/other-0123456789abcdef.css",
        "/anteroom-0123456789abcdef.css",
    ] {
        assert!(coloured.assets().find(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_policy_allows_nothing_inline_and_foreign_forms_only_where_a_login_starts() {
    for targets in
        [FormTargets::OwnOrigin, FormTargets::IdentityProviders, FormTargets::IdentityProvidersAndLoopback]
    {
        let policy = content_security_policy(targets);
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for needed in ["base-uri 'none'", "frame-ancestors 'none'", "script-src 'self'", "style-src 'self'"] {
            assert!(policy.split("; ").any(|directive| directive == needed), "{policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains('*')
                || targets == FormTargets::IdentityProvidersAndLoopback
        );
    }
    assert!(content_security_policy(FormTargets::OwnOrigin).ends_with("; form-action 'self'"));
    assert!(content_security_policy(FormTargets::IdentityProviders).ends_with("; form-action 'self' https:"));
}

/// The pages that the gallery also shows with a logo and another accent: one of each template.
const BRANDED: [&str; 7] =
    ["sign-in-problem", "sign-in-continue", "sign-out", "waiting-room", "refused", "manage", "request"];

/// A brand without and one with a logo.
pub(crate) fn plain_brand() -> (Brand, Brand) {
    (brand("ServusConnect"), branded_with("#ffd43b", LOGO))
}

/// Every page by its name, and some of them with a logo.
pub(crate) fn gallery_pages(plain: &Brand, branded: &Brand) -> Vec<(String, String)> {
    let with_logo = every_page(branded, &PLAIN).into_iter().filter(|(name, _)| BRANDED.contains(name));
    let with_logo = with_logo.map(|(name, html)| (format!("{name}-branded"), html));
    let plain = every_page(plain, &PLAIN).into_iter().map(|(name, html)| (name.to_owned(), html));
    plain.chain(with_logo).collect()
}

/// A start tag, read as a browser would read it.
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn shape(&self) -> String {
        let names: Vec<_> = self.attributes.iter().map(|(name, _)| name.as_str()).collect();
        format!("<{} {}>", self.name, names.join(" "))
    }

    fn assert_leads_nowhere_else(&self, page: &str, hostile: &str) {
        for name in ["href", "src", "action", "data-events"] {
            let Some(value) = self.attribute(name) else { continue };
            let own_path = value.starts_with('/') && !value[1..].starts_with(['/', '\\']);
            let known = ["", "data:,", APPLICATION_URL].contains(&value)
                || value.starts_with("mailto:support@")
                || value.starts_with('#');
            assert!(own_path || known, "{page}: {name}={value:?} with {hostile:?}");
        }
    }

    fn assert_fits_the_policy(&self, page: &str, brand: &Brand) {
        for (name, value) in &self.attributes {
            assert!(!name.starts_with("on") && name != "style", "{page}: {name}={value:?}");
        }
        if matches!(self.name.as_str(), "link" | "script" | "img") {
            let address =
                self.attribute("src").or_else(|| self.attribute("href")).expect("an address, not inline");
            assert!(address == "data:," || brand.assets().find(address).is_some(), "{page}: {address}");
        }
    }
}

fn elements(html: &str) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '>').expect("a whole tag");
        let mut element = Element { name: rest[..name_end].to_ascii_lowercase(), attributes: Vec::new() };
        rest = rest[name_end..].trim_start();
        while !rest.starts_with('>') {
            let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>').expect("a whole tag");
            let name = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut value = "";
            if let Some(quoted) = rest.strip_prefix("=\"") {
                let close = quoted.find('"').expect("a closed quote");
                value = &quoted[..close];
                rest = &quoted[close + 1..];
            } else {
                assert!(!rest.starts_with('='), "{name} is not quoted");
            }
            element.attributes.push((name, unescaped(value)));
            rest = rest.trim_start();
        }
        elements.push(element);
    }
    elements
}

fn unescaped(text: &str) -> String {
    let pairs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}
