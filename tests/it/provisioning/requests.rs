//! From a request to the open door: manager, newcomer and agent, each in their own browser.

use tokio::time::Instant;

use super::{ANN, BEN, IN_FORCE, MAX, NOAH, add_manager, agent, contoso, file, on, press, said, wait_for};
use crate::app::{Wanted, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_from_the_waiting_room_to_the_open_door() {
    let app = contoso(Wanted::default()).await;
    let (mut noah, room) = on(&app, NOAH, "/work-orders/4711?tab=history").await;
    assert_eq!(room.url.path(), "/.anteroom/waiting-room");
    let mut events = noah.listen(&room).await;

    // The newcomer says where they work; the manager is told, and one click fills the form.
    let form = room.form("/.anteroom/waiting-room").fill("property", "harbour").fill("text", "Night shift");
    let page = noah.browser.submit(&room, &form).await.expect(200);
    assert!(said(&page).contains("Harbour House"), "{}", page.body);
    let (mut max, page) = on(&app, MAX, "/.anteroom/manage").await;
    assert!(said(&page).contains("Night shift"), "{}", page.body);
    let page = max.follow_link(&page, "email=noah.lind").await.expect(200);
    let form = page.form("/.anteroom/manage");
    assert_eq!((form.value("property"), form.value("email")), ("harbour", NOAH));

    let form = form.fill("level", "technician").fill("note", "Starts on Monday");
    let page = max.browser.submit(&page, &form).await.expect(200);
    assert!(page.url.query().is_some_and(|query| query.starts_with("done=filed")), "{}", page.url);
    wait_for(&mut events, ("status", "received")).await;

    // Another manager asks for the same, and joins.
    add_manager(&app, "mona@contoso.com", "harbour").await;
    let (mut mona, _) = on(&app, "mona@contoso.com", "/.anteroom/manage").await;
    let id = file(&mut mona, NOAH, "technician").await;
    let page = mona.visit(&format!("/.anteroom/manage?done=merged&request={id}")).await.expect(200);
    assert!(said(&page).contains(MAX), "it says who asked first: {}", page.body);

    // Support takes it, asks back, and gets an answer.
    let mut ann = agent(&app, ANN).await;
    let queue = ann.visit("/.anteroom/support").await.expect(200);
    let page = ann.follow_link(&queue, &id).await.expect(200);
    assert!(said(&page).contains("Starts on Monday"), "{}", page.body);
    let page = press(&mut ann, &page, "take").await.expect(200);
    wait_for(&mut events, ("status", "in_work")).await;
    let form = page.form(&format!("/.anteroom/support/requests/{id}/ask")).fill("question", "Which shift?");
    ann.browser.submit(&page, &form).await.expect(200);
    wait_for(&mut events, ("status", "needs_info")).await;
    assert!(said(&noah.visit("/.anteroom/waiting-room").await).contains("Which shift?"));
    let page = max.visit("/.anteroom/manage").await.expect(200);
    let form = page.form(&format!("/.anteroom/manage/requests/{id}/answer")).fill("text", "Nights");
    let page = max.browser.submit(&page, &form).await.expect(200);
    assert!(!said(&page).contains(ANN), "who of support works on it is nobody's business: {}", page.body);
    wait_for(&mut events, ("status", "in_work")).await;

    // Approved: the open page goes on within a second, to the page first asked for.
    let page = ann.visit(&format!("/.anteroom/support/requests/{id}")).await.expect(200);
    assert!(said(&page).contains("Nights"), "{}", page.body);
    let approved_at = Instant::now();
    let page = press(&mut ann, &page, "approve").await.expect(200);
    assert!(page.url.query() == Some("done=approved"), "{}", page.url);
    let released = wait_for(&mut events, ("released", "/work-orders/4711?tab=history"));
    tokio::time::timeout_at(approved_at + IN_FORCE, released).await.expect("within a second");
    noah.visit("/work-orders/4711?tab=history").await.expect(200);
    let claims = app.application.last().claims().expect("an identity");
    assert_eq!(
        (&claims["access"][0]["property"], &claims["access"][0]["level"]),
        (&"harbour".into(), &"technician".into())
    );

    // Everybody was written to, and the console shows it.
    let page = ann.visit("/.anteroom/support/mail").await.expect(200);
    for recipient in [NOAH, MAX, "mona@contoso.com", "support@servusconnect.example"] {
        assert!(said(&page).contains(recipient), "{recipient}: {}", page.body);
    }
    assert!(said(&page).contains("waits for access"), "{}", page.body);
    let letter = ann.visit("/.anteroom/support/mail/1").await.expect(200);
    assert!(said(&letter).contains(MAX), "who was added with a grant first of all: {}", letter.body);
    ann.visit("/.anteroom/support/mail/999999").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_request_tells_the_person_why() {
    let app = contoso(Wanted::default()).await;
    let (mut noah, room) = on(&app, NOAH, "/").await;
    let mut events = noah.listen(&room).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let id = file(&mut max, NOAH, "viewer").await;
    let mut ann = agent(&app, ANN).await;
    let page = ann.visit(&format!("/.anteroom/support/requests/{id}")).await.expect(200);
    let path = format!("/.anteroom/support/requests/{id}/deny");
    let empty = ann.browser.submit(&page, &page.form(&path)).await.expect(422);
    let form = empty.form(&path).fill("reason", "Left the company <b>");
    ann.browser.submit(&empty, &form).await.expect(200);
    wait_for(&mut events, ("status", "denied")).await;
    let page = noah.visit("/.anteroom/waiting-room").await.expect(200);
    assert!(
        said(&page).contains("Left the company <b>") && !page.body.contains("company <b>"),
        "{}",
        page.body
    );
    assert!(said(&max.visit("/.anteroom/manage").await).contains("Left the company"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_form_come_back_with_what_was_typed() {
    let app = contoso(Wanted::default()).await;
    let (mut max, page) =
        on(&app, MAX, "/.anteroom/manage?property=harbour&email=x%40contoso.com&name=X").await;
    let form = page.form("/.anteroom/manage");
    assert_eq!(
        (form.value("property"), form.value("email"), form.value("name")),
        ("harbour", "x@contoso.com", "X")
    );
    let typed = form.fill("email", "noah@fabrikam.com").fill("level", "administrator").fill("note", "N <i>");
    let page = max.browser.submit(&page, &typed).await.expect(422);
    let form = page.form("/.anteroom/manage");
    assert_eq!((form.value("email"), form.value("note")), ("noah@fabrikam.com", "N <i>"));
    assert!(said(&page).contains("@contoso.com") && !page.body.contains("<i>"), "{}", page.body);
    // Nobody asks for a property or a level beyond their own, whatever a browser sends.
    for (property, level) in
        [("mill", "viewer"), ("*", "viewer"), ("harbour", "administrator"), ("nowhere", "viewer")]
    {
        let fields = [("property", property), ("email", NOAH), ("name", ""), ("level", level), ("note", "")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        max.browser.post_from(&page.url, &app.url("/.anteroom/manage"), &fields).await.expect(422);
    }
    let ann = agent(&app, ANN).await;
    drop(ann);
    assert_eq!(app.command(&["request", "list", "--json"]).await.trim(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_access_are_not_asked_for_again() {
    let app = contoso(Wanted::default()).await;
    app.add_member(NOAH).await;
    let (mut max, page) = on(&app, MAX, "/.anteroom/manage").await;
    let form = page
        .form("/.anteroom/manage")
        .fill("property", "harbour")
        .fill("email", NOAH)
        .fill("level", "viewer");
    let page = max.browser.submit(&page, &form).await.expect(422);
    assert!(said(&page).contains("technician"), "it says what the person has: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_do_not_work_on_the_same_request() {
    let app = contoso(Wanted::default()).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let id = file(&mut max, NOAH, "viewer").await;
    let path = format!("/.anteroom/support/requests/{id}");
    let (mut ann, mut ben) = (agent(&app, ANN).await, agent(&app, BEN).await);
    let (seen_by_ann, seen_by_ben) = (ann.visit(&path).await, ben.visit(&path).await);
    press(&mut ann, &seen_by_ann, "take").await.expect(200);

    // Ben's page is out of date: what he sent is kept, and he sees who was faster.
    let form = seen_by_ben.form(&format!("{path}/approve")).fill("note", "Welcome");
    let page = ben.browser.submit(&seen_by_ben, &form).await.expect(409);
    assert!(said(&page).contains(ANN), "{}", page.body);
    assert_eq!(app.user(NOAH).await, None, "nothing was granted");
    // Nor can he decide what she has; he can take it over.
    assert!(!page.body.contains(&format!("{path}/approve")), "{}", page.body);
    let page = ben.browser.submit(&page, &page.form(&format!("{path}/take"))).await.expect(200);
    let again = ann.visit(&path).await.expect(200);
    assert!(said(&again).contains(BEN), "{}", again.body);
    press(&mut ben, &page, "approve").await.expect(200);
    assert_eq!(app.user(NOAH).await.expect("a user")["state"], "active");
    // A second click on the old page is refused kindly.
    let form = seen_by_ann.form(&format!("{path}/deny")).fill("reason", "No");
    let page = ann.browser.submit(&seen_by_ann, &form).await.expect(409);
    assert!(said(&page).contains("pproved"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_grants_what_the_agent_ticked_until_the_day_chosen() {
    let app = contoso(Wanted::default()).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let id = file(&mut max, NOAH, "manager").await;
    let path = format!("/.anteroom/support/requests/{id}");
    let mut ann = agent(&app, ANN).await;
    let page = ann.visit(&path).await.expect(200);
    let form = page.form(&format!("{path}/approve")).tick("property", "mill").fill("level", "viewer");
    let wrong = ann.browser.submit(&page, &form.clone().fill("until", "2020-01-01")).await.expect(422);
    let again = wrong.form(&format!("{path}/approve"));
    assert_eq!((again.value("level"), again.value("until")), ("viewer", "2020-01-01"));
    let is_ticked = |(name, value): &(String, String)| name == "property" && !value.is_empty();
    let ticked = again.fields.iter().filter(|field| is_ticked(field)).map(|(_, value)| value.as_str());
    assert_eq!(ticked.collect::<Vec<_>>(), ["harbour", "mill"]);
    // Without any tick nothing is granted, not even what was asked for.
    let mut none = again.clone();
    none.fields.retain(|field| !is_ticked(field));
    let none = ann.browser.submit(&wrong, &none.fill("until", "")).await.expect(422);
    assert!(said(&none).contains("Choose at least one property"), "{}", none.body);
    assert_eq!(app.user(NOAH).await, None);
    ann.browser.submit(&wrong, &again.fill("until", "2999-12-31")).await.expect(200);
    let grants = app.user(NOAH).await.expect("a user")["grants"].clone();
    assert_eq!(grants.as_array().map(Vec::len), Some(2), "{grants}");
    assert!(grants.to_string().contains("3000-01-01"), "{grants}");
    assert!(!grants.to_string().contains("manager"), "{grants}");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_to_everything_needs_a_second_agent_where_that_is_configured() {
    let app = contoso(Wanted::default().more("[access]\nsecond_approval = true\n")).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let id = file(&mut max, NOAH, "viewer").await;
    let path = format!("/.anteroom/support/requests/{id}");
    let (mut ann, mut ben) = (agent(&app, ANN).await, agent(&app, BEN).await);
    let page = ann.visit(&path).await.expect(200);
    let form = page.form(&format!("{path}/approve")).clear("property").tick("property", "*");
    let page = ann.browser.submit(&page, &form).await.expect(200);
    assert_eq!(page.url.query(), Some("done=proposed"));
    assert_eq!(app.user(NOAH).await, None);
    assert!(!page.body.contains(&format!("{path}/confirm")), "nobody confirms their own: {}", page.body);
    let form = [("version".to_owned(), page.form(&format!("{path}/deny")).value("version").to_owned())];
    ann.browser.post_from(&page.url, &app.url(&format!("{path}/confirm")), &form).await.expect(422);
    let page = ben.visit(&path).await.expect(200);
    let page = press(&mut ben, &page, "confirm").await.expect(200);
    assert_eq!(page.url.query(), Some("done=approved"));
    assert_eq!(app.user(NOAH).await.expect("a user")["grants"][0]["property"], "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_searched_and_filtered() {
    let app = contoso(Wanted::default()).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    let first = file(&mut max, NOAH, "viewer").await;
    let second = file(&mut max, "olga@contoso.com", "viewer").await;
    let mut ann = agent(&app, ANN).await;
    let shown = async |ann: &mut crate::app::Visitor<'_>, query: &str| {
        let page = ann.visit(&format!("/.anteroom/support?{query}")).await.expect(200);
        [&first, &second].map(|id| page.body.contains(id.as_str()))
    };
    assert_eq!(shown(&mut ann, "").await, [true, true]);
    assert_eq!(shown(&mut ann, "q=olga").await, [false, true]);
    assert_eq!(shown(&mut ann, "organization=nobody").await, [false, false]);
    let page = ann.visit(&format!("/.anteroom/support/requests/{first}")).await;
    press(&mut ann, &page, "take").await.expect(200);
    assert_eq!(shown(&mut ann, "mine=1").await, [true, false]);
    assert_eq!(shown(&mut ann, "state=received").await, [false, true]);
    assert_eq!(shown(&mut ann, "state=denied").await, [false, false]);
    until("the page is found by its number", async || {
        let mut ann = ann.browser.clone();
        ann.open(&app.url(&format!("/.anteroom/support?q={second}"))).await.body.contains(second.as_str())
    })
    .await;
}
