//! What letters say, and what they never do whatever somebody is called.
//!
//! Separate from delivery: everything here is a pure function.

use anteroom::mail::{Letter, Mail, Notice, Sender, render};

use super::{access, address, every_kind, request, words};

/// A name that tries everything at once.
const HOSTILE: &str = "Zoë\r\nBcc: victim@evil.example\r\n\r\n<script>alert(1)</script><a href=\"https://evil.example\">\
                       &amp; www.evil.example\u{202e}\u{200b}";

fn letter(notice: &Notice) -> Letter {
    render(std::slice::from_ref(notice), &words())
}

fn octets(letter: Letter) -> String {
    let mail = Mail {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        from: Sender::parse("ServusConnect Söns <no-reply@servusconnect.example>").expect("a sender"),
        to: address("noah.lind@contoso.com"),
        reply_to: Some(address("support@servusconnect.example")),
        at: "2026-11-25T12:00:00Z".parse().expect("a time"),
        letter,
    };
    String::from_utf8(mail.to_message().expect("a message").formatted()).expect("ASCII")
}

/// All addresses that the HTML leads to.
fn hrefs(html: &str) -> Vec<&str> {
    html.split("href=\"").skip(1).map(|rest| rest.split_once('"').expect("it ends").0).collect()
}

#[test]
fn every_kind_of_notice_says_what_happened_and_where_to_go() {
    let rows = [
        ("You have access to ServusConnect", "Tower One: technician, until 1 March 2027, 00:00 UTC", "/"),
        ("You have not been given access to ServusConnect", "> Not one of us.", "/.anteroom/waiting-room"),
        ("Your access to ServusConnect takes a little longer", "> Which tower?", "/.anteroom/waiting-room"),
        (
            "Noah Lind has access to ServusConnect (R-ABCDEFGHJK)",
            "Tower One: technician",
            "/.anteroom/manage",
        ),
        (
            "Noah Lind has not been given access to ServusConnect (R-ABCDEFGHJK)",
            "> Not one of us.",
            "/.anteroom/manage",
        ),
        ("A question about your request for Noah Lind (R-ABCDEFGHJK)", "> Which tower?", "/.anteroom/manage"),
        (
            "New User request R-ABCDEFGHJK: Noah Lind, Contoso Residential",
            "Asked for by: mia.berg@contoso.com",
            "/.anteroom/support/requests/R-ABCDEFGHJK",
        ),
        (
            "3 New User requests are open at ServusConnect",
            "filed on 20 November 2026, 08:30 UTC",
            "/.anteroom/support",
        ),
        (
            "Noah Lind waits for access to ServusConnect",
            "Says to work at: Noah Lind",
            "/.anteroom/manage?property=tower&email=noah.lind%40contoso.com&name=Noah%20Lind",
        ),
    ];
    let notices = every_kind("Noah Lind");
    assert_eq!(notices.len(), rows.len());
    for (notice, (subject, part, path)) in notices.iter().zip(rows) {
        let letter = letter(notice);
        assert_eq!(letter.subject, subject);
        assert!(letter.text.contains(part), "{part:?} not in {}", letter.text);
        let url = format!("https://app.example.com{path}");
        assert!(letter.text.contains(&format!("\r\n{url}\r\n")), "{url} not in {}", letter.text);
        assert_eq!(hrefs(&letter.html), [url.replace('&', "&#38;")], "{}", letter.html);
        let for_support = matches!(notice, Notice::RequestReceived { .. } | Notice::QueueDigest { .. });
        assert_eq!(letter.text.contains("Write to support@servusconnect.example"), !for_support);
    }
}

