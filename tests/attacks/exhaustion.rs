//! Group G: messages that are to cost more than they are worth.
//!
//! Separate because the right answer is a limit that holds before the work begins.

use std::io::Write as _;
use std::net::TcpListener;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::{Attack, World, replaced};
use crate::app::{MIA, TestApp};
use crate::idp::Message;

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            id: "G1",
            name: "a genuine message as it would stand in a redirect",
            control: World::control,
            hostile: |_, control| deflated(control.to_xml().as_bytes()),
            codes: &["encoding_forbidden", "xml_malformed"],
        },
        Attack {
            id: "G1",
            name: "four megabytes of white space in four kilobytes",
            control: World::control,
            hostile: |_, control| deflated(&[control.to_xml().as_bytes(), &[b' '; 4 << 20]].concat()),
            codes: &["encoding_forbidden", "xml_malformed"],
        },
        Attack {
            id: "G2",
            name: "more octets than allowed",
            control: World::control,
            hostile: |_, control| (control.to_xml() + &" ".repeat(256 * 1024)).into_bytes(),
            codes: &["too_large"],
        },
        Attack {
            id: "G3",
            name: "elements nested too deeply",
            control: World::control,
            hostile: |_, control| {
                let deep = format!(
                    "<samlp:StatusDetail>{}{}</samlp:StatusDetail></samlp:Status>",
                    "<a>".repeat(10_000),
                    "</a>".repeat(10_000)
                );
                replaced(&control.to_xml(), "</samlp:Status>", &deep).into_bytes()
            },
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "too many elements",
            control: World::control,
            hostile: |_, control| {
                let wide = format!(
                    "<samlp:StatusDetail>{}</samlp:StatusDetail></samlp:Status>",
                    "<a/>".repeat(20_000)
                );
                replaced(&control.to_xml(), "</samlp:Status>", &wide).into_bytes()
            },
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "too many attributes on one element",
            control: World::control,
            hostile: |_, control| {
                let many: String = (0..10_000).map(|n| format!(" a{n}=\"\"")).collect();
                replaced(&control.to_xml(), "<samlp:Status>", &format!("<samlp:Status{many}>")).into_bytes()
            },
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "hundreds of namespaces in scope where thousands of names are looked up",
            control: World::control,
            hostile: |_, control| {
                let declared = |level: usize| {
                    (0..10).map(|n| format!(" xmlns:p{level}x{n}=\"urn:{level}:{n}\"")).collect::<String>()
                };
                let open: String = (0..30).map(|level| format!("<a{}>", declared(level))).collect();
                let uses = "<p0x0:a p0x0:b=\"\" p0x0:c=\"\"></p0x0:a>".repeat(2_000);
                in_status(&control, &format!("{open}{uses}{}", "</a>".repeat(30)))
            },
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "a few attributes on each of thousands of elements",
            control: World::control,
            hostile: |_, control| in_status(&control, &"<a b='' c='' d='' e='' f=''></a>".repeat(2_000)),
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "nothing but character references",
            control: World::control,
            hostile: |_, control| in_status(&control, &"&#65;".repeat(40_000)),
            codes: &["too_complex"],
        },
        Attack {
            id: "G3",
            name: "a signature value of two hundred kilobytes",
            control: World::control,
            hostile: |_, control| {
                let long = format!("<SignatureValue>{}", "AAAA".repeat(50_000));
                replaced(&control.to_xml(), "<SignatureValue>", &long).into_bytes()
            },
            codes: &["signature_malformed"],
        },
        Attack {
            id: "G3",
            name: "a signature with thousands of references",
            control: World::control,
            hostile: |_, control| {
                signing(control, |text| {
                    let (_, from) = text.split_once("<Reference").expect("a reference");
                    let (reference, _) = from.split_once("</Reference>").expect("it ends");
                    let reference = format!("<Reference{reference}</Reference>");
                    replaced(text, &reference, &reference.repeat(400))
                })
            },
            codes: &["signature_malformed", "too_complex"],
        },
        Attack {
            id: "G3",
            name: "a signature with thousands of transforms",
            control: World::control,
            hostile: |_, control| {
                signing(control, |text| {
                    let one = "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>";
                    replaced(text, one, &one.repeat(1_000))
                })
            },
            codes: &["transform_forbidden", "too_complex"],
        },
        Attack {
            id: "G3",
            name: "thousands of certificates in KeyInfo",
            control: World::control,
            hostile: |_, control| {
                control
                    .signed_by(crate::idp::SigningKey::foreign())
                    .with(|message| {
                        let one = "<X509Data><X509Certificate>AAAA</X509Certificate></X509Data>";
                        message.signer.key_info = Some(format!("<KeyInfo>{}</KeyInfo>", one.repeat(2_000)));
                    })
                    .to_xml()
                    .into_bytes()
            },
            codes: &["signature_invalid", "too_complex"],
        },
        Attack {
            id: "G3",
            name: "a very long list of prefixes",
            control: World::control,
            hostile: |_, control| {
                signing(control, |text| {
                    let list = "a ".repeat(1000);
                    let inclusive = format!(
                        "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{list}\"></InclusiveNamespaces></Transform>"
                    );
                    replaced(
                        text,
                        "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>",
                        &inclusive,
                    )
                })
            },
            codes: &["signature_malformed"],
        },
    ]
}

