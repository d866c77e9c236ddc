//! From the Waiting Room to the first page of the application, by three people in three browsers at once.
//!
//! Separate because these are the stories of a whole day's work: mail goes through a real server, pages move on by
//! themselves, and what a task takes in clicks and fields is counted.

use std::time::Instant;

use anteroom::clock::{Clock as _, SystemClock};
use fantoccini::wd::WindowHandle;
use fantoccini::{Client, Locator};
use jiff::Timestamp;
use tempfile::TempDir;

use super::LIVE;
use super::chromium::{Chromium, Kind, complaints, enter, fits_the_screen, path_of, until_path, until_text};
use super::login_page::LoginPage;
use super::person::Person;
use super::postbox::Postbox;
use crate::app::{MIA, NOAH, TestApp, Wanted, free_port, until};
use crate::idp::Idp;

/// Decides who gets access.
const DANA: &str = "dana.frost@contoso.com";

/// Everything but the people.
struct Stage {
    app: TestApp,
    postbox: Postbox,
    chromium: Chromium,
    _login: LoginPage,
}

impl Stage {
    /// Two properties, a manager and a support agent.
    async fn set() -> Self {
        let login = LoginPage::start().await;
        let postbox = Postbox::start();
        let wanted = Wanted::default().metadata(login.idp.metadata_xml()).on_port(free_port());
        let app = wanted.more(&postbox.configuration()).start().await;
        for (id, name) in [("lakeside", "Lakeside Apartments"), ("harbor", "Harbor View")] {
            app.command(&["property", "add", id, "--organization", "contoso", "--name", name]).await;
        }
        let add = |email, more: &'static [&'static str]| {
            let arguments = [&["user", "add", email, "--organization", "contoso"], more].concat();
            let app = &app;
            async move { app.command(&arguments).await }
        };
        add(MIA, &["--name", "Mia Berg", "--level", "manager", "--property", "*"]).await;
        add(DANA, &["--name", "Dana Frost", "--support"]).await;
        Self { chromium: Chromium::start().await, app, postbox, _login: login }
    }

    async fn person(&self, email: &'static str, kind: Kind) -> Person {
        Person::new(self.chromium.open(kind).await, email)
    }

    /// The link to the New User form in the mail that tells the manager who waits.
    async fn link_for_manager(&self) -> url::Url {
        self.postbox.mail(MIA, "waits for access").await.link("/.anteroom/manage")
    }

    /// The id of the one request.
    async fn request(&self) -> String {
        let printed = self.app.command(&["request", "list", "--json"]).await;
        let list: serde_json::Value = serde_json::from_str(&printed).expect("it prints JSON");
        list[0]["id"].as_str().unwrap_or_else(|| panic!("no request in {printed}")).to_owned()
    }
}

/// Says where in the Waiting Room.
async fn say_workplace(person: &Person) {
    person.choose("#workplace select[name=property]", "lakeside").await;
    person.fill("#workplace input[name=text]", "Front desk").await;
    person.send("/.anteroom/waiting-room").await;
    until_text(&person.client, "Front desk").await;
}

