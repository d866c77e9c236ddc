//! The console as a whole: names are text, however they look.

use super::{ANN, MAX, NOAH, agent, contoso, on, said};
use crate::app::Wanted;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_text_on_every_page() {
    const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x>";
    let app = contoso(Wanted::default()).await;
    app.command(&["property", "add", "evil", "--organization", "contoso", "--name", HOSTILE]).await;
    app.command(&["user", "grant", MAX, "--level", "manager", "--property", "evil"]).await;
    let mut noah = app.visitor().who_is(NOAH);
    noah.person.name = HOSTILE.to_owned();
    let room = noah.sign_on("/").await.expect(200);
    let form = room.form("/.anteroom/waiting-room").fill("property", "evil").fill("text", HOSTILE);
    noah.browser.submit(&room, &form).await.expect(200);
    let (mut max, page) = on(&app, MAX, "/.anteroom/manage").await;
    let form =
        page.form("/.anteroom/manage").fill("property", "evil").fill("email", NOAH).fill("level", "viewer");
    let form = form.fill("name", HOSTILE).fill("note", HOSTILE);
    let filed = max.browser.submit(&page, &form).await.expect(200);
    let mut ann = agent(&app, ANN).await;
    let queue = ann.visit("/.anteroom/support").await.expect(200);
    let request = ann.follow_link(&queue, "/.anteroom/support/requests/R-").await.expect(200);
    let users = ann.visit("/.anteroom/support/users?q=noah").await.expect(200);
    let user = ann.follow_link(&users, "/.anteroom/support/users/u_").await.expect(200);
    let organization = ann.visit("/.anteroom/support/organizations/contoso").await.expect(200);
    let room = noah.visit("/.anteroom/waiting-room").await.expect(200);
    for page in [&filed, &queue, &request, &user, &users, &organization, &room] {
        assert!(said(page).contains("alert(1)"), "it is shown: {}", page.url);
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img src=x"), "{}", page.body);
    }
}
