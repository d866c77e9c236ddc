//! how often somebody may try, by where from, as whom and whither. Whoever waits as told gets through.

use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock, SystemClock};

use crate::app::{MIA, NOAH, Wanted};

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_on_form_is_limited_by_address_and_by_email() {
    let clock = ManualClock::at(SystemClock.now());
    let limits = "sign_in_per_address = \"4/m\"\nsign_in_per_email = \"2/m\"";
    let app = Wanted::default().clock(&clock).limits(limits).start().await;
    let mut mia = app.visitor();
    let page = mia.visit("/").await;
    mia.type_email(&page, MIA).await.expect(200);
    mia.type_email(&page, &MIA.to_ascii_uppercase()).await.expect(200);
    let refused = mia.type_email(&page, MIA).await.expect(429);
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(refused.header("x-anteroom-error"), "too_many_requests");
    assert!(refused.body.contains("Please wait 30 seconds"), "{}", refused.body);
    mia.type_email(&page, NOAH).await.expect(200);
    // Four from this address: now it is too much for everybody here.
    mia.type_email(&page, NOAH).await.expect(429);
    mia.visit("/.anteroom/sign-in").await.expect(200);
    clock.advance(Duration::from_secs(15));
    mia.type_email(&page, NOAH).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_to_one_identity_provider_are_limited() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).limits("sign_in_per_organization = \"2/h\"").start().await;
    for _ in 0..2 {
        app.visitor().begin("/").await;
    }
    let mut late = app.visitor();
    let page = late.visit("/").await;
    let page = late.type_email(&page, MIA).await;
    let form = page.form("/.anteroom/sign-in/start");
    let refused = late.browser.submit(&page, &form).await.expect(429);
    assert_eq!(refused.header("retry-after"), "1800");
    clock.advance(Duration::from_mins(30));
    late.browser.submit(&page, &form).await.expect(303);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_forms_are_limited_by_address_and_a_reload_changes_that() {
    let clock = ManualClock::at(SystemClock.now());
    let limits = "answers_per_address = \"2/m\"\nposts_per_address = \"1/h\"";
    let app = Wanted::default().clock(&clock).limits(limits).start().await;
    let mut mia = app.visitor();
    mia.post("nonsense".to_owned()).await;
    let answer = mia.sign_on("/").await;
    assert_eq!(answer.url.path(), "/.anteroom/waiting-room", "the second one is let through");
    mia.post("nonsense".to_owned()).await.expect(429);
    // Signing out is no work, and always possible.
    mia.sign_out().await.expect(303);

    let text = std::fs::read_to_string(app.config_path()).expect("the file is there");
    std::fs::write(app.config_path(), text.replace("\"2/m\"", "\"off\"")).expect("the file is writable");
    app.reload().await.expect("the new configuration is good");
    for _ in 0..5 {
        assert_ne!(mia.post("nonsense".to_owned()).await.status, 429);
    }
}