/// Tells what a task took, for whoever reads the output.
fn report(task: &str, effort: (u32, u32)) {
    let (clicks, fields) = effort;
    eprintln!("{task}: {clicks} clicks, {fields} fields");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and aiosmtpd, which scripts/test installs"]
async fn a_newcomer_with_two_tabs_is_asked_for_approved_and_let_in_while_all_three_watch() {
    let stage = Stage::set().await;
    let (app, postbox) = (&stage.app, &stage.postbox);
    let newcomer = stage.person(NOAH, Kind::Desktop).await;
    let manager = stage.person(MIA, Kind::Desktop).await;
    let agent = stage.person(DANA, Kind::Desktop).await;

    // Two tabs, two deep links, one session.
    newcomer.open(&app.url("/work-orders/4711?tab=history")).await;
    newcomer.sign_on("/.anteroom/waiting-room", true).await;
    let first = newcomer.client.window().await.expect("a tab");
    let second = newcomer.client.new_window(true).await.expect("another tab").handle;
    newcomer.client.switch_to_window(second.clone()).await.expect("it is there");
    newcomer.open(&app.url("/reports/7")).await;
    until_path(&newcomer.client, "/.anteroom/waiting-room").await;
    newcomer.client.switch_to_window(first.clone()).await.expect("it is there");
    newcomer.effort();
    say_workplace(&newcomer).await;
    report("saying where one works", newcomer.effort());

    // The manager knows nothing of all this until the mail comes. With the keyboard alone.
    let link = stage.link_for_manager().await;
    manager.open(&link).await;
    manager.sign_on("/.anteroom/manage", true).await;
    assert_eq!(manager.value("#email").await, NOAH);
    assert_eq!(manager.value("#property").await, "lakeside");
    manager.tab_to_and_type("#level", "tech").await;
    assert_eq!(manager.value("#level").await, "technician");
    manager.tab_to_and_type("#note", "Takes over the mornings.").await;
    manager.tab_to_and_type("#form button[type=submit]", &enter()).await;
    until_text(&manager.client, "R-").await;
    let request = stage.request().await;
    until_text(&manager.client, &request).await;

    // The newcomer's page says so by itself, and hands the focus to nobody.
    until_text(&newcomer.client, "Lakeside Apartments").await;
    until("a request is known", async || newcomer.text("#standing").await.contains("Lakeside")).await;

    // The agent works the queue.
    agent.sign_on_at(app, "/.anteroom/support").await;
    agent.effort();
    agent.click(&format!("a[href$=\"/requests/{request}\"]")).await;
    until_text(&agent.client, "Takes over the mornings.").await;
    agent.send("/take").await;
    until_text(&agent.client, "You have this request now").await;
    let clicked_at = SystemClock.now();
    let began = Instant::now();
    agent.send("/approve").await;

    // Both tabs move on by themselves, each to its own deep link.
    let released = until_both(&newcomer.client, [&first, &second], ["/work-orders/4711", "/reports/7"]).await;
    assert!(began.elapsed() < LIVE, "{:?}", began.elapsed());
    for (at, path) in released.iter().zip(["/work-orders/4711", "/reports/7"]) {
        let took = at.duration_since(clicked_at);
        eprintln!("from the click on Approve to leaving for {path}: {} ms", took.as_millis());
    }
    until_text(&agent.client, "Approved").await;
    report("deciding a request, taken first", agent.effort());
    newcomer.client.switch_to_window(first).await.expect("it is there");
    assert_eq!(newcomer.client.current_url().await.expect("a page").query(), Some("tab=history"));
    until_text(&newcomer.client, "The application: /work-orders/4711").await;

    // Everybody concerned is told once.
    let letter = postbox.mail(NOAH, "You have access").await;
    assert!(letter.text.contains("Lakeside Apartments"), "{}", letter.text);
    postbox.mail(MIA, "has access").await;
    assert_eq!(postbox.subjects(NOAH).len(), 1, "{:?}", postbox.subjects(NOAH));
    for person in [&newcomer, &manager, &agent] {
        assert_eq!(complaints(&person.client).await, Vec::<String>::new(), "{}", person.email);
    }
}

/// Waits until two tabs are at their paths; gives when each left its page for there.
async fn until_both(client: &Client, tabs: [&WindowHandle; 2], paths: [&str; 2]) -> Vec<Timestamp> {
    let mut left_at = Vec::new();
    for (tab, path) in tabs.into_iter().zip(paths) {
        client.switch_to_window(tab.clone()).await.expect("it is there");
        until_path(client, path).await;
        let script = "return Math.round(performance.timeOrigin)";
        let origin = client.execute(script, Vec::new()).await.expect("a script runs");
        let origin = Timestamp::from_millisecond(origin.as_i64().expect("a whole number"));
        left_at.push(origin.expect("it is a time"));
    }
    left_at
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and aiosmtpd, which scripts/test installs"]
async fn a_request_is_asked_about_answered_and_denied_and_a_stale_page_decides_nothing() {
    let stage = Stage::set().await;
    let (app, postbox) = (&stage.app, &stage.postbox);
    let newcomer = stage.person(NOAH, Kind::Desktop).await;
    let manager = stage.person(MIA, Kind::Desktop).await;
    let agent = stage.person(DANA, Kind::Desktop).await;
    newcomer.open(&app.url("/work-orders")).await;
    newcomer.sign_on("/.anteroom/waiting-room", true).await;

    // By hand, from the application's link to the form.
    manager.sign_on_at(app, "/.anteroom/manage?property=harbor").await;
    assert_eq!(manager.value("#property").await, "harbor");
    manager.effort();
    manager.fill("#email", NOAH).await;
    manager.fill("#name", "Noah Lind").await;
    manager.choose("#level", "viewer").await;
    manager.fill("#note", "Please hurry.").await;
    manager.click("#form button[type=submit]").await;
    until_text(&manager.client, "R-").await;
    report("filing a request with nothing filled in", manager.effort());
    let request = stage.request().await;

    agent.sign_on_at(app, "/.anteroom/support").await;
    let page = app.url(&format!("/.anteroom/support/requests/{request}"));
    agent.open(&page).await;
    let new_page = agent.client.window().await.expect("a tab");
    let old_page = agent.client.new_window(true).await.expect("another tab").handle;
    agent.client.switch_to_window(old_page.clone()).await.expect("it is there");
    agent.open(&page).await;
    agent.client.switch_to_window(new_page.clone()).await.expect("it is there");
    agent.effort();
    agent.click("details:has(form[action$=\"/ask\"]) summary").await;
    agent.fill("#question", "Which shift?").await;
    agent.send("/ask").await;
    until_text(&agent.client, "on its way").await;
    report("asking back", agent.effort());

    // A second click, on what was seen before.
    agent.client.switch_to_window(old_page).await.expect("it is there");
    agent.send("/approve").await;
    until_text(&agent.client, "this page was out of date: dana.frost@contoso.com asked a question").await;
    assert_eq!(app.user(NOAH).await.expect("a user")["state"], "waiting");
    agent.client.switch_to_window(new_page).await.expect("it is there");

    // The manager answers where the mail leads.
    let letter = postbox.mail(MIA, "A question about your request").await;
    assert!(letter.text.contains("Which shift?"), "{}", letter.text);
    manager.open(&letter.link("/.anteroom/manage")).await;
    until_text(&manager.client, "Which shift?").await;
    manager.effort();
    manager.fill("textarea[name=text]", "The early one.").await;
    manager.send("/answer").await;
    until_text(&manager.client, "Your answer about Noah Lind is with the support team").await;
    report("answering", manager.effort());

    agent.open(&page).await;
    until_text(&agent.client, "The early one.").await;
    agent.effort();
    agent.click("details:has(form[action$=\"/deny\"]) summary").await;
    agent.fill("#reason", "Nobody works there at that hour.").await;
    agent.send("/deny").await;
    until_text(&agent.client, "Denied").await;
    report("denying", agent.effort());
    until_text(&newcomer.client, "Nobody works there at that hour.").await;
    assert_eq!(path_of(&newcomer.client).await, "/.anteroom/waiting-room");
    let letter = postbox.mail(MIA, "has not been given access").await;
    assert!(letter.text.contains("Nobody works there"), "{}", letter.text);
    postbox.mail(NOAH, "You have not been given access").await;
    for person in [&newcomer, &manager] {
        assert_eq!(complaints(&person.client).await, Vec::<String>::new(), "{}", person.email);
    }
    // The browser notes the answer to the stale page, and nothing else.
    let noted = complaints(&agent.client).await;
    assert!(noted.len() == 1 && noted[0].ends_with("409 (Conflict)"), "{noted:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and aiosmtpd, which scripts/test installs"]
async fn an_organization_is_connected_from_the_two_things_that_a_customer_sends() {
    let stage = Stage::set().await;
    let app = &stage.app;
    let agent = stage.person(DANA, Kind::Desktop).await;
    let customer = LoginPage::serve(Idp::other_tenant(), "admin@fabrikam.com").await;
    let dir = TempDir::new().expect("a temporary directory");
    let file = dir.path().join("federationmetadata.xml");
    std::fs::write(&file, customer.idp.metadata_xml()).expect("the directory is writable");

    agent.sign_on_at(app, "/.anteroom/support/organizations").await;
    agent.effort();
    agent.click("a[href$=\"/organizations/new\"]").await;
    until_path(&agent.client, "/.anteroom/support/organizations/new").await;
    agent.fill("#name", "Fabrikam Homes").await;
    agent.fill("#id", "fabrikam").await;
    agent.fill("#domains", "fabrikam.com").await;
    agent.attach("#metadata", &file).await;
    agent.send("/preview").await;
    until_text(&agent.client, &customer.idp.entity_id).await;
    agent.click("main form button[type=submit]").await;
    until_path(&agent.client, "/.anteroom/support/organizations/fabrikam").await;
    until_text(&agent.client, "The organization is connected").await;
    report("connecting an organization", agent.effort());

    // The trial signs on at the customer's provider for real.
    agent.send("/test").await;
    until_path(&agent.client, "/.anteroom/support/organizations/fabrikam/test").await;
    until_text(&agent.client, "It is signed with a key of the metadata").await;
    assert_eq!(agent.client.find_all(Locator::Css("[data-state=failed]")).await.expect("a page").len(), 0);
    report("trying the connection out", agent.effort());

    let newcomer = stage.person("zoe@fabrikam.com", Kind::Desktop).await;
    newcomer.open(&app.url("/work-orders")).await;
    newcomer.sign_on("/.anteroom/waiting-room", true).await;
    until_text(&newcomer.client, "Fabrikam Homes").await;
    for person in [&newcomer, &agent] {
        assert_eq!(complaints(&person.client).await, Vec::<String>::new(), "{}", person.email);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and aiosmtpd, which scripts/test installs"]
async fn every_page_of_managers_and_agents_fits_a_phone() {
    let stage = Stage::set().await;
    let app = &stage.app;
    let newcomer = stage.person(NOAH, Kind::Phone).await;
    newcomer.open(&app.url("/work-orders")).await;
    newcomer.sign_on("/.anteroom/waiting-room", true).await;
    fits_the_screen(&newcomer.client).await;
    say_workplace(&newcomer).await;
    fits_the_screen(&newcomer.client).await;

    let manager = stage.person(MIA, Kind::Phone).await;
    manager.open(&stage.link_for_manager().await).await;
    manager.sign_on("/.anteroom/manage", true).await;
    fits_the_screen(&manager.client).await;
    manager.choose("#level", "viewer").await;
    manager.click("#form button[type=submit]").await;
    until_text(&manager.client, "R-").await;
    fits_the_screen(&manager.client).await;
    let request = stage.request().await;

    let agent = stage.person(DANA, Kind::Phone).await;
    agent.sign_on_at(app, "/.anteroom/support").await;
    let user = app.user(NOAH).await.expect("a user")["id"].as_str().expect("text").to_owned();
    let pages = [
        "/.anteroom/support".to_owned(),
        format!("/.anteroom/support/requests/{request}"),
        "/.anteroom/support/users".to_owned(),
        format!("/.anteroom/support/users/{user}"),
        "/.anteroom/support/organizations".to_owned(),
        "/.anteroom/support/organizations/new".to_owned(),
        "/.anteroom/support/organizations/contoso".to_owned(),
        "/.anteroom/support/sign-ons".to_owned(),
        "/.anteroom/support/mail".to_owned(),
        "/.anteroom/support/mail/1".to_owned(),
    ];
    for page in &pages {
        agent.open(&app.url(page)).await;
        until_path(&agent.client, page).await;
        assert!(agent.client.find(Locator::Css("h1")).await.is_ok(), "{page}");
        fits_the_screen(&agent.client).await;
    }
    for person in [&newcomer, &manager, &agent] {
        assert_eq!(complaints(&person.client).await, Vec::<String>::new(), "{}", person.email);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromium-driver and aiosmtpd, which scripts/test installs"]
async fn provisioning_works_without_scripts() {
    let stage = Stage::set().await;
    let app = &stage.app;
    let newcomer = stage.person(NOAH, Kind::WithoutScripts).await;
    newcomer.open(&app.url("/work-orders/4711")).await;
    newcomer.sign_on("/.anteroom/waiting-room", false).await;
    newcomer.click(".unscripted a").await;
    say_workplace(&newcomer).await;

    let manager = stage.person(MIA, Kind::WithoutScripts).await;
    manager.open(&stage.link_for_manager().await).await;
    manager.sign_on("/.anteroom/manage", false).await;
    manager.choose("#level", "viewer").await;
    manager.click("#form button[type=submit]").await;
    until_text(&manager.client, "R-").await;
    let request = stage.request().await;

    let agent = stage.person(DANA, Kind::WithoutScripts).await;
    agent.open(&app.url("/.anteroom/support")).await;
    agent.sign_on("/.anteroom/support", false).await;
    agent.effort();
    agent.click(&format!("a[href$=\"/requests/{request}\"]")).await;
    agent.send("/approve").await;
    until_text(&agent.client, "Approved").await;
    report("deciding a request at once", agent.effort());
    until_path(&newcomer.client, "/work-orders/4711").await;
}
