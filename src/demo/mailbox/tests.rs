//! Mail over real SMTP, read over real HTTP.

use lettre::message::{Mailbox as Address, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use url::Url;

use super::mail::Piece;
use super::*;
use crate::clock::SystemClock;
use crate::demo::listener::Listener;
use crate::demo::visitor::{Page, Visitor};

/// A mailbox that receives; where its mail server and its pages are.
async fn start() -> (u16, Url) {
    let (smtp, pages) = (Listener::bind().await.unwrap(), Listener::bind().await.unwrap());
    let (port, url) = (smtp.address().unwrap().port(), format!("http://{}/", pages.address().unwrap()));
    let mailbox = Arc::new(Mailbox::new(Arc::new(SystemClock)));
    drop(tokio::spawn(Receiver::new(Arc::clone(&mailbox)).serve(smtp)));
    drop(tokio::spawn(pages.serve(mailbox)));
    (port, Url::parse(&url).unwrap())
}

async fn open(url: &Url, path: &str) -> Page {
    Visitor::default().open(&url.join(path).unwrap()).await.unwrap()
}

/// A mail client that types itself.
struct Typed(BufReader<TcpStream>);

impl Typed {
    async fn connect(port: u16) -> Self {
        let mut typed = Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap()));
        assert!(typed.answer().await.starts_with("220 "));
        typed
    }

    /// Sends a line; the code of the answer.
    async fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n")).await;
        self.answer().await.get(..3).unwrap_or_default().to_owned()
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The last line of the answer; empty if the server has gone.
    async fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn a_mail_of_both_kinds_is_listed_and_shown_as_text_as_html_and_with_its_header() {
    let (port, url) = start().await;
    assert!(open(&url, "/").await.text.contains("No mail yet"));
    let text =
        format!("Grüße, Noa.\n\nOpen http://app.localhost:8080/work-orders?open=1, {}.", "y".repeat(90));
    let html = "<html><head><title>Hi</title></head><body><p>Grüße, <b>Noa</b>.</p></body></html>".to_owned();
    let message = Message::builder()
        .from("Maintenance <no-reply@contoso.example>".parse::<Address>().unwrap())
        .to("Noa Lindström <noa.lindstrom@contoso.example>".parse::<Address>().unwrap())
        .subject("Du hast Zugriff auf „Lakeside“ und noch ein paar Wörter, damit es lang wird: <b>")
        .multipart(MultiPart::alternative_plain_html(text.clone(), html))
        .unwrap();
    let mailer = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port).build();
    mailer.send(message).await.unwrap();

    let subject = "Du hast Zugriff auf „Lakeside“ und noch ein paar Wörter, damit es lang wird: &#60;b&#62;";
    let list = open(&url, "/").await.text;
    for part in ["To noa.lindstrom@contoso.example", subject, "Grüße, Noa. Open", "href=\"/1\""] {
        assert!(list.contains(part), "no {part:?} in {list}");
    }
    let shown = open(&url, "/1").await.text;
    let link = "Open <a href=\"http://app.localhost:8080/work-orders?open=1\">\
                http://app.localhost:8080/work-orders?open=1</a>, yyy";
    let sandbox = "sandbox=\"allow-popups allow-popups-to-escape-sandbox\"";
    for part in [subject, "<pre>Grüße, Noa.\n", link, "src=\"/1/html\"", sandbox, "Noa Lindström &#60;noa"]
    {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let frame = open(&url, "/1/html").await.text;
    assert!(frame.contains("<head><base target=\"_blank\"><title>Hi"), "{frame}");
    assert!(frame.contains("<p>Grüße, <b>Noa</b>.</p>"), "{frame}");
    for path in ["/2", "/0", "/1/text", "/x"] {
        assert_eq!(open(&url, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn mail_commands_have_an_order_and_a_dot_is_doubled_on_the_way_only() {
    let (port, url) = start().await;
    let mut client = Typed::connect(port).await;
    for (line, code) in [
        ("EHLO client.example", "250"),
        ("DATA", "503"),
        ("RCPT TO:<a@contoso.example>", "503"),
        ("MAIL TO:<a@contoso.example>", "501"),
        ("mail from:<> SIZE=10", "250"),
        ("MAIL FROM:<a@contoso.example>", "503"),
        ("DATA", "503"),
        ("RCPT TO:<>", "501"),
        ("RCPT TO:<a@contoso.example>", "250"),
        ("RCPT TO:<b@contoso.example> X", "250"),
        ("VRFY a", "502"),
        ("NOOP", "250"),
        ("DATA", "354"),
    ] {
        assert_eq!(client.say(line).await, code, "{line}");
    }
    client.send("Subject: dots\r\n\r\n..one\r\n...\r\n").await;
    assert_eq!(client.say(".").await, "250");
    assert!(open(&url, "/1").await.text.contains("<pre>.one\n..</pre>"));
    assert!(open(&url, "/1").await.text.contains("To a@contoso.example, b@contoso.example at "));
    for (line, code) in [
        ("DATA", "503"),
        ("MAIL FROM:<a@contoso.example>", "250"),
        ("RSET", "250"),
        ("RCPT TO:<a@contoso.example>", "503"),
        ("HELO client.example", "250"),
        ("QUIT", "221"),
        ("NOOP", ""),
    ] {
        assert_eq!(client.say(line).await, code, "{line}");
    }
}

#[tokio::test]
async fn what_has_no_end_or_too_much_of_anything_is_refused_and_not_kept() {
    let (port, url) = start().await;
    let mut client = Typed::connect(port).await;
    client.send("MAIL FROM:<a@b.example>\n").await;
    assert!(client.answer().await.starts_with("500 "), "a line ends with CR and LF");
    assert_eq!(client.answer().await, "");

    let mut client = Typed::connect(port).await;
    client.send(&"x".repeat(5_000)).await;
    assert!(client.answer().await.starts_with("500 "), "a line has a length");

    let mut client = Typed::connect(port).await;
    assert_eq!(client.say("MAIL FROM:<>").await, "250");
    for _ in 0..20 {
        assert_eq!(client.say("RCPT TO:<a@b.example>").await, "250");
    }
    assert_eq!(client.say("RCPT TO:<a@b.example>").await, "452");
    assert_eq!(client.say("DATA").await, "354");
    let line = format!("{}\r\n", "x".repeat(1_000));
    client.send(&line.repeat(1_050)).await;
    assert!(client.answer().await.starts_with("552 "), "a mail has a size");
    assert!(open(&url, "/").await.text.contains("No mail yet"));

    let mut waiting = Vec::new();
    for _ in 0..16 {
        waiting.push(Typed::connect(port).await);
    }
    let mut refused = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let mut answer = String::new();
    refused.read_line(&mut answer).await.unwrap();
    assert!(answer.starts_with("421 "), "{answer}");
}

#[test]
fn the_newest_two_hundred_are_kept() {
    let mailbox = Mailbox::new(Arc::new(SystemClock));
    for number in 1..=201 {
        let mail = format!("Subject: {number}\r\n\r\nText");
        assert_eq!(mailbox.deliver(&["a@b.example".to_owned()], mail.as_bytes()), number);
    }
    assert_eq!(mailbox.all().len(), 200);
    assert!(mailbox.find(1).is_none());
    assert_eq!(mailbox.all().first().unwrap().mail.subject(), "201");
}

#[test]
fn a_mail_is_read_however_it_was_packed() {
    let read = |text: &str| Mail::read(text.replace('\n', "\r\n").as_bytes());
    let encoded = read(
        "Subject: =?utf-8?B?R3LDvA==?=\n =?utf-8?Q?=C3=9Fe_an?= all =?latin1?Q?x?=\n\
         Content-Transfer-Encoding: base64\n\nR3LD\nvMOfZQ==\n",
    );
    assert_eq!(encoded.subject(), "Grüße an all =?latin1?Q?x?=");
    assert_eq!(encoded.text.as_deref(), Some("Grüße"));

    let nested = read(
        "Content-Type: multipart/mixed; boundary=out\n\npreamble\n--out\n\
         Content-Type: multipart/alternative; boundary=\"in\"\n\n--in\n\none\n--in\n\
         Content-Type: text/html\n\n<p>two\n--in--\n--out--\n",
    );
    assert_eq!(nested.text.as_deref(), Some("one"));
    assert_eq!(nested.html.as_deref(), Some("<p>two"));

    for odd in
        ["", "no header", "Content-Type: multipart/mixed\n\nx", "Content-Type: multipart/x; boundary=\n\nx"]
    {
        assert_eq!(read(odd).html, None, "{odd}");
    }
    let long = read(&format!("\n\n{}", "word ".repeat(100)));
    assert!(long.preview().ends_with('…') && long.preview().chars().count() == 141, "{}", long.preview());
}

#[test]
fn links_of_a_text_are_found_without_the_punctuation_around_them() {
    let mail =
        Mail { text: Some("See (https://a.example/b?c=d).\nNot ftp://x".to_owned()), ..Mail::default() };
    let pieces: Vec<_> = mail.pieces().into_iter().filter(|piece| *piece != Piece::Words("")).collect();
    assert_eq!(
        pieces,
        [
            Piece::Words("See "),
            Piece::Words("("),
            Piece::Link("https://a.example/b?c=d"),
            Piece::Words(").\n"),
            Piece::Words("Not "),
            Piece::Words("ftp://x"),
        ]
    );
}
