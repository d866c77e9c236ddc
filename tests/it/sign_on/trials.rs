//! Trial sign-ons: every check by its name, and never a session.

use std::sync::Arc;
use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use anteroom::directory::{ConnectionOptions, DisplayName, Few, Membership, Organization, Role, User};
use anteroom::email::{EmailAddress, EmailDomain};
use anteroom::id::{ConnectionId, OrganizationId, SystemRandomness, UserId};
use anteroom::keys::Keys;
use anteroom::saml::diagnosis::{Check, Outcome};
use anteroom::saml::{ContextClass, metadata};
use anteroom::secret::ClusterSecret;
use anteroom::session::Lifetimes;
use anteroom::sign_on::connections::Connection;
use anteroom::sign_on::report::Report;
use anteroom::sign_on::{self, Answer, SignOn};
use anteroom::store::{self, AuditEvent, Store};

use crate::app::{ENTITY_ID, Pending};
use crate::idp::{CLAIM_EMAIL, CLAIM_OBJECT_ID, Idp, Message, Sign, SigningKey};

/// A sign-on by itself, without sockets.
struct Bench {
    sign_on: SignOn,
    store: Arc<dyn Store>,
    clock: ManualClock,
    idp: Idp,
}

impl Bench {
    async fn new() -> Self {
        Self::with(ConnectionOptions::default()).await
    }

    async fn with(options: ConnectionOptions) -> Self {
        let clock = ManualClock::at(SystemClock.now());
        let store = store::open(&store::Settings::Memory).await.expect("a store");
        let secret = ClusterSecret::new([7; 32]);
        let url: url::Url = "https://app.example.com".parse().expect("a URL");
        let identity = anteroom::identity::Settings {
            issuer: url.to_string(),
            audience: url.to_string(),
            algorithm: anteroom::identity::Algorithm::ES256,
            lifetime: anteroom::identity::LIFETIME_DEFAULT,
            presets: Vec::new(),
            app_url: url,
        };
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let keys =
            Keys::load(Arc::clone(&store), secret.seal_key("keys"), Arc::clone(&time), identity.algorithm);
        let keys = Arc::new(keys.await.expect("keys"));
        let idp = Idp::entra();
        let organization = Organization {
            id: OrganizationId::parse("contoso").expect("an id"),
            name: DisplayName::parse("Contoso").expect("a name"),
            domains: vec![EmailDomain::parse("contoso.com").expect("a domain")],
        };
        let event = AuditEvent::of_anteroom(clock.now(), "organizations.declared");
        store.declare_organizations(std::slice::from_ref(&organization), event).await.expect("it is known");
        let settings = sign_on::Settings {
            service_provider: Arc::new(crate::idp::service_provider(ENTITY_ID)),
            lifetimes: Lifetimes { idle: Duration::from_hours(1), lifetime: Duration::from_hours(2) },
            single_logout: sign_on::SingleLogout::Offered,
            polling_paths: Vec::new(),
            repeat_posts: Vec::new(),
            public_paths: Vec::new(),
            identity,
            declared: vec![Connection {
                id: ConnectionId::parse("contoso").expect("an id"),
                organization,
                idp: Arc::new(metadata::parse(&idp.metadata_xml(), clock.now()).expect("good metadata")),
                options: Arc::new(options),
            }],
        };
        let parts = (time, Arc::new(SystemRandomness) as _);
        let sign_on = SignOn::new(settings, Arc::clone(&store), keys, &secret, parts);
        Self { sign_on, store, clock, idp }
    }

    async fn begin(&self) -> Pending {
        let agent = User {
            id: UserId::parse("u_agent").expect("an id"),
            email: EmailAddress::parse("ann@support.example").expect("an address"),
            name: None,
            organization: OrganizationId::parse("contoso").expect("an id"),
            role: Role::Support,
            state: Membership::Waiting,
            subject: None,
            access_version: 1,
            created_at: self.clock.now(),
            last_sign_on_at: None,
        };
        let connections = self.sign_on.connections();
        let connection =
            connections.by_id(&ConnectionId::parse("contoso").expect("an id")).expect("it is there");
        let begun = self.sign_on.begin_trial(connection, Some(&agent), "request-1").await.expect("it begins");
        Pending::read(begun.1)
    }

