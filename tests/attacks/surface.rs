//! Every attack of the catalogue against a running Anteroom: refused, noted once, and nothing has happened.
//!
//! Separate from the catalogue because a verifier that refuses is worth nothing if what stands around it lets
//! something through: a session, a user, a request to the application, a spent request.
//!
//! Rules: the hostile message comes first and must leave nothing behind, not even a used-up request: the genuine
//! answer to the same request signs the same person on afterwards. One Anteroom for the variants of a row, a
//! browser for each. How long an answer may take is bounded by the patience of the browser; what it may cost is
//! bounded by the limits that group G runs into.

use std::fmt::Write as _;
use std::sync::Arc;

use anteroom::store::{AuditEntry, Store, UserFilter};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Attack, World, catalogue, identity_values, refuses_all_in};
use crate::app::{ENTITY_ID, TestApp, Wanted};
use crate::browserless::Page;
use crate::idp::{Request, SigningKey};

/// Runs all variants of a row: the verifier first, then a running Anteroom.
pub(crate) async fn refuses_row(id: &str) {
    let pure: Vec<_> = catalogue().into_iter().filter(|attack| attack.id == id).collect();
    // To decrypt takes a key of ours; whoever has none never gets so far.
    let keys: &[&'static SigningKey] = if id.starts_with('H') { &[SigningKey::ours()] } else { &[] };
    refuses_all_in(&World::with_keys(keys), &pure);
    let mut attacks = pure;
    attacks.extend(identity_values::people().into_iter().filter(|attack| attack.id == id));
    assert!(!attacks.is_empty(), "{id} has no variant");
    let app = Wanted::default().own_keys(keys).start().await;
    let store = app.open_store().await;
    let mut failures = String::new();
    for attack in &attacks {
        for what in attempt(&app, &store, attack).await {
            writeln!(failures, "{} {}: {what}", attack.id, attack.name).expect("memory");
        }
    }
    store.close().await;
    assert!(failures.is_empty(), "\n{failures}");
}

/// What a row came to; empty if all is well.
async fn attempt(app: &TestApp, store: &Arc<dyn Store>, attack: &Attack) -> Vec<String> {
    let mut visitor = app.visitor();
    let pending = visitor.begin("/private").await;
    let request = Request { sp_entity_id: ENTITY_ID.to_owned(), ..pending.request };
    let world = World { idp: app.idp.clone(), request, now: app.now(), own_keys: Vec::new() };
    let control = (attack.control)(&world);
    let genuine = control.to_form();
    let hostile = STANDARD.encode((attack.hostile)(&world, control));
    if hostile == genuine {
        return vec!["the hostile message is the control".to_owned()];
    }

    let before = State::of(app, store).await;
    let answer = visitor.post(hostile).await;
    let after = State::of(app, store).await;
    let mut found: Vec<String> = wrong_answer(attack, &answer).into_iter().collect();
    if let Some(session) = visitor.session() {
        found.push(format!("THERE IS A SESSION: {session}"));
    }
    if before.kept != after.kept {
        found.push(format!("something was made or changed: {} became {}", before.kept, after.kept));
    }
    if before.received != after.received {
        found.push("THE APPLICATION WAS REACHED".to_owned());
    }
    let noted = after.log.get(..after.log.len() - before.log.len()).unwrap_or_default();
    found.extend(wrong_note(attack, &answer, noted));

    let page = visitor.post(genuine).await;
    if visitor.session().is_none() {
        found.push(format!("the control is refused: {} {}", page.status, page.body));
    }
    found
}

/// What must not change, and the log, newest first.
struct State {
    kept: String,
    received: usize,
    log: Vec<AuditEntry>,
}

impl State {
    async fn of(app: &TestApp, store: &Arc<dyn Store>) -> Self {
        let users = store.accounts(&UserFilter::default()).await.expect("it can be read");
        let mut sessions = store.sessions(None, 1_000).await.expect("it can be read");
        for view in &mut sessions {
            // When those of the controls were last used is written down now and then.
            view.session.last_seen_at = view.session.created_at;
        }
        let log = store.audit_entries(1_000).await.expect("it can be read");
        Self { kept: format!("{users:?} {sessions:?}"), received: app.application.received().len(), log }
    }
}

/// Refused with a page that nobody keeps and nobody frames, or sent back to a normal login if nobody asked for it.
fn wrong_answer(attack: &Attack, answer: &Page) -> Option<String> {
    if attack.codes.contains(&"unsolicited") && answer.url.path() == "/.anteroom/sign-in" {
        return None;
    }
    let refused = [400, 403, 413].contains(&answer.status.as_u16());
    let stays = answer.url.path() == "/saml2/idpresponse";
    let is_page = answer.header("content-type").starts_with("text/html")
        && answer.header("cache-control").contains("no-store")
        && answer.header("content-security-policy").contains("frame-ancestors 'none'");
    (!refused || !stays || !is_page || answer.headers.contains_key("set-cookie"))
        .then(|| format!("answered {} at {}: {:?}", answer.status, answer.url, answer.headers))
}

/// One event with the right reason, and its reference on the page. What is too large is not looked at, so there
/// is nothing to note.
fn wrong_note(attack: &Attack, answer: &Page, noted: &[AuditEntry]) -> Option<String> {
    match noted {
        [entry] => {
            let reason = entry.reason.as_deref().unwrap_or_default();
            let shown = entry.reference.as_ref().is_none_or(|reference| answer.body.contains(reference));
            let is_right = entry.action.starts_with("sign_on.") && is_expected(attack, reason) && shown;
            (!is_right).then(|| format!("noted {entry:?} instead of one of {:?}", attack.codes))
        }
        [] if answer.status == 413 => None,
        several => Some(format!("noted {several:?} instead of one of {:?}", attack.codes)),
    }
}

/// The code of the catalogue; a request that is not ours is noticed before its answer is looked at.
fn is_expected(attack: &Attack, reason: &str) -> bool {
    let is_early = attack.codes.contains(&"wrong_in_response_to") && reason == "unknown_request";
    attack.codes.contains(&reason) || is_early
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_response_at_all_is_refused() {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    for field in ["", "x", "%%%%", "PHg+", &STANDARD.encode("<x"), &"A".repeat(600_000)] {
        let answer = visitor.post(field.to_owned()).await;
        assert!([400, 403, 413].contains(&answer.status.as_u16()), "{}", answer.status);
        assert_eq!(visitor.session(), None);
    }
    assert!(app.application.received().is_empty());
}
