//! The outbox.

use std::collections::BTreeSet;

use anteroom::directory::Workplace;
use anteroom::store::{AuditEvent, Batch, Claim, NewMessage, Store};
use jiff::Timestamp;
use serde_json::json;

use crate::store::conformance::{Backend, add, email, event, furnished, name, noon, seconds_later, user_id};

fn message(recipient: &str, topic: &str, text: &str) -> NewMessage {
    NewMessage {
        recipient: email(recipient),
        topic: topic.to_owned(),
        notice: json!({ "kind": "test", "text": text }),
        key: None,
    }
}

/// Puts messages into the outbox, as a part of something that happens to Adele.
async fn put(store: &dyn Store, at: Timestamp, messages: &[NewMessage]) {
    let workplace = Workplace { property: None, text: Some(name("the tower")), at };
    let event = AuditEvent { at, ..event("workplace.said") };
    store.say_workplace(&user_id("u_adele"), &workplace, event, messages.to_vec()).await.unwrap();
}

fn claim(mail_id: &str, now: Timestamp) -> Claim {
    Claim { now, until: later(now, 60), mail_id: mail_id.to_owned(), hourly_max: 3 }
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at + jiff::SignedDuration::from_secs(seconds)
}

fn texts(batch: &Batch) -> Vec<&str> {
    batch.messages.iter().map(|message| message.notice["text"].as_str().unwrap()).collect()
}

/// The mail's name and what it says.
async fn claimed(store: &dyn Store, mail_id: &str, now: Timestamp) -> Option<(String, Vec<String>)> {
    let batch = store.claim_mail(&claim(mail_id, now)).await.unwrap()?;
    let texts = texts(&batch).into_iter().map(str::to_owned).collect();
    Some((batch.mail_id, texts))
}

fn mail(mail_id: &str, texts: &[&str]) -> (String, Vec<String>) {
    (mail_id.to_owned(), texts.iter().map(|text| (*text).to_owned()).collect())
}

pub(crate) async fn messages_of_one_topic_to_one_recipient_become_one_mail(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    let messages = [
        message("a@contoso.com", "queue", "1"),
        message("b@contoso.com", "queue", "2"),
        message("a@contoso.com", "access", "3"),
        message("a@contoso.com", "queue", "4"),
    ];
    put(&*store, noon(), &messages).await;
    assert_eq!(store.mail_waiting().await.unwrap(), 4);
    let batch = store.claim_mail(&claim("m1", noon())).await.unwrap().unwrap();
    assert_eq!((batch.mail_id.as_str(), &batch.recipient), ("m1", &email("a@contoso.com")));
    assert_eq!(texts(&batch), ["1", "4"]);
    let first = &batch.messages[0];
    assert_eq!((first.topic.as_str(), first.attempts, first.created_at), ("queue", 1, noon()));
    assert_eq!((first.sent_at, &first.error, &first.notice), (None, &None, &messages[0].notice));
    assert_eq!(claimed(&*store, "m2", noon()).await, Some(mail("m2", &["2"])));
    assert_eq!(claimed(&*store, "m3", noon()).await, Some(mail("m3", &["3"])));
    assert_eq!(claimed(&*store, "m4", noon()).await, None);

    store.mail_sent("m1", seconds_later(1)).await.unwrap();
    assert_eq!(store.mail_waiting().await.unwrap(), 2);
    let all = store.messages(false, None, 10).await.unwrap();
    let seen: Vec<_> = all.iter().map(|message| (message.id, message.sent_at)).collect();
    let sent = Some(seconds_later(1));
    assert_eq!(seen, [(4, sent), (3, None), (2, None), (1, sent)]);
    let waiting = store.messages(true, None, 1).await.unwrap();
    assert_eq!(waiting.iter().map(|message| message.id).collect::<Vec<_>>(), [3]);
    assert_eq!(
        claimed(&*store, "m5", seconds_later(59)).await,
        None,
        "two are claimed, one mail is delivered"
    );
}

