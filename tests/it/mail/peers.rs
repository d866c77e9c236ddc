//! Mail that others receive and read: aiosmtpd takes it, Python's own library takes it apart.
//!
//! Separate because it needs Python ([`super::receiver`]).

use serde_json::{Value, json};

use super::every_kind;
use super::house::House;
use super::receiver::Receiver;

const NAME: &str = "Zoë \"Q\" O'Brien & <Söns> 日本";

/// What every mail must be to a stranger.
fn check(mail: &Value, recipient: &str) {
    assert_eq!(mail["defects"], json!([]), "{mail}");
    assert_eq!(mail["envelope"], json!(["no-reply@servusconnect.example", [recipient]]));
    assert_eq!(mail["from"], json!(["ServusConnect Söns", "no-reply@servusconnect.example"]));
    assert_eq!(mail["to"], json!(["", recipient]));
    assert_eq!(mail["reply_to"], "support@servusconnect.example");
    assert_eq!(mail["hello"], "app.localhost");
    assert_eq!(mail["auto_submitted"], "auto-generated");
    assert_eq!(mail["type"], "multipart/alternative");
    assert_eq!(mail["parts"], json!(["text/plain", "text/html"]));
    let headers = [
        "auto-submitted",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "reply-to",
        "subject",
        "to",
    ];
    assert_eq!(mail["headers"], json!(headers), "these and no other, each once");
    let id = mail["message_id"].as_str().expect("text");
    assert!(id.starts_with('<') && id.ends_with("@servusconnect.example>") && id.len() > 40, "{id}");
}

fn configuration(port: u16, credentials: &str, more: &str) -> String {
    format!(
        "[mail]\nsmtp = \"smtp://{credentials}localhost:{port}{more}\"\n\
         from = \"ServusConnect Söns <no-reply@servusconnect.example>\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs aiosmtpd, which scripts/test installs"]
async fn every_kind_of_mail_is_read_by_python_as_it_was_meant() {
    let mut peer = Receiver::start(&[]);
    let house = House::with_mail(&configuration(peer.port, "", "")).await;
    let notices = every_kind(NAME);
    for (number, notice) in notices.iter().enumerate() {
        house.post(notice, &format!("user-{number}@contoso.com")).await;
    }
    let running = house.start();
    for number in 0..notices.len() {
        let mail = peer.mails.next().expect("it runs");
        check(&mail, &format!("user-{number}@contoso.com"));
        let (subject, text, html) = (&mail["subject"], &mail["text"], &mail["html"]);
        let (text, html) = (text.as_str().expect("text"), html.as_str().expect("text"));
        if matches!(number, 3..=6 | 8) {
            assert!(subject.as_str().is_some_and(|subject| subject.contains(NAME)), "{subject}");
            assert!(text.contains(NAME), "{text}");
            assert!(html.contains("Zoë &#34;Q&#34; O&#39;Brien &#38; &#60;Söns&#62; 日本"), "{html}");
        }
        assert!(text.contains("http://app.localhost/"), "{text}");
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
        assert_eq!(mail["encrypted"], false);
    }
    running.kill();
    house.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs aiosmtpd, which scripts/test installs"]
async fn mail_goes_by_starttls_with_a_password_to_a_server_whose_certificate_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("mail.crt"), made.cert.pem()).expect("a file");
    std::fs::write(path("mail.key"), made.signing_key.serialize_pem()).expect("a file");
    let mut peer = Receiver::start(&[&path("mail.crt"), &path("mail.key"), "anteroom", "s3cr@t"]);
    let mail = configuration(peer.port, "anteroom:s3cr%40t@", "?tls=required");
    let house = House::with_mail(&mail).await;
    let notice = &every_kind("Noah Lind")[0];
    house.post(notice, "early@contoso.com").await;

    // A stranger's certificate first: nothing is sent, and the password neither.
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(path("other.crt"), other.cert.pem()).expect("a file");
    let running = house.start_with(&[("SSL_CERT_FILE", &path("other.crt"))]);
    let error = house.failure("early@contoso.com").await;
    assert!(error.contains("certificate") && !error.contains("s3cr"), "{error}");
    running.kill();

    let running = house.start_with(&[("SSL_CERT_FILE", &path("mail.crt"))]);
    house.post(notice, "noah.lind@contoso.com").await;
    let mail = peer.mails.next().expect("it runs");
    check(&mail, "noah.lind@contoso.com");
    assert_eq!(mail["encrypted"], true);
    assert_eq!(mail["user"], true);
    running.kill();
    house.store.close().await;
}