#[test]
fn both_forms_say_the_same() {
    for notice in every_kind("Noah Lind") {
        let letter = letter(&notice);
        let html = letter.html.split_once("<body>").expect("a body").1;
        let mut bare = String::new();
        for part in html.split('<') {
            bare.push_str(part.split_once('>').map_or(part, |(_, text)| text));
            bare.push(' ');
        }
        let words = |text: &str| -> Vec<String> {
            let text = text.replace("&#38;", "&").replace("&#39;", "'");
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let html = words(&bare).concat();
        for line in letter.text.lines().filter(|line| !line.starts_with("https://")) {
            assert!(html.contains(&words(line).concat()), "{line:?} not in {bare}");
        }
    }
}

#[test]
fn a_hostile_name_makes_no_header_no_markup_and_no_link() {
    for notice in every_kind(HOSTILE) {
        let letter = letter(&notice);
        let benign = render(std::slice::from_ref(&notice_like(&notice)), &words());
        assert!(!letter.subject.chars().any(char::is_control), "{:?}", letter.subject);
        assert!(
            !letter.html.contains("<script") && !letter.html.contains("<a href=\"https://evil"),
            "{}",
            letter.html
        );
        let tags = |html: &str| html.matches('<').count() - html.matches("<br>").count();
        assert_eq!(tags(&letter.html), tags(&benign.html), "{}", letter.html);
        assert!(hrefs(&letter.html).iter().all(|href| href.starts_with("https://app.example.com/")));
        let shown = letter.text.lines().chain(letter.html.lines());
        for line in shown.filter(|line| !line.contains("https://app.example.com/")) {
            for link in ["evil.example", "https://evil", "www.evil", "victim@evil"] {
                assert!(!line.contains(link), "{link} in {line:?}");
            }
        }
        for marks in ['\u{202e}', '\u{200b}'] {
            assert!(
                !letter.text.contains(marks)
                    && !letter.html.contains(marks)
                    && !letter.subject.contains(marks)
            );
        }
        let octets = octets(letter);
        let (head, _) = octets.split_once("\r\n\r\n").expect("a head");
        assert!(!head.to_ascii_lowercase().contains("\r\nbcc"), "{head}");
        assert_eq!(head.matches("\r\nSubject: ").count(), 1, "{head}");
    }
}

/// The same notice about somebody with a harmless name.
fn notice_like(notice: &Notice) -> Notice {
    let kind = std::mem::discriminant(notice);
    let mut all = every_kind("Noah Lind").into_iter();
    all.find(|other| std::mem::discriminant(other) == kind).expect("every kind is there")
}

#[test]
fn nothing_is_fetched_and_nobody_is_tracked() {
    for notice in every_kind("Noah Lind") {
        let html = letter(&notice).html;
        for thing in ["<img", "<link", "<script", "url(", "@import", "src=", "style=\"", "<iframe", "<form"] {
            assert!(!html.contains(thing), "{thing} in {html}");
        }
        assert_eq!(hrefs(&html).len(), 1, "{html}");
    }
}

#[test]
fn several_messages_of_one_topic_become_one_letter() {
    let waits = |email: &str| Notice::SomebodyWaits {
        organization: "Contoso".to_owned(),
        email: email.to_owned(),
        name: None,
        property: None,
        workplace: "Tower One".to_owned(),
    };
    let letter = render(&[waits("a@contoso.com"), waits("b@contoso.com"), waits("a@contoso.com")], &words());
    assert_eq!(
        letter.subject, "2 people wait for access to ServusConnect",
        "what is said twice is told once"
    );
    assert!(letter.text.contains("email=a%40contoso.com") && letter.text.contains("email=b%40contoso.com"));
    assert_eq!(letter.html.matches("<section>").count(), 2);

    let asked = Notice::InformationNeeded { request: request(None), question: "Which?".to_owned() };
    let approved = Notice::RequestApproved { request: request(None), access: access(), note: None };
    let letter = render(&[asked, approved], &words());
    assert_eq!(
        letter.subject, "noah.lind@contoso.com has access to ServusConnect (R-ABCDEFGHJK)",
        "the newest"
    );
    let (question, answer) =
        (letter.text.find("A question").unwrap(), letter.text.find("has access").unwrap());
    assert!(question < answer, "in their order: {}", letter.text);
}

#[test]
fn long_names_end_the_subject_somewhere() {
    let letter = letter(&Notice::InformationNeeded {
        request: request(Some(&"é".repeat(200))),
        question: "?".into(),
    });
    assert_eq!(letter.subject.chars().count(), 150);
    assert!(letter.subject.ends_with('…'));
}

#[test]
fn a_mail_is_made_of_ascii_and_is_the_same_at_every_try() {
    let letter = letter(&every_kind("Zoë Ünal 日本")[3]);
    let mail = octets(letter.clone());
    assert!(mail.is_ascii());
    assert!(mail.lines().all(|line| line.len() <= 998), "RFC 5322 2.1.1");
    assert_eq!(mail, octets(letter));
    for header in [
        "\r\nMessage-ID: <0123456789abcdef0123456789abcdef@servusconnect.example>\r\n",
        "\r\nDate: Wed, 25 Nov 2026 12:00:00 +0000\r\n",
        "\r\nAuto-Submitted: auto-generated\r\n",
        "\r\nReply-To: support@servusconnect.example\r\n",
        "\r\nTo: noah.lind@contoso.com\r\n",
        "\r\nContent-Type: multipart/alternative;",
        "\r\nContent-Type: text/plain; charset=utf-8\r\n",
        "\r\nContent-Type: text/html; charset=utf-8\r\n",
    ] {
        assert!(format!("\r\n{mail}").contains(header), "{header:?} not in {mail}");
    }
}