pub(crate) async fn messages_are_read_one_by_one_and_page_by_page(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    let messages = ["1", "2", "3", "4"].map(|text| message("a@contoso.com", text, text));
    put(&*store, noon(), &messages).await;
    claimed(&*store, "m1", noon()).await;
    store.mail_sent("m1", noon()).await.unwrap();
    for (only_waiting, before, limit, expected) in [
        (false, None, 2, &[4, 3][..]),
        (false, Some(3), 2, &[2, 1]),
        (false, Some(1), 2, &[]),
        (true, Some(4), 9, &[3, 2]),
        (true, None, 9, &[4, 3, 2]),
    ] {
        let page = store.messages(only_waiting, before, limit).await.unwrap();
        let ids: Vec<_> = page.iter().map(|message| message.id).collect();
        assert_eq!(ids, expected, "{only_waiting} {before:?}");
    }
    let first = store.message(1).await.unwrap().unwrap();
    assert_eq!((first.topic.as_str(), first.sent_at), ("1", Some(noon())));
    assert_eq!(store.message(5).await.unwrap(), None);
}

pub(crate) async fn a_mail_that_failed_goes_out_as_it_was(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    put(&*store, noon(), &[message("a@contoso.com", "queue", "1")]).await;
    assert_eq!(claimed(&*store, "m1", noon()).await, Some(mail("m1", &["1"])));
    put(&*store, seconds_later(1), &[message("a@contoso.com", "queue", "2")]).await;
    store.mail_failed("m1", "no route to host", seconds_later(100)).await.unwrap();
    let waiting = store.messages(true, None, 10).await.unwrap();
    let failed = &waiting[1];
    assert_eq!(
        (failed.error.as_deref(), failed.next_attempt_at),
        (Some("no route to host"), seconds_later(100))
    );
    assert_eq!(failed.attempts, 1);
    assert_eq!(
        claimed(&*store, "m2", seconds_later(99)).await,
        Some(mail("m2", &["2"])),
        "what came later is new mail"
    );

    store.close().await;
    let store = backend.open().await;
    assert_eq!(claimed(&*store, "m3", seconds_later(100)).await, Some(mail("m1", &["1"])));
    assert_eq!(claimed(&*store, "m4", seconds_later(158)).await, None, "both are claimed");
    assert_eq!(
        claimed(&*store, "m5", seconds_later(159)).await,
        Some(mail("m2", &["2"])),
        "its claimer has died"
    );
    assert_eq!(claimed(&*store, "m6", seconds_later(160)).await, Some(mail("m1", &["1"])));
    store.mail_sent("m1", seconds_later(161)).await.unwrap();
    store.mail_failed("m1", "too late", seconds_later(162)).await.unwrap();
    let messages = store.messages(false, None, 10).await.unwrap();
    assert_eq!((messages[1].attempts, &messages[1].error), (3, &None));
    assert_eq!(messages[1].sent_at, Some(seconds_later(161)), "delivered is delivered");
}

pub(crate) async fn who_has_had_enough_mail_is_put_off_and_others_are_not(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    for number in 0..3 {
        let topic = format!("t{number}");
        let at = seconds_later(number * 60);
        // Two messages in each: mails count, not messages.
        let pair = [message("a@contoso.com", &topic, "x"), message("a@contoso.com", &topic, "y")];
        put(&*store, at, &pair).await;
        let id = format!("m{number}");
        assert_eq!(claimed(&*store, &id, at).await, Some(mail(&id, &["x", "y"])));
        store.mail_sent(&id, at).await.unwrap();
    }
    let messages = [
        message("a@contoso.com", "more", "1"),
        message("a@contoso.com", "and more", "2"),
        message("b@contoso.com", "more", "3"),
    ];
    put(&*store, seconds_later(300), &messages).await;
    assert_eq!(claimed(&*store, "m3", seconds_later(300)).await, Some(mail("m3", &["3"])));
    assert_eq!(claimed(&*store, "m4", seconds_later(300)).await, None);
    let waiting = store.messages(true, None, 10).await.unwrap();
    let put_off: Vec<_> = waiting.iter().skip(1).map(|message| message.next_attempt_at).collect();
    assert_eq!(put_off, [seconds_later(3_600); 2], "until the oldest is an hour old");
    assert_eq!(waiting[1].attempts, 0, "that was no try");
    store.mail_sent("m3", seconds_later(300)).await.unwrap();

    assert_eq!(claimed(&*store, "m5", seconds_later(3_599)).await, None);
    assert_eq!(claimed(&*store, "m5", seconds_later(3_600)).await, Some(mail("m5", &["1"])));
    store.mail_sent("m5", seconds_later(3_600)).await.unwrap();
    assert_eq!(claimed(&*store, "m6", seconds_later(3_600)).await, None);
    assert_eq!(claimed(&*store, "m6", seconds_later(3_660)).await, Some(mail("m6", &["2"])));
}