    fn message(&self, pending: &Pending) -> Message {
        self.idp.answer(&pending.request, self.clock.now())
    }

    /// A whole trial, with something changed in the message.
    async fn report(&self, change: impl FnOnce(&mut Message)) -> Report {
        let pending = self.begin().await;
        let message = self.message(&pending).with(change);
        self.report_on(&pending, &message.to_form()).await
    }

    async fn report_on(&self, pending: &Pending, form: &str) -> Report {
        let answer = self.sign_on.answer(form, "request-2").await.expect("the store works");
        let Answer::Tested { request_id, organization } = answer else { panic!("{answer:?}") };
        assert_eq!((request_id.as_str(), organization.as_str()), (pending.request.id.as_str(), "contoso"));
        self.sign_on.trial_report(&request_id).await.expect("the store works").expect("a report")
    }
}

/// The check that failed, which is the only one.
fn failed(report: &Report) -> &Check {
    let mut failures = report.failures();
    let failed = failures.next().expect("one has failed");
    let more: Vec<_> = failures.map(|check| &check.code).collect();
    assert!(more.is_empty(), "{more:?}");
    assert!(failed.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "{failed:?}");
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_answer_passes_every_check_and_makes_no_session() {
    let bench = Bench::new().await;
    let pending = bench.begin().await;
    let form = bench.message(&pending).to_form();
    let report = bench.report_on(&pending, &form).await;
    assert!(report.is_good(), "{report:?}");
    let got =
        |code: &str| report.checks.iter().find(|check| check.code == code).expect("a check").got.clone();
    assert_eq!(got("issuer").as_deref(), Some(bench.idp.entity_id.as_str()));
    assert_eq!(got("email"), Some(format!("the attribute {CLAIM_EMAIL}")));
    assert_eq!(got("email_domain").as_deref(), Some("mia.berg@contoso.com"));
    assert_eq!(got("name").as_deref(), Some("Mia Berg"));

    // The same answer again counts for nothing.
    let again = bench.sign_on.answer(&form, "request-3").await.expect("the store works");
    assert!(matches!(again, Answer::Replayed { .. }), "{again:?}");
    assert_eq!(bench.store.accounts(&store::UserFilter::default()).await.expect("a list"), []);
    let log = bench.store.audit_entries(10).await.expect("the log");
    let told: Vec<_> = log.iter().map(|entry| (entry.action.as_str(), entry.request_id.as_deref())).collect();
    assert_eq!(
        told[..3],
        [
            ("sign_on.refused", Some("request-3")),
            ("connection.tested", Some("request-2")),
            ("connection.test_begun", Some("request-1"))
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_fault_fails_its_own_check() {
    type Change = fn(&mut Message);
    let faults: [(&str, Change); 13] = [
        ("form", |message| message.version = "1.1".to_owned()),
        ("status", |message| {
            message.status = vec!["urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned()];
            message.status_text = Some("AADSTS50105: not assigned".to_owned());
        }),
        ("signature", |message| message.sign = Sign::Nothing),
        ("signature", |message| message.signer.key = SigningKey::foreign()),
        ("issuer", |message| message.assertion_issuer = Some("https://evil.example/".to_owned())),
        ("destination", |message| message.destination = Some("https://evil.example/".to_owned())),
        ("audience", |message| message.audiences = vec![vec!["urn:other".to_owned()]]),
        ("validity", |message| message.not_on_or_after = Some("2020-01-01T00:00:00Z".to_owned())),
        ("confirmation", |message| message.recipient = Some("https://evil.example/".to_owned())),
        ("email", |message| {
            for name in [CLAIM_EMAIL, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"] {
                message.set(name, &[]);
            }
            message.name_id_format = None;
        }),
        ("email_form", |message| message.set(CLAIM_EMAIL, &["not an address"])),
        ("email_domain", |message| message.set(CLAIM_EMAIL, &["mia@fabrikam.com"])),
        ("key", |message| message.set(CLAIM_OBJECT_ID, &["one", "two"])),
    ];
    let bench = Bench::new().await;
    for (code, change) in faults {
        let report = bench.report(change).await;
        assert_eq!(failed(&report).code, code, "{report:?}");
    }
    let report = bench.report(|message| message.audiences = vec![vec!["urn:other".to_owned()]]).await;
    let check = failed(&report);
    assert_eq!((check.expected.as_deref(), check.got.as_deref()), (Some(ENTITY_ID), Some("urn:other")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_holds_the_answer_to_the_options_and_says_where_the_address_stood() {
    let bench = Bench::with(ConnectionOptions {
        force_authn: true,
        authn_context: Few::<ContextClass>::parse(["urn:oasis:names:tc:SAML:2.0:ac:classes:Password"])
            .expect("a URI"),
        email_attributes: Few::parse(["mail", "address"]).expect("names"),
        name_attributes: Few::parse(["full"]).expect("names"),
        ..ConnectionOptions::default()
    })
    .await;
    let fresh = crate::idp::time(bench.clock.now());
    let good = |message: &mut Message| {
        message.authn_instant.clone_from(&fresh);
        message.set("address", &["mia@contoso.com"]);
        message.set("full", &["Mia of Work"]);
    };
    let report = bench.report(good).await;
    assert!(report.is_good(), "{report:?}");
    let email = report.checks.iter().find(|check| check.code == "email").expect("a check");
    assert_eq!(email.expected.as_deref(), Some("the attribute mail or address"));
    assert_eq!(email.got.as_deref(), Some("the attribute address"));

    // The usual message does not even have the attribute.
    let report = bench.report(|_| {}).await;
    let codes: Vec<_> = report.failures().map(|check| check.code.as_str()).collect();
    assert_eq!(codes, ["manner", "email"]);
    let check = report.failure().expect("one has failed");
    assert!(check.cause.as_ref().is_some_and(|cause| cause.contains("afresh")), "{check:?}");
    let faults: [(&str, fn(&mut Message)); 4] = [
        ("email", |message| message.set("address", &[])),
        ("email_form", |message| message.set("mail", &["a@contoso.com", "b@contoso.com"])),
        ("name", |message| message.set("full", &["A", "B"])),
        ("manner", |message| {
            message.rewrite_assertion =
                Some(Box::new(|text| text.replace("classes:Password<", "classes:unspecified<")));
        }),
    ];
    for (code, change) in faults {
        let report = bench
            .report(|message| {
                good(message);
                change(message);
            })
            .await;
        let check = failed(&report);
        assert_eq!(check.code, code, "{report:?}");
        assert!(check.remedy.as_ref().is_some_and(|remedy| remedy.contains("options")), "{check:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_last_is_told_and_the_rest_is_checked_all_the_same() {
    let bench = Bench::new().await;
    let report = bench
        .report(|message| {
            message.set(CLAIM_OBJECT_ID, &[]);
            message.name_id_format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:transient".to_owned());
        })
        .await;
    assert!(!report.is_good());
    assert_eq!(report.failure().map(|check| check.code.as_str()), Some("key"));
    let outcome =
        |code: &str| report.checks.iter().find(|check| check.code == code).map(|check| check.outcome);
    assert_eq!(outcome("name"), Some(Outcome::Passed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_is_told_as_such() {
    let bench = Bench::new().await;
    let pending = bench.begin().await;
    bench.clock.advance(Duration::from_mins(61));
    let report = bench.report_on(&pending, &bench.message(&pending).to_form()).await;
    assert_eq!(failed(&report).code, "request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_trial_that_nobody_began_is_refused() {
    let bench = Bench::new().await;
    let pending = bench.begin().await;
    let other = Bench::new().await;
    // The same secret, another store: the ID proves itself, but nobody has asked for a report.
    let answer = other.sign_on.answer(&bench.message(&pending).to_form(), "").await.expect("the store works");
    assert!(matches!(answer, Answer::Replayed { .. }), "{answer:?}");
    assert_eq!(other.store.audit_entries(1).await.expect("the log")[0].request_id, None);
}