/// The message with a detail of its status, which nobody signed.
fn in_status(control: &Message, detail: &str) -> Vec<u8> {
    let detail = format!("<samlp:StatusDetail>{detail}</samlp:StatusDetail></samlp:Status>");
    replaced(&control.to_xml(), "</samlp:Status>", &detail).into_bytes()
}

/// The message with its `SignedInfo` changed before it is signed.
fn signing(control: Message, rewrite: fn(&str) -> String) -> Vec<u8> {
    control.with(|message| message.signer.rewrite_signed_info = Some(rewrite)).to_xml().into_bytes()
}

fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).expect("memory");
    encoder.finish().expect("memory")
}

rows! {
    g01_a_message_is_deflated "G1"
    g02_more_octets_than_allowed "G2"
    g03_more_structure_than_allowed "G3"
}

/// The rows of every table of the store.
async fn rows_of(app: &TestApp) -> Vec<(String, i64)> {
    let path = format!("sqlite:{}", app.path("anteroom.db").display());
    let mut store = SqliteConnection::connect(&path).await.expect("the file opens");
    let names = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    let mut counts = Vec::new();
    for row in names.fetch_all(&mut store).await.expect("it can be read") {
        let name: String = row.get(0);
        let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM \"{name}\"")));
        counts.push((name, count.fetch_one(&mut store).await.expect("it can be read").get(0)));
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn g04_logins_that_are_only_begun_cost_nothing_and_forged_answers_use_nothing_up() {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    let before = rows_of(&app).await;
    let mut pending = visitor.begin("/").await;
    for _ in 0..30 {
        pending = visitor.begin("/").await;
    }
    assert_eq!(rows_of(&app).await, before, "a pending login is nowhere but in its browser");

    // Forged answers to one request, each with IDs of its own: noted, and nothing else.
    for _ in 0..20 {
        let forged = visitor.answer(&pending).signed_by(crate::idp::SigningKey::foreign());
        visitor.answer_with(&forged).await.expect(403);
    }
    let after = rows_of(&app).await;
    let grown: Vec<_> = after.iter().zip(&before).filter(|(after, before)| after != before).collect();
    let notes = ["audit", "traces", "sqlite_sequence"];
    assert!(grown.iter().all(|((name, _), _)| notes.contains(&name.as_str())), "{grown:?}");
    visitor.answer_with(&visitor.answer(&pending)).await;
    assert!(visitor.session().is_some(), "the login was not spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn g05_nothing_in_a_message_makes_us_call_anybody() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("it can be asked");
    let url = format!("http://{}/x", listener.local_addr().expect("it is bound"));
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let genuine = mia.answer(&pending).to_form();
    let retrieval = format!("<KeyInfo><RetrievalMethod URI=\"{url}\"></RetrievalMethod></KeyInfo>");
    let by_key = mia
        .answer(&pending)
        .signed_by(crate::idp::SigningKey::foreign())
        .with(|message| message.signer.key_info = Some(retrieval));
    let plain = mia.answer(&pending).to_xml();
    let by_reference = plain.replacen("<Reference URI=\"#", &format!("<Reference URI=\"{url}#"), 1);
    let by_entity = format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"{url}\">]>{plain}");
    let by_style = format!("<?xml-stylesheet href=\"{url}\"?>{plain}");
    let schema = format!(
        "<samlp:Response xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"urn:x {url}\" "
    );
    let by_schema = plain.replacen("<samlp:Response ", &schema, 1);
    for hostile in [by_key.to_xml(), by_reference, by_entity, by_style, by_schema] {
        use base64::Engine as _;
        mia.post(base64::engine::general_purpose::STANDARD.encode(hostile)).await.expect(403);
        assert_eq!(mia.session(), None);
    }
    let nobody = listener.accept().expect_err("nobody called");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    mia.post(genuine).await.expect(200);
}