pub(crate) async fn nobody_gets_mail_when_none_is_allowed(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    put(&*store, noon(), &[message("a@contoso.com", "queue", "1")]).await;
    let none = Claim { hourly_max: 0, ..claim("m1", noon()) };
    assert_eq!(store.claim_mail(&none).await.unwrap(), None);
    assert_eq!(store.mail_waiting().await.unwrap(), 1);
}

pub(crate) async fn a_second_message_with_a_key_is_dropped_for_a_day(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    let keyed =
        |key: &str| NewMessage { key: Some(key.to_owned()), ..message("a@contoso.com", "waiting", key) };
    put(&*store, noon(), &[keyed("ben"), keyed("ben"), keyed("dan")]).await;
    assert_eq!(store.mail_waiting().await.unwrap(), 2);
    assert_eq!(claimed(&*store, "m1", noon()).await, Some(mail("m1", &["ben", "dan"])));
    store.mail_sent("m1", noon()).await.unwrap();
    put(&*store, seconds_later(86_399), &[keyed("ben")]).await;
    assert_eq!(store.mail_waiting().await.unwrap(), 0, "delivered or not");
    put(&*store, seconds_later(86_400), &[keyed("ben")]).await;
    assert_eq!(store.mail_waiting().await.unwrap(), 1);
}

pub(crate) async fn parallel_claimers_never_have_the_same_mail(backend: &dyn Backend) {
    let stores = [furnished(backend).await, backend.open().await];
    add(&*stores[0], "adele@contoso.com", &[]).await;
    let messages: Vec<_> = (0..12)
        .map(|number| message(&format!("user-{}@contoso.com", number % 6), "queue", &number.to_string()))
        .collect();
    put(&*stores[0], noon(), &messages).await;
    let tasks = (0..20).map(|number: usize| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move { store.claim_mail(&claim(&format!("m{number}"), noon())).await.unwrap() })
    });
    let outcomes = futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    let batches: Vec<_> = outcomes.into_iter().filter_map(Result::unwrap).collect();
    assert_eq!(batches.len(), 6);
    let ids: BTreeSet<_> =
        batches.iter().flat_map(|batch| batch.messages.iter().map(|message| message.id)).collect();
    assert_eq!(ids.len(), 12, "every message once");
    assert!(batches.iter().all(|batch| batch.messages.len() == 2));
}

pub(crate) async fn delivered_messages_are_kept_for_a_while_and_waiting_ones_for_ever(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    put(&*store, noon(), &[message("a@contoso.com", "1", "1"), message("a@contoso.com", "2", "2")]).await;
    claimed(&*store, "m1", noon()).await;
    store.mail_sent("m1", noon()).await.unwrap();
    let days = |days: i64| seconds_later(days * 86_400);
    store.purge(days(30), noon()).await.unwrap();
    assert_eq!(store.messages(false, None, 10).await.unwrap().len(), 2);
    store.purge(days(31), noon()).await.unwrap();
    let left = store.messages(false, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|message| message.topic.as_str()).collect::<Vec<_>>(), ["2"]);
}

pub(crate) async fn what_no_change_causes_is_posted(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let keyed = |text: &str| NewMessage {
        key: Some("digest".to_owned()),
        ..message("a@contoso.com", "digest", text)
    };
    store.post_mail(&[keyed("1"), message("a@contoso.com", "access", "2")], noon()).await.unwrap();
    store.post_mail(&[keyed("3")], seconds_later(1)).await.unwrap();
    assert_eq!(store.mail_waiting().await.unwrap(), 2, "the key holds for a day");
    assert_eq!(claimed(&*store, "m1", noon()).await, Some(mail("m1", &["1"])));
    assert_eq!(claimed(&*store, "m2", noon()).await, Some(mail("m2", &["2"])));
}
